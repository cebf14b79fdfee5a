"""Reading and writing of explicit keys: the names of Django's cache, and their async twins."""

from __future__ import annotations

from orc.engine.drivers import arun, run
from orc.engine.gate import DISABLED
from orc.engine.requests import loading, reading, removing, writing
from orc.model.entry import MISSING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from typing import Any, TypeVar, overload

    from orc.engine.keyspace import Keyspace
    from orc.model.entry import Missing
    from orc.model.freshness import Ttl

    R = TypeVar("R")
    D = TypeVar("D")


class ExplicitKeys:
    """What a ``Cache`` does with keys that are strings. Made by ``Cache`` only."""

    def _read_and_write(self, keyspace: Keyspace) -> None:
        core = keyspace.core
        self._keyspace = keyspace
        self._flights = core.flights
        self._memory = core.memory
        self._gate = core.gate
        # What a hit needs, at hand.
        self._index = keyspace.space.index
        self._wall = core.gate.wall
        self._monotonic = core.clock.monotonic
        self._record = core.memory.record
        self._hit = keyspace.counters.hits.bump

    # -- reading ----------------------------------------------------------------------------------

    def get(self, key: str, default: D = None) -> Any | D:  # type: ignore[assignment]
        """Return the value of a key, or `default`. A cached ``None``, 0 or ``""`` is a value."""
        value = self._trusted(key)
        return self.get_many((key,)).get(key, default) if value is MISSING else value

    async def aget(self, key: str, default: D = None) -> Any | D:  # type: ignore[assignment]
        """Do as :meth:`get`, in a coroutine."""
        value = self._trusted(key)
        return (await self.aget_many((key,))).get(key, default) if value is MISSING else value

    def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return those of the keys that are found, with their values."""
        return run(reading(self._keyspace, keys), self._flights)  # type: ignore[no-any-return]

    async def aget_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """Do as :meth:`get_many`, in a coroutine."""
        return await arun(reading(self._keyspace, keys), self._flights)  # type: ignore[no-any-return]

    def get_or_set(
        self,
        key: str,
        loader: Callable[[], R],
        ttl: Ttl | Missing = MISSING,
        tags: str | Sequence[str] = (),
    ) -> R:
        """Return the value of a key, calling `loader` for it if there is none.

        `ttl` is seconds, a ``timedelta``, ``None`` (until evicted, in memory alone), or a callable
        of the loaded value that returns one of these; what it returns below 0 counts as 0.

        One load for all who ask at once. What the loader raises reaches the caller, unless a stale
        value may stand in for it. Raises ``UncacheableError`` if the loader returns a coroutine or
        a generator, and ``RecursiveLoadError`` if it asks for the same key.
        """
        value = self._trusted(key, MISSING if callable(ttl) else ttl)
        if value is not MISSING:
            return value  # type: ignore[return-value]
        plan = loading(self._keyspace, key, loader, ttl, tags)
        if self._gate.mode == DISABLED:
            return loader()
        return run(plan, self._flights)  # type: ignore[no-any-return]

    if TYPE_CHECKING:

        @overload
        async def aget_or_set(
            self,
            key: str,
            loader: Callable[[], Awaitable[R]],
            ttl: Ttl | Missing = ...,
            tags: str | Sequence[str] = ...,
        ) -> R: ...
        @overload
        async def aget_or_set(
            self,
            key: str,
            loader: Callable[[], R],
            ttl: Ttl | Missing = ...,
            tags: str | Sequence[str] = ...,
        ) -> R: ...

    async def aget_or_set(
        self,
        key: str,
        loader: Callable[[], Any],
        ttl: Ttl | Missing = MISSING,
        tags: str | Sequence[str] = (),
    ) -> Any:
        """Do as :meth:`get_or_set`, in a coroutine; `loader` may be ``async def`` or ``def``."""
        value = self._trusted(key, MISSING if callable(ttl) else ttl)
        if value is not MISSING:
            return value
        plan = loading(self._keyspace, key, loader, ttl, tags)
        if self._gate.mode == DISABLED:
            loaded: Any = loader()
            return await loaded if hasattr(type(loaded), "__await__") else loaded
        return await arun(plan, self._flights)

    # -- writing ----------------------------------------------------------------------------------

    def set(
        self,
        key: str,
        value: object,
        ttl: Ttl | Missing = MISSING,
        tags: str | Sequence[str] = (),
    ) -> None:
        """Store a value. ``ttl=None``: until evicted. 0: nothing is stored, or left, under the key.

        `ttl` may be a callable of the value, as in :meth:`get_or_set`. A value of which no copy can
        be made is not stored either, and counted.
        """
        self.set_many({key: value}, ttl, tags)

    async def aset(
        self,
        key: str,
        value: object,
        ttl: Ttl | Missing = MISSING,
        tags: str | Sequence[str] = (),
    ) -> None:
        """Do as :meth:`set`, in a coroutine."""
        await self.aset_many({key: value}, ttl, tags)

    def set_many(
        self,
        values: Mapping[str, object],
        ttl: Ttl | Missing = MISSING,
        tags: str | Sequence[str] = (),
    ) -> None:
        """Store several values."""
        run(writing(self._keyspace, values, ttl, tags), self._flights)

    async def aset_many(
        self,
        values: Mapping[str, object],
        ttl: Ttl | Missing = MISSING,
        tags: str | Sequence[str] = (),
    ) -> None:
        """Do as :meth:`set_many`, in a coroutine."""
        await arun(writing(self._keyspace, values, ttl, tags), self._flights)

    def delete(self, key: str) -> bool:
        """Remove a key; tell whether any tier had it. A running load of it is not stored.

        Where memory does not answer it the other tiers are read first, in a round trip each. Two
        containers that delete a key at once may both be told so.
        """
        return self.delete_many((key,)) == 1

    async def adelete(self, key: str) -> bool:
        """Do as :meth:`delete`, in a coroutine."""
        return await self.adelete_many((key,)) == 1

    def delete_many(self, keys: Iterable[str]) -> int:
        """Remove keys; return how many of them any tier had."""
        return run(removing(self._keyspace, keys, told=True), self._flights)  # type: ignore[no-any-return]

    async def adelete_many(self, keys: Iterable[str]) -> int:
        """Do as :meth:`delete_many`, in a coroutine."""
        return await arun(removing(self._keyspace, keys, told=True), self._flights)  # type: ignore[no-any-return]

    # -- inside -----------------------------------------------------------------------------------

    def _trusted(self, key: str, ttl: Any = MISSING) -> object:
        """Answer from memory alone, or ``MISSING``; the path of ``orc.engine.wrapper``."""
        try:
            copy = self._index[key]
            value = copy.value
            thaw = copy.thaw
            if (
                self._wall[0]() < copy.wall_until
                and self._monotonic() < copy.mono_until
                and (ttl is MISSING or copy.fresh_until - copy.created_at <= ttl)
            ):
                if thaw is not None:
                    value = thaw(value)
                self._record(copy)
                if not self._hit() & 1023:
                    self._memory.settle()
                return value
        except Exception:  # noqa: BLE001, S110 - it happens again on the slow path, and is told there
            pass
        return MISSING
