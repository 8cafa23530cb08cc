"""Pages of a running prober in Chromium: complaints of the console, what does not fit, what axe-core finds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

from proofs.browser import FAINT, OVERFLOW, Scheme

_SERIOUS = ("serious", "critical")


@dataclass(frozen=True, slots=True)
class Opened:
    """A page in a window of its own; `complaints` grow while it is open."""

    page: Page
    complaints: list[str]

    async def overflow(self) -> list[str]:
        """Whatever reaches beyond the window."""
        return [str(one) for one in await self.page.evaluate(OVERFLOW)]

    async def faint(self) -> list[str]:
        """Texts of too little contrast."""
        return [str(one) for one in await self.page.evaluate(FAINT)]

    async def barriers(self) -> list[str]:
        """What axe-core calls serious or critical."""
        found: dict[str, Any] = (await Axe().run(self.page)).response
        return [
            f"{one['id']}: {one['help']} at {', '.join(str(node['target']) for node in one['nodes'][:3])}"
            for one in found["violations"]
            if one["impact"] in _SERIOUS
        ]


@asynccontextmanager
async def browsing(program: Path) -> AsyncIterator[Browser]:
    """Run Chromium for a while."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"]
        )
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def opened(
    browser: Browser,
    url: str,
    *,
    width: int = 1280,
    height: int = 900,
    scheme: Scheme = "light",
    script: bool = True,
) -> AsyncIterator[Opened]:
    """Open an address in a window of this size (pixels)."""
    context = await browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=script
    )
    try:
        page = await context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"exception: {error}"))
        page.on("requestfailed", lambda request: complaints.append(f"not loaded: {request.url}"))
        await page.goto(url)
        yield Opened(page, complaints)
    finally:
        await context.close()
