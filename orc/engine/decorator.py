"""A function whose results are cached: its slow path, and what it offers beside being called."""

from __future__ import annotations

from functools import partial, update_wrapper
from types import BuiltinFunctionType, FunctionType

from orc import notices
from orc.engine.drivers import arun, run
from orc.engine.gate import BYPASS, DISABLED, OPEN
from orc.engine.keyspace import Ask, Keyspace
from orc.engine.read_plan import read_through
from orc.engine.template import fields, names_of
from orc.engine.wrapper import Parameters, compile_wrapper, local_key
from orc.engine.write_plan import remove_many
from orc.errors import ConfigError
from orc.model.entry import MISSING
from orc.model.key import arguments, local
from orc.model.tags import render
from orc.stats.counters import Counters
from orc.stats.info import CacheInfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from orc.engine.core import Core
    from orc.engine.terms import Terms


def title_of(function: Callable[..., Any]) -> str:
    """Name a callable: its module and its qualified name."""
    named = function if hasattr(function, "__qualname__") else type(function)
    # A method of a built-in type has no module, and that of a built-in object may be None.
    module = getattr(function, "__module__", None) or "builtins"
    return f"{module}.{named.__qualname__}"


def is_named(function: Callable[..., Any]) -> bool:
    """Tell whether a callable's module and qualified name mean it alone, in every process.

    They do not for lambdas and functions made in functions, which share theirs; nor for bound
    methods, partial objects and other callables, which hold more than their name says.
    """
    name = getattr(function, "__qualname__", "<")
    return type(function) in _NAMED and "<" not in name


_NAMED = (FunctionType, BuiltinFunctionType)


def decorate(  # noqa: PLR0913 - the terms of one function
    function: Any,
    /,
    core: Core,
    terms: Terms,
    *,
    key: str | Callable[..., Any] | None,
    tags: str | Sequence[str],
    ignore: str | Sequence[str],
    reads_request: bool = False,
    **place: str | None,
) -> Any:
    """Return the wrapper of a function, with results in a keyspace of its own.

    `place` is the keyspace's partition, namespace and version. Raises ``ConfigError`` for what is
    not callable, for templates and names that do not fit the function's parameters, and
    ``UncacheableError`` for a generator function.
    """
    if isinstance(function, (classmethod, staticmethod)):
        inner = function.__func__
        wrapped = decorate(
            inner,
            core,
            terms,
            key=key,
            tags=tags,
            ignore=ignore,
            reads_request=reads_request,
            **place,
        )
        return type(function)(wrapped)
    if not callable(function):
        raise ConfigError(
            f"cached({function!r}): decorate a callable, and give terms by name: "
            "@cache.cached(ttl=60)"
        )
    parameters = Parameters(function)
    title = title_of(function)
    tags = names_of(tags, "tags")
    for tag in tags:
        fields(tag, parameters.names, f"the tag of {title}")
    if type(reads_request) is not bool:
        raise ConfigError(f"reads_request={reads_request!r} is not allowed: give True or False")
    ignored = names_of(ignore, "ignore")
    keyed, expression, key_values, made = _key(parameters, title, key, ignored)
    counters = Counters(title)
    space = core.function_space(counters, place.get("partition"))
    named = is_named(function) or place.get("namespace") is not None
    keyspace = Keyspace(
        core, terms, space, counters, title, shared=named, reads_request=reads_request, **place
    )
    if core.tiers and not named:
        notices.warn(
            f"{title} is cached in memory alone: its name does not tell it from other functions. "
            'Give it a place of its own, @cached(namespace="..."), to have it in the shared tiers.'
        )
    cached = CachedFunction(keyspace, title, parameters, keyed, tags)
    cached.counting = _counting(parameters, key, ignored, title)
    compiled = compile_wrapper(
        function,
        parameters,
        key=expression,
        key_values=key_values,
        helpers={
            "index": space.index,
            "wall": core.gate.wall,
            "monotonic": core.clock.monotonic,
            "record": core.memory.record,
            "hits": counters.hits.numbers,
            "settle": core.memory.settle,
            "slow": cached.aslow if parameters.asynchronous else cached.slow,
            "local": local,
            "made": made,
        },
    )
    cached.bind, cached.call, cached.key_values = (
        compiled.bind,
        compiled.call,
        compiled.key_values,
    )
    wrapper: Any = update_wrapper(compiled.wrapper, function)
    wrapper.refresh = cached.arefresh if parameters.asynchronous else cached.refresh
    wrapper.invalidate = cached.invalidate
    wrapper.peek = cached.peek
    wrapper.cache_info = cached.cache_info
    wrapper.cache_clear = cached.cache_clear
    wrapper.cache_parameters = cached.cache_parameters
    return wrapper


def _key(
    parameters: Parameters,
    title: str,
    key: str | Callable[..., Any] | None,
    ignore: tuple[str, ...],
) -> tuple[tuple[str, ...], str, str, list[Callable[..., object]]]:
    """Return the names of what the key is made of, and the expressions that make it.

    The first expression is what the wrapper looks up, the second a tuple of the key's values. The
    callables are those that the expressions use.
    """
    names = parameters.names
    unknown = [name for name in ignore if name not in names]
    if unknown:
        raise ConfigError(f"ignore={unknown[0]!r}: {title} has no such argument, only {names}")
    if key is not None and ignore:
        raise ConfigError(f"{title}: give key= or ignore=, not both")
    made: list[Callable[..., object]] = []
    values: list[str] = []
    if isinstance(key, str):
        # Field by field, and not the text: "a:b" and "c" fill "{x}:{y}" as "a" and "b:c" do.
        used = fields(key, names, f"the key of {title}")
        keyed = tuple(field.label for field in used)
        for field in used:
            if field.made is None:
                values += field.names
                continue
            given = ", ".join(f"{n}={n}" if field.keywords else n for n in field.names)
            values.append(f"@made[{len(made)}]({given})")
            made.append(field.made)
    elif callable(key):
        keyed, values, made = ("key",), [f"@made[0]({parameters.forwarding()})"], [key]
    elif key is not None:
        raise ConfigError(f"{title}: key is {key!r}: give a template or a callable")
    else:
        keyed = tuple(name for name in names if name not in ignore)
        values = list(keyed)
    key_values = f"({''.join(f'{value}, ' for value in values)})"
    if made or parameters.varargs in values or parameters.varkw in values:
        return keyed, f"@local({key_values})", key_values, made
    return keyed, local_key(tuple(values)), key_values, made


def _counting(
    parameters: Parameters, key: object, ignored: tuple[str, ...], title: str
) -> tuple[int, ...]:
    """Return the places of the arguments that have a part in the key: a callable has them all."""
    names = parameters.names
    if isinstance(key, str):
        used = {name for field in fields(key, names, f"the key of {title}") for name in field.names}
    else:
        used = set(names).difference(ignored)
    return tuple(place for place, name in enumerate(names) if name in used)


class CachedFunction:
    """What stands behind a wrapper.

    It knows the function and not the wrapper: when nobody has the wrapper any more, this goes too
    and takes the entries along.
    """

    __slots__ = (
        "_counted",
        "_keyed",
        "_keyspace",
        "_parameters",
        "_tags",
        "_title",
        "bind",
        "call",
        "counting",
        "key_values",
    )

    bind: Callable[..., tuple[Any, ...]]
    call: Callable[[tuple[Any, ...]], Any]
    key_values: Callable[[tuple[Any, ...]], tuple[Any, ...]]
    counting: tuple[int, ...]
    """The places of the arguments that have a part in the key."""

    def __init__(
        self,
        keyspace: Keyspace,
        title: str,
        parameters: Parameters,
        keyed: tuple[str, ...],
        tags: tuple[str, ...],
    ) -> None:
        self._keyspace = keyspace
        self._title = title
        self._parameters = parameters
        self._keyed = keyed
        self._tags = tags
        self._counted = CacheInfo(0, 0, None, 0)

    def __del__(self) -> None:
        self._keyspace.core.close(self._keyspace.counters, self._keyspace.space)

    # -- the slow path ----------------------------------------------------------------------------

    def slow(self, values: tuple[Any, ...]) -> Any:
        """Answer a call that the wrapper could not answer itself."""
        core = self._keyspace.core
        if core.gate.mode == DISABLED:
            return self.call(values)
        return run(read_through(self._keyspace, self._ask(values)), core.flights)

    async def aslow(self, values: tuple[Any, ...]) -> Any:
        """Do as :meth:`slow`, for an ``async def`` function."""
        core = self._keyspace.core
        if core.gate.mode == DISABLED:
            return await self.call(values)
        return await arun(read_through(self._keyspace, self._ask(values)), core.flights)

    def _ask(self, values: tuple[Any, ...], *, anew: bool = False) -> Ask:
        made_of = self.key_values(values)
        tags: tuple[str, ...] = ()
        if self._tags:
            named = dict(zip(self._parameters.names, values, strict=True))
            tags = tuple(render(tag, named) for tag in self._tags)
        return Ask(
            arguments(self._keyed, made_of, self._title),
            made_of,
            partial(self.call, values),
            tags=tags,
            anew=anew or self._keyspace.core.gate.mode == BYPASS,
            bound=tuple([values[place] for place in self.counting]),
        )

    # -- what users call on the wrapper -----------------------------------------------------------

    def refresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function whatever is stored, store the result, and return it."""
        values, core = self.bind(*args, **kwargs), self._keyspace.core
        if core.gate.mode == DISABLED:
            return self.call(values)
        return run(read_through(self._keyspace, self._ask(values, anew=True)), core.flights)

    async def arefresh(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the function whatever is stored, store the result, and return it."""
        values, core = self.bind(*args, **kwargs), self._keyspace.core
        if core.gate.mode == DISABLED:
            return await self.call(values)
        return await arun(read_through(self._keyspace, self._ask(values, anew=True)), core.flights)

    def invalidate(self, /, *args: Any, **kwargs: Any) -> None:
        """Drop the result of the call with these arguments; a running call is not stored."""
        ask = self._ask(self.bind(*args, **kwargs))
        plan = remove_many(self._keyspace, [ask.key], [ask.values])
        run(plan, self._keyspace.core.flights)

    def peek(self, /, *args: Any, **kwargs: Any) -> Any:
        """Return the fresh result in memory, or ``orc.MISSING``; nothing is called or counted."""
        ask = self._ask(self.bind(*args, **kwargs))
        if self._keyspace.core.gate.mode != OPEN:
            return MISSING
        view = self._keyspace.look(ask.key)
        return self._keyspace.open(view) if view.trusted else MISSING

    def cache_clear(self) -> None:
        """Drop all results of this function, and begin ``cache_info()`` anew.

        Those in shared tiers are not answered any more either, by this process.
        """
        space = self._keyspace.space
        self._keyspace.space.cleared_at = self._keyspace.core.clock.wall()
        self._keyspace.core.flights.void_all(lambda key: key[0] is space)
        space.clear()
        self._counted = self._count()

    def cache_info(self) -> CacheInfo:
        """Return hits, misses, maxsize and currsize since the last ``cache_clear()``."""
        return self._count().since(self._counted)

    def cache_parameters(self) -> dict[str, Any]:
        """Return what the function was decorated with; ``maxsize`` and ``typed`` as functools'."""
        terms, core = self._keyspace.terms, self._keyspace.core
        return {
            "maxsize": core.memory.max_items,
            "typed": True,
            "ttl": terms.ttl,
            "key": self._keyed,
            "tags": self._tags,
            "namespace": self._keyspace.namespace,
            "version": self._keyspace.version,
            "partition": self._keyspace.partition,
            "isolation": terms.isolation,
        }

    def _count(self) -> CacheInfo:
        space = self._keyspace.space
        space.memory.settle()  # to look takes numbers from those at which hits do it
        return CacheInfo.of(self._keyspace.counters, space.memory.max_items, space.items)
