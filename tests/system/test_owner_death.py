"""However an owner ends, nothing of it stays: no process, port, shared memory or directory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import prober
from prober.demo import procfs, sysv
from prober.demo.process import Owner, gone
from prober.demo.procfs import Identity
from prober.demo.user import User, obstacle, unprivileged_user

SCRIPT = Path(__file__).with_name("doomed_owner.py")
PATIENCE = 60.0  # seconds, on a machine that is busy with other things
STAGES = ["at_once", "initdb", "ready", "frozen", "orphans", "restarting"]


def interpreter_for(user: User | None) -> str:
    """A Python of this version that the user can run."""
    for candidate in (Path(sys.executable), Path(f"/usr/bin/python3.{sys.version_info.minor}")):
        if candidate.exists() and obstacle(candidate.resolve().parent, user) is None:
            return str(candidate)
    pytest.skip(f"there is no Python 3.{sys.version_info.minor} that {user} may run")


class Doomed:
    """A doomed owner under way, and all traces by which its remains would be found."""

    def __init__(self, owner: Owner, stage: str, user: User | None) -> None:
        self.place = owner.directory / f"doomed-{stage}"
        self.place.mkdir()
        if user is not None:
            os.chown(self.place, user.uid, user.gid)
        paths = [str(Path(prober.__file__).parents[1]), *(path for path in sys.path if "site-packages" in path)]
        self.output = owner.directory / f"doomed-{stage}.out"
        # A child of the test's own owner: nothing of it outlives a test that fails or is killed.
        self.process = owner.spawn(
            [interpreter_for(user), SCRIPT, stage],
            name="doomed",
            cwd=Path("/"),
            log_file=self.output,
            env={"PATH": os.environ["PATH"], "TMPDIR": str(self.place), "PYTHONPATH": ":".join(paths)},
            user=user,
        )
        self.family: list[Identity] = []
        self.inodes: set[int] = set()
        self.ports: set[int] = set()

    async def reach(self, stage: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while stage not in self.output.read_text().splitlines():
                assert self.process.running, self.output.read_text()
                await asyncio.sleep(0.001)
        self.look()

    def look(self) -> None:
        """Note who and what is there now."""
        self.family = self.process.tree()
        assert self.family
        self.inodes = {directory.stat().st_ino for directory in self.place.glob("*/*/data*")}
        configurations = [*self.place.glob("*/*/redis.conf"), *self.place.glob("*/*/data/postgresql.conf")]
        for file in configurations:
            self.ports |= {int(port) for port in re.findall(r"^port\D+(\d+)", file.read_text(), re.MULTILINE)}

    async def has_both_servers(self) -> None:
        """Wait until both have a port and PostgreSQL its segment: a restart writes and makes them anew."""
        async with asyncio.timeout(PATIENCE):
            while len(self.ports) != 2 or len(self.segments()) != 1:
                await asyncio.sleep(0.001)
                self.look()

    def keeper(self) -> Identity:
        (found,) = [process for process in self.family if "prober.demo.keeper" in command(process.pid)]
        return found

    async def assert_nothing_is_left(self) -> None:
        await self.process.wait(PATIENCE)
        assert await gone(self.family, PATIENCE) == []
        async with asyncio.timeout(PATIENCE):
            while self.processes() or any(self.place.iterdir()):
                await asyncio.sleep(0.01)
        assert self.segments() == []
        assert self.ports & listening_ports() == set()

    def segments(self) -> list[sysv.Segment]:
        """The System V segments of its data directories."""
        keys = {sysv.key(inode) for inode in self.inodes}
        return [segment for segment in sysv.segments() if segment.key in keys]

    def processes(self) -> list[str]:
        """Whoever names the place in its command line, environment, or as its working directory."""
        return [
            command(stat.identity.pid)
            for stat in procfs.everyone()
            if stat.identity.pid != self.process.pid and str(self.place) in traces(stat.identity.pid)
        ]

    def shared_memory(self) -> set[str]:
        """What of /dev/shm its processes have mapped."""
        maps = [read(Path(f"/proc/{process.pid}/maps")) for process in self.family]
        return {line for text in maps for line in text.splitlines() if "/dev/shm/" in line}


def read(file: Path) -> str:
    with contextlib.suppress(OSError):
        return file.read_text(errors="replace")
    return ""


def command(pid: int) -> str:
    return read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ")


def traces(pid: int) -> str:
    here = ""
    with contextlib.suppress(OSError):
        here = str(Path(f"/proc/{pid}/cwd").readlink())
    return "\n".join((command(pid), read(Path(f"/proc/{pid}/environ")), here))


def listening_ports() -> set[int]:
    """TCP ports of IPv4 in the state LISTEN (0A)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A"}


@pytest.fixture(params=["as_we_are", "as_nobody"])
def user(request: pytest.FixtureRequest) -> User | None:
    """Whom the owner runs as: the user who runs the tests; under root also an ordinary one."""
    if request.param == "as_we_are":
        return None
    if os.geteuid() != 0:
        pytest.skip("only root can run the owner as somebody else")
    return unprivileged_user()


@pytest.fixture
def doomed(owner: Owner, user: User | None, request: pytest.FixtureRequest) -> Doomed:
    """Start a doomed owner; the parameter is its stage."""
    return Doomed(owner, request.param, user)


def stages(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("doomed", "stage"), [(name, name) for name in names], indirect=["doomed"])


@stages(*STAGES)
async def test_kill_9_leaves_nothing(doomed: Doomed, stage: str) -> None:
    await doomed.reach(stage)
    assert doomed.shared_memory() == set()
    if stage not in {"at_once", "initdb"}:
        await doomed.has_both_servers()
    doomed.process.signal(signal.SIGKILL)
    await doomed.assert_nothing_is_left()


@stages("restarting")
@pytest.mark.parametrize("moment", [0.02, 0.05, 0.09, 0.14])
async def test_kill_9_in_the_middle_of_a_restart_leaves_nothing(doomed: Doomed, stage: str, moment: float) -> None:
    await doomed.reach(stage)
    await asyncio.sleep(moment)  # any moment will do: what is asserted holds for all of them
    doomed.look()
    doomed.process.signal(signal.SIGKILL)
    await doomed.assert_nothing_is_left()


@stages("ready")
@pytest.mark.parametrize("moment", [0.1, 0.25, 0.4, 0.55, 0.7, 0.85])
async def test_kill_9_while_everything_begins_leaves_nothing(doomed: Doomed, stage: str, moment: float) -> None:
    await asyncio.sleep(moment)
    doomed.look()
    doomed.process.signal(signal.SIGKILL)
    await doomed.assert_nothing_is_left()


@stages("ready")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=str)
async def test_an_ordinary_signal_leaves_nothing(doomed: Doomed, stage: str, number: signal.Signals) -> None:
    await doomed.reach(stage)
    doomed.process.signal(number)
    await doomed.assert_nothing_is_left()


@stages("frozen")
async def test_the_keeper_outlives_what_ends_its_owner(doomed: Doomed, stage: str) -> None:
    await doomed.reach(stage)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        assert procfs.send(doomed.keeper(), number)
    assert os.getsid(doomed.keeper().pid) != os.getsid(doomed.process.pid)
    doomed.process.signal(signal.SIGKILL)
    await doomed.assert_nothing_is_left()


@stages("forked")
async def test_a_fork_that_holds_the_socket_does_not_hold_up_the_end(doomed: Doomed, stage: str) -> None:
    await doomed.reach(stage)
    (fork,) = [process for process in doomed.family[1:] if str(SCRIPT) in command(process.pid)]
    doomed.family.remove(fork)
    doomed.process.signal(signal.SIGKILL)
    await doomed.process.wait(PATIENCE)
    assert await gone(doomed.family, PATIENCE) == []
    assert procfs.is_alive(fork)  # nobody told the keeper of this one
    procfs.send(fork, signal.SIGKILL)
    await gone([fork], PATIENCE)
    await doomed.assert_nothing_is_left()


@stages("ready")
async def test_without_a_keeper_the_servers_still_end_with_their_owner(doomed: Doomed, stage: str) -> None:
    await doomed.reach(stage)
    keeper = doomed.keeper()
    procfs.send(keeper, signal.SIGKILL)
    assert await gone([keeper], PATIENCE) == []
    doomed.process.signal(signal.SIGKILL)
    await doomed.process.wait(PATIENCE)
    assert await gone(doomed.family, PATIENCE) == []
    assert doomed.ports & listening_ports() == set()


@stages("ready")
async def test_a_bystander_in_the_data_directory_is_left_alone(doomed: Doomed, stage: str) -> None:
    await doomed.reach(stage)
    (data,) = doomed.place.glob("*/postgres/data")
    bystander = subprocess.Popen(["sleep", "3600"], cwd=data)  # noqa: ASYNC220
    try:
        doomed.process.signal(signal.SIGKILL)
        await doomed.process.wait(PATIENCE)
        assert await gone(doomed.family, PATIENCE) == []
        assert bystander.poll() is None
        assert list(doomed.place.iterdir()) == []
    finally:
        bystander.kill()
        bystander.wait()


def test_nobody_is_the_fallback_under_root() -> None:
    user = unprivileged_user()
    if os.geteuid() == 0:
        assert user is not None
        assert user.uid == pwd.getpwnam(user.name).pw_uid != 0
    else:
        assert user is None
