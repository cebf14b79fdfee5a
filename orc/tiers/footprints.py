"""Why a key is not in memory: a bounded record of the keys that were."""

from __future__ import annotations

NEVER_SEEN = "first touch"
UNKNOWN = "unknown"
CAUSES = ("invalidated", "evicted", "expired")
"""What may be recorded of a key, in the order of the two bits that say so."""

INVALIDATED, EVICTED, EXPIRED = range(3)
# A key is marked INVALIDATED when it is *stored*: if it is then missing, and nothing else was
# recorded of it, it was deleted, or its space was emptied at once.


class Footprints:
    """A table of fingerprints with four bytes for each place, one place for each hash.

    A later key overwrites an earlier one in the same place, whose cause is then `UNKNOWN`; an empty
    place is proof that the key was never stored. So an answer is never a guess, and the table never
    grows. Not locked: a torn answer costs a label in a statistic.
    """

    __slots__ = ("_mask", "_places", "size")

    def __init__(self, size: int) -> None:
        """Take at most `size` bytes (at least 1 KiB)."""
        places = 1 << (max(size, 1024) // 4).bit_length() - 1
        self.size: int = 4 * places
        self._mask = places - 1
        self._places = memoryview(bytearray(self.size)).cast("I")

    def record(self, key_hash: int, cause: int) -> None:
        """Note that the key is stored, or why it left."""
        self._places[key_hash & self._mask] = _fingerprint(key_hash) | cause

    def why_missing(self, key_hash: int) -> str:
        """Name the cause of a miss of this key."""
        place = self._places[key_hash & self._mask]
        if not place:
            return NEVER_SEEN
        if place & ~3 != _fingerprint(key_hash):
            return UNKNOWN
        return CAUSES[place & 3]


def _fingerprint(key_hash: int) -> int:
    # 29 bits from above those that chose the place, and one that is always set: never zero.
    return (key_hash >> 29 & 0x1FFFFFFF) << 3 & 0xFFFFFFF8 | 4
