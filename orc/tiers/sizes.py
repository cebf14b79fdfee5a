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
_WIDE = 32  # parts; what has more is looked into after what has fewer

# What the walk does with an object of a kind; from _LOCK on, it is bound to the process.
_SKIP, _OPEN, _FRAME, _DICT, _ARRAY, _NUMPY, _LOCK, _HANDLE = range(8)

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

# By module and name, since a module that nobody has imported has made no object either.
_BY_NAME = (
    ((("builtins", "dict"),), _DICT),
    ((("builtins", "bytearray"), ("array", "array")), _ARRAY),
    ((("numpy", "ndarray"),), _NUMPY),
    # Their __sizeof__ counts the arrays that they hold.
    ((("pandas.core.base", "PandasObject"),), _FRAME),
    # Loggers are one tree for the whole process.
    ((("logging", "Filterer"), ("logging", "Manager")), _SKIP),
    # It has a lock, and is part of models all the same.
    ((("numpy.random.bit_generator", "BitGenerator"),), _OPEN),
    ((("_thread", "LockType"), ("_thread", "RLock"), ("_thread", "_local")), _LOCK),
    (
        (
            ("_asyncio", "Future"),
            ("_io", "BufferedRWPair"),
            ("_io", "BufferedRandom"),
            ("_io", "BufferedReader"),
            ("_io", "BufferedWriter"),
            ("_io", "FileIO"),
            ("_io", "TextIOWrapper"),
            ("_queue", "SimpleQueue"),
            ("_socket", "socket"),
            ("_sqlite3", "Connection"),
            ("_ssl", "_SSLContext"),
            ("_ssl", "_SSLSocket"),
            ("asyncio.events", "AbstractEventLoop"),
            ("concurrent.futures._base", "Executor"),
            ("multiprocessing.connection", "_ConnectionBase"),
            ("select", "epoll"),
            ("select", "kqueue"),
            ("selectors", "BaseSelector"),
            ("subprocess", "Popen"),
            ("threading", "Thread"),
        ),
        _HANDLE,
    ),
)
_loaded: tuple[int, tuple[tuple[tuple[type, ...], int], ...]] = (0, ())
"""How many modules there were when the types of these names were looked for, and the types."""
_MODULE_OF: Any = type.__dict__["__module__"].__get__
_CONTAINERS = (dict, list, tuple, set, frozenset)

# Libraries that keep much for all clients of a process, also where they lie beside the user's code.
_LIBRARIES = frozenset({"aioboto3", "aiobotocore", "boto3", "botocore", "s3transfer"})


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
    if len(objects) == 1:
        try:
            size_of = _ATOMS.get(type(objects[0]))
        except Exception:  # noqa: BLE001  a metaclass may forbid hashing
            return _FLOOR
        if size_of is not None:
            return size_of(objects[0]) + 15 & -16
    walk = _Walk(frozenset(), 0)
    return walk.total if walk.run(list(objects)) else _weigh_apart(objects)


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
                            code = kinds[kind] = _code_of(kind)
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
    if not _is_of_a_library(kind):
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
    if kind in _ATOMS or issubclass(kind, _CONTAINERS):
        return True
    return _EVER.get(kind, _OPEN) not in (_SKIP, _LOCK) and _code_of(kind) in (_ARRAY, _NUMPY)


def _parts_of(item: object, kind: type) -> list[object]:
    parts = gc.get_referents(item)
    if issubclass(kind, dict):
        # The collector passes over the keys of a dict that are all strings.
        parts += dict.keys(item)  # type: ignore[arg-type]
    return parts


def _code_of(kind: type) -> int:
    """Tell what the walk does with objects of a kind that is not among `_EVER`."""
    global _loaded  # noqa: PLW0603 - one look at the modules serves until another is imported
    if _is_shared(kind):
        return _SKIP
    count = len(sys.modules)
    if _loaded[0] != count:
        _loaded = (count, tuple((_types(names), code) for names, code in _BY_NAME))
    for types, code in _loaded[1]:
        if issubclass(kind, types):
            return code
    return _LOCK if _package(kind) in _LIBRARIES else _OPEN


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


def _types(names: tuple[tuple[str, str], ...]) -> tuple[type, ...]:
    """Return the types of these names whose modules are imported."""
    found = (getattr(sys.modules.get(module), name, None) for module, name in names)
    return tuple(each for each in found if isinstance(each, type))


def _package(kind: type) -> str:
    # Of the class itself, without running what its metaclass may have in the way.
    return str(_MODULE_OF(kind)).partition(".")[0]


def _behind(array: object) -> list[object]:
    """Return what a NumPy array is a view of, and the objects in it."""
    numpy: Any = sys.modules["numpy"]
    base = numpy.ndarray.base.__get__(array)
    if base is not None:
        return [base]
    if numpy.ndarray.dtype.__get__(array).kind == "O":
        return list(numpy.ndarray.ravel(array, "K").tolist())
    return []


def _is_of_a_library(kind: type) -> bool:
    """Tell whether a class comes from a distribution that is installed, or is bound itself."""
    name = _package(kind)
    file = str(getattr(sys.modules.get(name), "__file__", None))
    return (
        name in _LIBRARIES
        or "site-packages" in file
        or "dist-packages" in file
        or _code_of(kind) >= _LOCK
    )
