"""Write the golden files: one envelope for every type and option.

They are written once for each format version, and read for ever. A file that a reader can no longer
open means a new ``envelope.FORMAT``, with files of its own beside these. To add cases:

    python tests/codecs/golden/make.py

It writes the files that are not there yet, and touches no other.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from uuid import UUID
from zoneinfo import ZoneInfo

import pytz
from boto3.dynamodb.types import Binary
from dateutil import tz

from orc.codecs.codec import Codec
from orc.codecs.encryption import KeyRing
from orc.codecs.registry import register
from orc.model.address import Address
from orc.model.entry import Entry

HERE = Path(__file__).parent


@register(name="golden.Card")
@dataclass(frozen=True)
class Card:
    number: str
    cents: int = 0
    more: object = None


@register(name="golden.Colour")
class Colour(enum.Enum):
    RED = 1
    GREEN = 2


KEYS = {"2026-11": bytes(range(32)), "2026-05": bytes(range(32, 64))}
NOBODY = Address(b"a full key", "orc1:shop:find", None, "1")
TENANT = Address(b"a full key", "orc1:shop:find", "tenant \u00e9", "build 7")

VALUES = {
    "none": None,
    "booleans": [True, False],
    "integers": [0, -1, 127, 2**32, -(2**63), 2**64 - 1],
    "large integers": [2**64, -(2**63) - 1, 10**60, -(10**60)],
    "floats": [0.0, -0.0, 1.5, -1e300, float("inf"), float("-inf"), float("nan")],
    "text": ["", "ascii", "\u00e9\u4e2d\U0001f600", "\0"],
    "bytes": [b"", bytes(range(256)), bytearray(b"changeable")],
    "dict": {"b": 1, "a": {2: None, (1, "x"): [], b"k": {}, None: True, 1.5: 0}},
    "tuples": ((), (1, (2, [3, (4,)]))),
    "sets": [set(), {1, "a", (2, 3)}, frozenset(), frozenset({1, frozenset({2})})],
    "complex": [complex(1.5, -0.0), complex(float("inf"), 2)],
    "range": [range(5), range(2**70, -3, -(2**65))],
    "decimals": [Decimal(x) for x in ("1.00", "-0", "NaN", "sNaN12", "-Infinity", "1E+999999")],
    "fraction": Fraction(-(10**30), 7),
    "uuid": UUID("12345678-1234-5678-1234-567812345678"),
    "datetimes": [
        datetime(2026, 11, 23, 22, 30, 1, 999999),  # noqa: DTZ001 - naive is a case
        datetime(2026, 11, 23, 22, 30, tzinfo=UTC),
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(seconds=-3661), "odd")),
    ],
    "days and times": [date(1, 1, 1), date.max, time(23, 59, 59, 1, fold=1), time(1, tzinfo=UTC)],
    "durations": [timedelta(0), timedelta.min, timedelta.max, timedelta(microseconds=-1)],
    "zones": [UTC, timezone(timedelta(0), "UTC"), timezone(timedelta(0), ""), ZoneInfo("UTC")],
    "zones of dateutil": [
        *[tz.tzutc(), tz.tzoffset(None, 3600), tz.tzoffset("A", -61), tz.gettz("Europe/Berlin")],
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=tz.gettz("Europe/Berlin")),
        time(1, tzinfo=tz.tzutc()),
    ],
    "zones of pytz": [
        *[pytz.UTC, pytz.FixedOffset(-90), pytz.timezone("Europe/Berlin")],
        pytz.timezone("Europe/Berlin").localize(datetime(2026, 7, 1)),  # noqa: DTZ001
    ],
    "binary": {"raw": Binary(b"\x00bytes")},
    "paths": [PurePosixPath("/a/b.c"), PureWindowsPath("c:\\a"), PurePosixPath("\udcff")],
    "dataclasses": {"cards": [Card("1", 2), Card("3", 4, (Card("5"),))], Card("key"): 1},
    "enum": [Colour.RED, {Colour.GREEN: Colour.RED}],
    "long": ["the same again, "] * 500,
}

OPTIONS: dict[str, dict[str, object]] = {
    "zlib": {"compress_from": 100},
    "zstd": {"compress_from": 100, "zstd": True},
    "plain": {"compress_from": None},
    "readable": {"readable_keys": True},
    "encrypted": {"ring": KeyRing(KEYS)},
    "old key": {"ring": KeyRing({"2026-05": KEYS["2026-05"]})},
}


def entry(value: object) -> Entry:
    return Entry(
        value,
        1_700_000_000.125,
        1_700_000_300.5,
        0.75,
        (("item:1", b"0123456789ab"), ("caf\u00e9", b"")),
        stale_while_revalidate=30.0,
        stale_if_error=600.0,
        checked_at=1_700_000_001.0,
    )


CASES = {name: ("zlib", NOBODY, entry(value)) for name, value in VALUES.items()}
CASES |= {f"option {name}": (name, TENANT, entry(VALUES["long"])) for name in OPTIONS}
CASES["no tags"] = ("plain", NOBODY, Entry("v", 1.0, 2.0))
CASES["empty partition"] = ("plain", Address(b"k", "orc1:a:-", "", ""), Entry("v", 1.0, 2.0))


def path_of(name: str) -> Path:
    return HERE / f"{name.replace(' ', '-')}.v1.bin"


if __name__ == "__main__":
    for each, (option, address, made) in CASES.items():
        if not path_of(each).exists():
            path_of(each).write_bytes(Codec(**OPTIONS[option]).seal(made, address))  # type: ignore[arg-type]
