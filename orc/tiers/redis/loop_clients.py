"""A client for coroutines that was handed in, for each event loop that comes and goes.

Its connections and locks belong to the loop that used it first. Lambda handlers that call
``asyncio.run`` have a new loop each time, so the first loop has the client itself, and each other
loop a copy: with the same settings, and connections and locks of its own.
"""

from __future__ import annotations

from _thread import RLock
from copy import copy

from orc.errors import TierRefusedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Iterator
    from typing import Any

_LOCKS = ("Lock", "Condition", "Event", "Semaphore", "BoundedSemaphore")


class LoopClients:
    """The client and its copies, by loop. Safe for threads."""

    __slots__ = ("_client", "_lock", "_loops", "_taken")

    def __init__(self, client: Any) -> None:
        self._client = client
        self._taken = False
        """Whether a loop has the client itself; it may be one of the parent's, before a fork."""
        self._begin()

    def _begin(self) -> None:
        self._lock = RLock()
        self._loops: dict[AbstractEventLoop, Any] = {}

    def forget(self) -> None:
        """Begin anew in the child of a fork: its loops have copies, the parent has the client."""
        self._taken = True
        self._begin()

    def of(self, loop: AbstractEventLoop) -> Any:
        """Return the client for a loop.

        Raises ``TierRefusedError`` for a client that no copy can be made of.
        """
        found = self._loops.get(loop)
        if found is not None:
            return found
        with self._lock:
            for ended in [each for each in self._loops if each.is_closed()]:
                client = self._loops.pop(ended)
                if client is not self._client:
                    _close(client)
            made = _another(self._client) if self._taken else self._client
            self._taken = True
            self._loops[loop] = made
            return made


def _another(client: Any) -> Any:
    """Return a client with the settings of another one, and nothing else of it."""
    pool = getattr(client, "connection_pool", None)
    if (
        pool is None
        or not hasattr(pool, "reset")
        or hasattr(pool, "sentinel_manager")
        or getattr(client, "connection", None) is not None
        or getattr(client, "single_connection_client", False)
    ):
        raise _refusal(client)  # of a cluster, of Sentinel, or with one connection only
    made = copy(client)
    made.connection_pool = copy(pool)
    made.connection_pool.reset()  # to lists of its own, that is
    _renew_locks(made.connection_pool)
    _renew_locks(made)
    return made


def _renew_locks(owner: Any) -> None:
    """Give an object locks of its own in the place of those of asyncio that it has."""
    names = list(getattr(owner, "__dict__", ()))
    for base in type(owner).__mro__:
        slots = base.__dict__.get("__slots__", ())
        names += [slots] if isinstance(slots, str) else slots
    for name in names:
        value = getattr(owner, name, None)
        kind: Any = type(value)
        if kind.__module__ == "asyncio.locks" and kind.__name__ in _LOCKS:
            setattr(owner, name, kind())


def _close(client: Any) -> None:
    """Close the sockets of a copy whose loop is closed: nobody else is left to do it."""
    from orc.tiers.redis.coroutines import drop

    for connection in list(_connections(client)):
        try:
            drop(connection)
        except Exception:  # noqa: BLE001, S110 - it is of somebody's own class, or gone
            pass


def _connections(client: Any) -> Iterator[Any]:
    pool = getattr(client, "connection_pool", None)
    for name in ("_available_connections", "_in_use_connections"):
        yield from getattr(pool, name, ())


def _refusal(client: Any) -> TierRefusedError:
    kind = f"{type(client).__module__}.{type(client).__name__}"
    return TierRefusedError(
        f"the {kind} that was handed in belongs to the event loop that used it first, and no copy "
        "of it can be made for another one: hand in the address, which serves every loop"
    )
