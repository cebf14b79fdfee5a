"""What kinds of objects there are in values: data, arrays, and what is bound to the process."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What a walk through a value does with an object; from LOCK on, it is bound to the process.
SKIP, OPEN, FRAME, DICT, ARRAY, NUMPY, LOCK, HANDLE = range(8)

# By module and name, since a module that is not imported has made no object.
_BY_NAME = (
    ((("builtins", "dict"),), DICT),
    ((("builtins", "bytearray"), ("array", "array")), ARRAY),
    ((("numpy", "ndarray"),), NUMPY),
    # Their __sizeof__ counts the arrays that they hold.
    ((("pandas.core.base", "PandasObject"),), FRAME),
    # Loggers are one tree for the whole process.
    ((("logging", "Filterer"), ("logging", "Manager")), SKIP),
    # It has a lock, and is part of models all the same.
    ((("numpy.random.bit_generator", "BitGenerator"),), OPEN),
    ((("_thread", "LockType"), ("_thread", "RLock"), ("_thread", "_local")), LOCK),
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
        HANDLE,
    ),
)
_loaded: tuple[int, tuple[tuple[tuple[type, ...], int], ...]] = (0, ())
"""How many modules there were when the types of these names were looked for, and the types."""
_MODULE_OF: Any = type.__dict__["__module__"].__get__
# Libraries that keep much for all clients of a process, also where they lie beside the user's code.
_LIBRARIES = frozenset({"aioboto3", "aiobotocore", "boto3", "botocore", "s3transfer"})


def code_of(kind: type) -> int:
    """Tell what the walk does with objects of a kind that is not among `_EVER`."""
    global _loaded  # noqa: PLW0603 - one look at the modules serves until another is imported
    if _is_shared(kind):
        return SKIP
    count = len(sys.modules)
    if _loaded[0] != count:
        _loaded = (count, tuple((_types(names), code) for names, code in _BY_NAME))
    for types, code in _loaded[1]:
        if issubclass(kind, types):
            return code
    return LOCK if _package(kind) in _LIBRARIES else OPEN


def _is_shared(kind: type) -> bool:
    """Whether an object of this kind is a class, or a member of an enum."""
    if issubclass(kind, type):
        return True
    meta = type(kind)
    return meta is not type and issubclass(meta, getattr(sys.modules.get("enum"), "EnumType", ()))


def _types(names: tuple[tuple[str, str], ...]) -> tuple[type, ...]:
    """Return the types of these names whose modules are imported."""
    found = (getattr(sys.modules.get(module), name, None) for module, name in names)
    return tuple(each for each in found if isinstance(each, type))


def _package(kind: type) -> str:
    # Of the class itself, without running what its metaclass may have in the way.
    return str(_MODULE_OF(kind)).partition(".")[0]


def is_of_a_library(kind: type) -> bool:
    """Tell whether a class comes from a distribution that is installed, or is bound itself."""
    name = _package(kind)
    file = str(getattr(sys.modules.get(name), "__file__", None))
    return (
        name in _LIBRARIES
        or "site-packages" in file
        or "dist-packages" in file
        or code_of(kind) >= LOCK
    )
