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
    from collections.abc import Set as AbstractSet
    from typing import Any

__all__ = ("CLIENT_BYTES", "ENTRY_BYTES", "SPACE_BYTES", "TAGGED_BYTES", "TAG_BYTES", "weigh")

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

CLIENT_BYTES = 64 * 1024
"""What a client counts for: an object that holds a socket, a TLS context, a thread or the like.

What a client reaches is mostly not its own: botocore's client leads to 100,000 objects of service
models. So it counts as this, and as the data that it holds itself."""

# No part of any value: it is one for the whole process, or it leads to a module's globals.
_NOT_OWN: frozenset[type] = frozenset(
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
_CLIENT_LIMIT = 2_000  # objects; what holds a lock or a socket and is smaller is weighed in full
_GUESS_LIMIT = 100_000  # objects that walks may meet in vain, before they are no longer tried
_MOST_FLAT = 1_000  # parts, which are listed
_WIDE = 32  # parts; what has more is looked into after what has fewer

_SKIP, _OPEN, _FRAME, _DICT, _ARRAY, _NUMPY, _LOCK, _HANDLE = range(8)
"""As in ``orc.tiers.value_kinds``, which is imported when a value is not flat."""

_EVER: dict[type, int] = {
    **dict.fromkeys(_NOT_OWN, _SKIP),
    list: _OPEN,
    tuple: _OPEN,
    set: _OPEN,
    frozenset: _OPEN,
    dict: _DICT,
    bytearray: _ARRAY,
    memoryview: _ARRAY,
}

_CONTAINERS = (dict, list, tuple, set, frozenset)


def weigh(*objects: object) -> int:
    """Return the bytes of memory that ``objects`` hold together, deeply.

    Each object counts once a call, rounded up to the 16 bytes in which CPython's pymalloc gives out
    memory. A view of a buffer counts with the whole buffer. Not counted: None, bools, types, enum
    members, modules, functions and methods, code and frames, loggers, which values share. Interned
    strings and small ints are shared as well, yet counted: the sum is rather too high than too low.

    An object that leads to a lock, a socket or another thing of this process, and to more than
    2,000 objects, is a client. It counts ``CLIENT_BYTES``, the arrays that were met, and its own
    attributes. If the client's class is a library's, instances that are its attributes count
    nothing, and those in containers count.

    For memory tiers, which weigh each value once, when it is stored. An object whose
    ``__sizeof__`` fails counts 64 bytes. After 1,000,000 objects the walk goes no deeper, and what
    has been met already counts by its own size alone. Raises nothing.
    """
    total = 0
    try:
        for item in objects if objects[0] is not objects[-1] else objects[:1]:
            size_of = _ATOMS.get(type(item))
            if size_of is None:  # a container may share its parts with another one
                size_of = _of_flat if item is objects[-1] else _ATOMS[type(item)]
            total += size_of(item) + 15 & -16
    except Exception:  # noqa: BLE001, S110  neither an atom nor flat; or a class is odd
        pass
    else:
        return total
    walk = _Walk(frozenset(), 0)
    return walk.total if walk.run(list(objects)) else _weigh_apart(objects)


def _of_flat(item: object) -> int:
    """Return the bytes of a flat container; raise ``KeyError`` for anything else."""
    kind = type(item)
    if len(item) > _MOST_FLAT:  # type: ignore[arg-type]
        raise KeyError
    parts = [*item.keys(), *item.values()] if kind is dict else _FLAT[kind](item)  # type: ignore[attr-defined]
    total = sys.getsizeof(item) + 15 & -16
    for each in {id(part): part for part in parts}.values():
        total += _ATOMS[type(each)](each) + 15 & -16
    return total


_FLAT: dict[type, Callable[[Any], list[object]]] = dict.fromkeys(
    (list, tuple, set, frozenset), list
)


class _Walk:
    """One walk through all that some objects lead to, until it looks like a client.

    What is in `before` is counted already. The walk ends early when it has met something that is
    bound to the process and more than `limit` objects.
    """

    __slots__ = ("_before", "_limit", "arrays", "bound", "seen", "total")

    def __init__(self, before: AbstractSet[int], limit: int) -> None:
        self._before = before
        self._limit = limit
        self.total = 0
        self.bound = 0
        """The most that was met of what is bound to the process: 0, `_LOCK` or `_HANDLE`."""
        self.seen: set[int] = set()
        self.arrays: list[object] = []

    def run(self, found: list[object]) -> bool:  # noqa: C901, PLR0912, PLR0915 - one loop, for its speed
        """Walk; tell whether it came to its end."""
        from orc.tiers.value_kinds import code_of

        total = bound = 0
        before, seen, limit = self._before, self.seen, self._limit
        find, mark = _ATOMS.get, seen.add
        kinds: dict[type, int] = {}
        wide: list[object] = []  # later: the sooner a client shows, the less is walked in vain
        while found:
            level, found = found, []
            for item in level:
                identity = id(item)
                if identity in seen or identity in before:
                    continue
                mark(identity)
                try:
                    kind = type(item)
                    size_of = find(kind)
                    if size_of is not None:
                        total += size_of(item) + 15 & -16
                        continue
                    code = _EVER.get(kind)
                    if code is None:
                        code = kinds.get(kind)
                        if code is None:
                            code = kinds[kind] = code_of(kind)
                    if code == _SKIP:
                        continue
                    if code >= _LOCK and code > bound:
                        bound = code
                    if bound and len(seen) > limit:
                        self.bound = bound
                        return False
                    parts = gc.get_referents(item)
                    hollow = code == _FRAME
                    size = object.__sizeof__(item) if hollow else _own_size(item, kind, len(parts))
                    total += size + 15 & -16
                    if len(seen) <= _WALK_LIMIT:
                        if code == _DICT:
                            # The collector passes over the keys of a dict that are all strings.
                            parts += dict.keys(item)  # type: ignore[arg-type]
                        elif code in (_ARRAY, _NUMPY):
                            self.arrays.append(item)
                            if code == _NUMPY:
                                parts += _behind(item)
                        if len(parts) > _WIDE:
                            wide += parts
                        else:
                            found += parts
                except Exception:  # noqa: BLE001  of a class that is not as classes should be
                    total += _FLOOR
            if not found:
                if bound and len(seen) + len(wide) > limit:
                    break
                found, wide = wide, []
        self.total, self.bound = total, bound
        return not wide and (not bound or len(seen) <= limit)


def _weigh_apart(objects: tuple[object, ...]) -> int:
    """Return what ``objects`` weigh if clients are among them."""
    total = guessed = 0
    before: set[int] = set()
    found = list(objects)
    while found:
        item = found.pop()
        if id(item) in before:
            continue
        try:
            kind = type(item)
            size_of = _ATOMS.get(kind)
            if size_of is not None:
                before.add(id(item))
                total += size_of(item) + 15 & -16
                continue
            # A container is no client: it is walked as a whole, or opened if one is in it.
            opened = issubclass(kind, _CONTAINERS)
            walk = _Walk(before, 0 if opened else _CLIENT_LIMIT)
            if (guessed <= _GUESS_LIMIT or (not opened and _is_data(kind))) and walk.run([item]):
                before |= walk.seen
                total += walk.total + (CLIENT_BYTES if walk.bound == _HANDLE else 0)
                continue
            guessed += len(walk.seen)
            before.add(id(item))
            if opened:
                parts = _parts_of(item, kind)
                total += _own_size(item, kind, len(parts)) + 15 & -16
                if len(before) <= _WALK_LIMIT:
                    found += parts
                continue
            # Where walks were tried in vain too often, each object counts with what it holds.
            total += CLIENT_BYTES if walk.bound else _own_size(item, kind, 0) + 15 & -16
            if len(before) > _WALK_LIMIT:
                continue
            found += walk.arrays
            found += _held_by_client(item, kind)
        except Exception:  # noqa: BLE001  of a class that is not as classes should be
            total += _FLOOR
    return total


def _held_by_client(item: object, kind: type) -> list[object]:
    """Return what of a client's attributes counts beside the client."""
    parts = _parts_of(item, kind)
    from orc.tiers.value_kinds import is_of_a_library

    if not is_of_a_library(kind):
        return parts
    # Whether the attributes have a dict of their own already is up to Python.
    try:
        attributes = object.__getattribute__(item, "__dict__")
    except AttributeError:
        attributes = None
    if type(attributes) is dict:
        parts = [each for each in parts if each is not attributes]
        parts += attributes.values()
    return [each for each in parts if _is_data(type(each))]


def _is_data(kind: type) -> bool:
    from orc.tiers.value_kinds import code_of

    if kind in _ATOMS or issubclass(kind, _CONTAINERS):
        return True
    return _EVER.get(kind, _OPEN) not in (_SKIP, _LOCK) and code_of(kind) in (_ARRAY, _NUMPY)


def _parts_of(item: object, kind: type) -> list[object]:
    parts = gc.get_referents(item)
    if issubclass(kind, dict):
        # The collector passes over the keys of a dict that are all strings.
        parts += dict.keys(item)  # type: ignore[arg-type]
    return parts


def _own_size(item: object, kind: type, parts: int) -> int:
    try:
        size = sys.getsizeof(item)
    except Exception:  # noqa: BLE001  a __sizeof__ that fails or lies
        return _FLOOR
    # Attribute values lie in a table of their own, which no __sizeof__ counts.
    return size + 8 * (parts + 1) if kind.__flags__ & _MANAGED_DICT else size


def _behind(array: object) -> list[object]:
    """Return what a NumPy array is a view of, and the objects in it."""
    numpy: Any = sys.modules["numpy"]
    base = numpy.ndarray.base.__get__(array)
    if base is not None:
        return [base]
    if numpy.ndarray.dtype.__get__(array).kind == "O":
        return list(numpy.ndarray.ravel(array, "K").tolist())
    return []
