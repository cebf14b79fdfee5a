"""The types that msgpack has no bytes of its own for: their codes on the wire, and both directions.

A *leaf* is an extension of msgpack with its bytes inside. A *container* is an array whose first
item is an empty extension: so no bytes are nested in bytes, and depth costs no stack of Python's.

A type is known by identity: a subclass may carry what its base does not show, and is refused.
"""

from __future__ import annotations

import sys
from struct import Struct

from orc.codecs.bounds import refuse_long
from orc.errors import UnstorableError
from orc.model.library import is_of_library, stood_in_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Leaf = tuple[int, bytes]
    """A code, and the bytes of its extension."""
    Encoder = Callable[[Any], Leaf | list[Any]]
    """Makes a leaf of a value, or an array: a code, then what the value is made of."""
    Decoder = Callable[[bytes], Any]
    Codec = tuple[int, Encoder, Decoder]

# The extension codes are the wire format: a number is never used again for anything else.
INTEGER = 1
BYTEARRAY = 2
COMPLEX = 3
DECIMAL = 4
UUID = 5
DATETIME = 6
DATE = 7
TIME = 8
TIMEDELTA = 9
TIMEZONE = 10
ZONEINFO = 11
PURE_POSIX_PATH = 12
POSIX_PATH = 13
PURE_WINDOWS_PATH = 14
WINDOWS_PATH = 15
FOREIGN_ZONE = 16
BINARY = 17
TUPLE = 32
SET = 33
FROZENSET = 34
RANGE = 35
FRACTION = 36
RECORD = 37
MEMBER = 38

ZONES = (TIMEZONE, ZONEINFO, FOREIGN_ZONE)

CONTAINERS = (TUPLE, SET, FROZENSET, RANGE, FRACTION, RECORD, MEMBER)
"""The codes of empty extensions, which only ever begin an array."""

COSTLY = dict.fromkeys(
    (PURE_POSIX_PATH, POSIX_PATH, PURE_WINDOWS_PATH, WINDOWS_PATH, FOREIGN_ZONE), 4
)
"""As how many objects one counts that takes long to make (``orc.codecs.bounds``)."""

_COMPLEX = Struct(">dd")
_DATETIME = Struct(">HBBBBBIB")
_DATE = Struct(">HBB")
_TIME = Struct(">BBBIB")
_TIMEDELTA = Struct(">iII")


def take_apart(value: object) -> Leaf | list[Any]:
    """Return what a value is written as, if msgpack does not know its type by itself.

    Raises ``UnstorableError``, without the place of the value; other errors where a value lies.
    """
    cls = type(value)
    encode = ENCODERS.get(cls) or _library(cls)
    if encode is None:
        zone = _foreign(value)
        if zone is not None:
            return zone
        raise UnstorableError(f"{name_of(cls)} would not come back as it is; {_remedy(cls)}")
    return encode(value)


def leaf(code: int, data: bytes) -> object:
    """Return the value of a leaf. Raises what comes for bytes that are none."""
    decode = _DECODERS.get(code)
    if decode is None:
        module, name = _BY_CODE[code]
        __import__(module)
        found = getattr(sys.modules[module], name)
        _learn(stood_in_for(found) or found, _LIBRARY[name][1])
        decode = _DECODERS[code]
    return decode(data)


def name_of(cls: type) -> str:
    """Return the name by which messages call a class."""
    return (
        cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    )


def _remedy(cls: type) -> str:
    enum = sys.modules.get("enum")
    if "__dataclass_fields__" in cls.__dict__ or (enum and issubclass(cls, enum.Enum)):
        return f"register the class: orc.register({cls.__qualname__})"
    for plain in (bool, int, float, str, bytes, dict, list, tuple, set, frozenset):
        if issubclass(cls, plain):
            return f"store a plain {plain.__name__}, or a registered dataclass"
    return "store what it is made of, or a dataclass that is registered with orc.register"


def _library(cls: type) -> Encoder | None:
    # The module is not imported: whoever holds a value has done so.
    named = stood_in_for(cls) or cls
    module, make = _LIBRARY.get(named.__name__, ("", None))
    if make is None or not is_of_library(named, module):
        return None
    encode = _learn(named, make)
    ENCODERS[cls] = encode
    return encode


def _learn(cls: type, make: Callable[[Any], Codec]) -> Encoder:
    code, encode, decode = make(cls)
    _DECODERS[code] = decode
    ENCODERS[cls] = encode
    return encode


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _integer(value: int) -> Leaf:
    return INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _decimal(cls: Any) -> Codec:
    # Text keeps all of a Decimal, and the constructor does not round.
    return (
        DECIMAL,
        lambda value: (DECIMAL, str(value).encode("ascii")),
        lambda data: cls(data.decode("ascii")),
    )


def _uuid(cls: Any) -> Codec:
    return UUID, lambda value: (UUID, value.bytes), lambda data: cls(bytes=data)


def _fraction(cls: Any) -> Codec:
    def encode(value: Any) -> list[Any]:
        return _divisible([FRACTION, value.numerator, value.denominator])

    return FRACTION, encode, cls


def _divisible(parts: list[Any]) -> list[Any]:
    try:
        refuse_long(parts)
    except ValueError as error:
        raise UnstorableError(f"holds {error} for a reader to divide") from None
    return parts


def _datetime(cls: Any) -> Codec:
    def encode(v: Any) -> Leaf:
        fields = (v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, v.fold)
        return DATETIME, _DATETIME.pack(*fields) + _zone(v.tzinfo)

    def decode(data: bytes) -> Any:
        *fields, fold = _DATETIME.unpack_from(data)
        return cls(*fields, _zone_of(data[_DATETIME.size :]), fold=fold)

    return DATETIME, encode, decode


def _date(cls: Any) -> Codec:
    return (
        DATE,
        lambda v: (DATE, _DATE.pack(v.year, v.month, v.day)),
        lambda data: cls(*_DATE.unpack(data)),
    )


def _time(cls: Any) -> Codec:
    def encode(v: Any) -> Leaf:
        fields = _TIME.pack(v.hour, v.minute, v.second, v.microsecond, v.fold)
        return TIME, fields + _zone(v.tzinfo)

    def decode(data: bytes) -> Any:
        *fields, fold = _TIME.unpack_from(data)
        return cls(*fields, _zone_of(data[_TIME.size :]), fold=fold)

    return TIME, encode, decode


def _timedelta(cls: Any) -> Codec:
    return (
        TIMEDELTA,
        lambda v: (TIMEDELTA, _TIMEDELTA.pack(v.days, v.seconds, v.microseconds)),
        lambda data: cls(*_TIMEDELTA.unpack(data)),
    )


def _timezone(cls: Any) -> Codec:
    def encode(zone: Any) -> Leaf:
        # As pickle takes it apart: a zone without a name differs from one that has its default's.
        offset, *name = zone.__getinitargs__()
        packed = _TIMEDELTA.pack(offset.days, offset.seconds, offset.microseconds)
        return TIMEZONE, packed + (b"=" + _raw(name[0]) if name else b"")

    def decode(data: bytes) -> Any:
        from datetime import timedelta

        offset = timedelta(*_TIMEDELTA.unpack_from(data))
        name = data[_TIMEDELTA.size :]
        if not name:
            return cls(offset)
        if name[:1] != b"=":
            raise ValueError("no name of a zone")
        return cls(offset, _text(name[1:]))

    return TIMEZONE, encode, decode


def _zoneinfo(cls: Any) -> Codec:
    def encode(zone: Any) -> Leaf:
        try:
            # Fails for one that was read from a file: its key need not name the same zone.
            zone.__reduce__()
        except Exception:  # noqa: BLE001 - PicklingError, whose module is not imported
            raise UnstorableError("a ZoneInfo made of a file; use ZoneInfo(name)") from None
        return ZONEINFO, _raw(zone.key)

    return ZONEINFO, encode, lambda data: cls(_text(data))


def _foreign(zone: Any) -> Leaf | None:
    """Return the leaf of a zone of dateutil or pytz, if it is one whose parts are known."""
    if type(zone).__module__.partition(".")[0] not in {"dateutil", "pytz"}:
        return None
    from json import dumps

    from orc.model.zones import parts_of

    parts = parts_of(zone)
    return None if parts is None else (FOREIGN_ZONE, dumps(parts).encode("ascii"))


def _foreign_of(data: bytes) -> object:
    from json import loads

    from orc.model.zones import zone_of

    return zone_of(loads(data))


def _zone(zone: Any) -> bytes:
    if zone is None:
        return b""
    encode = ENCODERS.get(type(zone)) or _library(type(zone))
    made = encode(zone) if encode else _foreign(zone)
    if not isinstance(made, tuple) or made[0] not in ZONES:
        raise UnstorableError(
            f"a tzinfo of type {name_of(type(zone))} would not come back as it is; "
            "use ZoneInfo or datetime.timezone"
        )
    code, data = made
    return bytes([code]) + data


def _zone_of(data: bytes) -> object:
    if not data:
        return None
    if data[0] not in ZONES:
        raise ValueError("no zone")
    return leaf(data[0], data[1:])


def _binary(cls: Any) -> Codec:
    return BINARY, lambda value: (BINARY, bytes(value.value)), cls


def _path(code: int) -> Callable[[Any], Codec]:
    def of(cls: Any) -> Codec:
        def encode(value: Any) -> Leaf:
            text = str(value)
            if cls(text) != value:  # such as PureWindowsPath("//.//"), in some versions of Python
                raise UnstorableError(f"{value!r} is another path when it is made of its text")
            return code, _raw(text)

        return code, encode, lambda data: cls(_text(data))

    return of


ENCODERS: dict[type, Encoder] = {
    int: _integer,  # reached for those beyond 64 bits only
    complex: lambda v: (COMPLEX, _COMPLEX.pack(v.real, v.imag)),
    tuple: lambda v: [TUPLE, *v],
    set: lambda v: [SET, *v],
    frozenset: lambda v: [FROZENSET, *v],
    range: lambda v: _divisible([RANGE, v.start, v.stop, v.step]),
}
"""What is known so far, by exact type; ``orc.codecs.registry`` adds the registered classes."""

_DECODERS: dict[int, Decoder] = {
    INTEGER: lambda data: int.from_bytes(data, "big", signed=True),
    BYTEARRAY: bytearray,
    COMPLEX: lambda data: complex(*_COMPLEX.unpack(data)),
    FOREIGN_ZONE: _foreign_of,
}

_LIBRARY: dict[str, tuple[str, Callable[[Any], Codec]]] = {
    "Binary": ("boto3.dynamodb.types", _binary),
    "Decimal": ("decimal", _decimal),
    "Fraction": ("fractions", _fraction),
    "PosixPath": ("pathlib", _path(POSIX_PATH)),
    "PurePosixPath": ("pathlib", _path(PURE_POSIX_PATH)),
    "PureWindowsPath": ("pathlib", _path(PURE_WINDOWS_PATH)),
    "UUID": ("uuid", _uuid),
    "WindowsPath": ("pathlib", _path(WINDOWS_PATH)),
    "ZoneInfo": ("zoneinfo", _zoneinfo),
    "date": ("datetime", _date),
    "datetime": ("datetime", _datetime),
    "time": ("datetime", _time),
    "timedelta": ("datetime", _timedelta),
    "timezone": ("datetime", _timezone),
}

_BY_CODE = {
    BINARY: ("boto3.dynamodb.types", "Binary"),
    DECIMAL: ("decimal", "Decimal"),
    UUID: ("uuid", "UUID"),
    DATETIME: ("datetime", "datetime"),
    DATE: ("datetime", "date"),
    TIME: ("datetime", "time"),
    TIMEDELTA: ("datetime", "timedelta"),
    TIMEZONE: ("datetime", "timezone"),
    ZONEINFO: ("zoneinfo", "ZoneInfo"),
    PURE_POSIX_PATH: ("pathlib", "PurePosixPath"),
    POSIX_PATH: ("pathlib", "PosixPath"),
    PURE_WINDOWS_PATH: ("pathlib", "PureWindowsPath"),
    WINDOWS_PATH: ("pathlib", "WindowsPath"),
}
