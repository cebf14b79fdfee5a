"""Values to msgpack and back, exactly as they were, or not at all.

msgpack packs plain values by itself. It asks back for every type that it does not know, with four
exceptions, which it packs as something else: ``bytearray`` and ``memoryview`` (as ``bytes``), and
its own ``ExtType`` and ``Timestamp``. And it packs what is shared as often as it meets it, so that
a few lists can be more bytes than there is memory. So before msgpack meets lists and dicts, the
types in them are gathered and the items counted, level by level, in functions that are in C.
"""

from __future__ import annotations

import builtins
from gc import get_referents

from orc.codecs import kinds, registry
from orc.codecs.bounds import (
    BYTES_FOR_A_PAIR,
    FEW_KEYS,
    objects_in,
    refuse_crowded,
    refuse_long,
)
from orc.codecs.kinds import COSTLY
from orc.codecs.refusal import explained
from orc.errors import ConfigError, UnstorableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

PLAIN = 1
"""The bytes are msgpack without extensions, to be read without asking back."""
RICH = 2
"""The bytes are msgpack with the extensions of ``orc.codecs.kinds``."""

_TIMESTAMPS = (b"\xd6\xff", b"\xd7\xff", b"\xc7\x0c\xff")
_FROZENDICT = getattr(builtins, "frozendict", None)
"""New in Python 3.15, and packed as if it were a dict."""

_LISTS = frozenset({list, dict})
_NATIVE = frozenset({type(None), bool, int, float, str, bytes, bytearray})
_DEEPEST = 512
"""Levels beyond which msgpack gives up by itself."""
_MANY = 300_000
"""Items from which what is shared is looked at once on each level that it is on."""

_SHORT = 1024
"""Bytes of a value whose arrays may promise items before it is known that they are there.

msgpack makes room for all of them when an array begins, and 1024 arrays can be open at a time.
"""


class Values:
    """The functions of msgpack, which are imported when this is made.

    `cap`: the most bytes that a value may have, and so the most items; what is shared counts as
    often as it is met. ``orc.codecs.bounds`` has what follows from it.

    Raises ``ConfigError`` if msgpack is not installed.
    """

    __slots__ = (
        "_cap",
        "_extension_type",
        "_heads",
        "_most",
        "_pack",
        "_strangers",
        "_timestamp",
        "_unpack",
        "_unpacker",
    )

    def __init__(self, cap: int) -> None:
        try:
            from msgpack import ExtType, Timestamp, Unpacker, packb, unpackb
        except ImportError:
            raise ConfigError(
                "tiers outside the process need msgpack: "
                'pip install "orc-cache[redis]" (or [disk], or [dynamodb])'
            ) from None
        self._cap = cap
        self._most = objects_in(cap)
        self._pack: Callable[..., bytes] = packb
        self._unpack: Callable[..., Any] = unpackb
        self._unpacker = Unpacker
        self._extension_type = ExtType
        self._timestamp = Timestamp
        self._heads = {code: ExtType(code, b"") for code in kinds.CONTAINERS}
        self._strangers = frozenset(
            {bytearray, memoryview, ExtType, Timestamp, _FROZENDICT or ExtType}
        )

    def encode(self, value: object) -> tuple[int, bytes]:
        """Return ``PLAIN`` or ``RICH``, and the bytes.

        Raises ``UnstorableError`` that names the place and the type of what would not come back as
        it is, and nothing else.
        """
        try:
            return self._encode(value)
        except Exception as error:  # noqa: BLE001 - values bring code of their own
            raise explained(value, error, self._strangers) from None

    def _encode(self, value: object) -> tuple[int, bytes]:
        met: set[type] = set()
        items = objects = 0
        rich = large = False

        def look(level: list[Any]) -> None:
            nonlocal items, objects, large
            for _ in range(0 if large else _DEEPEST):
                items += sum(map(len, level))
                objects += len(level)
                if items > _MANY:
                    large = True
                    met.update(self._look_closely(value))
                    return
                parts = get_referents(*level)
                types = set(map(type, parts))
                met.update(types)
                if types.isdisjoint(_LISTS):
                    return
                level = [each for each in parts if type(each) is list or type(each) is dict]

        def other(each: object) -> object:
            nonlocal rich, objects
            rich = True
            parts = kinds.take_apart(each)
            if isinstance(parts, tuple):
                objects += COSTLY.get(parts[0], 1)
                return self._extension_type(*parts)
            look([parts])
            return [self._heads[parts[0]], *parts[1:]]

        look([[value]])
        packed = self._pack(value, strict_types=True, default=other)
        if objects > self._most:
            raise UnstorableError(f"has more than {self._most} lists, dicts and other objects")
        if met.isdisjoint(self._strangers):
            return (RICH if rich else PLAIN), packed
        if met & self._strangers != {bytearray}:
            raise UnstorableError("msgpack would change it")
        return RICH, self._with_bytearrays(value)

    def _look_closely(self, value: object) -> set[type]:
        """Return the types in a value that is large, or seems so because of what it shares.

        How often something is met on a level is a number here, and not so many places in a list.
        """
        met: set[type] = set()
        items = objects = 0
        level: dict[int, tuple[Any, int]] = {0: ([value], 1)}
        for _ in range(_DEEPEST):
            below: dict[int, tuple[Any, int]] = {}
            for each, times in level.values():
                items += len(each) * times
                objects += times
                if items > self._cap or objects > self._most:
                    raise UnstorableError(
                        f"has more than {self._cap} items, or {self._most} lists, dicts and other "
                        "objects, counting what is shared each time"
                    )
                parts = get_referents(each)
                types = set(map(type, parts))
                met |= types
                if types <= _NATIVE:
                    continue
                for part in parts:
                    if type(part) in _NATIVE:
                        continue
                    if id(part) in below:
                        made, before = below[id(part)]
                        below[id(part)] = made, before + times
                    elif type(part) in _LISTS:
                        below[id(part)] = part, times
                    elif type(made := kinds.take_apart(part)) is list:
                        below[id(part)] = made, times
            level = below
        return met

    def _with_bytearrays(self, value: object) -> bytes:
        def other(each: object) -> object:
            if type(each) is _Bytearray:
                return self._extension_type(kinds.BYTEARRAY, each.data)
            parts = kinds.take_apart(each)
            if isinstance(parts, tuple):
                return self._extension_type(*parts)
            return [self._heads[parts[0]], *map(_marked, parts[1:])]

        return self._pack(_marked(value), strict_types=True, default=other)

    def decode(self, kind: int, data: bytes) -> Any:
        """Return the value. Raises anything for what `encode` has not made."""
        if b"\xff" in data and any(each in data for each in _TIMESTAMPS):
            self._refuse_timestamps(data)
        size = len(data)
        if size > _SHORT:
            # Walk through it without making anything: what arrays promise is there.
            walker = self._unpacker(max_buffer_size=size)
            walker.feed(data)
            walker.skip()
        if kind == PLAIN:
            if size <= self._most:  # as most of what is read
                return self._unpack(
                    data, strict_map_key=False, ext_hook=_refuse, max_array_len=size
                )
            count = self._counter()
            return self._unpack(
                data,
                strict_map_key=False,
                ext_hook=_refuse,
                list_hook=count,
                object_hook=count,
                max_array_len=size,
            )
        if kind != RICH:
            raise ValueError("another codec")
        try:
            return self._decode_rich(data, {"max_map_len": FEW_KEYS})
        except ValueError as error:
            if "max_map_len" not in str(error):
                raise
        # A dict is larger: its keys are looked at before it is made.
        most = max(self._cap // BYTES_FOR_A_PAIR, len(data) if len(data) <= _SHORT else 0)
        return self._decode_rich(data, {"object_pairs_hook": _mapping, "max_map_len": most})

    def _decode_rich(self, data: bytes, maps: dict[str, Any]) -> Any:
        open_heads = 0
        count: Callable[..., Any] = self._counter() if len(data) > self._most else _uncounted

        def extension(code: int, data: bytes) -> object:
            nonlocal open_heads
            head = _HEADS.get(code)
            if head is None:
                return count(kinds.leaf(code, data), COSTLY.get(code, 1))
            if data:
                raise ValueError("a head with bytes")
            open_heads += 1
            return head

        def array(items: list[Any]) -> Any:
            nonlocal open_heads
            count(items)
            if items and type(items[0]) is _Head:
                open_heads -= 1
                return items[0].build(items)
            return items

        value = self._unpack(
            data,
            strict_map_key=False,
            ext_hook=extension,
            list_hook=array,
            max_array_len=len(data),
            **maps,
        )
        if open_heads:
            raise ValueError("a head that begins no array")
        return value

    def _counter(self) -> Callable[..., Any]:
        """Return a function that returns what it is given, so many times."""
        left = self._most

        def count(made: Any, weight: int = 1) -> Any:
            nonlocal left
            left -= weight
            if left < 0:
                raise ValueError("too many objects")
            return made

        return count

    def _refuse_timestamps(self, data: bytes) -> None:
        """Raise for msgpack's own timestamps, of which no hook is told; ORC never writes one."""
        walker = self._unpacker(max_buffer_size=len(data))
        walker.feed(data)
        walker.skip()
        count = self._counter()
        level: list[Any] = [
            [
                self._unpack(
                    data,
                    strict_map_key=False,
                    object_pairs_hook=count,
                    list_hook=count,
                    ext_hook=_nothing,
                )
            ]
        ]
        while level:
            parts = get_referents(*level)
            if self._timestamp in set(map(type, parts)):
                raise ValueError("a timestamp")
            level = [each for each in parts if type(each) is list or type(each) is tuple]


class _Bytearray:
    """A bytearray on its way to the packer, which would take it for bytes."""

    __slots__ = ("data",)

    def __init__(self, data: bytearray) -> None:
        self.data = bytes(data)


def _marked(value: Any) -> Any:
    if type(value) is bytearray:
        return _Bytearray(value)
    if type(value) is list:
        return [_marked(each) for each in value]
    if type(value) is dict:
        return {key: _marked(each) for key, each in value.items()}
    return value


class _Head:
    """What an array begins with that is to become something else."""

    __slots__ = ("build",)

    def __init__(self, build: Callable[[list[Any]], object]) -> None:
        self.build = build


def _mapping(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    refuse_crowded([key for key, _ in pairs])
    return dict(pairs)


def _set(items: list[Any]) -> set[Any]:
    refuse_crowded(items)
    return set(items[1:])


def _range(items: list[Any]) -> range:
    refuse_long(items)
    return range(*items[1:])


def _uncounted(made: Any, _weight: int = 1) -> Any:
    return made


def _fraction(items: list[Any]) -> object:
    from fractions import Fraction

    refuse_long(items)
    _, numerator, denominator = items
    made = Fraction(numerator, denominator)
    if (made.numerator, made.denominator) != (numerator, denominator):
        raise ValueError("a fraction that can be reduced")
    return made


_HEADS = {
    kinds.TUPLE: _Head(lambda items: tuple(items[1:])),
    kinds.SET: _Head(_set),
    kinds.FROZENSET: _Head(lambda items: frozenset(_set(items))),
    kinds.RANGE: _Head(_range),
    kinds.FRACTION: _Head(_fraction),
    kinds.RECORD: _Head(registry.record),
    kinds.MEMBER: _Head(registry.member),
}


def _refuse(code: int, _: bytes) -> object:
    raise ValueError(f"extension {code} in plain msgpack")


def _nothing(_: int, __: bytes) -> None:
    return None
