"""`POST /-/reload`: asks the prober process to read its config again, and waits for what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from prober.event import Reloaded
from prober.web.answer import json_answer, json_error, json_refusal

# The prober gives a disk that hangs 20 s.
ANSWER_WITHIN = 30.0


class ReloadDesk:
    """One reload at a time. `allowed` may change while it runs."""

    def __init__(self, ask: Callable[[int], None], *, allowed: bool) -> None:
        self.allowed = allowed
        self._ask = ask
        self._number = 0
        self._waiting: asyncio.Future[Reloaded] | None = None

    async def post(self) -> web.Response:
        """Answer 200 with the keys that changed, 400 with every problem, or why it was not even tried."""
        if not self.allowed:
            return json_error(
                403, "reloading by HTTP is off; set `web.reload: true` in the config, or send SIGHUP to the prober"
            )
        if self._waiting is not None:
            return json_error(409, "a reload is under way already; ask again when it has ended")
        self._number += 1
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            self._ask(self._number)
            async with asyncio.timeout(ANSWER_WITHIN):
                return _answer(await self._waiting)
        except TimeoutError:
            return json_error(504, f"the prober did not answer within {ANSWER_WITHIN:g} s; its log may say why")
        finally:
            self._waiting = None

    def ended(self, event: Reloaded) -> None:
        """A reload ended, whoever asked for it."""
        if self._waiting is not None and self._number in event.asked and not self._waiting.done():
            self._waiting.set_result(event)


def _answer(event: Reloaded) -> web.Response:
    if event.now is None:
        sentence = "the config was not taken up; the one before stays in force"
        return json_refusal(400, sentence, {"problems": list(event.problems)})
    return json_answer({"status": 200, "changed": list(event.changed)})
