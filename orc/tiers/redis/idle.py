"""Connections that wait to be used again, with the instants since when."""

from __future__ import annotations

from _thread import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from orc.model.row import Budget
    from orc.tiers.redis.url import Node

LONGEST_IDLE = 60.0
"""Seconds. A load balancer of AWS forgets a flow after 350 s, many servers and firewalls sooner;
and what is sent into a flow that was forgotten has no answer, not even an error."""

MOST_IDLE = 16
"""Connections that are kept for one server."""


class Idle:
    """The connections to each server that nobody uses now. Safe for threads."""

    __slots__ = ("_lock", "_waiting")

    def __init__(self) -> None:
        # Re-entrant, as every lock: a finaliser or a signal handler may come while it is held.
        self._lock = RLock()
        self._waiting: dict[Node, list[tuple[float, Any]]] = {}

    def take(self, node: Node, budget: Budget) -> tuple[Any | None, list[Any]]:
        """Return the connection that was used last, and those that have been idle for too long."""
        with self._lock:
            waiting = self._waiting.get(node)
            if not waiting:
                return None, []
            since, connection = waiting.pop()
            # The wall clock runs in a freeze; and one that was set back proves nothing.
            if abs(budget.wall() - since) <= LONGEST_IDLE:
                return connection, []
            old = [connection, *(each for _, each in waiting)]
            waiting.clear()
            return None, old

    def put(self, node: Node, connection: object, budget: Budget) -> bool:
        """Keep a connection for later; tell whether there was room."""
        with self._lock:
            waiting = self._waiting.setdefault(node, [])
            if len(waiting) >= MOST_IDLE:
                return False
            waiting.append((budget.wall(), connection))
            return True

    def clear(self, node: Node | None = None) -> list[Any]:
        """Return the connections to one server, or to all; they are no longer here."""
        with self._lock:
            nodes = [node] if node else list(self._waiting)
            return [each for one in nodes for _, each in self._waiting.pop(one, [])]

    def stamp(self, wall: float) -> None:
        """Say that all that wait here were used at an instant, in seconds since the epoch."""
        with self._lock:
            for waiting in self._waiting.values():
                waiting[:] = [(wall, each) for _, each in waiting]
