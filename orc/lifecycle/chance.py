"""The only source of randomness: the kernel's.

Nothing is seeded in this process, so neither a fork nor a snapshot that many containers are
restored from can make two of them draw alike.
"""

from __future__ import annotations

from os import urandom


def uniform() -> float:
    """Draw a float in [0, 1)."""
    return int.from_bytes(urandom(6), "big") / 2**48


def token() -> bytes:
    """Draw 12 bytes that nobody else will draw."""
    return urandom(12)
