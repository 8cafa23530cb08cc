"""One `prober demo` under test, as a user starts it; it ends with its test, also one that fails or is killed."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import prober
from prober.demo.process import Owner, User, obstacle

NOBODY = User(uid=65534, gid=65534, name="nobody")
PATIENCE = 90.0  # seconds


class Demo:
    """One demo in a directory of its own below its owner's. `user`: an ordinary one who runs it (root only).

    It is the owner's child and not merely started: one that nobody ends watches its servers for ever.
    """

    def __init__(self, owner: Owner, *options: str, user: User | None = None) -> None:
        base = owner.directory
        self.directory = base / "demo"
        self.directory.mkdir()
        if user is not None:
            os.chown(self.directory, user.uid, user.gid)
        self.output = base / "demo.out"
        python = sys.executable if user is None else python_of(user, base)
        self._child = owner.spawn(
            [python, "-m", "prober", "demo", "--data-dir", self.directory, "--no-prometheus", *options],
            name="prober demo",
            cwd=base,
            log_file=self.output,
            env={**os.environ, "HOME": str(self.directory)},
            user=user,
        )

    @property
    def config_file(self) -> Path:
        """The config of its stack."""
        return self.directory / "config.yaml"

    def said(self) -> str:
        return self.output.read_text()

    def send_signal(self, number: signal.Signals) -> None:
        """To the demo alone, not to its children."""
        assert self._child.signal(number)

    async def says(self, beginning: str) -> str:
        """Wait for a line that begins so, and return what follows."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for line in self.said().splitlines():
                if line.startswith(beginning):
                    return line.removeprefix(beginning)
            assert self._child.running, self.said()
            await asyncio.sleep(0.1)
        raise AssertionError(self.said())

    async def ready(self) -> str:
        """Wait for the line `ready http://…` and return the address."""
        return await self.says("ready ")

    async def ended(self, timeout: float = PATIENCE) -> int:
        deadline = time.monotonic() + timeout
        while (code := self._child.returncode) is None:
            assert time.monotonic() < deadline, self.said()
            await asyncio.sleep(0.1)
        return code

    async def nothing_left(self) -> None:
        deadline = time.monotonic() + 30
        while found := mentioning(self.directory):
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.1)


class SharedMemory:
    """What the PostgreSQL of a demo holds in shared memory, looked at while it runs."""

    def __init__(self, directory: Path) -> None:
        (file,) = directory.rglob("postmaster.pid")
        lines = file.read_text().splitlines()
        maps = Path(f"/proc/{lines[0]}/maps").read_text()
        self._posix = set(re.findall(r"/dev/shm/PostgreSQL\.\d+", maps))
        self._segment = lines[6].split()[1]

    def left(self) -> list[str]:
        rows = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
        segments = {row.split()[1] for row in rows}
        return [*(path for path in self._posix if Path(path).exists()), *({self._segment} & segments)]


def mentioning(directory: Path) -> set[int]:
    """Whoever names a directory in its command line, or works there."""
    marker = str(directory).encode()
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            mentions = marker in (entry / "cmdline").read_bytes() or bytes(
                entry.joinpath("cwd").readlink()
            ).startswith(marker)
        except OSError:
            continue
        if mentions:
            found.add(int(entry.name))
    return found


def python_of(user: User, base: Path) -> Path:
    """A virtual environment that this user may run, with our packages; ours may lie where he may not go."""
    ours = Path(sys.executable).resolve()
    system = Path(f"/usr/bin/python3.{sys.version_info.minor}")
    may_run = [path for path in (ours, system) if path.exists() and not obstacle(path.parent, user)]
    assert may_run, f"an ordinary user may run neither {ours} nor {system}; install the latter"
    subprocess.run([may_run[0], "-m", "venv", "--without-pip", base / "venv"], check=True)
    packages = Path(sysconfig.get_path("purelib"))
    if obstacle(packages, user):
        packages = Path(shutil.copytree(packages, base / "packages"))
    source = Path(prober.__file__).parent
    if obstacle(source, user):
        source = Path(shutil.copytree(source, base / "source" / "prober"))
    (theirs,) = (base / "venv" / "lib").glob("python*/site-packages")
    (theirs / "ours.pth").write_text(f"{packages}\n{source.parent}\n")
    return base / "venv" / "bin" / "python"
