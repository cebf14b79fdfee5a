"""The cache that users make, read and write."""

from __future__ import annotations

from orc.config.assemble import assemble, stale_errors
from orc.config.settings import checked, checked_text
from orc.engine.decorator import decorate, title_of
from orc.engine.drivers import arun, run
from orc.engine.gate import BYPASS, DISABLED
from orc.engine.requests import loading, reading, removing, writing
from orc.engine.template import names_of
from orc.errors import ConfigError, PartitionError
from orc.model.entry import MISSING
from orc.stats.report import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
    from typing import Any, ParamSpec, TypeVar, overload

    from orc.engine.core import Core
    from orc.engine.gate import Passage
    from orc.engine.terms import StaleOn, Terms
    from orc.engine.typed import AsyncCached, Cached, Decorator
    from orc.model.entry import Missing
    from orc.model.freshness import Seconds
    from orc.model.ports import ClockLike, SharedTier
    from orc.stats.report import Report
    from orc.tiers.memory import Memory

    P = ParamSpec("P")
    R = TypeVar("R")
    D = TypeVar("D")
    Ttl = Seconds | Callable[[Any], Seconds | None] | None


class Cache:
    """A cache: a memory tier in this process, in front of the shared tiers that it is given.

    An argument beats its ``ORC_`` variable, which beats the default; ``docs/reference`` lists all.
    Times are seconds: ``int``, ``float`` or ``timedelta``. Caches that name no ``Memory`` of their
    own share one, and its budget; keys of two caches are apart all the same.

    Every method may be called from any thread; those whose names begin with ``a`` from a coroutine.
    Raises ``ConfigError`` for a setting that is not allowed, when the cache is made.
    """

    def __init__(  # noqa: PLR0913 - one argument for each setting
        self,
        *,
        tiers: Iterable[Memory | SharedTier] | None = None,
        ttl: Ttl | Missing = MISSING,
        memory_ttl: Seconds | Missing = MISSING,
        jitter: float | Missing = MISSING,
        stale_if_error: Seconds | Missing | None = MISSING,
        stale_while_revalidate: Seconds | Missing = MISSING,
        stale_on: type[BaseException] | StaleOn | None = None,
        backoff: Seconds | Missing = MISSING,
        namespace: str | Missing = MISSING,
        version: str | Missing = MISSING,
        isolation: str | Missing = MISSING,
        strict: bool | Missing = MISSING,
        disabled: bool | Missing = MISSING,
        clock: ClockLike | None = None,
    ) -> None:
        given = {
            "ttl": ttl,
            "memory_ttl": memory_ttl,
            "jitter": jitter,
            "stale_if_error": stale_if_error,
            "stale_while_revalidate": stale_while_revalidate,
            "backoff": backoff,
            "namespace": namespace,
            "version": version,
            "isolation": isolation,
            "strict": strict,
            "disabled": disabled,
        }
        core, terms = assemble(
            tiers,
            clock,
            stale_on,
            {name: value for name, value in given.items() if value is not MISSING},
        )
        self._begin(core, terms, None)

    def _begin(self, core: Core, terms: Terms, partition: str | None) -> None:
        self._core = core
        self._terms = terms
        self._partition = partition
        self._keyspace = core.explicit_keys(partition, terms)
        self._index = self._keyspace.space.index
        self._gate = core.gate
        self._wall = core.gate.wall
        self._monotonic = core.clock.monotonic
        self._record = core.memory.record
        self._hit = core.explicit.hits.bump

    def __repr__(self) -> str:
        of = "" if self._partition is None else f" of partition {self._partition!r}"
        return f"<orc.Cache{of} {self._core.namespace!r}: {self._core.memory!r}>"

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
        return run(reading(self._keyspace, keys), self._core.flights)  # type: ignore[no-any-return]

    async def aget_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """Do as :meth:`get_many`, in a coroutine."""
        return await arun(reading(self._keyspace, keys), self._core.flights)  # type: ignore[no-any-return]

    def get_or_set(
        self,
        key: str,
        loader: Callable[[], R],
        ttl: Seconds | Missing | None = MISSING,
        tags: str | Sequence[str] = (),
    ) -> R:
        """Return the value of a key, calling `loader` for it if there is none.

        One load for all who ask at once. What the loader raises reaches the caller, unless a stale
        value may stand in for it. Raises ``UncacheableError`` if the loader returns a coroutine or
        a generator, and ``RecursiveLoadError`` if it asks for the same key.
        """
        value = self._trusted(key, ttl)
        if value is not MISSING:
            return value  # type: ignore[return-value]
        plan = loading(self._keyspace, key, loader, ttl, tags)
        if self._gate.mode == DISABLED:
            return loader()
        return run(plan, self._core.flights)  # type: ignore[no-any-return]

    if TYPE_CHECKING:

        @overload
        async def aget_or_set(
            self,
            key: str,
            loader: Callable[[], Awaitable[R]],
            ttl: Seconds | Missing | None = ...,
            tags: str | Sequence[str] = ...,
        ) -> R: ...
        @overload
        async def aget_or_set(
            self,
            key: str,
            loader: Callable[[], R],
            ttl: Seconds | Missing | None = ...,
            tags: str | Sequence[str] = ...,
        ) -> R: ...

    async def aget_or_set(
        self,
        key: str,
        loader: Callable[[], Any],
        ttl: Seconds | Missing | None = MISSING,
        tags: str | Sequence[str] = (),
    ) -> Any:
        """Do as :meth:`get_or_set`, in a coroutine; `loader` may be ``async def`` or ``def``."""
        value = self._trusted(key, ttl)
        if value is not MISSING:
            return value
        plan = loading(self._keyspace, key, loader, ttl, tags)
        if self._gate.mode == DISABLED:
            loaded: Any = loader()
            return await loaded if hasattr(type(loaded), "__await__") else loaded
        return await arun(plan, self._core.flights)

    # -- writing ----------------------------------------------------------------------------------

    def set(
        self,
        key: str,
        value: object,
        ttl: Seconds | Missing | None = MISSING,
        tags: str | Sequence[str] = (),
    ) -> None:
        """Store a value. ``ttl=None``: until evicted. 0: nothing is stored, or left, under the key.

        A value of which no copy can be made is not stored either, and counted.
        """
        self.set_many({key: value}, ttl, tags)

    async def aset(
        self,
        key: str,
        value: object,
        ttl: Seconds | Missing | None = MISSING,
        tags: str | Sequence[str] = (),
    ) -> None:
        """Do as :meth:`set`, in a coroutine."""
        await self.aset_many({key: value}, ttl, tags)

    def set_many(
        self,
        values: Mapping[str, object],
        ttl: Seconds | Missing | None = MISSING,
        tags: str | Sequence[str] = (),
    ) -> None:
        """Store several values."""
        run(writing(self._keyspace, values, ttl, tags), self._core.flights)

    async def aset_many(
        self,
        values: Mapping[str, object],
        ttl: Seconds | Missing | None = MISSING,
        tags: str | Sequence[str] = (),
    ) -> None:
        """Do as :meth:`set_many`, in a coroutine."""
        await arun(writing(self._keyspace, values, ttl, tags), self._core.flights)

    def delete(self, key: str) -> bool:
        """Remove a key; tell whether memory had it. A running load of it is not stored."""
        return self.delete_many((key,)) == 1

    async def adelete(self, key: str) -> bool:
        """Do as :meth:`delete`, in a coroutine."""
        return await self.adelete_many((key,)) == 1

    def delete_many(self, keys: Iterable[str]) -> int:
        """Remove keys; return how many of them memory had."""
        return run(removing(self._keyspace, keys), self._core.flights)  # type: ignore[no-any-return]

    async def adelete_many(self, keys: Iterable[str]) -> int:
        """Do as :meth:`delete_many`, in a coroutine."""
        return await arun(removing(self._keyspace, keys), self._core.flights)  # type: ignore[no-any-return]

    def invalidate_tags(self, *tags: str) -> None:
        """Make every entry invalid that has one of the tags; in this process, at once.

        The work does not grow with the number of entries.
        """
        self._core.invalidate(names_of(tags, "tags"), self._partition)

    async def ainvalidate_tags(self, *tags: str) -> None:
        """Do as :meth:`invalidate_tags`, in a coroutine."""
        self.invalidate_tags(*tags)

    def clear(self) -> None:
        """Remove every entry of this cache, its functions and its partitions.

        On what :meth:`partition` returned: of that partition only.
        """
        self._core.clear(self._partition)

    async def aclear(self) -> None:
        """Do as :meth:`clear`, in a coroutine."""
        self.clear()

    # -- functions --------------------------------------------------------------------------------

    if TYPE_CHECKING:

        @overload
        def cached(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncCached[P, R]: ...
        @overload
        def cached(self, function: Callable[P, R], /) -> Cached[P, R]: ...
        @overload
        def cached(
            self,
            function: None = None,
            /,
            *,
            ttl: Ttl | Missing = ...,
            key: str | Callable[..., Any] | None = ...,
            tags: str | Sequence[str] = ...,
            ignore: str | Sequence[str] = ...,
            cache_if: Callable[[Any], object] | None = ...,
            stale_if_error: Seconds | Missing | None = ...,
            stale_while_revalidate: Seconds | Missing = ...,
            stale_on: type[BaseException] | StaleOn | None = ...,
            isolation: str | Missing = ...,
            namespace: str | Missing = ...,
            version: str | Missing = ...,
        ) -> Decorator: ...

    def cached(  # noqa: PLR0913 - the terms of one function
        self,
        function: Any = None,
        /,
        *,
        ttl: Ttl | Missing = MISSING,
        key: str | Callable[..., Any] | None = None,
        tags: str | Sequence[str] = (),
        ignore: str | Sequence[str] = (),
        cache_if: Callable[[Any], object] | None = None,
        stale_if_error: Seconds | Missing | None = MISSING,
        stale_while_revalidate: Seconds | Missing = MISSING,
        stale_on: type[BaseException] | StaleOn | None = None,
        isolation: str | Missing = MISSING,
        namespace: str | Missing = MISSING,
        version: str | Missing = MISSING,
    ) -> Any:
        """Cache what a function returns, by its arguments. Use it bare or called.

        For ``def`` and ``async def``, methods, class methods and static methods. `ttl` is seconds,
        or a callable of the result. `key` is a template of arguments (``"user:{user_id}"``) or a
        callable that takes the call's arguments; else all arguments make the key, but those in
        `ignore`. `tags` are templates too. A result for which ``cache_if(result)`` is false is not
        stored. The other terms default to the cache's.

        The wrapper has ``cache_info()``, ``cache_clear()``, ``cache_parameters()`` and
        ``__wrapped__`` as functools' has, and ``invalidate(*args)``, ``refresh(*args)`` and
        ``peek(*args)``. Raises ``ConfigError`` when it decorates; ``UnkeyableError`` at the first
        call with an argument that cannot be in a key.
        """
        given = {
            "ttl": ttl,
            "stale_if_error": stale_if_error,
            "stale_while_revalidate": stale_while_revalidate,
            "isolation": isolation,
        }
        changes: dict[str, Any] = {
            name: checked(name, value) for name, value in given.items() if value is not MISSING
        }
        if stale_on is not None:
            changes["stale_on"] = stale_errors(stale_on)
        if cache_if is not None:
            if not callable(cache_if):
                raise ConfigError(f"cache_if={cache_if!r} is not allowed: give a callable")
            changes["cache_if"] = cache_if
        terms = self._terms.but(**changes)

        def decorator(function: Any) -> Any:
            if isinstance(function, (classmethod, staticmethod)):
                return type(function)(decorator(function.__func__))
            if not callable(function):
                raise ConfigError(
                    f"cached({function!r}): decorate a callable, and give terms by name: "
                    "@cache.cached(ttl=60)"
                )
            keyspace = self._core.function_keys(
                title_of(function),
                self._partition,
                terms,
                namespace=None if namespace is MISSING else checked_text("namespace", namespace),
                version=None if version is MISSING else checked_text("version", version),
            )
            return decorate(function, keyspace, key=key, tags=tags, ignore=ignore)

        return decorator if function is None else decorator(function)

    # -- partitions, switches, statistics ---------------------------------------------------------

    def partition(self, tenant: str) -> Cache:
        """Return this cache with its keys apart from those of every other tenant.

        The tenant becomes a part of each key in each tier; functions decorated with the returned
        cache are of that tenant too. Take it from a *verified* claim, never from a raw header.
        Cheap enough to call in every request. Raises ``PartitionError`` without a tenant, and on
        what this method returned.
        """
        if not isinstance(tenant, str) or not tenant:
            raise PartitionError(
                f"partition({tenant!r}): a tenant is a string that is not empty; without one, "
                "entries of several tenants would share a place"
            )
        if self._partition is not None:
            raise PartitionError(
                f"partition({tenant!r}) of partition {self._partition!r}: a partition has no "
                "partitions; ask the whole cache, or make one name of both"
            )
        part = object.__new__(type(self))
        part._begin(self._core, self._terms, str.__str__(tenant))
        return part

    def bypass(self) -> Passage:
        """Return a context manager under which reads pass the cache by, and loads are stored.

        For this thread or task, and what it starts.
        """
        return self._gate.during(BYPASS)

    def disabled(self) -> Passage:
        """Return a context manager under which nothing is read from the cache, or stored in it.

        A `set` removes what is there, so that nobody reads the older value afterwards.
        """
        return self._gate.during(DISABLED)

    def stats(self) -> Report:
        """Return what this cache did since it was made, with all its functions and partitions."""
        core = self._core
        core.memory.settle()  # to look takes numbers from those at which hits do it
        return report(core.books(), core.memory, [tier.name for tier in core.tiers])

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
                    self._core.memory.settle()
                return value
        except Exception:  # noqa: BLE001, S110 - it happens again on the slow path, and is told there
            pass
        return MISSING
