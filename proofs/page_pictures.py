"""`make pictures`: docs/pictures/{status,race,terminal}*.png and docs/api.md, all of one demo with an incident.

The demo runs for a while, then Redis is killed and races have a phantom winner; a suite of races is run as well.
What the page, the commands and the API then say is what is shown: nothing of it is drawn by hand.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import Browser

from prober.demo.process import Owner
from prober.demo.stack import Stack
from prober.demo.target.control_client import ControlClient
from proofs import api_doc
from proofs.browser import Scheme, chromium
from proofs.examining import browsing, opened
from proofs.pictures import PICTURES
from tests.system.watching import Watched, until

LARGEST = 400_000  # bytes
_TERMINAL = """\
<!doctype html><meta charset="utf-8"><style>
body{margin:0;background:#1c1c1c;padding:18px 22px;display:inline-block}
pre{margin:0;font:14px/1.45 "DejaVu Sans Mono",monospace;color:#ddd}b{color:#7ddb93;font-weight:400}
</style><pre>%s</pre>"""


async def main(seconds: float) -> int:
    """Take all; 3 where there is no browser."""
    program = chromium()
    if program is None:
        print("no chromium; run scripts/install-test-tools", file=sys.stderr)
        return 3
    PICTURES.mkdir(exist_ok=True)
    async with Owner() as owner, browsing(program) as browser:
        stack = Stack(owner=owner, directory=owner.directory)
        await stack.start_services()
        await stack.start_watcher()
        watched = Watched(stack)
        await _suffer(watched, seconds)
        phantom = next(iter(watched.reader.races("phantom_winner")))
        violation = f"phantom_winner-{phantom.id}"
        await _page(browser, f"{stack.watcher.url}/", "status", (1845, 1640))
        await _page(browser, f"{stack.watcher.url}/races/{phantom.id}", "race", (1525, 1215))
        commands = [("status", "--url", stack.watcher.url), ("evidence", violation)]
        said = [await _said(stack, *command) for command in commands]
        await _terminal(browser, zip((("status",), ("evidence", violation)), said, strict=True))
        answers, refused = await _answers(stack.watcher.url, phantom.id)
        api_doc.PAGE.write_text(api_doc.render(answers, refused), encoding="utf-8")
    return 0


async def _suffer(watched: Watched, seconds: float) -> None:
    """Let it be well for a while, then not, then well again."""
    stack = watched.stack
    await asyncio.sleep(seconds / 2)
    await _said(stack, "race", "light", "--races", "10", "--output", str(stack.directory / "races.json"))
    await asyncio.sleep(seconds / 2)
    stack.redis.kill()
    await asyncio.sleep(8)
    await stack.redis.start()
    await asyncio.sleep(20)
    async with ControlClient(stack.target.control_url) as control:
        await control.plant("phantom_winner")

        async def seen() -> bool:
            return bool(watched.reader.races("phantom_winner"))

        await until("a phantom winner", seen)
        await control.remove("phantom_winner")

    async def suite_known() -> bool:
        return bool(watched.reader.suites())

    await until("the suite in the journal", suite_known)
    await asyncio.sleep(12)


async def _said(stack: Stack, *command: str) -> str:
    """What a command prints, as it is run by a person."""
    config = () if command[0] == "status" else ("--config", str(stack.config_file))
    process = await asyncio.create_subprocess_exec(
        # -P: the directory of a stack has a folder of the name of our package.
        *(sys.executable, "-P", "-m", "prober", *command, *config),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=stack.directory,
        env={**os.environ, "COLUMNS": "110"},
    )
    out, err = await process.communicate()
    assert process.returncode in (0, 1), err.decode()
    return out.decode()


async def _page(browser: Browser, url: str, name: str, heights: tuple[int, int]) -> None:
    windows: tuple[tuple[str, int, Scheme], ...] = (("", 1280, "light"), ("-narrow", 390, "dark"))
    for (kind, width, scheme), height in zip(windows, heights, strict=True):
        async with opened(browser, url, width=width, height=height, scheme=scheme) as shown:
            await shown.page.wait_for_timeout(1500)
            picture = await shown.page.screenshot()
            assert shown.complaints == []
        _keep(f"{name}{kind}", picture)


async def _terminal(browser: Browser, said: Any) -> None:
    """The commands and the first lines of what they said."""
    parts = []
    for command, text in said:
        lines = text.splitlines()
        cut = [line if len(line) <= 118 else f"{line[:117]}…" for line in lines[:24]]
        parts.append(f"<b>$ prober {html.escape(' '.join(command))}</b>\n{html.escape(chr(10).join(cut))}\n")
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "terminal.html"
        file.write_text(_TERMINAL % "\n".join(parts), encoding="utf-8")
        async with opened(browser, file.as_uri(), width=1280) as shown:
            _keep("terminal", await shown.page.locator("body").screenshot())


def _keep(name: str, picture: bytes) -> None:
    if len(picture) > LARGEST:
        raise ValueError(f"{name}: expected at most {LARGEST} bytes, got {len(picture)}")
    (PICTURES / f"{name}.png").write_bytes(picture)
    print(f"docs/pictures/{name}.png: {len(picture)} bytes")


async def _answers(url: str, race: str) -> tuple[dict[str, tuple[str, Any]], tuple[str, Any]]:
    asked = {
        "/api/v1/status": "/api/v1/status",
        "/api/v1/incidents": "/api/v1/incidents?limit=2",
        "/api/v1/races": "/api/v1/races?outcome=phantom_winner&limit=1",
        "/api/v1/races/{id}": f"/api/v1/races/{race}",
        "/api/v1/suites": "/api/v1/suites?suite=vendor-race",
    }
    bad = "/api/v1/incidents?type=drill"
    async with aiohttp.ClientSession() as session:
        found = {}
        for path, request in asked.items():
            async with session.get(url + request) as answer:
                found[path] = (request, await answer.json())
        async with session.get(url + bad) as answer:
            return found, (bad, await answer.json())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=420.0, help="how long it is well before the incident")
    sys.exit(asyncio.run(main(parser.parse_args().seconds)))
