"""What the bytes of a row may cost a reader: bounds that the writer keeps, too.

An attacker who can write to a store without encryption can write rows that are small and cost much.
Each rule here ends one way of that. The bound of all the others is a codec's cap, in bytes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Final

BYTES_FOR_AN_OBJECT: Final = 16
"""Bytes of the cap for each list, dict or extension: one byte can make an object of 60 or more."""
BYTES_FOR_A_PAIR: Final = 4
"""Bytes of the cap for each key of a dict, at least: so many different keys are no shorter."""
FEW_OBJECTS: Final = 1024
"""Objects that are not counted, however small the cap."""
LARGEST_PART: Final = 8192
"""Bits of an integer in a fraction or a range: Python divides it when it makes one, and the time
for that grows with the square of its length."""
FEW_KEYS: Final = 32
"""Keys of one hash that a dict or a set may have: it compares each with all the others. Texts and
bytes are hashed with a secret; numbers, times and tuples are not (``sys.hash_info``)."""
MOST_TAGS: Final = 1024
"""Tags of an entry: the reader makes an object of each."""


def objects_in(cap: int) -> int:
    """Return how many lists, dicts and extensions a value of at most `cap` bytes may have."""
    return max(cap // BYTES_FOR_AN_OBJECT, FEW_OBJECTS)


def refuse_crowded(keys: Collection[object]) -> None:
    """Raise ``ValueError`` for keys of which too many have one hash."""
    if len(keys) > FEW_KEYS and len(keys) - len(set(map(hash, keys))) > FEW_KEYS:
        raise ValueError("too many keys of one hash")


def refuse_long(parts: Collection[object]) -> None:
    """Raise ``ValueError`` for integers that are too long to be divided."""
    for part in parts:
        if isinstance(part, int) and part.bit_length() > LARGEST_PART:
            raise ValueError("an integer that is too long")
