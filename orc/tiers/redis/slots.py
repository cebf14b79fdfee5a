"""Which slot of a cluster a key belongs to (Redis Cluster Specification, "Key distribution model").

An address has no braces, so no part of it is a hash tag.
"""

from __future__ import annotations

from binascii import crc_hqx

SLOTS = 16_384


def slot_of(address: str) -> int:
    """Return the slot of an address: CRC-16/XMODEM, which the standard library knows as HQX."""
    return crc_hqx(address.encode(), 0) % SLOTS
