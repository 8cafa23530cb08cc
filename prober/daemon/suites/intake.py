"""Takes up what suites left in `data_dir`: which one runs, and the results files of those that ended.

Commands write a results file as a whole and by a rename, so a file that is there is complete. It is read by a
process of its own (`prober.suites.digest`); what that says is in the journal before it is told.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from prober.clock import now
from prober.daemon.suites.taken import Taken, taken
from prober.event import Event, SuiteRunning
from prober.publish.bare import bare_environment, module_command
from prober.suites.presence import FOLDER, FOUND, RunningSuite, running_suite

log = structlog.get_logger()

LOOK_EVERY = 1.0  # seconds
DIGEST_WITHIN = 60.0
LARGEST_DIGEST = 8 << 20  # bytes; ten races of 50 vendors with their evidence are one of them
# Results that were taken up stay as files, for `prober report`: so many, the newest.
FILES_KEPT = 50
BAD_KEPT = 5
BAD = ".bad"


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file as it was when it was looked at: one that is written anew is looked at again."""

    name: str
    modified: int
    size: int


class SuiteIntake:
    """Looks every second. `known`: the runs whose results the journal has."""

    def __init__(
        self,
        data_dir: Path,
        known: Collection[str],
        *,
        keep: Callable[[Taken], Awaitable[None]],
        publish: Callable[[Event], None],
    ) -> None:
        self._data_dir = data_dir
        self._folder = data_dir / FOLDER
        self._known = set(known)
        self._keep = keep
        self._publish = publish
        self._seen: set[_Seen] = set()
        self._told: RunningSuite | None = None
        self._looked = False
        self._left: frozenset[Path] = frozenset()
        self._complained = ""

    async def forever(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                self._look_who_runs()
                await self._look_for_ended()
                await self._look_for_results()
                self._complained = ""
            except OSError as error:
                self._complain(f"{error.filename}: {error.strerror}")
            await asyncio.sleep(LOOK_EVERY)

    def _look_who_runs(self) -> None:
        running = running_suite(self._data_dir)
        if self._looked and running == self._told:
            return
        self._looked, self._told = True, running
        found = running or RunningSuite()
        self._publish(
            SuiteRunning(
                at=now(),
                suite=found.suite,
                scenario=found.scenario,
                run_id=found.run_id,
                began_wall=found.began_wall,
            )
        )

    async def _look_for_ended(self) -> None:
        """Have results made of what a run had found that was killed."""
        left = frozenset(self._folder.glob(f"*{FOUND}")) if self._told is None else frozenset()
        before, self._left = self._left, left
        # Once: what is still there afterwards is of a run that lives, and of which we do not know.
        if left - before:
            code, _, why = await _in_a_process("prober.suites.race.found", self._folder)
            if code != 0:
                raise OSError(errno.EIO, why, str(self._folder))

    async def _look_for_results(self) -> None:
        present = self._files()
        self._seen &= {seen for seen, _ in present}
        for seen, path in present:
            if seen in self._seen:
                continue
            if path.stem not in self._known:
                await self._take(path)
            # Only now: what the machine kept from being read is tried again.
            self._seen.add(seen)
        if len(present) > FILES_KEPT:
            _remove_oldest(self._folder, "*.json", FILES_KEPT)

    def _files(self) -> list[tuple[_Seen, Path]]:
        if not self._folder.is_dir():
            return []
        found = []
        for path in sorted(self._folder.glob("[!.]*.json")):
            with suppress(FileNotFoundError):
                about = path.stat()
                found.append((_Seen(path.name, about.st_mtime_ns, about.st_size), path))
        return found

    async def _take(self, path: Path) -> None:
        code, printed, why = await _in_a_process("prober.suites.digest", path)
        try:
            if code != 0:
                raise ValueError(why)
            found = taken(printed, now())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._set_aside(path, str(error))
            return
        if found.finished.run_id not in self._known:
            await self._keep(found)
            self._known.add(found.finished.run_id)

    def _set_aside(self, path: Path, why: str) -> None:
        log.error(
            "results of a suite that cannot be read are set aside",
            file=f"{path}{BAD}",
            detail=why.strip()[:1000] or "the process that reads it ended without a word",
        )
        path.replace(f"{path}{BAD}")
        _remove_oldest(self._folder, f"*{BAD}", BAD_KEPT)

    def _complain(self, why: str) -> None:
        if why != self._complained:
            log.error("results of suites cannot be taken up", detail=why)
        self._complained = why


async def _in_a_process(module: str, path: Path) -> tuple[int, bytes, str]:
    """The exit code of the process that reads a file, what it printed, and why it did not. Raises OSError."""
    process = await asyncio.create_subprocess_exec(
        *module_command(module, str(path)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=bare_environment(),
        limit=LARGEST_DIGEST,
    )
    try:
        async with asyncio.timeout(DIGEST_WITHIN):
            printed, said = await process.communicate()
    except TimeoutError:
        # Says nothing of the file: this machine has no time for it now.
        raise OSError(errno.ETIMEDOUT, f"not read within {DIGEST_WITHIN:g} s", str(path)) from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if len(printed) > LARGEST_DIGEST:
        return -1, b"", f"what matters of it has {len(printed)} bytes, expected at most {LARGEST_DIGEST}"
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return process.returncode or 0, printed, lines[-1] if lines else ""


def _remove_oldest(folder: Path, pattern: str, kept: int) -> None:
    """Keep the newest so many files of a pattern."""
    aged = []
    for path in folder.glob(pattern):
        with suppress(FileNotFoundError):
            aged.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(aged)[: max(0, len(aged) - kept)]:
        path.unlink(missing_ok=True)
