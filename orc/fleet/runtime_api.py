"""The Runtime API, version 2018-06-01, of one generation of one container."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import TYPE_CHECKING, Any

from orc.fleet.answer import decode
from orc.fleet.http import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from orc.fleet.answer import Call
    from orc.fleet.http import Connection, Request

PREFIX = "/2018-06-01/runtime/"


class RuntimeApi:
    """Gives events to those who poll, and takes what they post.

    With `workers` above one each worker is known by its connection, which awslambdaric keeps.
    Calls `changed` whenever something did.
    """

    __slots__ = (
        "_arn",
        "_changed",
        "_current",
        "_given",
        "_known",
        "_over",
        "_polls",
        "_workers",
        "init_error",
    )

    def __init__(self, arn: str, workers: int, changed: Callable[[], None]) -> None:
        self._arn = arn
        self._workers = workers
        self._changed = changed
        self._polls: deque[tuple[Connection | None, asyncio.Future[Call]]] = deque()
        self._current: dict[Connection | None, Call] = {}
        self._given: dict[str, Call] = {}
        self._over: set[str] = set()
        self._known: set[Connection] = set()
        self.init_error: dict[str, Any] | None = None
        """What the runtime posted to init/error or restore/error."""

    @property
    def polls(self) -> int:
        """How many events could be given now."""
        return len(self._polls)

    @property
    def ready(self) -> bool:
        """Whether every worker asks for an event."""
        return len(self._polls) >= self._workers

    def give(self, call: Call) -> bool:
        """Give `call` to one who polls; False when nobody does."""
        while self._polls:
            worker, future = self._polls.popleft()
            if not future.done():
                self._current[worker] = self._given[call.id] = call
                self._over.discard(call.id)  # Lambda repeats an event under its first id
                future.set_result(call)
                return True
        return False

    async def handle(self, request: Request) -> Reply:
        """Answer a request whose path begins with PREFIX."""
        what = request.path[len(PREFIX) :]
        if request.method == "GET" and what == "invocation/next":
            return await self._next(request)
        if request.method == "GET" and what == "restore/next":
            return Reply(200)  # a clone is made when it is needed, so there is nothing to wait for
        if request.method == "POST" and what in {"init/error", "restore/error"}:
            return self._init_error(request)
        parts = what.split("/")
        if request.method == "POST" and len(parts) == 3 and parts[0] == "invocation":  # noqa: PLR2004 - invocation/{id}/response
            return self._post(request, parts[1], parts[2])
        return refusal(404, "NotFound", f"no such endpoint: {request.method} {request.path}")

    async def _next(self, request: Request) -> Reply:
        worker = request.connection if self._workers > 1 else None
        last = self._current.get(worker)
        if last is not None:
            if not (last.responded or last.over):
                return refusal(403, "InvalidStateTransition", "the last event is not answered yet")
            del self._current[worker]
            self._over.add(last.id)
            self._given.pop(last.id, None)
            last.polled = True
        future: asyncio.Future[Call] = asyncio.get_running_loop().create_future()
        poll = (worker, future)
        if worker is not None and worker not in self._known:
            self._known.add(worker)
            worker.on_close.append(lambda: self._lost(worker))
        self._polls.append(poll)
        self._changed()
        try:
            call = await future
        except asyncio.CancelledError:
            if poll in self._polls:
                self._polls.remove(poll)
            self._changed()
            raise
        return Reply(200, call.event, self._headers(call))

    def _lost(self, worker: Connection) -> None:
        call = self._current.pop(worker, None)
        if call is not None:
            call.polled = True  # or never: the worker is dead, and nobody takes its place
        self._known.discard(worker)
        self._changed()

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": call.id,
            "Lambda-Runtime-Deadline-Ms": str(call.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": self._arn,
            "Lambda-Runtime-Trace-Id": call.trace,
        }
        if call.client_context is not None:
            headers["Lambda-Runtime-Client-Context"] = call.client_context
        if call.cognito_identity is not None:
            headers["Lambda-Runtime-Cognito-Identity"] = call.cognito_identity
        if call.tenant is not None:
            headers["Lambda-Runtime-Aws-Tenant-Id"] = call.tenant
        return headers

    def _post(self, request: Request, request_id: str, what: str) -> Reply:
        if what not in {"response", "error"}:
            return refusal(404, "NotFound", f"no such endpoint: POST {request.path}")
        call = self._given.get(request_id)
        if request_id in self._over:
            return refusal(410, "RequestGone", "the invocation is over")
        if call is None:
            return refusal(400, "InvalidRequestID", "Invalid request ID")
        if call.responded or call.over:
            return refusal(410, "RequestGone", "the invocation is over")
        if what == "response":
            call.respond(request.body)
        else:
            call.fail(error_object(request))
        call.responded = True
        self._changed()
        return ACCEPTED

    def _init_error(self, request: Request) -> Reply:
        if self.init_error is not None:
            return refusal(403, "InvalidStateTransition", "init has failed already")
        self.init_error = error_object(request)
        self._changed()
        return ACCEPTED


ACCEPTED = Reply(202, b'{"status":"OK"}')


def refusal(status: int, error_type: str, message: str) -> Reply:
    """Return a reply that says no, in the words of Lambda's APIs."""
    return Reply(status, json.dumps({"errorMessage": message, "errorType": error_type}).encode())


def error_object(request: Request) -> dict[str, Any]:
    """Return the posted error, as an object that has at least a type and a message."""
    posted = decode(request.body)
    error = dict(posted) if isinstance(posted, dict) else {}
    kind = request.headers.get("lambda-runtime-function-error-type")
    kind = kind or request.headers.get("lambda-extension-function-error-type")
    error.setdefault("errorType", kind or "Runtime.Unknown")
    error.setdefault("errorMessage", "")
    return error
