"""The health probe: asks the contract's health pages and routes in a way that has no side effect.

What the pages claim is held against what our own probes saw by `judge.health`; here it is only asked.
"""

from __future__ import annotations

import asyncio
import json

from prober.contract import Health, HealthPage, Route, parsed
from prober.http1 import Client, Exchange, build_request
from prober.outcome import Outcome, ProbeName
from prober.probes.base import Run
from prober.probes.synthetic import HEADER, Mark, new_trace
from prober.result import HealthResult, PageAnswer


class HealthProbe:
    """Asks every page and route once a run, all at the same time, each on a connection of its own."""

    name = ProbeName.HEALTH

    def __init__(self, contract: Health, mark: Mark, client: Client) -> None:
        self._contract = contract
        self._mark = mark
        self._client = client

    @property
    def targets(self) -> tuple[str, ...]:
        """The request targets that one run asks, each once."""
        paths = [*(page.path for page in self._contract.pages), *(route.path for route in self._contract.routes)]
        return tuple(map(self._target, paths))

    async def run(self, run: Run) -> HealthResult:
        """Ask them all; the run is good when every page and route gave a whole answer that is no 404.

        What the permit does not cover is left out: of those routes the target wants nothing at the moment.
        """
        asked = [page for page in self._contract.pages if run.permit.covers(self._target(page.path))]
        sought = [route for route in self._contract.routes if run.permit.covers(self._target(route.path))]
        pages, routes = await asyncio.gather(
            asyncio.gather(*(self._page(run, page) for page in asked)),
            asyncio.gather(*(self._route(run, route) for route in sought)),
        )
        missing = tuple(name for name, answer in routes if answer is None)
        answers = (*pages, *(answer for _, answer in routes if answer is not None))
        silent = [a for a in answers if a.code is None]
        left_out = tuple(route.name for route in self._contract.routes if route not in sought)
        outcome = Outcome.OK
        detail = f"{len(pages)} pages and {len(routes)} routes answered"
        if missing:
            outcome = Outcome.UNEXPECTED_STATUS
            detail = f"routes of the contract are missing: {', '.join(missing)}"
        elif silent:
            outcome = silent[0].outcome
            detail = f"no whole answer from {', '.join(a.path for a in silent)} ({outcome})"
        if left_out or len(asked) < len(self._contract.pages):
            detail += "; the others were not asked, as the target had answered 429"
        return HealthResult(
            probe=self.name,
            run_id=run.id,
            started=run.started,
            duration=max((a.duration for a in answers), default=0.0),
            outcome=outcome,
            detail=detail,
            pages=answers,
            missing_routes=missing,
            routes_not_asked=left_out,
        )

    async def close(self) -> None:
        """Nothing is held between runs."""

    async def _page(self, run: Run, page: HealthPage) -> PageAnswer:
        exchange = await self._ask(run, "GET", page.path, None)
        healthy = None
        if exchange.answer is not None:
            healthy = page.healthy.fits(exchange.answer.status, parsed(exchange.answer.body))
        return _answered(page.path, exchange, healthy)

    async def _route(self, run: Run, route: Route) -> tuple[str, PageAnswer | None]:
        """Ask a route; None in place of the answer when it is missing."""
        body = None if route.body is None else json.dumps(dict(route.body)).encode()
        exchange = await self._ask(run, route.method, route.path, body)
        if exchange.answer is not None and route.is_missing(exchange.answer.status, exchange.answer.body):
            return route.name, None
        return route.name, _answered(route.path, exchange, None)

    async def _ask(self, run: Run, method: str, path: str, body: bytes | None) -> Exchange:
        headers = {
            **self._contract.headers,
            HEADER: self._mark.header(run.id),
            "traceparent": new_trace()[1],
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = build_request(method, self._client.endpoint, path, headers, body or b"")
        return await self._client.exchange(run.permit, request, timeout=run.timeout)

    def _target(self, path: str) -> str:
        return self._client.endpoint.path + path


def _answered(path: str, exchange: Exchange, healthy: bool | None) -> PageAnswer:
    return PageAnswer(
        path=path,
        code=None if exchange.answer is None else exchange.answer.status,
        outcome=exchange.outcome,
        claims_healthy=healthy,
        duration=exchange.finished - exchange.started,
    )
