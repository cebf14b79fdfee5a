"""Keep one caller's changes to a value from reaching the next caller.

The decision is made once, when a value is stored, from exact types and recursively:

- immutable values are shared;
- a flat dict, list or set of immutable values is kept as a private copy and comes out as a copy;
- every other value is kept as bytes and comes out fresh.

A subclass is never taken for its base class, since it may add state that can be changed.
"""

from __future__ import annotations

import gc
import sys
from types import AsyncGeneratorType, BuiltinFunctionType, CoroutineType, GeneratorType

from orc.errors import UncacheableError, UncopyableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

__all__ = ("keep",)

# Types whose every instance is immutable. Those of the standard library that are costly to import
# join when first met; a user's class never does, since being in here would keep it alive.
_ATOMS: set[type] = {type(None), bool, int, float, complex, str, bytes, range}

_STANDARD = {
    "Decimal": "decimal",
    "Fraction": "fractions",
    "Pattern": "re",
    "PosixPath": "pathlib",
    "PurePosixPath": "pathlib",
    "PureWindowsPath": "pathlib",
    "UUID": "uuid",
    "WindowsPath": "pathlib",
    "ZoneInfo": "zoneinfo",
    "date": "datetime",
    "timedelta": "datetime",
    "timezone": "datetime",
}
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE


def keep(value: object, isolation: str) -> tuple[object, Callable[[Any], object] | None]:
    """Decide how ``value`` is kept, as ``(kept, thaw)``.

    With ``thaw`` None, ``kept`` is the value itself and every reader may have it; else each reader
    gets ``thaw(kept)``. Under ``isolation="share"`` the value is always kept as it is. For the
    engine, on the miss path.

    Raises UncacheableError for a coroutine, generator, task or future, and UncopyableError when
    pickle cannot take the value apart and build it again. Raises nothing else, unless the value's
    own hooks raise what is not an Exception, such as KeyboardInterrupt.
    """
    if isolation == "share":
        _refuse_single_use(value)
        return value, None
    try:
        if type(value) in _ATOMS:
            return value, None
        plan = _without_pickle(value)
    except UncacheableError:
        raise
    except Exception:  # noqa: BLE001  a hostile class cannot be judged; pickle has the last word
        plan = None
    return plan or _pickled(value)


def _without_pickle(value: Any) -> tuple[object, Callable[[Any], object] | None] | None:
    """Plan to share ``value`` or to copy it flatly; None if it is neither immutable nor flat."""
    kind = type(value)
    # The copy is what is looked at, so that another thread cannot make the decision untrue.
    if kind is dict:
        private = value.copy()
        flat = _all_immutable(private) and _all_immutable(private.values())
        return (private, dict.copy) if flat else None
    if kind is list or kind is set:
        private = value.copy()
        return (private, kind.copy) if _all_immutable(private) else None
    if kind is not tuple and kind is not frozenset:
        _refuse_single_use(value)
    return (value, None) if _all_immutable((value,)) else None


def _pickled(value: object) -> tuple[bytes, Callable[[Any], object]]:
    """Keep ``value`` as bytes that were read back once."""
    from pickle import dumps, loads

    try:
        kept = dumps(value, 5)
        loads(kept)
    except Exception as error:
        kind = type(value)
        raise UncopyableError(
            f"cannot copy a value of type {kind.__module__}.{kind.__qualname__} "
            f'({_summary(error)}); only isolation="share" can cache it'
        ) from error
    return kept, loads


def _summary(error: Exception) -> str:
    name = type(error).__name__
    try:
        return f"{name}: {str(error).splitlines()[0]}"
    except Exception:  # noqa: BLE001  no text, or a __str__ that fails
        return name


def _all_immutable(values: Collection[object]) -> bool:
    """Whether nothing that can be reached through ``values`` can be changed.

    A loop, not a recursion, and each object once: nesting may be deep, and sharing may make an
    exponential number of paths.
    """
    if _ATOMS.issuperset(map(type, values)):
        return True
    seen: set[int] = set()
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        kind = type(value)
        if kind in _ATOMS or id(value) in seen:
            continue
        seen.add(id(value))
        parts = _parts(value, kind)
        if parts is None:
            return False
        if not _ATOMS.issuperset(map(type, parts)):
            waiting.extend(parts)
    return True


def _parts(value: Any, kind: type) -> Collection[object] | None:
    """Return what must be immutable for ``value`` to be so; None if it is mutable in itself.

    The parts must be alive for as long as ``value`` is: the walk knows them by their ids.
    """
    if kind is tuple or kind is frozenset:
        return value  # type: ignore[no-any-return]
    if _is_immutable_type(kind):
        return ()
    if kind.__name__ in ("datetime", "time") and _is_standard(kind, "datetime"):
        return (value.tzinfo,)
    # A named tuple. A subclass of one has other bases, or a __dict__.
    if kind.__bases__ == (tuple,) and hasattr(kind, "_fields") and not kind.__dictoffset__:
        return tuple(tuple.__iter__(value))  # its own __iter__ may hide what it holds
    if "__dataclass_params__" in kind.__dict__:
        return _frozen_parts(value, kind)
    return None


def _is_immutable_type(kind: type) -> bool:
    """Whether every instance of ``kind`` is immutable: types of the standard library, enums."""
    name = kind.__name__
    if name in _STANDARD and _is_standard(kind, _STANDARD[name]):
        _ATOMS.add(kind)
        return True
    # The members of an enum are made once: pickle, too, would hand out the same object.
    return issubclass(type(kind), getattr(sys.modules.get("enum"), "EnumType", ()))


def _is_standard(kind: type, module: str) -> bool:
    from orc.model.library import is_of_library

    return is_of_library(kind, module)


def _frozen_parts(value: Any, kind: type) -> Collection[object] | None:
    """Return what a frozen dataclass instance holds; None if there is more to it than fields."""
    if not kind.__dict__["__dataclass_params__"].frozen or not _is_plain(kind):
        return None
    names = {field.name for field in sys.modules["dataclasses"].fields(kind)}
    own = [id(getattr(value, name, kind)) for name in names]
    # Not through __dict__: to look at it is to create it, and it then lives as long as the value.
    held = [part for part in gc.get_referents(value) if part is not kind]
    foreign = []
    for part in held:
        if id(part) in own:
            own.remove(id(part))  # a field accounts for one reference: two may hold None
        else:
            foreign.append(part)
    if not foreign:
        return held
    if len(foreign) > 1 or type(foreign[0]) is not dict or foreign[0] is not value.__dict__:
        return None
    attributes = foreign[0]
    if not names.issuperset(attributes):
        return None
    return [*attributes.values(), *(part for part in held if part is not attributes)]


def _is_plain(kind: type) -> bool:
    """Whether instances hold nothing but attributes, and will get no further ones by themselves.

    So no class above it but ``object`` is written in C, and none has a cached_property.
    """
    cached_property = getattr(sys.modules.get("functools"), "cached_property", ())
    for base in kind.__mro__:
        if base is object:
            continue
        # A class written in C has a constructor of its own (as copyreg also takes it).
        if not base.__flags__ & _HEAP_TYPE or type(base.__dict__.get("__new__")) is (
            BuiltinFunctionType
        ):
            return False
        for name, member in base.__dict__.items():
            if isinstance(member, cached_property) or _writes(name, member):
                return False
    return True


def _writes(name: str, member: Any) -> bool:
    """Whether a method may put attributes on an instance that cannot be set, after it was made."""
    code = getattr(getattr(member, "fget", member), "__code__", None)
    return (
        code is not None
        and name not in _MAKERS
        and code.co_filename != "<string>"
        and not _GO_ROUND.isdisjoint(code.co_names)
    )


_MAKERS = frozenset({"__init__", "__new__", "__post_init__", "__setstate__", "__getstate__"})
_GO_ROUND = frozenset({"__setattr__", "__dict__", "vars"})


def _refuse_single_use(value: Any) -> None:
    """Raise UncacheableError for what is spent by its first reader, or belongs to one event loop.

    A coroutine that was never started is closed: Python need not warn that nobody awaited it.
    """
    kind = type(value)
    if kind is CoroutineType:
        if not (value.cr_running or value.cr_suspended) and value.cr_frame is not None:
            value.close()
        what, remedy = "a coroutine", "await it, or use the async API / an async def function"
    elif kind is GeneratorType:
        what, remedy = "a generator", "make a list or tuple of what it yields"
    elif kind is AsyncGeneratorType:
        what, remedy = "an async generator", "make a list or tuple of what it yields (async for)"
    elif any("__await__" in base.__dict__ for base in kind.__mro__):
        what, remedy = f"an awaitable ({kind.__qualname__})", "await it and cache its result"
    else:
        if not issubclass(kind, getattr(sys.modules.get("concurrent.futures"), "Future", ())):
            return
        what, remedy = f"a future ({kind.__qualname__})", "cache its result()"
    raise UncacheableError(f"{what} cannot be cached: {remedy}")
