"""The bytes that keys are made of: numbers, texts, counted parts, and the names of classes.

Each encoding tells by itself where it ends, so that parts can be laid end to end.
"""

from __future__ import annotations

import sys
from itertools import count

from orc.errors import UnkeyableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REMEDY = "; use key=, leave the argument out with ignore=, or define __orc_key__() on the class"

# 0xff is in no UTF-8 text and no header: only raw bytes that hold this very text can look like it.
LOCAL_CLASS = b"\xfflocal class\xff"

_SHORT_INT = 64  # bits


def of_int(value: int, _: object = None) -> bytes:
    """Write a whole number of any size."""
    size = value.bit_length()
    if size < _SHORT_INT:
        return b"i%d;" % value
    # Not decimal digits: CPython refuses to write more than 4300 of them.
    return sized(b"I", value.to_bytes(size // 8 + 1, "big", signed=True))


def of_str(value: str, _: object = None) -> bytes:
    """Write a text, with halves of surrogate pairs if it has any."""
    raw = value.encode("utf-8", "surrogatepass")
    return b"s%d:%b" % (len(raw), raw)


def sized(tag: bytes, raw: bytes) -> bytes:
    """Write bytes as they are."""
    return b"%b%d:%b" % (tag, len(raw), raw)


def counted(tag: bytes, parts: list[bytes]) -> bytes:
    """Write parts that are encoded already."""
    # Another thread may be changing the container: the parts are counted, sets and dicts copied.
    return b"%b%d:%b" % (tag, len(parts), b"".join(parts))


def on_type(cls: type, name: str) -> Any:
    """Return what a class or a base of it has under a name; ``None`` without it."""
    # Not getattr, which would find it on the metaclass too, where it speaks of the class.
    for base in cls.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return None


def at(module: object, name: str) -> object:
    """Return what stands at a qualified name in a module that is imported; ``None`` if nothing."""
    found: Any = sys.modules.get(module) if type(module) is str else None
    for part in name.split("."):
        # Not getattr: a module's __getattr__ may import things.
        found = getattr(found, "__dict__", {}).get(part)
    return found


def of_class(cls: type, _: object = None) -> bytes:
    """Write a class by its qualified name, or, where that names another one, by a number."""
    module, name = cls.__module__, cls.__qualname__
    if module == "builtins" and at("types", name) is cls:
        module = "types"  # where NoneType and its like are to be found
    if at(module, name) is cls:
        return b"C" + of_str(module) + of_str(name)
    # It is not where its name says, so other classes may have the name too. The number that tells
    # them apart is good for this process only: another one deals numbers in another order.
    return b"L" + LOCAL_CLASS + of_str(str(module)) + of_str(name) + of_int(_local_number(cls))


_numbers = count(1)
_local_numbers: dict[int, tuple[Any, int]] = {}


def _local_number(cls: type) -> int:
    from weakref import ref

    # By id: a WeakKeyDictionary would ask the metaclass for __hash__ and __eq__. The callback runs
    # before the id can become another class's.
    here = id(cls)
    if here not in _local_numbers:
        entry = (ref(cls, lambda _: _local_numbers.pop(here, None)), next(_numbers))
        _local_numbers.setdefault(here, entry)
    return _local_numbers[here][1]


def type_name(cls: type) -> str:
    """Return the name by which messages call a class."""
    module = "" if cls.__module__ == "builtins" else f"{cls.__module__}."
    return f"{module}{cls.__qualname__}"


def refusal(cls: type, why: str) -> UnkeyableError:
    """Return the error for a value of a class."""
    return UnkeyableError(f"{type_name(cls)} {why}{REMEDY}")
