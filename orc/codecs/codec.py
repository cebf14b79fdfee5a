"""Entries to bytes and back, for every tier outside the process."""

from __future__ import annotations

from struct import error as PackingError  # noqa: N812 - it is an error

from orc.codecs import compression, envelope
from orc.codecs.encryption import AES_GCM
from orc.codecs.values import Values
from orc.errors import TooLargeError, UnstorableError
from orc.model.entry import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orc.codecs.encryption import KeyRing
    from orc.model.address import Address

CAP = 64 * 1024 * 1024
_HEADER_SIZE = envelope.HEADER.size
_BEFORE_CHECKSUM = -envelope.CHECKSUM


class Codec:
    """Seals entries into envelopes, and opens them: see ``docs/explanation/wire-format.md``.

    `compress_from`: bytes of a packed value from which it is compressed, where that makes it
    smaller; ``None`` for never. `zstd`: by zstd and not zlib. `ring`: encrypt; plain envelopes are
    then unreadable, or else whoever can write to a store could go round the encryption.
    `readable_keys`: put the whole key into the envelope, and not a digest. `cap`: the most bytes
    that a packed value may have, before compression.

    What was sealed with other options is read all the same, but for encryption. Safe for threads.
    Raises ``ConfigError`` if `zstd` is asked for and not there.
    """

    __slots__ = (
        "_cap",
        "_compress",
        "_from",
        "_full_keys",
        "_head",
        "_id",
        "_ring",
        "_unzstd",
        "_values",
    )

    def __init__(
        self,
        *,
        compress_from: int | None = 1024,
        zstd: bool = False,
        ring: KeyRing | None = None,
        readable_keys: bool = False,
        cap: int = CAP,
    ) -> None:
        self._from = cap + 1 if compress_from is None else compress_from
        self._unzstd = None
        if zstd:
            self._compress, self._unzstd = compression.zstandard()
            self._id = compression.ZSTD
        else:
            self._compress = compression.deflated
            self._id = compression.ZLIB
        self._ring = ring
        self._full_keys = readable_keys
        encrypted = 0 if ring is None else AES_GCM
        self._head = (envelope.MAGIC, envelope.FORMAT, envelope.ENTRY, encrypted)
        self._cap = cap
        self._values: Values | None = None

    def __repr__(self) -> str:
        return f"<Codec {'AES-GCM' if self._ring else 'not encrypted'}>"

    def prewarm(self) -> None:
        """Import msgpack; for the init phase. Raises ``ConfigError`` if it is not installed."""
        if self._values is None:
            self._values = Values(self._cap)

    def seal(self, entry: Entry, address: Address, /) -> bytes:
        """Make an envelope of an entry.

        Raises ``UnstorableError`` if the value would not come back exactly as it is, and
        ``ConfigError`` where msgpack is not installed.
        """
        values = self._values
        if values is None:
            values = self._values = Values(self._cap)
        kind, packed = values.encode(entry.value)
        if len(packed) > self._cap:
            raise TooLargeError(
                f"cannot be stored: {len(packed)} bytes are over the cap of {self._cap}"
            )
        compressed = compression.NONE
        if len(packed) >= self._from:
            smaller = self._compress(packed)
            if len(smaller) < len(packed):
                packed, compressed = smaller, self._id
        ring = self._ring
        try:
            head = envelope.header(entry, kind, compressed, AES_GCM if ring else 0)
            tags = envelope.pack_tags(entry.versions)
            body = envelope.binding(address, full=self._full_keys) + tags + packed
        except (PackingError, OverflowError):
            raise UnstorableError(
                "cannot be stored: its times, tags or key are too many or too long"
            ) from None
        if not envelope.sane(*envelope.HEADER.unpack(head)[6:]):
            raise UnstorableError("cannot be stored: its times are not finite, or out of order")
        if ring is not None:
            return ring.encrypt(head, body, envelope.binding(address, full=True))
        sealed = head + body
        return sealed + envelope.checksum(sealed)

    def open(self, payload: bytes, address: Address, /) -> Entry | None:
        """Return the entry of an envelope; ``None`` for anything else. Never raises."""
        try:
            return self._open(payload, address)
        except Exception:  # noqa: BLE001 - a store may hold anything, and a miss is always right
            return None

    def _open(self, payload: bytes, address: Address) -> Entry | None:
        (
            magic,
            version,
            kind,
            codec,
            compressed,
            encrypted,
            created_at,
            fresh_until,
            checked_at,
            load_time,
            revalidate,
            if_error,
        ) = envelope.HEADER.unpack_from(payload)
        if (magic, version, kind, encrypted) != self._head or not envelope.sane(
            created_at, fresh_until, checked_at, load_time, revalidate, if_error
        ):
            return None
        ring = self._ring
        if ring is None:
            start = _HEADER_SIZE
            body = payload[:_BEFORE_CHECKSUM]
            if envelope.checksum(body) != payload[_BEFORE_CHECKSUM:]:
                return None
        else:
            start = 0
            body = ring.decrypt(payload, _HEADER_SIZE, envelope.binding(address, full=True))
        end = envelope.after_binding(body, start, address)
        if end is None:
            return None
        versions, end = envelope.unpack_tags(body, end)
        packed = body[end:]
        if compressed:
            packed = self._decompressed(compressed, packed)
        elif len(packed) > self._cap:
            return None
        values = self._values
        if values is None:
            values = self._values = Values(self._cap)
        return Entry(
            values.decode(codec, packed),
            created_at,
            fresh_until,
            load_time,
            versions,
            stale_while_revalidate=revalidate,
            stale_if_error=if_error,
            checked_at=checked_at,
        )

    def _decompressed(self, how: int, data: bytes) -> bytes:
        if how == compression.ZLIB:
            return compression.inflated(data, self._cap)
        if how != compression.ZSTD:
            raise ValueError("another compression")
        if self._unzstd is None:
            _, self._unzstd = compression.zstandard()
        return self._unzstd(data, self._cap)
