"""`prober ack` and `prober evidence` on a real journal that nobody else has open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from prober.cli import main
from prober.clock import now
from prober.event import ViolationFound
from prober.outcome import Violation
from prober.publish.journal.entries import Acknowledgement
from prober.publish.journal.file import JournalFile
from prober.publish.journal.reader import Reader
from prober.publish.journal.schema import FILE_NAME
from tests.config.examples import ENV, MINIMAL
from tests.publish.journal_samples import commit, journal_file

DAY = 86_400.0
FOUND = ViolationFound(id="split_order-1a20", kind=Violation.SPLIT_ORDER, at=now(), sentence="two winners")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "config.yaml"
    file.write_text(f"data_dir: kept\n{MINIMAL}")
    return file


@pytest.fixture
def file(config: Path) -> Iterator[JournalFile]:
    file = journal_file(config.parent / "kept")
    commit(file, FOUND)
    yield file
    file.close()


@pytest.fixture
def reader(config: Path) -> Iterator[Reader]:
    reader = Reader(config.parent / "kept")
    yield reader
    reader.close()


def ack(config: Path, what: str, *more: str) -> int:
    return main(["ack", what, "--config", str(config), *more])


@pytest.mark.parametrize("what", ["split_order", FOUND.id, "lost_message"])
def test_it_is_known_for_thirty_days(
    config: Path, file: JournalFile, reader: Reader, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ack(config, what, "--reason", "  ticket 7 ") == 0
    (stored,) = reader.acknowledgements(what)
    assert (stored.what, stored.reason) == (what, "ticket 7")
    assert stored.until_wall - stored.at_wall == pytest.approx(30 * DAY)
    assert now().wall - 60 < stored.at_wall <= now().wall
    assert capsys.readouterr().out.startswith(f"{what} is known until ")


def test_the_last_word_counts_and_covers_what_the_one_before_did(
    config: Path, file: JournalFile, reader: Reader
) -> None:
    at = now()
    long_ago = at.later(at.mono - 29 * DAY)
    old = Acknowledgement(what="split_order", at=long_ago, until_wall=at.wall + DAY, reason="a month ago")
    commit(file, old)
    assert ack(config, "split_order", "--for", "10m", "--reason", "ticket 8") == 0
    (stored,) = reader.acknowledgements("split_order")
    assert stored.reason == "ticket 8"
    assert stored.at_wall == pytest.approx(long_ago.wall)
    assert stored.until_wall - at.wall == pytest.approx(600, abs=60)


def test_one_that_is_over_is_not_renewed(config: Path, file: JournalFile, reader: Reader) -> None:
    at = now()
    long_ago = at.later(at.mono - 29 * DAY)
    commit(file, Acknowledgement(what="split_order", at=long_ago, until_wall=at.wall - DAY, reason="old"))
    assert ack(config, "split_order", "--reason", "ticket 9") == 0
    (stored,) = reader.acknowledgements("split_order")
    assert stored.at_wall == pytest.approx(at.wall, abs=60)


def test_secrets_in_a_reason_are_masked(config: Path, file: JournalFile, reader: Reader) -> None:
    assert ack(config, "split_order", "--reason", f"because of {ENV['TOKEN']}") == 0
    (stored,) = reader.acknowledgements("split_order")
    assert stored.reason == "because of ***"
    assert ENV["TOKEN"].encode() not in b"".join(p.read_bytes() for p in file.path.parent.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("split_oder", "--reason", "x"), "did you mean split_order?"),
        (("split_order-1a21", "--reason", "x"), f"did you mean {FOUND.id}?"),
        (("\x1b[2J", "--reason", "x"), f"newest violations: {FOUND.id}\n"),
        (("split_order", "--reason", " \n"), "expected a --reason"),
    ],
)
def test_what_it_cannot_take_is_said(
    config: Path,
    file: JournalFile,
    reader: Reader,
    arguments: tuple[str, ...],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    what, *more = arguments
    assert ack(config, what, *more) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "\x1b" not in error
    assert reader.acknowledgements(what) == ()


@pytest.mark.parametrize(
    "arguments",
    [
        ("split_order",),
        ("split_order", "--reason", "x", "--for", "3"),
        ("split_order", "--reason", "x", "--for", "0s"),
        ("split_order", "--reason", "x", "--for", "366d"),
    ],
)
def test_bad_usage_ends_with_2(config: Path, arguments: tuple[str, ...]) -> None:
    what, *more = arguments
    with pytest.raises(SystemExit) as ended:
        ack(config, what, *more)
    assert ended.value.code == 2


@pytest.mark.parametrize("command", [("ack", "split_order", "--reason", "x"), ("evidence", "split_order-1")])
def test_without_a_journal_nothing_is_made(
    config: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--config", str(config)]) == 3
    assert "does not exist; has a prober run with this data_dir?" in capsys.readouterr().err
    assert not (config.parent / "kept").exists()


@pytest.mark.parametrize("command", [("ack", "split_order", "--reason", "x"), ("evidence", "split_order-1")])
def test_a_journal_that_is_none_is_left_alone(
    config: Path, file: JournalFile, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    file.close()
    for path in file.path.parent.iterdir():
        path.unlink()
    file.path.write_bytes(b"no database" * 1_000)
    assert main([*command, "--config", str(config)]) == 3
    assert "cannot be read" in capsys.readouterr().err
    assert [path.name for path in file.path.parent.iterdir()] == [FILE_NAME]


def test_while_another_process_writes_it_waits(config: Path, file: JournalFile, reader: Reader) -> None:
    """The daemon's own transactions are short; the busy timeout outlasts them."""
    import threading

    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        other = journal_file(config.parent / "kept")

        def keep(connection: object) -> None:
            connection.execute("BEGIN IMMEDIATE")  # type: ignore[attr-defined]
            held.set()
            release.wait(30)

        other.ask(keep)
        other.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(30)
    threading.Timer(0.6, release.set).start()
    assert ack(config, "split_order", "--reason", "ticket 7") == 0
    thread.join(30)
    assert len(reader.acknowledgements("split_order")) == 1


def test_evidence_of_what_there_is_not_names_what_there_is(
    config: Path, file: JournalFile, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evidence", "split_order-1a2O", "--config", str(config)]) == 2
    error = capsys.readouterr().err
    assert f"did you mean {FOUND.id}?" in error
    assert "newest races: none" in error
    assert main(["evidence", FOUND.id, "--config", str(config)]) == 0
    assert "two winners" in capsys.readouterr().out
