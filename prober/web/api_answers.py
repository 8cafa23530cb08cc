"""The JSON API (`docs/api.md`): reads what was asked, asks the journal, answers documents or errors."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from aiohttp import web

from prober.clock import boottime, now
from prober.outcome import RaceOutcome, Suite
from prober.publish.evidence import Evidence, find
from prober.publish.journal.reader import Reader, UnreadableError
from prober.web.answer import json_answer, json_error
from prober.web.api import status_document
from prober.web.archive import Archive
from prober.web.board import Board
from prober.web.incidents import (
    asked_incidents,
    find_incidents,
    incidents_document,
    race_document,
    races_document,
)
from prober.web.paging import BadQueryError, asked_page, known_only
from prober.web.suites import suites_document

NOT_STARTED = "the prober process has not started yet"

Document = Mapping[str, object]


def find_evidence(reader: Reader, wanted: str, hold: float) -> Evidence | None:
    """All that is known by one of its ids. Raises UnreadableError."""
    return find(reader, wanted, violation_hold=hold)


class Api:
    """Its answers. Bad parameters get 400, an unknown id 404, and a journal that cannot be read 503."""

    def __init__(self, board: Board, archive: Archive) -> None:
        self._board = board
        self._archive = archive

    async def status(self, request: web.BaseRequest, _: Mapping[str, str]) -> web.Response:
        """What the prober knows now."""

        async def found() -> Document | None:
            known_only(request.query, ())
            return status_document(self._board, now(), boottime())

        return await _answered(found, web.HTTPServiceUnavailable.status_code, NOT_STARTED)

    async def incidents(self, request: web.BaseRequest, _: Mapping[str, str]) -> web.Response:
        """Outages and violations."""

        async def found() -> Document:
            asked = asked_incidents(request.query)
            question = partial(find_incidents, asked=asked, hold=self._board.violation_hold, now_wall=time.time())
            return incidents_document(await self._archive.ask(question), asked.limit)

        return await _answered(found)

    async def races(self, request: web.BaseRequest, _: Mapping[str, str]) -> web.Response:
        """Races without their evidence."""

        async def found() -> Document:
            page = asked_page(request.query, "outcome", tuple(RaceOutcome))
            races = await self._archive.ask(lambda r: r.races(page.only, limit=page.limit, before=page.before))
            return races_document(races, page.limit)

        return await _answered(found)

    async def race(self, wanted: str, request: web.BaseRequest, _: Mapping[str, str]) -> web.Response:
        """One race with its evidence, by the id of its run or of its routing."""

        async def found() -> Document | None:
            known_only(request.query, ())
            hold = self._board.violation_hold
            evidence = await self._archive.ask(partial(find_evidence, wanted=wanted, hold=hold))
            return None if evidence is None or evidence.race is None else race_document(evidence)

        return await _answered(found, web.HTTPNotFound.status_code, f"the journal has no race {wanted[:100]!r}")

    async def suites(self, request: web.BaseRequest, _: Mapping[str, str]) -> web.Response:
        """Results of suites."""

        async def found() -> Document:
            page = asked_page(request.query, "suite", tuple(Suite))
            suites = await self._archive.ask(lambda r: r.suites(page.only, limit=page.limit, before=page.before))
            return suites_document(suites, page.limit)

        return await _answered(found)


async def _answered(
    find_it: Callable[[], Awaitable[Document | None]], missing: int = 404, sentence: str = ""
) -> web.Response:
    """Answer the document, or why there is none."""
    try:
        document = await find_it()
    except BadQueryError as error:
        return json_error(400, str(error))
    except UnreadableError as error:
        return json_error(503, str(error))
    return json_error(missing, sentence) if document is None else json_answer(document)
