"""What values cost in memory, for budgets in bytes."""

from __future__ import annotations

import gc
import sys
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    CodeType,
    FrameType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    TracebackType,
    WrapperDescriptorType,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ("ENTRY_BYTES", "SPACE_BYTES", "TAGGED_BYTES", "TAG_BYTES", "weigh")

ENTRY_BYTES = 304
"""What an entry costs beside its key and value: its copy and its places in index and queue.

Measured, as the process grows, in a full memory that evicts: 265 while it fills up, and up to 340
where most entries are deleted and come back."""

TAGGED_BYTES = 80
"""What it costs more to have tags, and as much again for each of them."""

TAG_BYTES = 448
"""What a tag costs while any entry has it."""

SPACE_BYTES = 512
"""What a space costs while it holds anything."""

# No part of any value: it is one for the whole process, or it leads to a module's globals.
_NOT_OWN = frozenset(
    {
        type,
        bool,
        type(None),
        type(Ellipsis),
        type(NotImplemented),
        BuiltinFunctionType,
        ClassMethodDescriptorType,
        CodeType,
        FrameType,
        FunctionType,
        GetSetDescriptorType,
        MemberDescriptorType,
        MethodDescriptorType,
        MethodType,
        MethodWrapperType,
        ModuleType,
        TracebackType,
        WrapperDescriptorType,
    }
)

# They have no GC header, and their own method takes a fifth of the time of sys.getsizeof.
_ATOMS: dict[type, Callable[[Any], int]] = {
    str: str.__sizeof__,
    bytes: bytes.__sizeof__,
    int: int.__sizeof__,
    float: float.__sizeof__,
    complex: complex.__sizeof__,
    bool: lambda _: 0,
    type(None): lambda _: 0,
}

_FLOOR = 64  # bytes, for an object that cannot say
_MANAGED_DICT = 1 << 4  # Py_TPFLAGS_MANAGED_DICT
_WALK_LIMIT = 1_000_000  # objects


def weigh(*objects: object) -> int:
    """Return the bytes of memory that ``objects`` hold together, deeply.

    Each object counts once a call, rounded up to the 16 bytes in which CPython's pymalloc gives out
    memory. Not counted: None, bools, types, enum members, modules, functions and methods, code and
    frames, which values share. Interned strings and small ints are shared as well, yet counted:
    the sum is rather too high than too low.

    For memory tiers, which weigh each value once, when it is stored. An object whose
    ``__sizeof__`` fails counts 64 bytes. After 1,000,000 objects the walk goes no deeper, and what
    has been met already counts by its own size alone. Raises nothing.
    """
    if len(objects) == 1:
        try:
            size_of = _ATOMS.get(type(objects[0]))
        except Exception:  # noqa: BLE001  a metaclass may forbid hashing
            return _FLOOR
        if size_of is not None:
            return size_of(objects[0]) + 15 & -16
    return _walk(list(objects))


def _walk(found: list[object]) -> int:
    total = 0
    seen: set[int] = set()
    find, mark = _ATOMS.get, seen.add
    while found:
        level, found = found, []
        for item in level:
            identity = id(item)
            if identity in seen:
                continue
            mark(identity)
            try:
                kind = type(item)
                size_of = find(kind)
                if size_of is not None:
                    total += size_of(item) + 15 & -16
                elif kind not in _NOT_OWN and not _is_shared(kind):
                    parts = gc.get_referents(item)
                    total += _own_size(item, kind, len(parts)) + 15 & -16
                    if len(seen) <= _WALK_LIMIT:
                        found += parts
                        if issubclass(kind, dict):
                            # The collector passes over the keys of a dict that are all strings.
                            found += dict.keys(item)  # type: ignore[arg-type]
            except Exception:  # noqa: BLE001  of a class that is not as classes should be
                total += _FLOOR
    return total


def _is_shared(kind: type) -> bool:
    """Whether an object of this kind is a class, or a member of an enum."""
    if issubclass(kind, type):
        return True
    meta = type(kind)
    return meta is not type and issubclass(meta, getattr(sys.modules.get("enum"), "EnumType", ()))


def _own_size(item: object, kind: type, parts: int) -> int:
    try:
        size = sys.getsizeof(item)
    except Exception:  # noqa: BLE001  a __sizeof__ that fails or lies
        return _FLOOR
    # Attribute values lie in a table of their own, which no __sizeof__ counts.
    return size + 8 * (parts + 1) if kind.__flags__ & _MANAGED_DICT else size
