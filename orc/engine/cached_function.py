"""A function whose results are cached: its slow path, and what it offers beside being called."""

from __future__ import annotations

from functools import partial, update_wrapper

from orc.engine.drivers import arun, run
from orc.engine.gate import BYPASS, DISABLED, OPEN
from orc.engine.keyspace import Keyspace
from orc.engine.operations import Ask
from orc.engine.read_plan import read_through
from orc.engine.write_plan import remove_many
from orc.errors import ConfigError, PartitionError, UnkeyableError
from orc.model.entry import MISSING
from orc.model.freshness import FOREVER
from orc.model.key import UNTOUCHED, arguments, local, with_untouched
from orc.model.tags import render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from orc.engine.core import Core
    from orc.engine.function_spaces import FunctionSpaces
    from orc.engine.terms import Terms
    from orc.engine.wrapper import Compiled, Parameters
    from orc.stats.info import CacheInfo


class Decorated:
    """What all partitions of one decorated function have in common; made by ``decorate``."""

    __slots__ = (
        "compiled",
        "core",
        "counting",
        "function",
        "keyed",
        "made_text",
        "named",
        "parameters",
        "place",
        "reads_request",
        "results",
        "tags",
        "terms",
        "title",
    )

    function: Callable[..., Any]
    core: Core
    terms: Terms
    title: str
    parameters: Parameters
    compiled: Compiled
    results: FunctionSpaces
    keyed: tuple[str, ...]
    """The names of what the key is made of."""
    counting: tuple[int, ...]
    """The places of the arguments that have a part in the key."""
    tags: tuple[str, ...]
    place: dict[str, str]
    """Its namespace and version, where they are not the cache's."""

    named: bool
    """Whether its name means it alone, in every process."""
    reads_request: bool
    made_text: bool
    """Whether the key is made by a template or a callable, and is no argument as it came."""

    @property
    def defaults(self) -> tuple[object, ...]:
        """The default of each value that the key is made of; for the others a mark."""
        return tuple(self.parameters.default_of(name, UNTOUCHED) for name in self.keyed)

    def wrapper(self, partition: str | None) -> Any:
        """Make the wrapper of the function for one partition, or for what is in none."""
        cached = CachedFunction(self, partition)
        slow = cached.aslow if self.parameters.asynchronous else cached.slow
        return cached.attached(self.compiled.wrapper(cached.keyspace.space.index, slow))


class CachedFunction:
    """What stands behind a wrapper.

    It knows the function and not the wrapper. When the last reference to the wrapper is gone, this
    goes too, and takes the entries along.
    """

    __slots__ = ("_core", "_decorated", "_wrappers", "keyspace")

    MOST_WRAPPERS = 1024
    """Partitions whose wrappers are at hand; the others are made anew when they are asked for."""

    def __init__(self, decorated: Decorated, partition: str | None) -> None:
        self._decorated = decorated
        self._core = decorated.core
        self._wrappers: dict[str, Any] = {}
        self.keyspace = Keyspace(
            decorated.core,
            decorated.terms,
            decorated.results.space(partition),
            decorated.results.counters,
            decorated.title,
            partition=partition,
            # What has no end stays in memory alone: to ask a tier for it would be in vain.
            shared=decorated.named and decorated.terms.ttl != FOREVER,
            reads_request=decorated.reads_request,
            counting=decorated.counting,
            made_text=decorated.made_text,
            **decorated.place,
        )

    def attached(self, wrapper: Any) -> Any:
        """Give a wrapper the look of the function, and what it offers beside being called."""
        decorated = self._decorated
        update_wrapper(wrapper, decorated.function)
        wrapper.refresh = self.arefresh if decorated.parameters.asynchronous else self.refresh
        wrapper.invalidate = self.invalidate
        wrapper.peek = self.peek
        wrapper.partition = self.partition
        wrapper.cache_info = self.cache_info
        wrapper.cache_clear = self.cache_clear
        wrapper.cache_parameters = self.cache_parameters
        return wrapper

    # -- the slow path ----------------------------------------------------------------------------

    def slow(self, values: tuple[Any, ...]) -> Any:
        """Answer a call that the wrapper could not answer itself."""
        core = self._core
        if core.gate.mode == DISABLED:
            return self._decorated.compiled.call(values)
        return run(read_through(self.keyspace, self._ask(values)), core.flights)

    async def aslow(self, values: tuple[Any, ...]) -> Any:
        """Do as :meth:`slow`, for an ``async def`` function."""
        core = self._core
        if core.gate.mode == DISABLED:
            return await self._decorated.compiled.call(values)
        return await arun(read_through(self.keyspace, self._ask(values)), core.flights)

    def _ask(self, values: tuple[Any, ...], *, anew: bool = False) -> Ask:
        decorated = self._decorated
        made_of = decorated.compiled.key_values(values)
        try:
            key = local(made_of)
        except UnkeyableError:
            made_of = with_untouched(made_of, decorated.defaults)
            key = arguments(decorated.keyed, made_of, decorated.title)
        tags: tuple[str, ...] = ()
        if decorated.tags:
            named = dict(zip(decorated.parameters.names, values, strict=True))
            tags = tuple(render(tag, named) for tag in decorated.tags)
        return Ask(
            key,
            made_of,
            partial(decorated.compiled.call, values),
            tags=tags,
            anew=anew or self._core.gate.mode == BYPASS,
            bound=values,
        )

    # -- what users call on the wrapper -----------------------------------------------------------

    def refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function whatever is stored, store the result, and return it."""
        values, core = self._decorated.compiled.bind(*args, **kwargs), self._core
        if core.gate.mode == DISABLED:
            return self._decorated.compiled.call(values)
        return run(read_through(self.keyspace, self._ask(values, anew=True)), core.flights)

    async def arefresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function whatever is stored, store the result, and return it."""
        values, core = self._decorated.compiled.bind(*args, **kwargs), self._core
        if core.gate.mode == DISABLED:
            return await self._decorated.compiled.call(values)
        return await arun(read_through(self.keyspace, self._ask(values, anew=True)), core.flights)

    def invalidate(self, /, *args: Any, **kwargs: Any) -> None:
        """Drop the result of the call with these arguments; a running call is not stored."""
        ask = self._ask(self._decorated.compiled.bind(*args, **kwargs))
        run(remove_many(self.keyspace, [ask.key], [ask.values]), self._core.flights)

    def peek(self, /, *args: Any, **kwargs: Any) -> Any:
        """Return the fresh result in memory, or `default`; nothing is called or counted.

        Without a `default` it is ``orc.MISSING``. A function that has a parameter of that name
        keeps it; where the call then does not fit, ``ConfigError`` says so.
        """
        default: object = MISSING
        parameters = self._decorated.parameters
        if "default" in kwargs and "default" not in parameters.names:
            default = kwargs.pop("default")
        try:
            values = self._decorated.compiled.bind(*args, **kwargs)
        except TypeError as error:
            if "default" not in kwargs:
                raise
            raise ConfigError(
                f"{self._decorated.title}.peek(default=...): the function has a parameter of that "
                f"name, so the value was passed to it, and {error}. Do without, and compare the "
                "result with orc.MISSING"
            ) from None
        ask = self._ask(values)
        if self._core.gate.mode != OPEN:
            return default
        view = self.keyspace.look(ask.key)
        found = self.keyspace.open(view) if view.trusted else MISSING
        return default if found is MISSING else found

    def partition(self, tenant: str) -> Any:
        """Return this function for one tenant, whose results are apart from all others'.

        As cheap as a hit, so call it in every request. Take the tenant from a *verified* claim.
        Raises ``PartitionError`` without a tenant, and on what this method returned.
        """
        try:
            return self._wrappers[tenant]
        except (KeyError, TypeError):
            return self._wrapper_for(tenant)

    def _wrapper_for(self, tenant: str) -> Any:
        title = self._decorated.title
        if not isinstance(tenant, str) or not tenant:
            raise PartitionError(
                f"{title}.partition({tenant!r}): a tenant is a string that is not empty; without "
                "one, results of several tenants would share a place"
            )
        if self.keyspace.partition is not None:
            raise PartitionError(
                f"{title}.partition({tenant!r}): this is the function of partition "
                f"{self.keyspace.partition!r} already, and a partition has no partitions"
            )
        tenant = str.__str__(tenant)
        wrappers = self._wrappers
        if len(wrappers) >= self.MOST_WRAPPERS:
            wrappers.pop(next(iter(wrappers)), None)
        return wrappers.setdefault(tenant, self._decorated.wrapper(tenant))

    def cache_clear(self) -> None:
        """Drop all results of this function, and begin ``cache_info()`` anew.

        On what :meth:`partition` returned: of that partition only. Those in shared tiers are not
        answered any more either, by this process.
        """
        self._decorated.results.clear(self.keyspace.partition)

    def cache_info(self) -> CacheInfo:
        """Return hits, misses, maxsize and currsize since the last ``cache_clear()``.

        The counts are the function's, of all its partitions together.
        """
        return self._decorated.results.info(self.keyspace.partition)

    def cache_parameters(self) -> dict[str, Any]:
        """Return what the function was decorated with; ``maxsize`` and ``typed`` as functools'."""
        decorated, keyspace = self._decorated, self.keyspace
        return {
            "maxsize": self._core.memory.max_items,
            "typed": True,
            "ttl": decorated.terms.ttl,
            "key": decorated.keyed,
            "tags": decorated.tags,
            "namespace": keyspace.namespace,
            "version": keyspace.version,
            "partition": keyspace.partition,
            "isolation": decorated.terms.isolation,
        }


class ByPartition(CachedFunction):
    """What stands behind the wrapper of a function that finds the partition of each call itself."""

    __slots__ = ()

    def _of_call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = kwargs
        if name == "peek" and "default" not in self._decorated.parameters.names:
            given = {each: value for each, value in kwargs.items() if each != "default"}
        tenant = self._decorated.compiled.partition_of(*args, **given)
        return getattr(self.partition(tenant), name)(*args, **kwargs)

    def refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function whatever is stored, store the result, and return it."""
        return self._of_call("refresh", args, kwargs)

    async def arefresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function whatever is stored, store the result, and return it."""
        return await self._of_call("refresh", args, kwargs)

    def invalidate(self, /, *args: Any, **kwargs: Any) -> None:
        """Drop the result of the call with these arguments; a running call is not stored."""
        self._of_call("invalidate", args, kwargs)

    def peek(self, /, *args: Any, **kwargs: Any) -> Any:
        """Return the fresh result in memory, or `default`; nothing is called or counted."""
        return self._of_call("peek", args, kwargs)
