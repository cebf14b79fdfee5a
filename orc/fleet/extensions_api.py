"""The Extensions API, version 2020-01-01, of one generation of one container."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import TYPE_CHECKING, Any

from orc.fleet.answer import decode
from orc.fleet.http import Reply
from orc.fleet.rules import MOST_EXTENSIONS
from orc.fleet.runtime_api import ACCEPTED, error_object, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orc.fleet.http import Request

PREFIX = "/2020-01-01/extension/"


class Extension:
    """One registered extension."""

    __slots__ = ("events", "external", "name", "pending", "poll", "said_next")

    def __init__(self, name: str, events: frozenset[str], *, external: bool) -> None:
        self.name = name
        self.events = events
        self.external = external
        self.poll: asyncio.Future[dict[str, Any]] | None = None
        self.pending: dict[str, Any] | None = None
        self.said_next = False


class ExtensionsApi:
    """Registers extensions, and tells them of invocations and of the end.

    `external` names the extensions that have a process of their own; `managed` refuses events to
    the others. Calls `changed` whenever something did.
    """

    __slots__ = ("_by_id", "_changed", "_external", "_function", "_managed", "_open", "error")

    def __init__(
        self,
        function: dict[str, str],
        external: Iterable[str],
        *,
        managed: bool,
        changed: Callable[[], None],
    ) -> None:
        self._function = function
        self._external = frozenset(external)
        self._managed = managed
        self._changed = changed
        self._by_id: dict[str, Extension] = {}
        self._open = True
        self.error: dict[str, Any] | None = None
        """What an extension posted to init/error or exit/error."""

    @property
    def ready(self) -> bool:
        """Whether every registered extension asks for an event."""
        return all(each.poll is not None for each in self._by_id.values())

    @property
    def idle(self) -> bool:
        """Whether every extension that was told of the invocation asks for the next one."""
        return all(each.said_next for each in self._by_id.values())

    @property
    def has_internal(self) -> bool:
        """Whether a part of the runtime's process is registered."""
        return any(not each.external for each in self._by_id.values())

    def registered(self) -> bool:
        """Say whether every external extension is registered."""
        return self._external <= {each.name for each in self._by_id.values()}

    def expects_shutdown(self, name: str) -> bool:
        """Say whether that extension will be told of the end."""
        return any(each.name == name and "SHUTDOWN" in each.events for each in self._by_id.values())

    def close_registration(self) -> None:
        """End the init phase."""
        self._open = False

    def invoke(self, event: dict[str, Any]) -> None:
        """Tell those who registered for INVOKE."""
        for each in self._by_id.values():
            if "INVOKE" in each.events:
                self._tell(each, {"eventType": "INVOKE", **event})

    def shut_down(self, reason: str, deadline_ms: int) -> None:
        """Tell the external ones who registered for SHUTDOWN."""
        event = {"eventType": "SHUTDOWN", "shutdownReason": reason, "deadlineMs": deadline_ms}
        for each in self._by_id.values():
            if each.external and "SHUTDOWN" in each.events:
                self._tell(each, event)

    def _tell(self, extension: Extension, event: dict[str, Any]) -> None:
        extension.said_next = False
        if extension.poll is not None and not extension.poll.done():
            extension.poll.set_result(event)
            extension.poll = None
        else:
            extension.pending = event

    async def handle(self, request: Request) -> Reply:
        """Answer a request whose path begins with PREFIX."""
        what = f"{request.method} {request.path[len(PREFIX) :]}"
        if what == "POST register":
            return self._register(request)
        if what not in {"GET event/next", "POST init/error", "POST exit/error"}:
            return refusal(404, "NotFound", f"no such endpoint: {request.method} {request.path}")
        identifier = request.headers.get("lambda-extension-identifier")
        if identifier is None:
            return _no("MissingExtensionIdentifier", "no Lambda-Extension-Identifier header")
        extension = self._by_id.get(identifier)
        if extension is None:
            return _no("UnknownExtensionIdentifier", f"unknown extension {identifier}")
        if what == "GET event/next":
            return await self._next(extension)
        if self.error is None:
            self.error = error_object(request)
            self._changed()
        return ACCEPTED

    def _register(self, request: Request) -> Reply:
        name = request.headers.get("lambda-extension-name", "")
        body = decode(request.body) if request.body else {}
        if not name or not isinstance(body, dict):
            return refusal(400, "InvalidRequestFormat", "a name and a JSON object are needed")
        events = body.get("events") or []
        if not isinstance(events, list) or not all(isinstance(each, str) for each in events):
            return refusal(400, "InvalidRequestFormat", "events must be a list of names")
        external = name in self._external
        reply = self._refused(name, events, external=external)
        if reply is not None:
            return reply
        identifier = str(uuid.uuid4())
        self._by_id[identifier] = Extension(name, frozenset(events), external=external)
        self._changed()
        headers = {
            "Content-Type": "application/json",
            "Lambda-Extension-Identifier": identifier,
        }
        return Reply(200, json.dumps(self._function).encode(), headers)

    def _refused(self, name: str, events: list[str], *, external: bool) -> Reply | None:
        if not self._open:
            return _no("RegistrationClosed", "Extension registration closed already")
        if any(each.name == name for each in self._by_id.values()):
            return _no("InvalidExtensionState", f"{name} is registered already")
        if len(self._by_id) >= MOST_EXTENSIONS:
            return _no("TooManyExtensions", f"Extension limit ({MOST_EXTENSIONS}) reached")
        if not external:
            if self._managed and events:
                return _no("InvalidEventType", "No events allowed for internal extensions")
            if "SHUTDOWN" in events:
                message = "ShutdownEventNotSupportedForInternalExtension"
                return _no("InvalidEventType", message)
        unknown = [each for each in events if each not in {"INVOKE", "SHUTDOWN"}]
        if unknown:
            return _no("InvalidEventType", f"{unknown[0]}: no such event")
        return None

    async def _next(self, extension: Extension) -> Reply:
        if extension.pending is not None:
            event, extension.pending = extension.pending, None
        else:
            poll: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
            extension.poll = poll
            extension.said_next = True
            self._changed()
            try:
                event = await poll
            except asyncio.CancelledError:
                if extension.poll is poll:
                    extension.poll = None
                raise
        headers = {
            "Content-Type": "application/json",
            "Lambda-Extension-Event-Identifier": str(uuid.uuid4()),
        }
        return Reply(200, json.dumps(event).encode(), headers)


def _no(kind: str, message: str) -> Reply:
    return refusal(403, f"Extension.{kind}", message)
