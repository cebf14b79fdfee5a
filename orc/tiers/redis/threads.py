"""The transport for threads: commands to servers over redis-py's connections."""

from __future__ import annotations

import sys

from orc.errors import TierError
from orc.tiers import names
from orc.tiers.redis.idle import Idle
from orc.tiers.redis.mistakes import causes, was_closed
from orc.tiers.redis.replies import failure, is_read_only
from orc.tiers.redis.url import named
from orc.tiers.redis.vendor import connection_class, pack, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from ssl import SSLContext
    from typing import Any

    from orc.model.row import Budget
    from orc.tiers.redis.operations import Command
    from orc.tiers.redis.url import Node, Target

_forgotten: list[Any] = []
"""Connections of a parent process: to close them here would be to speak on them."""


class Threads:
    """Sends commands to servers, and returns what they answer. Safe for threads."""

    __slots__ = ("_class", "_credentials", "_idle", "_proven", "_target", "_tls")

    def __init__(self, target: Target, credentials: object | None, tls: SSLContext | None) -> None:
        self._target = target
        self._credentials = credentials
        self._tls = tls
        self._class: Any = connection_class(target, asynchronous=False)
        self._idle = Idle()
        self._proven: set[Node] = set()
        """Servers that have answered: their addresses are right."""

    def exchange(
        self, sends: Sequence[tuple[Node, list[Command]]], budget: Budget
    ) -> list[list[Any] | TierError]:
        """Send to each server its commands, then read from each its replies.

        An error stands in the place of the replies of a server that did not answer.
        """
        above = sys.exception()
        sent = [self._send(node, commands, budget, above) for node, commands in sends]
        answers: list[list[Any] | TierError] = []
        for (node, commands), connection in zip(sends, sent, strict=True):
            if isinstance(connection, TierError):
                answers.append(connection)
                continue
            if answers:  # what it was waited for the others is not there any more
                connection.time_left = min(connection.time_left, budget.left())
            answers.append(self._receive(node, connection, len(commands), budget, above))
        return answers

    def stamp(self, wall: float) -> None:
        """Say when the connections were used last, where a budget could not tell."""
        self._idle.stamp(wall)

    def close(self) -> None:
        """Close the connections that nobody uses now."""
        _close(self._idle.clear())

    def forget(self) -> None:
        """Let go of the connections without closing them."""
        names.forked()
        _forgotten.extend(self._idle.clear())
        self._idle = Idle()  # a lock may have been held when this process was forked

    def _send(
        self,
        node: Node,
        commands: list[Command],
        budget: Budget,
        above: BaseException | None,
    ) -> Any:
        """Return the connection that the commands were sent on, or an error."""
        connection, old = self._idle.take(node, budget)
        if old:
            _close(old)
        try:
            left = budget.left()
            if left <= 0:
                if connection is not None:
                    self._idle.put(node, connection, budget)
                return TierError(f"no time was left to ask {named(node)}")
            budget.pause(left)  # to make a connection is this process's work
            if connection is None:
                connection = self._class(**settings(self._target, node, self._credentials))
                connection.tls = self._tls
                connection.proven = node in self._proven
                since = budget.connect()
                whole = left + budget.allowance
                connection.use(budget, whole)
                try:
                    connection.connect()
                finally:
                    connection.done()
                    budget.connected(since, whole - connection.time_left)
            connection.use(budget)
            connection.send_packed_command([pack(commands)], check_health=False)
        except Exception as error:  # noqa: BLE001 - whatever a client raises is an error of the tier
            return self._failed(node, connection, error, budget, above)
        except BaseException:
            _close([connection])
            raise
        return connection

    def _receive(
        self,
        node: Node,
        connection: Any,
        number: int,
        budget: Budget,
        above: BaseException | None,
    ) -> list[Any] | TierError:
        try:
            replies = [connection.answer() for _ in range(number)]
        except Exception as error:  # noqa: BLE001 - as above
            return self._failed(node, connection, error, budget, above)
        except BaseException:
            # A connection with replies that nobody has read would give them to somebody else.
            _close([connection])
            raise
        connection.done()
        self._proven.add(node)
        if any(is_read_only(each) for each in replies):
            self._drop(node, connection)
        elif not self._idle.put(node, connection, budget):
            _close([connection])
        return replies

    def _failed(
        self,
        node: Node,
        connection: Any,
        error: Exception,
        budget: Budget,
        above: BaseException | None,
    ) -> TierError:
        arriving, heard = False, b""
        if connection is not None:
            arriving, heard = connection.arriving, connection.heard
            connection.done()
        found = names.known(node[0], node[1], budget.wall()) if node[1] else None
        self._drop(node, connection)
        if node in self._proven:
            return failure(error, named(node), above=above, arriving=arriving)
        tls = self._tls
        said = failure(
            error,
            named(node),
            above=above,
            arriving=arriving,
            heard=heard,
            tls=tls is not None,
        )
        if not found:
            return said
        from orc.tiers.redis.probe import examined

        closed = was_closed(causes(error, above))
        return examined(found[0], node[0], named(node), said, budget.left(), tls, closed=closed)

    def _drop(self, node: Node, connection: Any) -> None:
        """Close a connection with the others to its server: what ended it has ended them.

        That is a freeze, a restart, or a fail-over, after which a name may be another server's.
        """
        _close([connection])
        _close(self._idle.clear(node))
        names.forget(node[0], node[1])


def _close(connections: Sequence[Any]) -> None:
    for connection in connections:
        if connection is not None:
            try:
                connection.disconnect()
            except Exception:  # noqa: BLE001, S110 - it is gone either way
                pass
