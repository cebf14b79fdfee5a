"""The path of a hit: a function compiled from the decorated function's own parameters.

Python itself binds the arguments of a call to these parameters, fills in defaults, and complains
of wrong calls in its own words, so the compiled body can name them. For
``def find(item_id, lang="en")`` it is, with shorter names::

    def find(item_id, lang="en"):
        try:
            copy = index[type(item_id), type(lang), item_id, lang]
            value = copy.value
            thaw = copy.thaw
            if wall[0]() < copy.wall_until and monotonic() < copy.mono_until:
                if thaw is not None:
                    value = thaw(value)
                record(copy)
                if not next(hits) & 1023:
                    settle()
                return value
        except Exception:
            pass
        return slow((item_id, lang))

``index``, ``monotonic``, ``record`` and ``next`` are C. Whatever goes wrong on this path (a miss,
an argument that has no hash, a tag that was invalidated) goes wrong again, with a proper answer, on
the slow one. The key is that of ``orc.model.key.local``, written out.
"""

from __future__ import annotations

from types import CodeType, FunctionType

from orc.errors import ConfigError, UncacheableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

VARARGS, VARKEYWORDS, GENERATOR, COROUTINE, ASYNC_GENERATOR = 0x04, 0x08, 0x20, 0x80, 0x200
"""Flags of a code object (the module ``inspect`` has names for them, and costs milliseconds)."""

BRIDGES = frozenset({"run", "run_until_complete", "run_coroutine_threadsafe", "async_to_sync"})
"""What a decorator calls that makes a plain function of an ``async def``."""

MOST_DECORATORS = 100
"""Of so many above each other, or going round in a circle, ``inspect`` tells the parameters."""

BODY = """
{o}def @wrapper({parameters}):
    try:
        @copy = @index[{key}]
        @value = @copy.value
        @thaw = @copy.thaw
        if @wall[0]() < @copy.wall_until and @monotonic() < @copy.mono_until:
            if @thaw is not None:
                @value = @thaw(@value)
            @record(@copy)
            if not @next(@hits) & 1023:
                @settle()
            return @value
    except @Exception:
        pass
    return {w}@slow({values})

def @bind({parameters}):
    return {values}

def @call(@values):
    {unpack}
    return @function({forward})

def @key_values(@values):
    {unpack}
    return {key_values}
"""


BODY_BY_PARTITION = """
{o}def @by_partition({parameters}):
    return {w}@find({partition})({forward})

def @partition_of({parameters}):
    return {partition}
"""


class Parameters:
    """The parameters of a callable, as far as calling it and keying its calls needs them.

    They are what ``inspect.signature`` says: of the function below decorators that were made with
    ``functools.wraps``, or what ``__signature__`` tells. A callable is asynchronous if it, or the
    function below a plain decorator, is an ``async def``.
    """

    __slots__ = (
        "asynchronous",
        "defaults",
        "keyword",
        "kwdefaults",
        "normal",
        "only",
        "varargs",
        "varkw",
    )

    def __init__(self, function: Callable[..., Any]) -> None:
        self.varargs: str | None = None
        self.varkw: str | None = None
        if type(function) is FunctionType and (
            function.__code__.co_flags & (GENERATOR | ASYNC_GENERATOR)
        ):
            raise UncacheableError(
                f"{function.__qualname__} is a generator function, and what it yields can be read "
                "once only: return a list or a tuple"
            )
        told: Any = function
        asynchronous = bridged = False
        for _ in range(MOST_DECORATORS):
            if type(told) is not FunctionType or "__signature__" in told.__dict__:
                break
            code = told.__code__
            asynchronous |= bool(code.co_flags & COROUTINE) and not bridged
            bridged |= not asynchronous and not BRIDGES.isdisjoint(code.co_names)
            if "__wrapped__" not in told.__dict__:
                self._read_code(told, told.__code__)
                self.asynchronous = asynchronous
                return
            told = told.__dict__["__wrapped__"]
        self._inspect(function)
        self.asynchronous = (self.asynchronous and not bridged) or asynchronous

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the order in which values are passed on."""
        names = self.only + self.normal
        return (
            *names,
            *((self.varargs,) if self.varargs else ()),
            *self.keyword,
            *((self.varkw,) if self.varkw else ()),
        )

    def _read_code(self, function: FunctionType, code: CodeType) -> None:
        positional, keyword = code.co_argcount, code.co_kwonlyargcount
        names = code.co_varnames
        self.only = names[: code.co_posonlyargcount]
        self.normal = names[code.co_posonlyargcount : positional]
        self.keyword = names[positional : positional + keyword]
        rest = list(names[positional + keyword :])
        if code.co_flags & VARARGS:
            self.varargs = rest.pop(0)
        if code.co_flags & VARKEYWORDS:
            self.varkw = rest.pop(0)
        self.defaults = function.__defaults__ or ()
        self.kwdefaults = function.__kwdefaults__ or {}

    def _inspect(self, function: Callable[..., Any]) -> None:
        """Read partial objects, built-ins, callable objects, and what has a ``__signature__``."""
        import inspect
        from functools import partial

        # A partial object has parameters of its own, whatever it was updated with.
        wrapped = not isinstance(function, partial)
        self.asynchronous = _is_asynchronous(function)
        if wrapped:
            try:
                self.asynchronous |= _is_asynchronous(inspect.unwrap(function, stop=_tells))
            except ValueError as error:
                raise ConfigError(f"cached({function!r}): {error}") from None
        self.only, self.normal, self.keyword = (), (), ()
        self.varargs, self.varkw = "args", "kwargs"
        self.defaults, self.kwdefaults = (), {}
        try:
            signature = inspect.signature(function, follow_wrapped=wrapped)
        except ValueError:
            return  # a built-in that does not tell: as it is called, so it is keyed
        except TypeError as error:
            raise ConfigError(f"cached({function!r}): {error}") from None
        found = list(signature.parameters.values())

        def of(*kinds: object) -> tuple[inspect.Parameter, ...]:
            return tuple(parameter for parameter in found if parameter.kind in kinds)

        kind = inspect.Parameter
        self.only = tuple(p.name for p in of(kind.POSITIONAL_ONLY))
        self.normal = tuple(p.name for p in of(kind.POSITIONAL_OR_KEYWORD))
        self.keyword = tuple(p.name for p in of(kind.KEYWORD_ONLY))
        self.varargs = next((p.name for p in of(kind.VAR_POSITIONAL)), None)
        self.varkw = next((p.name for p in of(kind.VAR_KEYWORD)), None)
        positional = of(kind.POSITIONAL_ONLY, kind.POSITIONAL_OR_KEYWORD)
        self.defaults = tuple(p.default for p in positional if p.default is not kind.empty)
        self.kwdefaults = {
            p.name: p.default for p in of(kind.KEYWORD_ONLY) if p.default is not kind.empty
        }

    def default_of(self, name: str, nothing: object) -> object:
        """Return the default of a parameter, or `nothing`."""
        positional = [*self.only, *self.normal]
        if name in positional:
            place = positional.index(name) - len(positional)
            return self.defaults[place] if -place <= len(self.defaults) else nothing
        return self.kwdefaults.get(name, nothing)

    def declaration(self) -> str:
        """Write the parameters as they stand in a ``def``, every default a placeholder."""
        positional = [*self.only, *self.normal]
        first_default = len(positional) - len(self.defaults)
        parts = [
            f"{name}=None" if index >= first_default else name
            for index, name in enumerate(positional)
        ]
        if self.only:
            parts.insert(len(self.only), "/")
        if self.varargs:
            parts.append(f"*{self.varargs}")
        elif self.keyword:
            parts.append("*")
        parts += [f"{name}=None" if name in self.kwdefaults else name for name in self.keyword]
        if self.varkw:
            parts.append(f"**{self.varkw}")
        return ", ".join(parts)

    def forwarding(self) -> str:
        """Write the arguments of a call that passes everything on."""
        parts = [*self.only, *self.normal]
        if self.varargs:
            parts.append(f"*{self.varargs}")
        parts += [f"{name}={name}" for name in self.keyword]
        if self.varkw:
            parts.append(f"**{self.varkw}")
        return ", ".join(parts)


def _tells(function: Callable[..., Any]) -> bool:
    return hasattr(function, "__signature__")


def _is_asynchronous(function: Callable[..., Any]) -> bool:
    import inspect

    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - its flags are what is asked for
    )


def local_key(names: tuple[str, ...]) -> str:
    """Write ``orc.model.key.local`` of these names as an expression."""
    if not names:
        return "()"
    if len(names) == 1:
        (name,) = names
        return (
            f"{name} if @type({name}) is @str or @type({name}) is @int else (@type({name}), {name})"
        )
    return ", ".join([*(f"@type({name})" for name in names), *names])


_BUILTINS: dict[str, Any] = {
    "type": type,
    "str": str,
    "int": int,
    "next": next,
    "Exception": Exception,
}


def _of_none(*_: Any, **__: Any) -> str:
    raise AssertionError("compiled without a partition")


class Compiled:
    """What :func:`compile_wrapper` makes of a function."""

    __slots__ = (
        "_by_partition",
        "_finish",
        "_hit",
        "_names",
        "_prefix",
        "bind",
        "call",
        "key_values",
        "partition_of",
    )

    bind: Callable[..., tuple[Any, ...]]
    """Called like the function: returns its arguments as a tuple, in the order of the names."""
    call: Callable[[tuple[Any, ...]], Any]
    """Calls the function with such a tuple."""
    key_values: Callable[[tuple[Any, ...]], tuple[Any, ...]]
    """Takes from such a tuple, or makes of it, what the key is made of."""
    partition_of: Callable[..., str]
    """Called like the function: returns the partition of the call."""

    def __init__(
        self, prefix: str, made: dict[str, Any], finish: Callable[[FunctionType], Any]
    ) -> None:
        self._prefix = prefix
        self._finish = finish
        self._hit: CodeType = made.pop(prefix + "wrapper").__code__
        by_partition = made.pop(prefix + "by_partition", None)
        self._by_partition: CodeType | None = by_partition and by_partition.__code__
        self._names = made
        self.bind, self.call, self.key_values = (
            made[prefix + name] for name in ("bind", "call", "key_values")
        )
        self.partition_of = made.get(prefix + "partition_of", _of_none)
        finish(self.bind)  # type: ignore[arg-type]
        if by_partition is not None:
            finish(self.partition_of)  # type: ignore[arg-type]

    def wrapper(
        self, index: dict[Any, Any], slow: Callable[[tuple[Any, ...]], Any]
    ) -> Callable[..., Any]:
        """Return a wrapper that answers hits from an index, and asks `slow` for all else.

        What answers `slow` has what is compiled here. In one namespace with it they would be a
        cycle, and the entries of a wrapper that is dropped would wait for the garbage collector.
        """
        return self._made(self._hit, index=index, slow=slow)

    def by_partition(self, find: Callable[[str], Callable[..., Any]]) -> Callable[..., Any]:
        """Return a wrapper that calls the wrapper which `find` returns for a call's partition."""
        assert self._by_partition is not None  # noqa: S101 - compiled with an expression for it
        return self._made(self._by_partition, find=find)

    def _made(self, code: CodeType, **helpers: Any) -> Callable[..., Any]:
        names = {self._prefix + name: value for name, value in helpers.items()}
        made = FunctionType(code, self._names | names)
        self._finish(made)
        return made


def compile_wrapper(  # noqa: PLR0913 - the expressions of one function
    function: Callable[..., Any],
    parameters: Parameters,
    *,
    key: str,
    key_values: str,
    helpers: dict[str, Any],
    partition: str | None = None,
) -> Compiled:
    """Compile the wrapper of a function, and the helpers that share its parameters.

    In `key`, `key_values` and `partition`, expressions over the parameters, and in ``BODY``, an
    ``@`` begins the name of a helper. It becomes a prefix that no parameter has, so that none can
    hide a helper; this goes for ``type`` and ``str`` too, which are popular names of parameters.
    """
    prefix = "_orc_"
    while any(name.startswith(prefix) for name in parameters.names):
        prefix += "_"
    values = "".join(f"{name}, " for name in parameters.names)
    body = BODY if partition is None else BODY + BODY_BY_PARTITION
    source = body.format(
        o="async " if parameters.asynchronous else "",
        w="await " if parameters.asynchronous else "",
        parameters=parameters.declaration(),
        forward=parameters.forwarding(),
        key=key,
        key_values=key_values,
        partition=partition,
        values=f"({values})",
        unpack=f"{values}= @values" if values else "pass",
    ).replace("@", prefix)
    helpers = {**_BUILTINS, **helpers, "function": function}
    namespace = {prefix + helper: value for helper, value in helpers.items()}
    where = f"<orc: the cache of {getattr(function, '__qualname__', function)}>"
    # The template is ours, and every name filled in is a parameter's of the function already.
    exec(compile(source, where, "exec"), namespace)  # noqa: S102
    name = getattr(function, "__qualname__", type(function).__qualname__)

    def finish(made: FunctionType) -> None:
        made.__defaults__ = parameters.defaults or None
        made.__kwdefaults__ = parameters.kwdefaults or None
        made.__qualname__ = name  # Python names it when it complains of a wrong call

    return Compiled(prefix, namespace, finish)
