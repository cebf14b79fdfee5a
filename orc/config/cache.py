"""The cache that users make, read and write."""

from __future__ import annotations

from functools import partial

from orc.config.assemble import assemble, changed
from orc.config.explicit import ExplicitKeys
from orc.config.settings import checked_text
from orc.engine.decorator import Options, decorate
from orc.engine.gate import BYPASS, DISABLED
from orc.engine.keyspace import Keyspace
from orc.engine.template import names_of
from orc.errors import PartitionError
from orc.model.entry import MISSING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, ParamSpec, TypeVar, Unpack, overload

    from orc.engine.core import Core
    from orc.engine.gate import Passage
    from orc.engine.terms import StaleOn, Terms
    from orc.engine.typed import Cached, CachedOptions, Compression, Decorator, Isolation
    from orc.model.entry import Missing
    from orc.model.freshness import Seconds, Ttl
    from orc.model.ports import ClockLike, SharedTier, Tier
    from orc.stats.report import Report
    from orc.tiers.memory import Memory

    P = ParamSpec("P")
    R = TypeVar("R")
    D = TypeVar("D")


class Cache(ExplicitKeys):
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
        tiers: Iterable[Memory | Tier | SharedTier] | str | None = None,
        ttl: Ttl | Missing = MISSING,
        memory_ttl: Seconds | Missing = MISSING,
        jitter: float | Missing = MISSING,
        stale_if_error: Seconds | Missing | None = MISSING,
        stale_while_revalidate: Seconds | Missing = MISSING,
        stale_on: type[BaseException] | StaleOn | None = None,
        backoff: Seconds | Missing = MISSING,
        namespace: str | Missing = MISSING,
        version: str | Missing = MISSING,
        isolation: Isolation | Missing = MISSING,
        strict: bool | Missing = MISSING,
        disabled: bool | Missing = MISSING,
        compression: Compression | Missing = MISSING,
        compress_from: int | Missing = MISSING,
        encrypt_keys: str | Missing | None = MISSING,
        readable_keys: bool | Missing = MISSING,
        reserve: Seconds | Missing = MISSING,
        wait: Seconds | Missing = MISSING,
        breaker_open: Seconds | Missing = MISSING,
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
            "compression": compression,
            "compress_from": compress_from,
            "encrypt_keys": encrypt_keys,
            "readable_keys": readable_keys,
            "reserve": reserve,
            "wait": wait,
            "breaker_open": breaker_open,
        }
        core, terms = assemble(
            tiers,
            clock,
            stale_on,
            {name: value for name, value in given.items() if value is not MISSING},
        )
        self._begin(core, terms, None)

    def _begin(self, core: Core, terms: Terms, partition: str | None) -> None:
        space = core.explicit_space(partition)
        self._read_and_write(Keyspace(core, terms, space, core.explicit, partition=partition))
        self._core = core
        self._terms = terms
        self._partition = partition

    def __repr__(self) -> str:
        of = "" if self._partition is None else f" of partition {self._partition!r}"
        return f"<orc.Cache{of} {self._core.namespace!r}: {self._core.memory!r}>"

    # -- invalidation ----------------------------------------------------------------------------

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
        def cached(self, function: Callable[P, R], /) -> Cached[P, R]: ...
        @overload
        def cached(self, function: None = None, /, **terms: Unpack[CachedOptions]) -> Decorator: ...

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
        isolation: Isolation | Missing = MISSING,
        namespace: str | Missing = MISSING,
        version: str | Missing = MISSING,
        partition: str | Callable[..., str] | None = None,
        reads_request: bool = False,
    ) -> Any:
        """Cache what a function returns, by its arguments. Use it bare or called.

        For ``def`` and ``async def``, methods, class methods and static methods. `ttl` is seconds,
        or a callable of the result. `key` is a template of arguments (``"user:{user_id}"``) or a
        callable that takes the call's arguments; else all arguments make the key, but those in
        `ignore`. `tags` are templates too. A result for which ``cache_if(result)`` is false is not
        stored. The other terms default to the cache's.

        `partition` tells whose the result of a call is, and keeps it apart from all others': a
        template of arguments (``"{tenant}"``), a callable that takes them, or ``"request"``, the
        tenant of the running request. Without a tenant the call raises ``PartitionError``.
        `reads_request` says that results do not depend on what the function reads of the request.

        The wrapper has ``cache_info()``, ``cache_clear()``, ``cache_parameters()`` and
        ``__wrapped__`` as functools' has, and ``invalidate(*args)``, ``refresh(*args)`` and
        ``peek(*args, default=orc.MISSING)``, which a bound method takes without its instance, and
        ``partition(tenant)``.

        Raises ``ConfigError`` when it decorates, ``UncacheableError`` for a generator function, and
        ``UnkeyableError`` at the first call with an argument that cannot be in a key.
        """
        given = {
            "ttl": ttl,
            "stale_if_error": stale_if_error,
            "stale_while_revalidate": stale_while_revalidate,
            "isolation": isolation,
        }
        terms = changed(self._terms, given, stale_on, cache_if)
        texts = {"namespace": namespace, "version": version}
        named = {name: checked_text(name, t) for name, t in texts.items() if t is not MISSING}

        options = Options(
            key=key,
            tags=tags,
            ignore=ignore,
            partition=partition,
            reads_request=reads_request,
            **named,
        )
        decorator = partial(
            decorate, core=self._core, terms=terms, options=options, tenant=self._partition
        )
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

    def prewarm(self) -> None:
        """Import and connect now what the tiers would at their first use.

        For the init phase of a container, in which it costs no request any time: call it beside
        the handler, at module level. A tier that cannot be reached is counted, and tried again
        later. Raises ``ConfigError`` for an extra that is not installed.
        """
        self._core.prewarm()

    def stats(self) -> Report:
        """Return what this cache did in this process, with all its functions and partitions.

        The report's ``states`` has the same by state of the container: see ``orc.container``.
        """
        from orc.stats.report import report

        core = self._core
        counted = {tier.name: tier.counts() for tier in core.tiers if hasattr(tier, "counts")}
        return report(core.totals(), core.memory, core.totals_by_state(), counted)
