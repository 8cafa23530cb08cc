"""After `kill -9` at any moment the journal opens, is whole, and has everything that was called durable."""

from __future__ import annotations

import pickle
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prober.event import Outage, ViolationFound, WebhookSettled
from prober.outcome import Settlement
from prober.publish.journal.entries import Cleaned, Entry, Forgotten, Intended, State
from prober.publish.journal.schema import FILE_NAME
from prober.result import AwaitedWebhook
from tests.publish import journal_victim
from tests.publish.journal_samples import ENVIRONMENT, awaited, mark, outage, redis_result, settled, violation


def victim(directory: Path, task: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", journal_victim.__name__, str(directory), task],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
    )


def column(connection: sqlite3.Connection, sql: str) -> list[object]:
    return [row[0] for row in connection.execute(sql)]


# So many durable writes, and then it dies somewhere in the middle of the next ones.
@pytest.mark.parametrize("durable", [1, 7, 40, 150])
def test_everything_called_durable_outlives_a_kill(tmp_path: Path, durable: int) -> None:
    process = victim(tmp_path, "stream")
    assert process.stdout is not None
    try:
        for _ in range(durable):
            assert process.stdout.readline()
    finally:
        process.send_signal(signal.SIGKILL)
    # Not by `communicate`, which does not see what a readline has already taken into the buffer.
    last = durable + len(process.stdout.read().split())
    process.wait(timeout=30)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        assert column(connection, "PRAGMA integrity_check") == ["ok"]
        kept = len(column(connection, "SELECT id FROM violations"))
        # The write under way may have been committed without being answered, but only that one.
        assert kept in (last, last + 1)
        assert column(connection, "SELECT total FROM tallies WHERE name = 'violation/lost_message'") == [kept]
        assert column(connection, "SELECT id FROM outages ORDER BY seq") == [
            f"outage-{n}" for n in range(1, kept + 1)
        ]
        assert len(column(connection, "SELECT id FROM marks")) == kept


def test_files_that_may_not_grow_keep_what_matters_in_memory(tmp_path: Path) -> None:
    process = victim(tmp_path, "limit")
    said, _ = process.communicate(timeout=60)
    words = said.decode().split()
    assert process.returncode == 0
    assert words[0] in ("io", "full")
    assert "recovered" in words
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        assert len(column(connection, "SELECT id FROM violations")) == int(words[-1])
        assert column(connection, "PRAGMA integrity_check") == ["ok"]


@dataclass
class Model:
    """What the journal should hold, kept in plain sets and dictionaries."""

    marks: set[str] = field(default_factory=set)
    outages: dict[str, bool] = field(default_factory=dict)  # id → ended
    violations: dict[str, float] = field(default_factory=dict)  # id → last seen
    followed: set[str] = field(default_factory=set)
    settlements: dict[str, str] = field(default_factory=dict)
    lost: int = 0
    state: dict[str, str] = field(default_factory=dict)

    def apply(self, entry: Entry) -> None:
        match entry:
            case Intended(id=id_):
                self.marks.add(id_)
            case Cleaned(id=id_):
                self.marks.discard(id_)
            case Outage(id=id_, ended=ended):
                self.outages[id_] = ended is not None
            case ViolationFound(id=id_, at=at):
                self.violations[id_] = max(self.violations.get(id_, 0.0), at.wall)
            case AwaitedWebhook(message_sid=sid):
                self.followed.add(sid)
            case Forgotten(message_sid=sid):
                self.followed.discard(sid)
            case WebhookSettled(message_sid=sid, settlement=settlement):
                changed = self.settlements.get(sid) != settlement.value
                self.lost += changed and settlement is Settlement.LOST
                self.settlements[sid] = settlement.value
            case State(key=key, value=value):
                self.state[key] = str(value)

    @classmethod
    def of(cls, entries: list[Entry]) -> Self:
        model = cls()
        for entry in entries:
            model.apply(entry)
        return model

    @classmethod
    def read(cls, path: Path) -> Self:
        if not path.exists() or not path.stat().st_size:
            return cls()
        with closing(sqlite3.connect(path)) as connection:
            assert column(connection, "PRAGMA integrity_check") == ["ok"]
            if column(connection, "PRAGMA user_version") == [0]:
                return cls()
            lost = connection.execute("SELECT total FROM tallies WHERE name = 'webhook/lost'").fetchone()
            return cls(
                marks={str(found) for found in column(connection, "SELECT id FROM marks")},
                outages={
                    id_: bool(ended)
                    for id_, ended in connection.execute("SELECT id, ended_wall IS NOT NULL FROM outages")
                },
                violations=dict(connection.execute("SELECT id, last_wall FROM violations").fetchall()),
                followed={
                    str(sid) for sid in column(connection, "SELECT message_sid FROM webhooks WHERE followed = 1")
                },
                settlements=dict(
                    connection.execute(
                        "SELECT message_sid, settlement FROM webhooks WHERE settlement IS NOT NULL"
                    ).fetchall()
                ),
                lost=lost[0] if lost else 0,
                state=dict(connection.execute("SELECT key, value FROM state").fetchall()),
            )


numbers = st.integers(0, 3)
entries: st.SearchStrategy[Entry] = st.one_of(
    st.builds(mark, numbers),
    st.builds(lambda n: Cleaned(kind="orders", id=f"order-{n}"), numbers),
    st.builds(lambda n, ended: outage(n, 0.0, ended), numbers, st.none() | st.just(5.0)),
    st.builds(lambda n, seen: violation(n, seen=seen), numbers, st.floats(0, 100)),
    st.builds(awaited, numbers),
    st.builds(lambda n: Forgotten(message_sid=awaited(n).message_sid), numbers),
    st.builds(settled, numbers, st.sampled_from(Settlement)),
    st.builds(lambda n, value: State(key=f"key-{n}", value=value), numbers, st.integers(0, 99)),
    st.builds(redis_result, numbers),
)
scripts = st.lists(st.tuples(entries, st.booleans()), max_size=25)


@settings(max_examples=6, deadline=None)
@given(st.lists(scripts, min_size=1, max_size=2))
def test_each_life_ends_in_a_prefix_of_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, lives: list[journal_victim.Script]
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    lived: list[Entry] = []
    for script in lives:
        said, _ = victim(directory, "script").communicate(pickle.dumps(script), timeout=60)
        durable = [int(index) for index in said.split()]
        assert durable == [index for index, (_, now) in enumerate(script) if now]
        written = durable[-1] + 1 if durable else 0
        found = Model.read(directory / FILE_NAME)
        # What was only recorded after the last durable write may or may not be there, in its order.
        for kept in range(written, len(script) + 1):
            past = lived + [entry for entry, _ in script[:kept]]
            if Model.of(past) == found:
                break
        else:
            pytest.fail(f"no prefix from {written} on explains {found}")
        lived = past
