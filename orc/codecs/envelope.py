"""The envelope: what stands round the bytes of a value, packed by ``struct``.

``docs/explanation/wire-format.md`` has the layout as a table. Everything is big-endian.
"""

from __future__ import annotations

from _blake2 import blake2b
from struct import Struct

from orc.codecs.bounds import MOST_TAGS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orc.model.address import Address
    from orc.model.entry import Entry
    from orc.model.tags import Marks

MAGIC = b"ORC"
FORMAT = 1
"""The version of the layout, of the codec's ids, and of the extensions. A reader reads its own."""
ENTRY = 1
"""The kind of every envelope so far."""

HEADER = Struct(">3s5B6d")
"""Magic, format, kind, codec, compression, encryption; six times in seconds."""
CHECKSUM = 8
"""Bytes of BLAKE2b at the end of an envelope that is not encrypted."""

_DIGEST = 32
_BINDING = Struct(">BIIH")
_FULL_KEY = 1
_PARTITIONED = 2
_TAG = Struct(">HB")
_COUNT = Struct(">H")
_INFINITY = float("inf")


def header(entry: Entry, codec: int, compression: int, encryption: int) -> bytes:
    """Return the part that stays readable: what it is made by, and its times."""
    return HEADER.pack(
        MAGIC,
        FORMAT,
        ENTRY,
        codec,
        compression,
        encryption,
        entry.created_at,
        entry.fresh_until,
        entry.checked_at,
        entry.load_time,
        entry.stale_while_revalidate,
        entry.stale_if_error,
    )


def sane(  # noqa: PLR0913, PLR0917 - as they are in a header
    created_at: float,
    fresh_until: float,
    checked_at: float,
    load_time: float,
    revalidate: float,
    if_error: float,
) -> bool:
    """Tell whether times can be an entry's: finite, in order, and no negative duration."""
    return (
        -_INFINITY < created_at <= fresh_until < _INFINITY
        and -_INFINITY < checked_at < _INFINITY
        and 0 <= load_time < _INFINITY
        and 0 <= revalidate < _INFINITY
        and 0 <= if_error < _INFINITY
    )


def binding(address: Address, *, full: bool) -> bytes:
    """Return what ties an envelope to one key, partition and version.

    With the whole key or with a digest of 32 bytes. A reader makes it anew and compares: one to
    one, since every part has its length in front.
    """
    key = address.full if full else blake2b(address.full, digest_size=_DIGEST).digest()
    partition = address.partition
    raw = b"" if partition is None else partition.encode("utf-8", "surrogatepass")
    version = address.version.encode("utf-8", "surrogatepass")
    flags = (_FULL_KEY if full else 0) | (0 if partition is None else _PARTITIONED)
    return _BINDING.pack(flags, len(key), len(raw), len(version)) + key + raw + version


def after_binding(body: bytes, start: int, address: Address) -> int | None:
    """Return where the binding in a body ends; ``None`` if it is another's, or none."""
    expected = binding(address, full=bool(body[start] & _FULL_KEY))
    return start + len(expected) if body.startswith(expected, start) else None


def pack_tags(versions: Marks) -> bytes:
    """Return the names of tags with their versions.

    Raises ``struct.error`` beyond its lengths, and ``OverflowError`` for too many tags.
    """
    if not versions:
        return b"\0\0"
    if len(versions) > MOST_TAGS:
        raise OverflowError
    parts = [_COUNT.pack(len(versions))]
    for name, version in versions:
        raw = name.encode("utf-8", "surrogatepass")
        parts += (_TAG.pack(len(raw), len(version)), raw, version)
    return b"".join(parts)


def unpack_tags(body: bytes, start: int) -> tuple[Marks, int]:
    """Return the tags of a body, and where they end. Raises if they are not all there."""
    (count,) = _COUNT.unpack_from(body, start)
    start += _COUNT.size
    if not count:
        return (), start
    if count > MOST_TAGS:
        raise ValueError("too many tags")
    versions = []
    for _ in range(count):
        size, length = _TAG.unpack_from(body, start)
        middle = start + _TAG.size + size
        name = body[middle - size : middle].decode("utf-8", "surrogatepass")
        start = middle + length
        if start > len(body):
            raise ValueError("cut off")
        versions.append((name, body[middle:start]))
    return tuple(versions), start


def checksum(data: bytes | memoryview) -> bytes:
    """Return 64 bits by which damage shows: one change in 18 quintillions passes."""
    return blake2b(data, digest_size=CHECKSUM).digest()
