"""Texts of variables and addresses into values, and values into what a cache works with.

Each raises ``ValueError`` for what is not allowed; who calls says which setting it was.
"""

from __future__ import annotations

from orc.model.freshness import seconds, ttl_seconds

MEGABYTE = 1024 * 1024
ELSEWHERE_BYTES = 640 * MEGABYTE
"""What counts as a function's memory where nobody says how much it has: 10 % of it are 64 MB."""

UNITS = {"kb": 1024, "mb": MEGABYTE, "gb": 1024 * MEGABYTE, "b": 1}
TIMES = {"ms": 0.001, "s": 1.0}
YES = ("1", "true", "yes", "on")
NO = ("", "0", "false", "no", "off")


def number(text: str) -> float | None:
    """Read a number, or none."""
    return None if text.lower() == "none" else float(text)


def count(text: str) -> int | None:
    """Read a whole number, or none."""
    return None if text.lower() == "none" else int(text)


def size(text: str) -> object:
    """Read a number of bytes; a share of something is left as it is."""
    return text if text.endswith("%") else size_bytes(text)


def switch(text: str) -> bool:
    """Read a yes or a no."""
    if text.lower() not in YES + NO:
        raise ValueError(text)
    return text.lower() in YES


def duration(value: object) -> float:
    """Check a duration."""
    return seconds(value, "it")


def optional_duration(value: object) -> float | None:
    """Check a duration, or none."""
    return None if value is None else seconds(value, "it")


def ttl(value: object) -> object:
    """Check a ttl; a callable decides later."""
    return value if callable(value) else ttl_seconds(value, "it")


def share(value: object) -> float:
    """Check a share, from 0 up to but not including 1."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ValueError(value)
    return float(value)


def positive(value: object) -> object:
    """Check a positive int, or none."""
    if value is not None and (type(value) is not int or value < 1):
        raise ValueError(value)
    return value


def boolean(value: object) -> bool:
    """Check a bool."""
    if not isinstance(value, bool):
        raise ValueError(value)  # noqa: TRY004 - one kind of error for all checks
    return value


def a_text(value: object) -> str:
    """Check a string."""
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004 - one kind of error for all checks
    return value


def optional_text(value: object) -> str | None:
    """Check a string, or none."""
    return None if value is None else a_text(value)


def isolation(value: object) -> object:
    """Check the name of an isolation."""
    if value not in ("auto", "share"):
        raise ValueError(value)
    return value


def policy(value: object) -> object:
    """Check the name of an eviction policy."""
    if not isinstance(value, str) or value.lower() not in ("lru", "s3fifo"):
        raise ValueError(value)
    return value


def compression(value: object) -> object:
    """Check the name of a compression."""
    if value not in ("zlib", "zstd", "none"):
        raise ValueError(value)
    return value


def key_texts(value: object) -> str | None:
    """Check keys of encryption as text, or none."""
    if value is None:
        return None
    from orc.codecs.encryption import parse_keys

    parse_keys(a_text(value))
    return a_text(value)


def anything(value: object) -> object:
    """Pass on what is checked elsewhere."""
    return value


def metrics(value: object) -> object:
    """Check in which form figures are written."""
    if value not in ("", "emf"):
        raise ValueError(value)
    return value


def every(text: str) -> int | str:
    """Read a number of invocations, or ``change``."""
    if text == "change":
        return text
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def dimensions(value: object) -> str:
    """Check names of dimensions, with commas in between."""
    names = [each.strip() for each in a_text(value).split(",") if each.strip()]
    if not {"state", "function"}.issuperset(names):
        raise ValueError(value)
    return ",".join(names)


def size_bytes(text: str) -> int:
    """Turn ``"64mb"``, ``"512kb"``, ``"1gb"`` or a plain number into bytes."""
    lowered = text.strip().lower()
    for unit, factor in UNITS.items():
        if lowered.endswith(unit):
            size = float(lowered.removesuffix(unit)) * factor
            if size == float("inf"):
                raise ValueError(text)
            return int(size)
    return int(lowered)


def share_of(text: str, whole: int) -> int:
    """Turn ``"10%"`` into that share of `whole` bytes."""
    percent = float(text.removesuffix("%"))
    if not 0 < percent <= 100:  # noqa: PLR2004 - per cent
        raise ValueError(text)
    return int(whole * percent / 100)


def budget(value: object) -> object:
    """Check a number of bytes, or a share of the function's memory."""
    if isinstance(value, str):
        share_of(value, ELSEWHERE_BYTES)
        return value
    return positive(value)


def time_span(text: str) -> float:
    """Turn ``"50ms"``, ``"1.5s"`` or a plain number of seconds into seconds, more than 0."""
    lowered = text.strip().lower()
    for unit, factor in TIMES.items():
        if lowered.endswith(unit):
            span = float(lowered.removesuffix(unit)) * factor
            break
    else:
        span = float(lowered)
    if not 0 < span < float("inf"):
        raise ValueError(text)
    return span
