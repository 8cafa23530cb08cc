"""The control server: plants and removes faults, turns switches, reads the record. It exists only here.

GET /ready, GET /faults, PUT and DELETE /faults/{name}, GET /switches, GET and PUT /switches/{name},
GET /record?kind=&since=&limit=, POST /record/reset, GET /summary. A change is answered when it is in force in
every worker process. Parameters of a fault are a JSON object; `for_seconds` in it removes the fault by itself.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from typing import Any

from aiohttp import web

from prober.demo.target.config import split_address
from prober.demo.target.faults import FAULTS, FaultName, State, Switch, parse_fault
from prober.demo.target.parent import StalledError, StartError, Target
from prober.demo.target.record import Kind

DEFAULT_LIMIT = 10_000
TARGET = web.AppKey("target", Target)
TIMERS = web.AppKey("timers", dict[FaultName, asyncio.TimerHandle])
ENDING = web.AppKey("ending", set[asyncio.Task[None]])


class BadRequestError(Exception):
    """The caller is wrong; the text says how."""


@web.middleware
async def _say_what_is_wrong(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except BadRequestError as problem:
        return web.json_response({"error": str(problem)}, status=400)
    except StalledError as problem:
        return web.json_response({"error": str(problem)}, status=503)
    except web.HTTPException as problem:
        return web.json_response({"error": problem.reason}, status=problem.status)
    return answer


def _fault_name(request: web.Request) -> FaultName:
    name = request.match_info["name"]
    if name not in FAULTS:
        raise BadRequestError(f"unknown fault {name!r}; known are: {', '.join(FAULTS)}")
    return FaultName(name)


def _switch(request: web.Request) -> Switch:
    try:
        return Switch(request.match_info["name"])
    except ValueError:
        raise BadRequestError(
            f"unknown switch {request.match_info['name']!r}; known are: {', '.join(Switch)}"
        ) from None


async def _json_body(request: web.Request) -> Any:
    body = await request.text()
    try:
        return json.loads(body) if body.strip() else {}
    except ValueError as error:
        raise BadRequestError(f"the body is no JSON: {error}") from None


async def _ready(request: web.Request) -> web.Response:
    target = request.app[TARGET]
    return web.json_response({"ready": True, "url": target.url, "workers": target.workers})


async def _faults(request: web.Request) -> web.Response:
    planted = request.app[TARGET].state.faults
    timers = request.app[TIMERS]
    remaining = {
        name: max(timer.when() - asyncio.get_running_loop().time(), 0.0) for name, timer in timers.items()
    }
    known = {
        name: {
            "meaning": (kind.__doc__ or "").split("\n")[0],
            "parameters": {key: field.default for key, field in kind.model_fields.items()},
        }
        for name, kind in FAULTS.items()
    }
    return web.json_response(
        {
            "planted": {name: fault.model_dump(mode="json") for name, fault in planted.items()},
            "ends_in_seconds": remaining,
            "known": known,
        }
    )


async def _plant(request: web.Request) -> web.Response:
    name = _fault_name(request)
    parameters = await _json_body(request)
    seconds = parameters.pop("for_seconds", None) if isinstance(parameters, dict) else None
    if seconds is not None and (
        isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf
    ):
        raise BadRequestError(f"for_seconds is {seconds!r}; expected a number of seconds above 0")
    try:
        fault = parse_fault(name, parameters)
    except ValueError as error:
        raise BadRequestError(str(error)) from None
    timers = request.app[TIMERS]
    await request.app[TARGET].change(lambda state: State({**state.faults, name: fault}, state.switches))
    if (timer := timers.pop(name, None)) is not None:
        timer.cancel()
    if seconds is not None:
        timers[name] = asyncio.get_running_loop().call_later(seconds, _time_out, request.app, name)
    return web.json_response({"planted": name, "parameters": fault.model_dump(mode="json")})


async def _take_out(app: web.Application, name: FaultName) -> None:
    if (timer := app[TIMERS].pop(name, None)) is not None:
        timer.cancel()

    def without(state: State) -> State:
        return State({other: fault for other, fault in state.faults.items() if other is not name}, state.switches)

    await app[TARGET].change(without)


def _time_out(app: web.Application, name: FaultName) -> None:
    task = asyncio.create_task(_take_out(app, name))
    app[ENDING].add(task)
    task.add_done_callback(app[ENDING].discard)


async def _remove(request: web.Request) -> web.Response:
    name = _fault_name(request)
    await _take_out(request.app, name)
    return web.json_response({"removed": name})


async def _switches(request: web.Request) -> web.Response:
    return web.json_response(dict(request.app[TARGET].state.switches))


async def _get_switch(request: web.Request) -> web.Response:
    switch = _switch(request)
    return web.json_response({"switch": switch, "on": request.app[TARGET].state.on(switch)})


async def _put_switch(request: web.Request) -> web.Response:
    switch = _switch(request)
    body = await _json_body(request)
    on = body.get("on") if isinstance(body, dict) else None
    if not isinstance(on, bool):
        raise BadRequestError(f'the body is {body!r}; expected {{"on": true}} or {{"on": false}}')
    await request.app[TARGET].change(lambda state: State(state.faults, {**state.switches, switch: on}))
    return web.json_response({"switch": switch, "on": on})


async def _record(request: web.Request) -> web.Response:
    query = request.query
    try:
        kind = Kind(query["kind"]) if query.get("kind") else None
        since = float(query.get("since", "0"))
        limit = int(query.get("limit", str(DEFAULT_LIMIT)))
    except ValueError as error:
        raise BadRequestError(
            f"{error}; expected kind ({', '.join(Kind)}), since (monotonic seconds), limit (a number)"
        ) from None
    target = request.app[TARGET]
    entries = await asyncio.to_thread(target.record.entries, target.generation, kind, since, limit)
    return web.json_response({"now": time.monotonic(), "entries": entries})


async def _summary(request: web.Request) -> web.Response:
    target = request.app[TARGET]
    return web.json_response({"now": time.monotonic(), "counts": target.record.summary(target.generation)})


async def _reset(request: web.Request) -> web.Response:
    target = request.app[TARGET]
    await target.reset_record()
    return web.json_response({"reset": True, "now": time.monotonic()})


def control_app(target: Target) -> web.Application:
    """The control server of a target."""
    app = web.Application(middlewares=[_say_what_is_wrong])
    app[TARGET] = target
    app[TIMERS] = {}
    app[ENDING] = set()
    app.add_routes(
        [
            web.get("/ready", _ready),
            web.get("/faults", _faults),
            web.put("/faults/{name}", _plant),
            web.delete("/faults/{name}", _remove),
            web.get("/switches", _switches),
            web.get("/switches/{name}", _get_switch),
            web.put("/switches/{name}", _put_switch),
            web.get("/record", _record),
            web.post("/record/reset", _reset),
            web.get("/summary", _summary),
        ]
    )
    return app


class ControlServer:
    """Serves the control application on an address of its own."""

    def __init__(self, target: Target, address: str) -> None:
        self._runner = web.AppRunner(control_app(target), access_log=None)
        self._address = address

    async def start(self) -> str:
        """Listen; returns the URL. Raises StartError."""
        await self._runner.setup()
        host, port = split_address(self._address)
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise StartError(f"cannot listen on {self._address}: {error.strerror}") from None
        bound_host, bound_port = self._runner.addresses[0][:2]
        return f"http://{bound_host}:{bound_port}"

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()
