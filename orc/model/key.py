"""Cache keys: values ↔ bytes, one to one.

Two keys are equal exactly when the values they were made from are the same: same types, same
contents, at every depth. ``1``, ``1.0``, ``True`` and ``"1"`` differ, so do ``0.0`` and ``-0.0``,
``Decimal("1.0")`` and ``Decimal("1.00")``, and one instant in two zones. Dicts equal but for their
order share, and so do equal sets.

The canonical form is a prefix code: a tag of one byte, then a fixed number of bytes, or digits
ended by ``;``, or a length ended by ``:`` and so many bytes or items. No encoding begins another
one, so a container is a count and its items laid end to end. Sets and dicts are sorted by encoding.

A type is recognised by identity, never by ``isinstance`` or by name alone: a subclass may carry
state that its base does not show, and two keys that wrongly agree serve one caller's data to
another. What is not known here is refused; ``repr`` and ``pickle`` are never asked.
"""

from __future__ import annotations

import sys
from itertools import count
from struct import Struct

from orc.errors import UnkeyableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from typing import Any

    Encoder = Callable[[Any, int], bytes]

MAX_DEPTH = 100
"""Levels of nesting that a key may have. A value that contains itself runs into it."""

_REMEDY = "; use key=, leave the argument out with ignore=, or define __orc_key__() on the class"
_SELF_REMEDY = '; define __orc_key__() on its class, or leave it out with ignore=("self",)'

_SHORT_INT = 64  # bits

# 0xff is in no UTF-8 text and no header: only raw bytes that hold this very text can look like it.
_LOCAL_CLASS = b"\xfflocal class\xff"


def encode(value: object) -> bytes:
    """Return the canonical bytes of a value: the same in every process, and no other value's.

    Raises UnkeyableError for a type that is not known here, for a value that contains itself, and
    for one nested more than `MAX_DEPTH` deep; never RecursionError. What an ``__orc_key__()``
    raises is passed on.
    """
    try:
        return _items((value,), MAX_DEPTH + 1)[0]
    except RecursionError:
        raise _too_deep() from None


def local(values: tuple[object, ...]) -> Hashable:
    """Return a hashable that equals another exactly when the encodings of both tuples are equal.

    For indexes inside one process; it is cheaper than `encode`:

    - one value of exact type ``str`` or ``int``: that object itself;
    - only values of exact type ``str``, ``int``, ``bool``, ``bytes``, ``NoneType``, or ``float``
      that is neither zero nor NaN: the flat tuple ``(type(a), type(b), ..., a, b, ...)``, hence
      ``()`` for no values;
    - anything else: ``encode(values)``.

    The three cannot meet, being a ``str`` or ``int``, a ``tuple``, and ``bytes``. Generated
    wrappers build the same expression inline: change it here and there together.
    Raises UnkeyableError, as `encode` does.
    """
    if len(values) == 1:
        value = values[0]
        kind = type(value)
        if kind is str or kind is int:
            return value
    for value in values:
        kind = type(value)
        if kind is str or kind is int or kind is bool or kind is bytes or value is None:
            continue
        # 0.0 and -0.0 are equal and have two keys; NaN has a key and does not equal itself.
        if kind is float and value and value == value:  # noqa: PLR0124
            continue
        return encode(values)
    # Types first: 1, 1.0 and True are told apart before the values are compared.
    return (*map(type, values), *values)


def arguments(names: tuple[str, ...], values: tuple[object, ...], function: str) -> Hashable:
    """Return `local` of a call's bound arguments, given in the order of their names.

    Raises UnkeyableError that names the function, the argument and what to do about it.
    """
    try:
        return local(values)
    except UnkeyableError as error:
        raise UnkeyableError(_blame(names, values, function, error)) from None


def compose(
    namespace: str, version: str, partition: str | None, name: str | None, key: bytes
) -> bytes:
    """Return the full canonical key of an entry, for tiers outside the process.

    One to one over its five parts. Partition ``None`` is no tenant and differs from ``""``; name
    ``None`` is the space of explicit keys and differs from every function's name.
    """
    return encode((namespace, version, partition, name, key))


def explicit(key: object) -> str:
    """Return an explicit key as an exact ``str``; of a ``StrEnum`` or other subclass, its text.

    Raises UnkeyableError for anything else. The message does not show the key.
    """
    if type(key) is str:
        return key
    if issubclass(type(key), str):
        return str.__str__(key)
    raise UnkeyableError(
        f"{_type_name(type(key))} is no key: keys are strings; use str(...) or f'...'"
    )


def is_local(encoded: bytes) -> bool:
    """Tell whether encoded bytes name a class that only this process knows: not to be shared.

    Errs on the safe side: ``bytes`` arguments that imitate the mark are taken for local.
    """
    return _LOCAL_CLASS in encoded


def _items(values: Iterable[Any], left: int) -> list[bytes]:
    if not left:
        raise _too_deep()
    left -= 1
    parts = []
    for value in values:
        cls = type(value)
        # A metaclass may bring a foreign __hash__ and __eq__: such classes are not looked up.
        encoder = _EXACT.get(cls, _other) if type(cls) is type else _other
        parts.append(encoder(value, left))
    return parts


def _other(value: Any, left: int) -> bytes:
    cls = type(value)
    own_key = _on_type(cls, "__orc_key__")
    if own_key is not None:
        bound = own_key.__get__(value, cls) if hasattr(own_key, "__get__") else own_key
        return b"K" + _class(cls) + _items((bound(),), left)[0]
    known = _known(cls)
    if known is not None:
        return known(value, left)
    enum = sys.modules.get("enum")
    if enum is not None and issubclass(cls, enum.Enum):
        return b"E" + _class(cls) + b"".join(_items((value._name_, value._value_), left))
    if issubclass(cls, tuple) and _on_type(cls, "_fields") is not None:
        return _namedtuple(value, left)
    if "dataclasses" in sys.modules and _on_type(cls, "__dataclass_fields__") is not None:
        return _dataclass(value, left)
    if issubclass(cls, type):
        return _class(value)
    raise _refusal(cls, "cannot be part of a cache key")


def _on_type(cls: type, name: str) -> Any:
    # Not getattr, which would find it on the metaclass too, where it speaks of the class.
    for base in cls.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return None


def _int(value: int, _: int = 0) -> bytes:
    size = value.bit_length()
    if size < _SHORT_INT:
        return b"i%d;" % value
    # Not decimal digits: CPython refuses to write more than 4300 of them.
    return _sized(b"I", value.to_bytes(size // 8 + 1, "big", signed=True))


def _str(value: str, _: int = 0) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    return b"s%d:%b" % (len(raw), raw)


def _sized(tag: bytes, raw: bytes) -> bytes:
    return b"%b%d:%b" % (tag, len(raw), raw)


def _counted(tag: bytes, parts: list[bytes]) -> bytes:
    # Another thread may be changing the container: the parts are counted, sets and dicts copied.
    return b"%b%d:%b" % (tag, len(parts), b"".join(parts))


def _dict(value: dict[Any, Any], left: int) -> bytes:
    flat = _items([side for pair in list(value.items()) for side in pair], left)
    return _counted(b"d", sorted(map(bytes.__add__, flat[::2], flat[1::2])))


def _datetime(v: Any, left: int) -> bytes:
    day = (v.year, v.month, v.day)
    fields = _DATETIME(*day, v.hour, v.minute, v.second, v.microsecond, v.fold)
    return b"t" + fields + _zone(v.tzinfo, left)


def _time(v: Any, left: int) -> bytes:
    fields = _TIME(v.hour, v.minute, v.second, v.microsecond, v.fold)
    return b"h" + fields + _zone(v.tzinfo, left)


def _timedelta(v: Any, _: int) -> bytes:
    return b"m" + _TIMEDELTA(v.days, v.seconds, v.microseconds)


def _zone(zone: Any, left: int) -> bytes:
    if zone is None:
        return b"N"
    cls = type(zone)
    if _on_type(cls, "__orc_key__") is None and _known(cls) not in (_timezone, _zoneinfo):
        why = "as a tzinfo cannot be part of a cache key; use ZoneInfo or key="
        raise UnkeyableError(f"{_type_name(cls)} {why}")
    return _other(zone, left)


def _timezone(v: Any, _: int) -> bytes:
    return b"z" + _timedelta(v.utcoffset(None), 0) + _str(v.tzname(None))


def _zoneinfo(v: Any, _: int) -> bytes:
    if type(v.key) is not str:
        why = "without a key cannot be part of a cache key; use ZoneInfo(name) or key="
        raise UnkeyableError(f"a ZoneInfo {why}")
    return b"Z" + _str(v.key)


def _path(v: Any, _: int) -> bytes:
    # The bare name is enough, the type being checked; its module differs between Python versions.
    return b"p" + _str(type(v).__name__) + _str(str(v))


_DOUBLE = Struct(">d").pack
_DATETIME = Struct(">HBBBBBIB").pack
_DATE = Struct(">HBB").pack
_TIME = Struct(">BBBIB").pack
_TIMEDELTA = Struct(">iII").pack

_EXACT: dict[type, Encoder] = {
    str: _str,
    int: _int,
    type(None): lambda _v, _: b"N",
    bool: lambda v, _: b"T" if v else b"F",
    float: lambda v, _: b"f" + _DOUBLE(v),
    bytes: lambda v, _: _sized(b"b", v),
    bytearray: lambda v, _: _sized(b"B", bytes(v)),
    complex: lambda v, _: b"c" + _DOUBLE(v.real) + _DOUBLE(v.imag),
    range: lambda v, _: b"R" + _int(v.start) + _int(v.stop) + _int(v.step),
    tuple: lambda v, left: _counted(b"(", _items(v, left)),
    list: lambda v, left: _counted(b"[", _items(v, left)),
    set: lambda v, left: _counted(b"{", sorted(_items(list(v), left))),
    frozenset: lambda v, left: _counted(b"<", sorted(_items(v, left))),
    dict: _dict,
    type: lambda v, _: _class(v),
}

# Types of the standard library that are not worth an import: whoever holds a value has imported it.
_LIBRARY: dict[str, tuple[str, Encoder]] = {
    # Text keeps all of a Decimal; whether it says E or e is up to the decimal context.
    "Decimal": ("decimal", lambda v, _: b"D" + _str(str(v).upper())),
    "Fraction": ("fractions", lambda v, _: b"Q" + _int(v.numerator) + _int(v.denominator)),
    "datetime": ("datetime", _datetime),
    "date": ("datetime", lambda v, _: b"y" + _DATE(v.year, v.month, v.day)),
    "time": ("datetime", _time),
    "timedelta": ("datetime", _timedelta),
    "timezone": ("datetime", _timezone),
    "ZoneInfo": ("zoneinfo", _zoneinfo),
    "UUID": ("uuid", lambda v, _: b"U" + bytes(v.bytes)),
    "PurePosixPath": ("pathlib", _path),
    "PureWindowsPath": ("pathlib", _path),
    "PosixPath": ("pathlib", _path),
    "WindowsPath": ("pathlib", _path),
    "Pattern": ("re", lambda v, left: b"P" + b"".join(_items((v.pattern, v.flags), left))),
}


def _known(cls: type) -> Encoder | None:
    from orc.model.library import is_of_library, stood_in_for

    named = stood_in_for(cls) or cls
    module, encoder = _LIBRARY.get(named.__name__, ("", None))
    if encoder is None or not is_of_library(named, module):
        return None
    _EXACT[cls] = encoder
    return encoder


_numbers = count(1)
_local_numbers: dict[int, tuple[Any, int]] = {}


def _class(cls: type) -> bytes:
    module, name = cls.__module__, cls.__qualname__
    found: Any = sys.modules.get(module) if type(module) is str else None
    for part in name.split("."):
        # Not getattr: a module's __getattr__ may import things.
        found = getattr(found, "__dict__", {}).get(part)
    if found is cls:
        return b"C" + _str(module) + _str(name)
    # It is not where its name says, so other classes may have the name too. The number that tells
    # them apart is good for this process only: another one deals numbers in another order.
    return b"L" + _LOCAL_CLASS + _str(str(module)) + _str(name) + _int(_local_number(cls))


def _local_number(cls: type) -> int:
    from weakref import ref

    # By id: a WeakKeyDictionary would ask the metaclass for __hash__ and __eq__. The callback runs
    # before the id can become another class's.
    here = id(cls)
    if here not in _local_numbers:
        entry = (ref(cls, lambda _: _local_numbers.pop(here, None)), next(_numbers))
        _local_numbers.setdefault(here, entry)
    return _local_numbers[here][1]


def _namedtuple(value: Any, left: int) -> bytes:
    cls = type(value)
    # A subtype of tuple cannot have slots: whatever else it holds is in its __dict__.
    _no_extras(cls, _attributes(value))
    names = _on_type(cls, "_fields")
    return b"n" + _class(cls) + b"".join(_items((names, tuple(tuple.__iter__(value))), left))


_SLOT = type(type.__dict__["__basicsize__"])
_BUILTIN = type(len)


def _dataclass(value: Any, left: int) -> bytes:
    cls = type(value)
    names = [field.name for field in sys.modules["dataclasses"].fields(cls)]
    extras = set(_attributes(value))
    for base in cls.__mro__[:-1]:
        built_in = type(base.__dict__.get("__new__")) is _BUILTIN
        if built_in and base.__basicsize__ > object.__basicsize__:
            raise _refusal(cls, f"may hold more than its fields, being a {_type_name(base)}")
        extras.update(k for k, v in base.__dict__.items() if type(v) is _SLOT and hasattr(value, k))
    _no_extras(cls, extras.difference(names))
    # Names too: old and new code run side by side in a deploy and may differ in fields' order.
    flat: list[Any] = []
    for name in names:
        try:
            flat += (name, getattr(value, name))
        except AttributeError:
            raise _refusal(cls, f"has no value in its field {name!r}") from None
    return b"O" + _class(cls) + b"%d:%b" % (len(names), b"".join(_items(flat, left)))


def _attributes(value: object) -> list[str]:
    try:
        return list(object.__getattribute__(value, "__dict__"))
    except AttributeError:
        return []


def _no_extras(cls: type, extras: Iterable[str]) -> None:
    extra = ", ".join(sorted(map(str, extras)))
    if extra:
        raise _refusal(cls, f"holds more than its fields ({extra})")


def _type_name(cls: type) -> str:
    module = "" if cls.__module__ == "builtins" else f"{cls.__module__}."
    return f"{module}{cls.__qualname__}"


def _refusal(cls: type, why: str) -> UnkeyableError:
    return UnkeyableError(f"{_type_name(cls)} {why}{_REMEDY}")


def _too_deep() -> UnkeyableError:
    return UnkeyableError(f"the value contains itself, or is nested over {MAX_DEPTH} deep{_REMEDY}")


def _blame(
    names: tuple[str, ...], values: tuple[object, ...], function: str, error: UnkeyableError
) -> str:
    for name, value in zip(names, values, strict=False):
        try:
            # In a tuple, as it was: that is one level of nesting.
            encode((value,))
        except UnkeyableError as refusal:
            reason = str(refusal)
            if name == "self":
                reason = reason.removesuffix(_REMEDY) + _SELF_REMEDY
            return f"{function}(): argument {name!r}: {reason}"
    return f"{function}(): {error}"
