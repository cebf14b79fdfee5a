"""A client for coroutines that was handed in, for each event loop that comes and goes.

Its connections and locks belong to the loop that used them first. Lambda handlers that call
``asyncio.run`` have a new loop each time, so the first loop has the client itself, and each other
loop a copy: with the same settings, and connections and locks of its own. Where another loop used
the client before ORC did, the first loop has a copy, too.
"""

from __future__ import annotations

from _thread import RLock
from copy import copy

from orc import notices
from orc.errors import TierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Iterator
    from typing import Any

_LOCKS = ("Lock", "Condition", "Event", "Semaphore", "BoundedSemaphore")
_of_the_parent: list[Any] = []
"""Kept from the garbage collector of a child: to close them takes them from the parent's loop."""


def refuse(message: str) -> TierError:
    """Return the error for a caller that a client cannot serve, and warn once.

    It opens no breaker: the client goes on serving its other callers.
    """
    notices.warn_once("clients of redis-py", f"{message}. Until then the cache does without.")
    error = TierError(message)
    error.repeated = True
    return error


class LoopClients:
    """The client and its copies, by loop. Safe for threads."""

    __slots__ = ("_client", "_first", "_lock", "_loops")

    def __init__(self, client: Any) -> None:
        self._client = client
        self._first: AbstractEventLoop | None = None
        self._lock = RLock()
        self._loops: dict[AbstractEventLoop, Any] = {}

    def forget(self) -> None:
        """Begin anew in the child of a fork: the loops, and a client in use, are the parent's."""
        _of_the_parent.append(self._loops)
        self._lock = RLock()
        self._loops = {}

    def of(self, loop: AbstractEventLoop) -> Any:
        """Return the client for a loop.

        Raises ``TierError``, and warns once, for a client that no copy can be made of.
        """
        found = self._loops.get(loop)
        if found is not None:
            return found
        with self._lock:
            for ended in [each for each in self._loops if each.is_closed()]:
                client = self._loops.pop(ended)
                if client is not self._client:
                    _close(client)
            if self._first is None and not _used_elsewhere(self._client, loop):
                self._first, made = loop, self._client
            else:
                made = _copy_or_refuse(self._client)
            self._loops[loop] = made
            return made


def _copy_or_refuse(client: Any) -> Any:
    try:
        return _another(client)
    except Exception as error:  # a class of the user's may forbid it in any way
        kind = f"{type(client).__module__}.{type(client).__name__}"
        raise refuse(
            f"the {kind} that was handed in belongs to the event loop that used it first, and no "
            "copy of it can be made for another one: hand in the address, which serves every loop"
        ) from error


def _another(client: Any) -> Any:
    """Return a client with the settings of another one, and nothing else of it."""
    pool = copy(client.connection_pool)  # a client of a cluster has none
    pool.reset()  # to lists of its own, that is
    pool.connection_kwargs = dict(pool.connection_kwargs)
    _renew_locks(pool)
    notified = getattr(pool, "_maint_notifications_pool_handler", None)
    if notified is not None:  # by a server that is about to move: it moves its pool's connections
        pool._maint_notifications_pool_handler = type(notified)(pool, notified.config)  # noqa: SLF001
        pool.connection_kwargs["maint_notifications_pool_handler"] = (
            pool._maint_notifications_pool_handler  # noqa: SLF001 - connections get it so
        )
    sentinels = getattr(pool, "sentinel_manager", None)
    if sentinels is not None:
        pool.sentinel_manager = copy(sentinels)
        pool.sentinel_manager.sentinels = [_another(each) for each in sentinels.sentinels]
        # Its connections ask their pool for the master's address.
        pool.connection_kwargs["connection_pool"] = _proxy(pool)
    made = copy(client)
    made.connection_pool = pool
    if getattr(made, "connection", None) is not None:
        made.connection = None  # the only one of a client with a single connection
    _renew_locks(made)
    return made


def _proxy(pool: Any) -> Any:
    from weakref import proxy

    return proxy(pool)


def _locks(owner: Any) -> Iterator[tuple[str, Any]]:
    """Return the locks of asyncio that an object has, by the names of its attributes."""
    names = list(getattr(owner, "__dict__", ()))
    for base in type(owner).__mro__:
        slots = base.__dict__.get("__slots__", ())
        names += [slots] if isinstance(slots, str) else slots
    for name in names:
        value = getattr(owner, name, None)
        kind: Any = type(value)
        if kind.__module__ == "asyncio.locks" and kind.__name__ in _LOCKS:
            yield name, value


def _renew_locks(owner: Any) -> None:
    """Give an object locks of its own in the place of those of asyncio that it has."""
    for name, lock in list(_locks(owner)):
        setattr(owner, name, type(lock)())


def _used_elsewhere(client: Any, loop: AbstractEventLoop) -> bool:
    """Tell whether a client has connections or locks of another loop, or of one not known."""
    for owner in (client, getattr(client, "connection_pool", None)):
        if any(getattr(lock, "_loop", None) not in {None, loop} for _, lock in _locks(owner)):
            return True
    for connection in _connections(client):
        writer = getattr(connection, "_writer", connection)
        if writer is not None and getattr(writer, "_loop", None) is not loop:
            return True
    return False


def _close(client: Any) -> None:
    """Close the sockets of a copy whose loop is closed: nothing else is left to do it."""
    from orc.tiers.redis.coroutines import drop

    for connection in list(_connections(client)):
        try:
            drop(connection)
        except Exception:  # noqa: BLE001, S110 - it is of a class of the user's, or gone
            pass
    if getattr(client, "connection", None) is not None:
        client.connection = None  # or asyncio would log that nothing closed the copy


def _connections(client: Any) -> Iterator[Any]:
    pool = getattr(client, "connection_pool", None)
    for name in ("_available_connections", "_in_use_connections"):
        yield from getattr(pool, name, ())
    for each in getattr(getattr(pool, "sentinel_manager", None), "sentinels", ()):
        yield from _connections(each)
    nodes = getattr(client, "nodes_manager", None)  # of a cluster
    for known in (getattr(nodes, "startup_nodes", {}), getattr(nodes, "nodes_cache", {})):
        for node in known.values():
            yield from getattr(node, "_connections", ())
