"""AES-GCM with a ring of keys: the first encrypts, all decrypt.

To rotate, deploy the new key behind the old one, then in front of it, then without the old one:
nothing has to be flushed, and no container meets a key that it does not have.
"""

from __future__ import annotations

from binascii import Error, a2b_base64
from os import urandom

from orc.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

AES_GCM = 1

_NONCE = 12
_TAG = 16
_KEY_SIZES = frozenset({16, 24, 32})
_LONGEST_ID = 255


class KeyRing:
    """Keys by their ids, in order: the first encrypts, every one decrypts.

    A key has 32 bytes (or 16, or 24). An id is ASCII that can be printed, without ``:`` and ``,``;
    it is stored in clear. Raises ``ConfigError`` for other keys or ids, and where `cryptography`,
    which is imported here, is not installed. No message, ``repr`` or pickle has a key in it.

    The nonce of each envelope is 96 bits from the operating system. NIST SP 800-38D (section 8.3)
    allows 2**32 of these with one key: change the key before as many entries are written by all
    containers together. (At 1,000 writes a second that is 49 days.)
    """

    __slots__ = ("_ciphers", "_first", "_raw_id")

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError:
            raise ConfigError('encryption needs: pip install "orc-cache[encrypt]"') from None
        if not keys:
            raise ConfigError("a key ring needs a key")
        self._ciphers: dict[bytes, Any] = {}
        for id_, key in keys.items():
            if type(key) is not bytes or len(key) not in _KEY_SIZES:
                raise ConfigError(f"the key {_shown(id_)} is to be 32 (or 16, or 24) bytes")
            self._ciphers[_id(id_)] = AESGCM(key)
        first = next(iter(self._ciphers))
        self._first = self._ciphers[first]
        self._raw_id = bytes([len(first)]) + first

    def __repr__(self) -> str:
        return f"<KeyRing {', '.join(each.decode() for each in self._ciphers)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a KeyRing is not pickled, nor copied: it holds keys")

    def encrypt(self, head: bytes, secret: bytes, bound: bytes) -> bytes:
        """Return an envelope: `head`, id, nonce, ciphertext. `bound` is needed to read it."""
        clear = head + self._raw_id
        nonce = urandom(_NONCE)
        made: bytes = self._first.encrypt(nonce, secret, clear + bound)
        return clear + nonce + made

    def decrypt(self, payload: bytes, start: int, bound: bytes) -> bytes:
        """Return the secret of an envelope whose head ends at `start`. Raises if it is not so."""
        end = start + 1 + payload[start]
        cipher = self._ciphers[payload[start + 1 : end]]
        if len(payload) < end + _NONCE + _TAG:
            raise ValueError("cut off")
        nonce = payload[end : end + _NONCE]
        made: bytes = cipher.decrypt(nonce, payload[end + _NONCE :], payload[:end] + bound)
        return made


def parse_keys(text: str) -> KeyRing:
    """Return the ring of a text such as ``"2026-11:<base64>,2026-05:<base64>"``.

    Both alphabets of base64 will do, with padding or without. Raises ``ConfigError`` that names the
    part, and does not show a key.
    """
    keys: dict[str, bytes] = {}
    for number, part in enumerate(text.split(","), 1):
        id_, colon, encoded = part.strip().partition(":")
        where = f"part {number} of the encryption keys"
        if not colon:
            raise ConfigError(f"{where} is to be id:base64")
        try:
            raw = encoded.strip().rstrip("=").translate(_STANDARD).encode("ascii")
            key = a2b_base64(raw + b"=" * (-len(raw) % 4), strict_mode=True)
        except (Error, ValueError):
            raise ConfigError(f"{where}: the key is no base64") from None
        if not _is_id(id_):
            raise ConfigError(f"{where}: the id is to be up to 255 printable ASCII characters")
        if len(key) not in _KEY_SIZES:
            raise ConfigError(f"{where}: the key has {len(key)} bytes, not 32 (or 16, or 24)")
        if id_ in keys:
            raise ConfigError(f"{where}: its id is there already")
        keys[id_] = key
    return KeyRing(keys)


_STANDARD = str.maketrans("-_", "+/")


def _is_id(id_: object) -> bool:
    return (
        type(id_) is str
        and 0 < len(id_) <= _LONGEST_ID
        and id_.isascii()
        and id_.isprintable()
        and not set(" :,").intersection(id_)
    )


def _id(id_: str) -> bytes:
    if not _is_id(id_):
        raise ConfigError(
            f"the id of a key is to be up to 255 printable ASCII characters without blank, "
            f"colon and comma; {_shown(id_)} is not"
        )
    return id_.encode("ascii")


def _shown(id_: object) -> str:
    # Whoever swaps id and key would else find the key in a log.
    return repr(id_) if _is_id(id_) and len(str(id_)) <= 20 else "(not shown)"  # noqa: PLR2004
