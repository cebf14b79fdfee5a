"""Make the bytes of values smaller, and never larger than a bound when they come back."""

from __future__ import annotations

from orc.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NONE = 0
ZLIB = 1
ZSTD = 2

_FASTEST = 1
_WINDOW_LOG = 19
"""Half a megabyte: what level 1 uses, and the most that a reader makes room for."""


def deflated(data: bytes) -> bytes:
    """Return zlib's fastest."""
    from zlib import compress

    return compress(data, _FASTEST)


def inflated(data: bytes, cap: int) -> bytes:
    """Return what zlib has compressed.

    Raises for anything that is not whole, has something behind it, or has more than `cap` bytes
    inside; while it inflates, twice the `cap` may be in memory.
    """
    from zlib import decompressobj

    return _whole(decompressobj(), data, cap)


def zstandard() -> tuple[Callable[[bytes], bytes], Callable[[bytes, int], bytes]]:
    """Return the two functions for zstd, with the promises of `inflated`.

    Raises ``ConfigError`` if Python is older than 3.14 and ``backports.zstd`` is not installed.
    """
    zstd = _zstd()
    if zstd is None:
        raise ConfigError('zstd needs Python 3.14, or: pip install "orc-cache[zstd]"')
    squeeze = {
        zstd.CompressionParameter.compression_level: _FASTEST,
        zstd.CompressionParameter.window_log: _WINDOW_LOG,
    }
    bound = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}

    def compress(data: bytes) -> bytes:
        made: bytes = zstd.compress(data, options=squeeze)
        return made

    def decompress(data: bytes, cap: int) -> bytes:
        return _whole(zstd.ZstdDecompressor(options=bound), data, cap)

    return compress, decompress


def _zstd() -> Any:
    """Return the module of Zstandard: the standard library's from 3.14 on, or its backport."""
    from importlib import import_module

    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ImportError:
            continue
    return None


def _whole(decompressor: Any, data: bytes, cap: int) -> bytes:
    made: bytes = decompressor.decompress(data, cap)
    if not decompressor.eof:
        # With `cap` bytes out, the end may still be ahead, and of no length.
        made += decompressor.decompress(getattr(decompressor, "unconsumed_tail", b""), 1)
    if not decompressor.eof or decompressor.unused_data or len(made) > cap:
        raise ValueError("not whole, or too large")
    return made
