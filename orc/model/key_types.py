"""The bytes of keys for types of the standard library, of NumPy, dateutil, pytz and boto3.

None of the libraries is imported: the code that holds a value has done that. An encoder is given a
value, and what encodes a list of parts.
"""

from __future__ import annotations

import sys
from struct import Struct
from types import GenericAlias, UnionType

from orc.errors import UnkeyableError
from orc.model.key_bytes import counted, of_int, of_str, on_type, refusal, sized, type_name
from orc.model.library import is_of_library, stood_in_for
from orc.model.zones import parts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Items = Callable[[Iterable[Any]], list[bytes]]
    Encoder = Callable[[Any, Items], bytes]


def encoder(cls: type) -> Encoder | None:
    """Return what encodes the values of a library's type, known by identity, if it is one."""
    if type(cls) is type and cls in _BUILT_IN:
        return _BUILT_IN[cls]
    named = stood_in_for(cls) or cls
    module, found = _LIBRARY.get(named.__name__, ("", None))
    if found is not None and is_of_library(named, module):
        return found
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and issubclass(cls, numpy.generic):
        # A subclass of the user's has the dtype of its base, and a structured one has fields.
        return _scalar if numpy.dtype(cls).type is cls and cls is not numpy.void else None
    if cls.__module__.partition(".")[0] in {"dateutil", "pytz"} and _is_zone(cls):
        return _foreign_zone
    return None


def _datetime(v: Any, items: Items) -> bytes:
    day = (v.year, v.month, v.day)
    fields = _DATETIME(*day, v.hour, v.minute, v.second, v.microsecond, v.fold)
    return b"t" + fields + _zone(v.tzinfo, items)


def _time(v: Any, items: Items) -> bytes:
    fields = _TIME(v.hour, v.minute, v.second, v.microsecond, v.fold)
    return b"h" + fields + _zone(v.tzinfo, items)


def _timedelta(v: Any, _: object = None) -> bytes:
    return b"m" + _TIMEDELTA(v.days, v.seconds, v.microseconds)


def _zone(zone: Any, items: Items) -> bytes:
    if zone is None:
        return b"N"
    cls = type(zone)
    if on_type(cls, "__orc_key__") is None and encoder(cls) not in {
        _timezone,
        _zoneinfo,
        _foreign_zone,
    }:
        raise _no_zone(cls)
    return items((zone,))[0]


def _no_zone(cls: type) -> UnkeyableError:
    why = "as a tzinfo cannot be part of a cache key; use ZoneInfo or key="
    return UnkeyableError(f"{type_name(cls)} {why}")


def _is_zone(cls: type) -> bool:
    tzinfo = getattr(sys.modules.get("datetime"), "tzinfo", None)
    return tzinfo is not None and issubclass(cls, tzinfo)


def _foreign_zone(zone: Any, items: Items) -> bytes:
    parts = parts_of(zone)
    if parts is None:
        raise _no_zone(type(zone))
    return b"w" + items((parts,))[0]


def _timezone(v: Any, _: object) -> bytes:
    return b"z" + _timedelta(v.utcoffset(None)) + of_str(v.tzname(None))


def _zoneinfo(v: Any, _: object) -> bytes:
    if type(v.key) is not str:
        why = "without a key cannot be part of a cache key; use ZoneInfo(name) or key="
        raise UnkeyableError(f"a ZoneInfo {why}")
    return b"Z" + of_str(v.key)


def _path(v: Any, _: object) -> bytes:
    # The bare name is enough, the type being checked; its module differs between Python versions.
    return b"p" + of_str(type(v).__name__) + of_str(str(v))


def _address(v: Any, _: object) -> bytes:
    # Its text has all of it: the mask of a network, the host of an interface, the scope of an IPv6.
    return b"a" + of_str(type(v).__name__) + of_str(str(v))


def _ordered(v: Any, items: Items) -> bytes:
    _no_attributes(v)
    return counted(b"o", items([side for pair in list(v.items()) for side in pair]))


def _no_attributes(value: Any) -> None:
    extra = ", ".join(sorted(map(str, getattr(value, "__dict__", ()))))
    if extra:
        raise refusal(type(value), f"holds more than its items ({extra})")


def _scalar(v: Any, _: object) -> bytes:
    kind = type(v)
    if v.dtype.char in "gG":  # some of its bytes are padding, and hold anything
        raise refusal(kind, "cannot be part of a cache key")
    return b"#" + of_str(kind.__name__) + of_str(v.dtype.str) + sized(b"b", v.tobytes())


def _generic(v: Any, items: Items) -> bytes:
    starred = bool(getattr(v, "__unpacked__", False))
    return b"G" + b"".join(items((type(v).__name__, v.__origin__, v.__args__, starred)))


def _union(v: Any, items: Items) -> bytes:
    return counted(b"|", sorted(items(v.__args__)))


_DATETIME = Struct(">HBBBBBIB").pack
_DATE = Struct(">HBB").pack
_TIME = Struct(">BBBIB").pack
_TIMEDELTA = Struct(">iII").pack

_BUILT_IN: dict[type, Encoder] = {
    GenericAlias: _generic,
    UnionType: _union,
}

_LIBRARY: dict[str, tuple[str, Encoder]] = {
    # Text keeps all of a Decimal; whether it says E or e is up to the decimal context.
    "Decimal": ("decimal", lambda v, _: b"D" + of_str(str(v).upper())),
    "Fraction": ("fractions", lambda v, _: b"Q" + of_int(v.numerator) + of_int(v.denominator)),
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
    "Pattern": ("re", lambda v, items: b"P" + b"".join(items((v.pattern, v.flags)))),
    "IPv4Address": ("ipaddress", _address),
    "IPv4Interface": ("ipaddress", _address),
    "IPv4Network": ("ipaddress", _address),
    "IPv6Address": ("ipaddress", _address),
    "IPv6Interface": ("ipaddress", _address),
    "IPv6Network": ("ipaddress", _address),
    "OrderedDict": ("collections", _ordered),
    "Binary": ("boto3.dynamodb.types", lambda v, _: sized(b"x", bytes(v.value))),
}
