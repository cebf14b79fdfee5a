"""Values to msgpack and back, exactly as they were, or not at all.

msgpack packs plain values by itself. It asks back for every type that it does not know, with four
exceptions, which it packs as something else: ``bytearray`` and ``memoryview`` (as ``bytes``), and
its own ``ExtType`` and ``Timestamp``. All of them leave certain bytes behind; so values are looked
at only where such a byte is in what was packed.
"""

from __future__ import annotations

import builtins
from gc import get_referents

from orc.codecs import kinds, registry
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

_BINARY_OR_EXTENSION = bytes([*range(0xC4, 0xCA), *range(0xD4, 0xD9)])
_TIMESTAMPS = (b"\xd6\xff", b"\xd7\xff", b"\xc7\x0c\xff")
_FROZENDICT = getattr(builtins, "frozendict", None)
"""New in Python 3.15, and packed as if it were a dict: it leaves nothing behind."""

_SHORT = 8192
"""Items that an array may promise before it is known that they are there.

msgpack makes room for all of them when the array begins, and 1024 arrays can be open at a time.
"""


class Values:
    """The functions of msgpack, which are imported when this is made.

    Raises ``ConfigError`` if msgpack is not installed.
    """

    __slots__ = ("_extension", "_extension_type", "_heads", "_pack", "_strangers", "_timestamp")
    __slots__ += ("_unpack", "_unpacker")

    def __init__(self) -> None:
        try:
            from msgpack import ExtType, Timestamp, Unpacker, packb, unpackb
        except ImportError:
            raise ConfigError(
                "tiers outside the process need msgpack: "
                'pip install "orc-cache[redis]" (or [disk], or [dynamodb])'
            ) from None
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
        made: list[Any] = []

        def other(each: object) -> object:
            parts = kinds.take_apart(each)
            if type(parts) is tuple:
                made.append(None)
                return self._extension_type(*parts)
            parts[0] = self._heads[parts[0]]
            made.append(parts)
            return parts

        packed = self._pack(value, strict_types=True, default=other)
        if (
            len(packed.translate(None, _BINARY_OR_EXTENSION)) != len(packed)
            or _FROZENDICT is not None
        ):
            met = self._met([[value], *(each[1:] for each in made if each)])
            if met:
                if met != {bytearray}:
                    raise UnstorableError("msgpack would change it")
                return RICH, self._with_bytearrays(value)
        return (RICH if made else PLAIN), packed

    def _met(self, roots: list[list[Any]]) -> set[type]:
        """Return which types msgpack has packed as something else."""
        kinds_met: set[type] = set()
        level: list[Any] = roots
        seen: set[int] = set()
        while level:
            parts = get_referents(*level)
            kinds_met.update(map(type, parts))
            level = [each for each in parts if type(each) is dict or type(each) is list]
            if len(level) > _SHORT:
                # Shared parts are looked at once, or their paths might be without number.
                level = list({id(each): each for each in level if id(each) not in seen}.values())
                seen.update(map(id, level))
        return kinds_met & self._strangers

    def _with_bytearrays(self, value: object) -> bytes:
        def other(each: object) -> object:
            if type(each) is _Bytearray:
                return self._extension_type(kinds.BYTEARRAY, each.data)
            parts = kinds.take_apart(each)
            if type(parts) is tuple:
                return self._extension_type(*parts)
            return [self._heads[parts[0]], *map(_marked, parts[1:])]

        return self._pack(_marked(value), strict_types=True, default=other)

    def decode(self, kind: int, data: bytes) -> Any:
        """Return the value. Raises anything for what `encode` has not made."""
        if b"\xff" in data and any(each in data for each in _TIMESTAMPS):
            self._refuse_timestamps(data)
        try:
            return self._decode(kind, data, min(len(data), _SHORT))
        except ValueError:
            if len(data) <= _SHORT:
                raise
        # An array is longer, or all is nonsense: this walks through it without making anything.
        walker = self._unpacker(max_buffer_size=len(data))
        walker.feed(data)
        walker.skip()
        return self._decode(kind, data, len(data))

    def _decode(self, kind: int, data: bytes, longest: int) -> Any:
        if kind == PLAIN:
            return self._unpack(data, strict_map_key=False, ext_hook=_refuse, max_array_len=longest)
        if kind != RICH:
            raise ValueError("another codec")
        open_heads = 0

        def extension(code: int, data: bytes) -> object:
            nonlocal open_heads
            head = _HEADS.get(code)
            if head is None:
                return kinds.leaf(code, data)
            if data:
                raise ValueError("a head with bytes")
            open_heads += 1
            return head

        def array(items: list[Any]) -> Any:
            nonlocal open_heads
            if items and type(items[0]) is _Head:
                open_heads -= 1
                return items[0].build(items)
            return items

        value = self._unpack(
            data,
            strict_map_key=False,
            ext_hook=extension,
            list_hook=array,
            max_array_len=longest,
        )
        if open_heads:
            raise ValueError("a head that begins no array")
        return value

    def _refuse_timestamps(self, data: bytes) -> None:
        """Raise for msgpack's own timestamps, of which no hook is told; ORC never writes one."""
        walker = self._unpacker(max_buffer_size=len(data))
        walker.feed(data)
        walker.skip()
        level = [
            [self._unpack(data, strict_map_key=False, object_pairs_hook=list, ext_hook=_nothing)]
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


def _fraction(items: list[Any]) -> object:
    from fractions import Fraction

    _, numerator, denominator = items
    made = Fraction(numerator, denominator)
    if (made.numerator, made.denominator) != (numerator, denominator):
        raise ValueError("a fraction that can be reduced")
    return made


_HEADS = {
    kinds.TUPLE: _Head(lambda items: tuple(items[1:])),
    kinds.SET: _Head(lambda items: set(items[1:])),
    kinds.FROZENSET: _Head(lambda items: frozenset(items[1:])),
    kinds.RANGE: _Head(lambda items: range(*items[1:])),
    kinds.FRACTION: _Head(_fraction),
    kinds.RECORD: _Head(registry.record),
    kinds.MEMBER: _Head(registry.member),
}


def _refuse(code: int, _: bytes) -> object:
    raise ValueError(f"extension {code} in plain msgpack")


def _nothing(_: int, __: bytes) -> None:
    return None
