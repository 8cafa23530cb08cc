"""From files, environment and secret files to a config; whatever is wrong with them is a ConfigError."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.config import Config, ConfigError, Document, load_config, load_strict, parse_strict
from prober.config.model import Tls
from prober.contract import SHIPPED as CONTRACTS
from prober.contract import Contract
from tests.config.examples import ENV, MINIMAL, SECRET, SHIPPED, SHIPPED_ENV

NOBODY = 65534
DEPLOYED = CONTRACTS / "whatsapp-ordering-system.yaml"


def load(text: str, env: dict[str, str] | None = None) -> Config:
    return parse_strict(text, Config, source="config.yaml", env=ENV if env is None else env)


def problems(text: str, env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, env)
    return [str(problem) for problem in caught.value.problems]


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    return file


def refused(file: Path, env: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(file, ENV if env is None else env)
    return str(caught.value)


# Files that are none.


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path / "no.yaml").startswith(f"{tmp_path}/no.yaml: no such file; expected a config")


def test_a_directory_is_no_config(tmp_path: Path) -> None:
    assert refused(tmp_path) == f"{tmp_path}: found a directory, expected a file"


def test_a_file_below_a_file_cannot_be_read(tmp_path: Path) -> None:
    file = written(tmp_path, MINIMAL)
    assert refused(file / "config.yaml").endswith("cannot be read: Not a directory")


def test_a_file_without_permission_cannot_be_read() -> None:
    # Not in tmp_path: the ordinary user that root becomes here could not even enter it.
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        Path(directory).chmod(0o755)
        file = written(Path(directory), MINIMAL)
        file.chmod(0)
        with ordinary_user():
            assert refused(file).endswith("cannot be read: Permission denied")


@contextlib.contextmanager
def ordinary_user() -> Iterator[None]:
    """Be nobody for a while where we are root, who may read every file."""
    ours = os.geteuid()
    if ours == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(ours)


def test_a_huge_file_is_not_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    with file.open("wb") as stream:
        stream.truncate(1 << 34)
    assert "found more than 1048576 bytes" in refused(file)


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert load_config(file, ENV).target.environment == "staging"


# The environment.


def test_a_variable_stands_for_text_numbers_and_booleans() -> None:
    text = MINIMAL.replace("  auth_token", "  pool_size: ${POOL}\n  auth_token")
    config = load(text + "  health:\n    enabled: ${OFF}\n    interval: ${EVERY:-7s}\n", ENV | {"OFF": "false"})
    assert (config.target.pool_size, config.probes.health.enabled, config.probes.health.interval) == (20, False, 7)


@pytest.mark.parametrize(
    "token", ["12345678", "true", "null", "~", "1.5", "0x10", "a: b # c", "- x", "'\"", "${X}"]
)
def test_a_secret_out_of_a_variable_is_taken_as_it_is(token: str) -> None:
    assert load(MINIMAL, {"TOKEN": token}).target.auth_token.get_secret_value() == token


def test_two_dollars_are_one_and_defaults_may_be_empty() -> None:
    text = MINIMAL.replace("${TOKEN}", "a$$b-${TOKEN}-${NO:-x}").replace(
        "  auth_token", "  bearer_token: ${NO:-}\n  auth_token"
    )
    target = load(text).target
    assert target.auth_token.get_secret_value() == f"a$b-{ENV['TOKEN']}-x"
    assert target.bearer_token is None


def test_comments_and_keys_are_not_substituted() -> None:
    assert load(MINIMAL + "# ${NO_SUCH}\n").target.environment == "staging"
    assert problems("${TOKEN}: x\n" + MINIMAL)[0].startswith("config.yaml:1:1: ${TOKEN}: unknown key")


def test_prober_listen_overrides_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, "listen: 127.0.0.1:1\n" + MINIMAL)
    assert str(load_config(file, ENV | {"PROBER_LISTEN": "[::]:99"}).listen) == "[::]:99"
    assert str(load_config(file, ENV | {"PROBER_LISTEN": ""}).listen) == "127.0.0.1:1"
    assert refused(file, ENV | {"PROBER_LISTEN": "99"}) == (
        'environment variable PROBER_LISTEN: listen: found "99", expected HOST:PORT, such as 127.0.0.1:9877 '
        "or [::]:9877 (all addresses)"
    )


# Files that a config refers to.


def test_relative_paths_count_from_the_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "web.yaml").touch()
    written(tmp_path, "web_config: web.yaml\n" + MINIMAL)
    monkeypatch.chdir(tmp_path.parent)
    config = load_config(Path(tmp_path.name) / "config.yaml", ENV)
    assert (config.web_config, config.data_dir) == (tmp_path / "web.yaml", tmp_path / "prober-data")


def with_token_file(tmp_path: Path, content: bytes) -> Path:
    (tmp_path / "token").write_bytes(content)
    return written(tmp_path, MINIMAL.replace("auth_token: ${TOKEN}", "auth_token_file: token"))


@pytest.mark.parametrize("content", [b"s3cret", b"s3cret\n", b"s3cret\r\n"])
def test_a_secret_file_gives_its_text_without_the_newline(tmp_path: Path, content: bytes) -> None:
    config = load_config(with_token_file(tmp_path, content), ENV)
    assert config.target.auth_token.get_secret_value() == "s3cret"
    assert config.target.auth_token_file == tmp_path / "token"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"hunter2\nhunter2\n", "more than one line"),
        (b"hunter2\xff", "is not UTF-8"),
        (b"hunter2" * 9000, "longer than 16384 bytes"),
        (b"hunter2\x07", "without control characters"),
    ],
)
def test_a_file_that_is_no_secret_is_refused_without_its_text(tmp_path: Path, content: bytes, said: str) -> None:
    message = refused(with_token_file(tmp_path, content))
    assert said in message
    assert SECRET not in message


# Errors.


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = MINIMAL.replace("staging", "${NO_SUCH}").replace("url: https", "url: ftp")
    told = problems("instance: A_B\n" + text + "  race: {vendors: 1}\njournall: {}\n")
    lines = [int(problem.split(":")[1]) for problem in told]
    assert lines == sorted(lines) == [1, 3, 4, 12, 13]


def test_a_problem_is_not_told_twice() -> None:
    """A variable that is not set leaves no second complaint about the type that is missing then."""
    told = problems(MINIMAL.replace("  auth_token", "  pool_size: ${NO}\n  auth_token"))
    assert len(told) == 1


def test_a_merged_value_is_wrong_where_it_stands() -> None:
    text = MINIMAL.replace("  redis:\n", "  redis: &store\n    timeout: 5\n").replace(
        "  database:\n", "  database:\n    <<: *store\n"
    )
    assert [problem.split(": ")[:2] for problem in problems(text)] == [
        ["config.yaml:8:14", "probes.redis.timeout"],
        ["config.yaml:8:14", "probes.database.timeout"],
        ["config.yaml:9:5", "probes.database.url"],
    ]


@given(st.data())
@settings(deadline=None)
def test_no_edit_of_the_shipped_config_ends_in_a_trace_or_tells_a_secret(data: st.DataObject) -> None:
    text = SHIPPED.read_text()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 12))
        new = data.draw(
            st.sampled_from(["", "\n", "  ", ": ", "- ", "'", "${REDIS_URL}", "&a ", "*a", "{", "\t", "5"])
        )
        text = text[:at] + new + text[at + cut :]
    try:
        parse_strict(text, Config, source="config.yaml", env=SHIPPED_ENV)
        said = ""
    except ConfigError as error:
        said = str(error)
    assert SECRET not in said


# The same loading for other files, and the overrides of the contract.


def test_the_shipped_contracts_load() -> None:
    for file in CONTRACTS.glob("*.yaml"):
        assert load_strict(file, Contract).name == file.stem


def test_without_environment_a_dollar_is_a_dollar() -> None:
    loaded = parse_strict('server_name: "$1 ${TOKEN} $$"\n', Tls, source="x")
    assert loaded.server_name == "$1 ${TOKEN} $$"


def overrides(text: str) -> Document:
    indented = "".join(f"    {line}\n" for line in text.splitlines())
    config = load(MINIMAL.replace("  auth_token", f"  contract_overrides:\n{indented}  auth_token"))
    return config.target.contract_overrides


def test_overrides_replace_single_keys_of_the_contract() -> None:
    plain = load_strict(DEPLOYED, Contract)
    changed = load_strict(
        DEPLOYED, Contract, overlay=overrides("webhook.path: /x\nwebhook:\n  form:\n    To: y\nqueues.names: [z]")
    )
    assert changed.webhook.path == "/x"
    assert changed.webhook.form == {**plain.webhook.form, "To": "y"}
    assert changed.queues.names == ("z",)
    assert changed.race == plain.race


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("webhook.pth: /x", 'config.yaml:6:5: webhook.pth: unknown key; did you mean "path"?'),
        ("webhook:\n  pth: /x", 'config.yaml:7:7: webhook.pth: unknown key; did you mean "path"?'),
        ("webhook.path: 5", "config.yaml:6:19: webhook.path: found the number 5, expected text"),
        ("queues:\n  names: [5]", "config.yaml:7:15: queues.names[0]: found the number 5, expected text"),
        ("nowhere.deep: 1", "config.yaml:6:5: nowhere: unknown key"),
    ],
)
def test_wrong_overrides_are_placed_in_the_config(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_strict(DEPLOYED, Contract, overlay=overrides(text))
    assert str(caught.value).startswith(said)


def test_wrong_values_of_the_contract_itself_are_placed_there() -> None:
    text = DEPLOYED.read_text().replace("accepted: [200]", "accepted: [200, ok]")
    line = text[: text.index("accepted: [200, ok]")].count("\n") + 1
    with pytest.raises(ConfigError, match=rf"^mine\.yaml:{line}:\d+: webhook\.accepted\[1\]: found \"ok\""):
        parse_strict(text, Contract, source="mine.yaml", overlay=overrides("webhook.path: /x"))
