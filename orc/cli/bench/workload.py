"""What is kept and asked for: values of a size, and the operations. Pure: a seed decides."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random

from orc.errors import ConfigError

HIT, ALONE, MISS, LOAD, SET, BATCH = "hit", "bytes alone", "miss", "load", "set", "get 100"
OPERATIONS = (HIT, ALONE, MISS, LOAD, SET, BATCH)
"""`ALONE` is the tier without the cache round it: bytes in, bytes out."""

MEANING = {
    HIT: "get() of a value that is there: read, decoded, copied to memory",
    ALONE: "the same row as bytes: no key, no decoding, no memory",
    MISS: "get() of a key that nobody has",
    LOAD: "get_or_set() of such a key: read, claim and fill; the load is free",
    SET: "set() of a value",
    BATCH: "get_many() of 100 values that are there",
}

KEYS = 100
"""Values of each size that a tier is given; a batch asks for all of them."""

LEAST_BYTES = 64
WORDS = (
    *("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "jetty"),
    *("knoll", "larch", "maple", "north", "otter", "pebble", "quarry", "river", "slate", "tundra"),
)


@dataclass(frozen=True)
class Size:
    """A size of values: its bytes as JSON, and what the user called it."""

    name: str
    bytes: int


def sizes_of(text: str) -> list[Size]:
    """Read ``100b,1kb,50kb``. Raises ``ConfigError``."""
    from orc.config.values import size_bytes

    sizes: dict[int, Size] = {}
    for part in text.replace(",", " ").split():
        try:
            count = size_bytes(part)
        except ValueError:
            count = 0
        if count < LEAST_BYTES:
            raise ConfigError(
                f"--sizes: {part[:60]!r} is no size: give bytes, at least {LEAST_BYTES}, with a "
                "unit if you like (1kb)"
            )
        sizes[count] = Size(_named(count), count)
    if not sizes:
        raise ConfigError("--sizes is empty: give one or several, such as 100b,1kb,50kb")
    return [sizes[count] for count in sorted(sizes)]


def _named(count: int) -> str:
    for unit, factor in (("MB", 1 << 20), ("KB", 1 << 10)):
        if count % factor == 0:
            return f"{count // factor} {unit}"
    return f"{count:,} B"


def value_of(size: int, seed: int = 0) -> dict[str, object]:
    """Return an answer as APIs give it, of exactly so many bytes as JSON.

    A list of records in a dict: numbers and words, which a compressor makes about a third of.
    """
    chance = Random(seed)  # noqa: S311 - a workload, not a secret
    records: list[object] = []
    value: dict[str, object] = {"id": seed, "items": records, "note": ""}
    taken = _length(value)
    while True:
        record = {
            "sku": f"{chance.getrandbits(48):012x}",
            "name": " ".join(chance.choices(WORDS, k=3)),
            "price": chance.randrange(100_000) / 100,
            "stock": [chance.randrange(50) for _ in range(3)],
        }
        more = _length(record) + (2 if records else 0)
        if taken + more > size:
            break
        records.append(record)
        taken += more
    left = size - taken
    value["note"] = " ".join(chance.choices(WORDS, k=left // 4 + 1))[:left]
    return value


def _length(value: object) -> int:
    return len(json.dumps(value))
