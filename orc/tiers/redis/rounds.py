"""The rounds of an operation, driven along a route: what is sent to which server, and what came.

A route takes the rounds of an operation, and yields what is to be sent to which server; it is sent
the replies of each, or the error that stands in their place. A connection that broke is tried once
more, at once: after a freeze it is a dead one that fails first. To do so is harmless though the
first try may have been carried out: an etag that is already there is recognised by the scripts, and
a plain write or delete that is repeated is a slower one.
"""

from __future__ import annotations

from orc.errors import TierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any, Protocol

    from orc.tiers.redis.operations import Command, Operation
    from orc.tiers.redis.url import Node

    Sends = list[tuple[Node, list[Command]]]
    Steps = Generator[Sends, list[list[Any] | TierError], Any]
    """What is sent to which server, and what each answered."""

    class Begin(Protocol):
        """What begins an operation; again, if it turns out that keys must go one by one."""

        def __call__(self, *, by_slot: bool, most: int = ...) -> Operation:
            """Begin it, with so many keys in a command at most."""


def drive(
    operation: Operation, ask: Callable[[list[Command]], Generator[Sends, Any, list[Any]]]
) -> Steps:
    """Have each round of an operation asked, until it has an answer."""
    try:
        commands = next(operation)
        while True:
            replies = (yield from ask(commands)) if commands else []
            commands = operation.send(replies)
    except StopIteration as end:
        return end.value


def replies_of(answer: list[Any] | TierError, commands: list[Command]) -> list[Any]:
    """Return a reply for each command; an error stands in the place of all."""
    return [answer] * len(commands) if isinstance(answer, TierError) else answer
