"""Where an entry is kept outside the process: its full key, and the text that tiers know."""

from __future__ import annotations

from _blake2 import blake2b
from binascii import b2a_base64

from orc.model.key import compose, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LAYOUT = "orc1"
"""What the text of every address begins with; another layout of rows would have another number."""

_READABLE = 64
"""Characters of a namespace, and of a function's name, that can be read in an address."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.<>/")


class Address:
    """The key of one entry, as tiers outside the process and the codec know it.

    Two addresses are equal exactly when their full keys are.
    """

    __slots__ = ("full", "partition", "text", "version")

    full: bytes
    partition: str | None
    text: str
    version: str

    def __init__(self, full: bytes, folder: str, partition: str | None, version: str) -> None:
        self.full = full
        """The canonical key (``orc.model.key.compose``), which an envelope is checked against."""
        self.partition = partition
        """The tenant; ``None`` for entries that belong to nobody in particular."""
        self.version = version
        """The version of the values, or a build id."""
        self.text = f"{folder}:{digest(full, 20)}"
        """``orc1:<namespace>:<function>:<hash>``, of ASCII letters, digits and ``-_.<>/%:`` only:
        200 characters at most. Nothing of the arguments can be read in it."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and self.full == other.full

    def __hash__(self) -> int:
        return hash(self.full)

    def __repr__(self) -> str:
        return f"<Address {self.text}>"


def addresses(
    namespace: str, version: str, partition: str | None, name: str | None
) -> Callable[[Sequence[object]], Address]:
    """Return what makes the addresses of one function, or of explicit keys, of the keys' parts.

    The address can be read up to the function's name, for people and for access rules: it is the
    hash that keeps keys apart. What is returned raises ``UnkeyableError`` as ``encode`` does.
    """
    folder = f"{LAYOUT}:{_readable(namespace)}:{'-' if name is None else _readable(name)}"
    # The parts of a full key are laid end to end, so all but the last can be made once.
    before = compose(namespace, version, partition, name, b"").removesuffix(encode(b""))

    def address(parts: Sequence[object]) -> Address:
        return Address(before + encode(encode(tuple(parts))), folder, partition, version)

    return address


def digest(data: bytes, size: int) -> str:
    """Return a hash of so many bytes as text: letters, digits, ``-`` and ``_``."""
    made = b2a_base64(blake2b(data, digest_size=size).digest(), newline=False)
    return made.rstrip(b"=").translate(_URL_SAFE).decode("ascii")


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def _readable(text: str) -> str:
    # A brace would decide a Redis Cluster's slot, and a colon looks like the end of the part.
    return "".join(c if c in _PLAIN else "%" for c in text[:_READABLE])
