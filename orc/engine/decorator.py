"""``@cached``: from a function and its options to a wrapper, everything checked on the way."""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType

from orc import notices
from orc.engine.cached_function import ByPartition, Decorated
from orc.engine.function_spaces import FunctionSpaces
from orc.engine.template import fields, names_of
from orc.engine.wrapper import Parameters, compile_wrapper, local_key
from orc.errors import ConfigError, PartitionError
from orc.model.freshness import FOREVER
from orc.model.key import local

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


class Options:
    """How a function is cached, beside the terms: what ``cached`` was given, not yet checked."""

    __slots__ = ("ignore", "key", "namespace", "partition", "reads_request", "tags", "version")

    def __init__(  # noqa: PLR0913 - a record
        self,
        *,
        key: str | Callable[..., Any] | None = None,
        tags: str | Sequence[str] = (),
        ignore: str | Sequence[str] = (),
        partition: str | Callable[..., str] | None = None,
        reads_request: bool = False,
        namespace: str | None = None,
        version: str | None = None,
    ) -> None:
        self.key = key
        self.tags = tags
        self.ignore = ignore
        self.partition = partition
        self.reads_request = reads_request
        self.namespace = namespace
        self.version = version


def decorate(
    function: Any, /, core: Core, terms: Terms, options: Options, tenant: str | None
) -> Any:
    """Return the wrapper of a function, with results in a space of its own.

    `tenant` is the partition of the cache that decorates. Raises ``ConfigError`` for what is not
    callable, for templates and names that do not fit the function's parameters, and
    ``UncacheableError`` for a generator function.
    """
    if isinstance(function, (classmethod, staticmethod)):
        inner = _decorate(function.__func__, core, terms, options, tenant)
        if isinstance(function, staticmethod):
            return staticmethod(inner)
        from orc.engine.methods import CachedClassMethod

        return CachedClassMethod(inner)
    wrapper = _decorate(function, core, terms, options, tenant)
    if type(function) is FunctionType and "." in function.__qualname__:
        from orc.engine.methods import IMPLICIT, CachedMethod, in_class_body

        if in_class_body(function) and function.__name__ not in IMPLICIT:
            return CachedMethod(wrapper)
    return wrapper


def _decorate(function: Any, core: Core, terms: Terms, options: Options, tenant: str | None) -> Any:
    if not callable(function):
        raise ConfigError(
            f"cached({function!r}): decorate a callable, and give terms by name: "
            "@cache.cached(ttl=60)"
        )
    decorated = Decorated()
    parameters = decorated.parameters = Parameters(function)
    title = decorated.title = title_of(function)
    decorated.function, decorated.core, decorated.terms = function, core, terms
    decorated.tags = names_of(options.tags, "tags")
    for tag in decorated.tags:
        fields(tag, parameters.names, f"the tag of {title}")
    if type(options.reads_request) is not bool:
        raise ConfigError(
            f"reads_request={options.reads_request!r} is not allowed: give True or False"
        )
    decorated.reads_request = options.reads_request
    ignored = names_of(options.ignore, "ignore")
    decorated.keyed, key, key_values, made = _key(parameters, title, options.key, ignored)
    decorated.made_text = options.key is not None and decorated.keyed not in {
        (name,) for name in parameters.names
    }
    decorated.counting = _counting(parameters, decorated.keyed, options.key)
    decorated.place = {
        name: text
        for name, text in (("namespace", options.namespace), ("version", options.version))
        if text is not None
    }
    decorated.named = is_named(function) or options.namespace is not None
    partition, parts = _partition(parameters, title, options.partition, tenant)
    decorated.results = _results(decorated, options, tenant)
    if core.tiers and not decorated.named and terms.ttl != FOREVER:
        notices.warn(
            f"{title} is cached in memory alone: its name does not tell it from other functions. "
            'Give it a place of its own, @cached(namespace="..."), to have it in the shared tiers.'
        )
    decorated.compiled = compile_wrapper(
        function,
        parameters,
        key=key,
        key_values=key_values,
        partition=partition,
        helpers={
            "wall": core.gate.wall,
            "monotonic": core.clock.monotonic,
            "record": core.memory.record,
            "hits": decorated.results.counters.hits.numbers,
            "settle": core.memory.settle,
            "local": local,
            "made": made,
            "parts": parts,
        },
    )
    if options.partition is None:
        return decorated.wrapper(tenant)
    by_partition = ByPartition(decorated, None)
    return by_partition.attached(decorated.compiled.by_partition(by_partition.partition))


def _partition(
    parameters: Parameters,
    title: str,
    partition: str | Callable[..., str] | None,
    tenant: str | None,
) -> tuple[str | None, list[Callable[..., object]]]:
    if partition is None:
        return None, []
    if tenant is not None:
        raise PartitionError(
            f"{title}: partition={partition!r} in partition {tenant!r}: a partition has no "
            "partitions; decorate with the whole cache, or leave partition= out"
        )
    from orc.engine.partition_of import partition_of

    return partition_of(partition, parameters, title)


def _results(decorated: Decorated, options: Options, tenant: str | None) -> FunctionSpaces:
    core = decorated.core
    if tenant is None:
        return FunctionSpaces(core, decorated.title)
    if core.registry is None:
        from orc.engine.same_function import FunctionRegistry

        core.registry = FunctionRegistry()
    given = (
        options.key,
        decorated.keyed,
        decorated.tags,
        options.namespace,
        options.version,
        options.reads_request,
    )
    terms = [getattr(decorated.terms, name) for name in decorated.terms.__slots__]
    return core.registry.results(core, decorated.function, decorated.title, (*given, *terms))


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


def _counting(parameters: Parameters, keyed: tuple[str, ...], key: object) -> tuple[int, ...]:
    """Return the places of the arguments that are in the key as a whole.

    Of a template that is ``{name}`` and ``{name!r}``. What a callable takes of the arguments is
    known by what it makes of them alone.
    """
    labels = () if callable(key) else keyed
    whole = {label.partition("!")[0] for label in labels if ":" not in label}
    return tuple(place for place, name in enumerate(parameters.names) if name in whole)
