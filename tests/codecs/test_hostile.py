"""Rows that cost more than their size, as an attacker with access to the store can write them.

Each opens, or is a miss, in the time and the memory that honest rows of the largest size take.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import pathlib
import random
import time
import tracemalloc
import uuid
import zlib
import zoneinfo
from fractions import Fraction

import pytest
from msgpack import ExtType, packb

import orc
from orc.codecs import bounds, envelope, kinds
from orc.codecs.codec import Codec
from orc.codecs.values import PLAIN, RICH
from orc.errors import UnstorableError
from orc.model.address import Address
from orc.model.entry import Entry
from orc.testing.reference_tier import ReferenceTier, Store

CAP = 1 << 20
PRIME = (1 << 61) - 1
"""What Python hashes numbers by: those that differ by a multiple of it have one hash."""
MINE = Address(b"k", "orc1:n:f", None, "1")
MEMORY, TIME = 40, 12
"""How many caps a row may take, and how many times as long as an honest row of the cap's size."""


def row(kind: int, packed: bytes, *, inflates: bool = True, tags=()) -> bytes:
    """Return an envelope as ORC makes it, of bytes that ORC would not."""
    entry = Entry(None, 1000.0, 1300.0, 0.5, (), checked_at=1001.0)
    sealed = envelope.header(entry, kind, int(inflates), 0) + envelope.binding(MINE, full=False)
    sealed += len(tags).to_bytes(2, "big")
    for name in tags:
        sealed += len(name).to_bytes(2, "big") + b"\1" + name + b"v"
    sealed += zlib.compress(packed, 9) if inflates else packed
    return sealed + envelope.checksum(sealed)


def many(item: bytes, size: int = CAP) -> bytes:
    """Return an array of one item, as often as it fits."""
    count = (size - 5) // len(item)
    return b"\xdd" + count.to_bytes(4, "big") + item * count


def array(items: list[bytes]) -> bytes:
    return b"\xdd" + len(items).to_bytes(4, "big") + b"".join(items)


def mapping(keys: list[bytes]) -> bytes:
    return b"\xdf" + len(keys).to_bytes(4, "big") + b"".join(key + b"\xc0" for key in keys)


def ext(code: int, data: bytes = b"") -> bytes:
    return packb(ExtType(code, data))


def integer(value: int) -> bytes:
    return ext(kinds.INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def fraction(first: int, second: int) -> bytes:
    return b"\x93" + ext(kinds.FRACTION) + integer(first) + integer(second)


def a_time(zone: list[object]) -> bytes:
    """Return a datetime in a zone of dateutil or pytz."""
    data = json.dumps(zone).encode()
    return ext(
        kinds.DATETIME,
        b"\x07\xea\x01\x01\x01\x01\x01\0\0\0\0\0" + bytes([kinds.FOREIGN_ZONE]) + data,
    )


NAMES = sorted(zoneinfo.available_timezones())
SAME = [integer(5 + each * PRIME) for each in range(1 << 60, (1 << 60) + 40_000)]
UUIDS = [
    ext(kinds.UUID, (7 + each * PRIME).to_bytes(16, "big"))
    for each in range(1 << 60, (1 << 60) + 40_000)
]
DECIMALS = [ext(kinds.DECIMAL, str(9 + each * PRIME).encode()) for each in range(20_000)]
TUPLES = [b"\x92" + ext(kinds.TUPLE) + each for each in SAME]
A_SET, A_FROZENSET, A_TUPLE = ext(kinds.SET), ext(kinds.FROZENSET), ext(kinds.TUPLE)

ROWS = {
    "zeros without end": (PLAIN, packb(bytes(10_000_000))),
    "lists without end": (PLAIN, many(b"\x90", 10_000_000)),
    "empty lists": (PLAIN, many(b"\x90")),
    "empty dicts": (PLAIN, many(b"\x80")),
    "small dicts": (PLAIN, many(b"\x81\x01\x01")),
    "nothing": (PLAIN, many(b"\xc0")),
    "short texts": (PLAIN, many(b"\xa2ab")),
    "short numbers": (PLAIN, many(b"\xcd\xff\xff")),
    "empty lists, rich": (RICH, many(b"\x90")),
    "empty tuples": (RICH, many(b"\x91" + A_TUPLE)),
    "empty frozensets": (RICH, many(b"\x91" + A_FROZENSET)),
    "decimals": (RICH, many(ext(kinds.DECIMAL, b"1"))),
    "paths": (RICH, many(ext(kinds.PURE_POSIX_PATH, b"a"))),
    "zones": (RICH, many(ext(kinds.ZONEINFO, b"Europe/Berlin"))),
    "times in zones of dateutil": (
        RICH,
        array([a_time(["tzoffset", str(n), 0, n % 60, 0]) for n in range(15_000)]),
    ),
    "times in zones by name": (RICH, array([a_time(["gettz", name]) for name in NAMES * 30])),
    "times in no zone": (RICH, many(a_time(["gettz", "Europe/Nowhere"]))),
    "times in zones of pytz": (RICH, array([a_time(["pytz", name]) for name in NAMES * 30])),
    "zones of dateutil": (RICH, many(ext(kinds.FOREIGN_ZONE, b'["tzutc"]'))),
    "a nested zone": (RICH, ext(kinds.FOREIGN_ZONE, b"[" * 500_000)),
    "binaries": (RICH, many(ext(kinds.BINARY, b"a"))),
    "a long decimal": (RICH, ext(kinds.DECIMAL, b"9" * (CAP - 10))),
    "a decimal as a key": (RICH, mapping([ext(kinds.DECIMAL, b"9" * (CAP - 20))])),
    "a long integer": (RICH, ext(kinds.INTEGER, b"\x7f" * (CAP - 10))),
    "a dict of nothing": (RICH, mapping([b"\xc0"] * (CAP // 2 - 5))),
    "a large dict": (RICH, mapping([b"\xce" + n.to_bytes(4, "big") for n in range(CAP // 6 - 9)])),
    "integers of one hash": (RICH, mapping(SAME)),
    "integers of one hash in a set": (RICH, array([A_SET, *SAME])),
    "tuples of one hash": (RICH, array([A_SET, *TUPLES])),
    "UUIDs of one hash": (RICH, array([A_FROZENSET, *UUIDS])),
    "decimals of one hash": (RICH, array([A_SET, *DECIMALS])),
    "dicts of some keys of one hash": (RICH, many(mapping(SAME[:32]))),
    "sets of some keys of one hash": (RICH, many(array([A_SET, *SAME[:32]]))),
    "a long fraction": (RICH, fraction((1 << 2_700_000) + 1, (1 << 2_700_000) + 3)),
    "fractions": (RICH, many(fraction(3**5100, 2**8100))),
    "a long range": (
        RICH,
        b"\x94" + ext(kinds.RANGE) + integer(0) + integer(1 << 4_000_000) + integer(3 << 2_000_000),
    ),
    "nested": (PLAIN, b"\x91" * 1000 + b"\x90"),
    "nested promises": (PLAIN, b"\xdc\x04\x00" * 340),
    "more nested promises": (PLAIN, b"\xdc\x20\x00" * 1020 + b"\xc0" * 5000),
    "large promises": (PLAIN, b"\xdd\x00\x0f\x00\x00" * 900 + b"\xc0" * 900_000),
    "timestamps": (PLAIN, many(b"\xd6\xff\0\0\0\0")),
    "what looks like timestamps": (PLAIN, b"\x92\xa2\xd6\xff" + many(b"\x90", CAP - 9)),
}  # fmt: skip


@pytest.fixture(scope="module")
def codec():
    """Return a codec that has imported what it needs."""
    made = Codec(cap=CAP)
    made.prewarm()
    for kind, packed in ROWS.values():  # modules of values that are imported when first met
        made.open(row(kind, packed), MINE)
    return made


@pytest.fixture(scope="module")
def honest(codec):
    """Return the processor time that a row of the largest size takes: of small objects."""
    one = ext(kinds.DATETIME, b"\x07\xea\x01\x01\x01\x01\x01\0\0\0\0\0")
    payload = row(RICH, many(one, CAP * 3 // 4))
    assert codec.open(payload, MINE) is not None
    return min(spent(codec, payload) for _ in range(3))


def spent(codec, payload):
    """Return the processor time of an attempt to open a row."""
    before = time.process_time()
    codec.open(payload, MINE)
    return time.process_time() - before


@pytest.mark.parametrize("name", ROWS)
def test_a_hostile_row_costs_what_an_honest_one_does(codec, honest, name):
    """In time and in memory; most of these took seconds, or gigabytes."""
    payload = row(*ROWS[name])
    assert min(spent(codec, payload) for _ in range(2)) < TIME * honest
    tracemalloc.start()
    codec.open(payload, MINE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MEMORY * CAP


@pytest.mark.parametrize("count", [bounds.MOST_TAGS, bounds.MOST_TAGS + 1, 60_000])
def test_tags_have_a_bound(codec, count):
    """The reader makes an object of each."""
    payload = row(PLAIN, b"\xc0", inflates=False, tags=[b"%d" % n for n in range(count)])
    assert (codec.open(payload, MINE) is not None) is (count <= bounds.MOST_TAGS)
    entry = Entry(1, 1.0, 2.0, 0.0, tuple((str(n), b"v") for n in range(count)))
    if count <= bounds.MOST_TAGS:
        assert codec.open(codec.seal(entry, MINE), MINE) is not None
    else:
        with pytest.raises(UnstorableError, match="too many"):
            codec.seal(entry, MINE)


@pytest.mark.parametrize("bits", [bounds.LARGEST_PART, bounds.LARGEST_PART + 1])
@pytest.mark.parametrize("kind", ["fraction", "range"])
def test_the_writer_keeps_the_bounds_of_the_reader(codec, kind, bits):
    """What is stored is read: a value that a reader would refuse is refused when it is stored."""
    large = (1 << bits) - 1
    value = Fraction(large, 2) if kind == "fraction" else range(large)
    if bits > bounds.LARGEST_PART:
        with pytest.raises(UnstorableError, match="too long"):
            codec.seal(Entry(value, 1.0, 2.0), MINE)
    else:
        found = codec.open(codec.seal(Entry(value, 1.0, 2.0), MINE), MINE)
        assert found.value == value


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_stored_is_read(codec, seed):
    """Near every bound: the value comes back, or it was refused."""
    rng = random.Random(seed)
    small = Codec(cap=1 << 15)
    makers = [
        list, dict, tuple, frozenset,
        lambda: {"a": 1}, lambda: [[]], lambda: (1,), lambda: decimal.Decimal(3),
        lambda: dt.date(2026, 1, 1), lambda: pathlib.PurePosixPath("a"), lambda: 1 << 70,
        lambda: {(1, 2): [3]},
    ]  # fmt: skip
    stored = 0
    for _ in range(60):
        some = rng.sample(makers, rng.randrange(1, 4))
        value = [rng.choice(some)() for _ in range(rng.choice([200, 900, 1024, 1500, 2047, 2100]))]
        try:
            sealed = small.seal(Entry(value, 1.0, 2.0), MINE)
        except UnstorableError:
            continue
        stored += 1
        found = small.open(sealed, MINE)
        assert found is not None
        assert found.value == value
    assert 10 < stored < 60


@pytest.mark.parametrize("size", [40, 5000])
@pytest.mark.parametrize("rich", [False, True])
def test_large_dicts_and_sets_come_back(codec, size, rich):
    """Their keys are looked at before they are made, and are of many hashes."""
    keys = [uuid.UUID(int=number * 7) if rich else number for number in range(size)]
    for value in (dict.fromkeys(keys), set(keys), {"in": [dict.fromkeys(keys, 1.5)]}):
        found = codec.open(codec.seal(Entry(value, 1.0, 2.0), MINE), MINE)
        assert found.value == value


def test_bounds_follow_the_tier_and_the_memory(clock):
    """What a row may inflate to is what the tier holds, or what memory would keep of it."""
    for memory_bytes, tier_bytes, expected in (
        (64_000_000, 1 << 20, 6_400_000),
        (1_000_000, 1 << 20, 1 << 20),
        (640_000_000, 1 << 20, 8 << 20),
        (64_000_000, 30_000_000, 30_000_000),
    ):
        memory = orc.Memory(max_bytes=memory_bytes)
        tier = ReferenceTier(max_value_bytes=tier_bytes)
        cache = orc.Cache(tiers=[memory, tier], clock=clock, namespace="test")
        cap = cache._core.tiers[0]._codec._cap
        assert abs(cap - expected) < 0.02 * expected


def test_a_row_that_is_larger_than_its_tier_takes_is_not_opened(clock):
    """A writer with a larger bound, or an attacker, has written it."""
    store = Store()
    large = orc.Cache(tiers=[orc.Memory(), ReferenceTier(store)], clock=clock, namespace="test")
    large.set("key", random.Random(1).randbytes(10_000))
    tier = ReferenceTier(store, max_value_bytes=9_000)
    small = orc.Cache(tiers=[orc.Memory(), tier], clock=clock, namespace="test")
    assert small.get("key") is None
    assert small.stats().tiers[1].counts["unreadable"] == 1
