"""What an invocation is, and what its caller gets."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orc.fleet.container import Container


class Call:
    """One invocation on its way through a container. For this package only."""

    __slots__ = (
        "answered",
        "client_context",
        "cognito_identity",
        "deadline",
        "deadline_ms",
        "error",
        "event",
        "id",
        "over",
        "polled",
        "responded",
        "settled",
        "tenant",
        "trace",
        "value",
    )

    def __init__(
        self,
        event: bytes,
        request_id: str,
        *,
        tenant: str | None = None,
        client_context: str | None = None,
        cognito_identity: str | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.id: str = request_id
        self.event: bytes = event
        self.tenant: str | None = tenant
        self.client_context: str | None = client_context
        self.cognito_identity: str | None = cognito_identity
        self.trace: str = f"Root=1-00000000-{request_id.replace('-', '')[:24]};Sampled=0"
        self.deadline: float = 0.0  # of the loop's clock; 0 until the function's time runs
        self.deadline_ms: int = 0  # of the container's own wall clock
        self.value: Any = None
        self.error: dict[str, Any] | None = None
        self.responded: bool = False  # the runtime posted a response or an error
        self.polled: bool = False  # the runtime asked for the next event since
        self.over: bool = False  # nobody waits for a response any more
        self.answered: asyncio.Future[str | None] = loop.create_future()  # of the init's kind
        self.settled: asyncio.Future[None] = loop.create_future()

    def respond(self, body: bytes) -> None:
        """Take the response that the runtime posted."""
        self.value = decode(body)
        self.responded = True

    def fail(self, error: dict[str, Any]) -> None:
        """Take the error that the runtime posted, or that became of it."""
        self.error = error


class Answer:
    """What became of an invocation."""

    __slots__ = ("_settled", "container", "error", "init", "request_id", "seconds", "value")

    def __init__(  # noqa: PLR0913 - a record
        self,
        *,
        value: Any,
        error: dict[str, Any] | None,
        container: Container,
        request_id: str,
        seconds: float,
        init: str | None,
        settled: asyncio.Future[None],
    ) -> None:
        self.value: Any = value
        """The decoded JSON of the response; None when the invocation failed."""
        self.error: dict[str, Any] | None = error
        """None, or ``{"errorType": ..., "errorMessage": ..., ...}``: of the handler, or Lambda's
        own after a timeout, a crash or a failed init."""
        self.container: Container = container
        """The container that served it."""
        self.request_id: str = request_id
        self.seconds: float = seconds
        """How long the caller waited, in seconds."""
        self.init: str | None = init
        """The init that this caller waited for: "cold", "reset", "restored", or None."""
        self._settled = settled

    async def settled(self) -> None:
        """Wait until the runtime and its extensions asked for the next event.

        The container is frozen by then, or reset when its function did not end in time.
        """
        await asyncio.shield(self._settled)

    def __repr__(self) -> str:
        what = f"error={self.error!r}" if self.error is not None else f"value={self.value!r}"
        return f"<Answer {what} init={self.init!r} seconds={self.seconds:.4f}>"


def decode(body: bytes) -> Any:
    """Return the JSON of `body`; what is no JSON as text, what is no text as bytes."""
    try:
        return json.loads(body)
    except ValueError:
        pass
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body
