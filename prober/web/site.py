"""The pages for people: asks board, day and journal, and answers what `prober.web.pages` makes of it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from prober.clock import boottime, now
from prober.outcome import Ordering, RaceOutcome, Suite
from prober.publish.journal.incidents import IncidentsAsked
from prober.publish.journal.reader import Reader, UnreadableError
from prober.publish.journal.stored import StoredRace, StoredSuite
from prober.publish.status_text import ordering
from prober.suites.report.markup import Markup, tag, text
from prober.web.answer import html_answer
from prober.web.api import status_document
from prober.web.api_answers import NOT_STARTED, find_evidence
from prober.web.archive import Archive
from prober.web.assets import CONTENT_SECURITY_POLICY
from prober.web.board import Board
from prober.web.day import Day
from prober.web.exposition import compressed, takes_gzip
from prober.web.incidents import Incident, asked_incidents, find_incidents, next_incidents
from prober.web.pages.layout import Frame, document, link, pager, paragraph, section
from prober.web.pages.now import figures_section, open_section, services_section, title, verdict_section
from prober.web.pages.one import incident_content, race_content
from prober.web.pages.past import day_section, incidents_table, races_table, suites_table
from prober.web.paging import BadQueryError, asked_page

# What a tired reader needs first.
_ORDER = ("verdict", "open", "services", "incidents", "day", "races", "figures", "suites")
_ON_FRONT = 6  # entries of each list
# What an event has just told is in the journal within a second; until then it is looked for again.
_WRITTEN_WITHIN = 3.0
_DRAWN_FOR = 15.0  # seconds; the day is drawn anew this often


@dataclass(frozen=True, slots=True)
class _History:
    """The newest of each list; `trouble` says why there is none."""

    incidents: tuple[Incident, ...] = ()
    races: tuple[StoredRace, ...] = ()
    suites: tuple[StoredSuite, ...] = ()
    trouble: str = ""


class Site:
    """Every page, and the sections of the first one that follow events."""

    def __init__(self, board: Board, day: Day, archive: Archive) -> None:
        self._board = board
        self._day = day
        self._archive = archive
        self._drawn: tuple[object, Markup] | None = None
        self._seen: object = None
        self._seen_at = 0.0
        self._lists: dict[str, Markup] = {}

    async def sections(self) -> Mapping[str, Markup]:
        """The parts of the first page, by name, as they are now."""
        status = status_document(self._board, now(), boottime())
        if status is None:
            return {}
        made = {
            "verdict": verdict_section(status),
            "open": open_section(status),
            "services": services_section(status, self._day),
            "figures": figures_section(status),
            "day": self._drawn_day(status),
        }
        made |= await self._newest()
        return {name: made[name] for name in _ORDER}

    async def overview(self, request: web.BaseRequest, _: Mapping[str, str]) -> web.Response:
        """The first page."""
        status = status_document(self._board, now(), boottime())
        if status is None:
            words = tag("h1", None, text("Starting")), paragraph(text(f"{_capital(NOT_STARTED)}; try again."))
            return _html(request, document(Frame("/", ""), "Starting", *words), 503)
        self._seen = None
        sections = await self.sections()
        frame = Frame("/", str(status["instance"]), ordering(status)[0], live=True)
        return _html(request, document(frame, title(status), *sections.values()))

    async def incidents(self, request: web.BaseRequest, _: Mapping[str, str]) -> web.Response:
        """Outages and violations, paged."""

        async def content() -> tuple[str, tuple[Markup, ...]]:
            asked = asked_incidents(request.query)
            found = await self._archive.ask(self._incidents_asked(asked))
            older = pager("incidents", request.query, next_incidents(found, asked.limit))
            return "Incidents", (tag("h1", None, text("Incidents")), incidents_table(found), older)

        return await self._page(request, content)

    async def incident(self, wanted: str, request: web.BaseRequest, _: Mapping[str, str]) -> web.Response:
        """The evidence of one outage, message or violation."""
        return await self._page(request, partial(self._evidence, wanted))

    async def races(self, request: web.BaseRequest, _: Mapping[str, str]) -> web.Response:
        """Races, paged."""

        async def content() -> tuple[str, tuple[Markup, ...]]:
            page = asked_page(request.query, "outcome", tuple(RaceOutcome))
            found = await self._archive.ask(lambda r: r.races(page.only, limit=page.limit, before=page.before))
            older = pager("races", request.query, found[-1].seq if len(found) == page.limit else None)
            return "Races", (tag("h1", None, text("Races")), _by_outcome(), races_table(found), older)

        return await self._page(request, content)

    async def race(self, wanted: str, request: web.BaseRequest, _: Mapping[str, str]) -> web.Response:
        """The evidence of one race."""
        return await self._page(request, partial(self._evidence, wanted))

    async def suites(self, request: web.BaseRequest, _: Mapping[str, str]) -> web.Response:
        """Runs of suites, paged."""

        async def content() -> tuple[str, tuple[Markup, ...]]:
            page = asked_page(request.query, "suite", tuple(Suite))
            found = await self._archive.ask(lambda r: r.suites(page.only, limit=page.limit, before=page.before))
            older = pager("suites", request.query, found[-1].seq if len(found) == page.limit else None)
            return "Suites", (tag("h1", None, text("Suites")), suites_table(found), older)

        return await self._page(request, content)

    async def _evidence(self, wanted: str) -> tuple[str, tuple[Markup, ...]] | None:
        hold = self._board.violation_hold
        evidence = await self._archive.ask(partial(find_evidence, wanted=wanted, hold=hold))
        if evidence is None:
            return None
        at = time.time()
        if evidence.race is not None:
            return f"Race: {evidence.race.outcome}", race_content(evidence.race, evidence, at)
        return "Evidence", incident_content(evidence, wanted, at)

    async def _page(
        self,
        request: web.BaseRequest,
        content: Callable[[], Awaitable[tuple[str, tuple[Markup, ...]] | None]],
    ) -> web.Response:
        """A page out of the journal, or a page that says why there is none."""
        status = 200
        try:
            found = await content()
            if found is None:
                status, found = 404, _sorry("Not found", "The journal has nothing of this id; perhaps no longer.")
        except BadQueryError as error:
            status, found = 400, _sorry("Bad request", str(error))
        except UnreadableError as error:
            status, found = 503, _sorry("The journal cannot be read", str(error))
        started = self._board.started
        frame = Frame(request.path, "" if started is None else started.instance, self._state())
        return _html(request, document(frame, found[0], *found[1]), status)

    def _state(self) -> Ordering:
        status = status_document(self._board, now(), boottime())
        return Ordering.UNKNOWN if status is None else ordering(status)[0]

    def _drawn_day(self, status: Mapping[str, object]) -> Markup:
        at = time.time()
        key = (self._day.complete, self._day.outages_changed, int(at / _DRAWN_FOR))
        if self._drawn is None or self._drawn[0] != key:
            probes = status["probes"]
            self._drawn = (key, day_section(self._day, at, probes if isinstance(probes, dict) else {}))
        return self._drawn[1]

    async def _newest(self) -> dict[str, Markup]:
        """The newest of each list; the journal is asked when there may be something new in it."""
        board, at = self._board, time.monotonic()
        key = (
            board.raced,
            self._day.outages_changed,
            sum(board.violations.values()),
            board.stand,
            len(board.suites),
        )
        if key != self._seen:
            self._seen, self._seen_at = key, at
        if not self._lists or at - self._seen_at < _WRITTEN_WITHIN:
            self._lists = _lists(await self._history())
        return self._lists

    async def _history(self) -> _History:
        asked = self._incidents_asked(IncidentsAsked(limit=_ON_FRONT))

        def newest(reader: Reader) -> _History:
            return _History(asked(reader), reader.races(limit=_ON_FRONT), reader.suites(limit=_ON_FRONT))

        try:
            return await self._archive.ask(newest)
        except UnreadableError as error:
            return _History(trouble=str(error))

    def _incidents_asked(self, asked: IncidentsAsked) -> Callable[[Reader], tuple[Incident, ...]]:
        hold = self._board.violation_hold
        return partial(find_incidents, asked=asked, hold=hold, now_wall=time.time())


def _lists(history: _History) -> dict[str, Markup]:
    trouble = paragraph(text(f"Not known: {history.trouble}"), kind="alarm") if history.trouble else None
    tables = {
        "incidents": ("Incidents", incidents_table(history.incidents)),
        "races": ("Races", races_table(history.races, whole=False)),
        "suites": ("Suites", suites_table(history.suites)),
    }
    return {
        name: section(name, words, trouble or made, paragraph(link(text(f"All {name}"), name)))
        for name, (words, made) in tables.items()
    }


def _capital(sentence: str) -> str:
    return f"{sentence[:1].upper()}{sentence[1:]}"


def _by_outcome() -> Markup:
    links = [link(text(outcome.replace("_", " ")), "races", query={"outcome": outcome}) for outcome in RaceOutcome]
    return tag("nav", {"aria-label": "Outcomes"}, link(text("all"), "races"), *links)


def _sorry(title: str, sentence: str) -> tuple[str, tuple[Markup, ...]]:
    return title, (tag("h1", None, text(title)), paragraph(text(sentence)))


def _html(request: web.BaseRequest, page: str, status: int = 200) -> web.Response:
    headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Vary": "Accept-Encoding"}
    answer = html_answer(page, headers, status=status)
    if takes_gzip(",".join(request.headers.getall("Accept-Encoding", []))):
        answer.body = compressed(page.encode())
        answer.headers["Content-Encoding"] = "gzip"
    return answer
