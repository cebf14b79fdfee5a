"""Keys are one to one with values, judged by an equality that is written anew here."""

from __future__ import annotations

import dataclasses
import enum
import os
import pathlib
import struct
import subprocess
import sys
import uuid
from collections import namedtuple
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orc.model.key import compose, encode, local

BOUNDED = settings(
    max_examples=400,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class Suit(enum.Enum):
    ONE = 1
    TEXT = "1"


class Number(enum.IntEnum):
    ONE = 1


Pair = namedtuple("Pair", "a b")  # noqa: PYI024 - the untyped kind is meant


@dataclasses.dataclass
class Open:
    a: object
    b: object = dataclasses.field(compare=False)


@dataclasses.dataclass(frozen=True)
class Shut:
    a: object
    b: object


# What a value of a type is made of, where its own == does not tell.
PARTS = {
    float: lambda v: struct.pack("=d", v),
    complex: lambda v: (v.real, v.imag),
    Decimal: lambda v: tuple(v.as_tuple()),
    Open: lambda v: (v.a, v.b),
    Shut: lambda v: (v.a, v.b),
    datetime: lambda v: (v.replace(tzinfo=None).isoformat(), v.fold, v.tzinfo),
    time: lambda v: (v.replace(tzinfo=None).isoformat(), v.fold, v.tzinfo),
    timezone: lambda v: (v.utcoffset(None), v.tzname(None)),
    ZoneInfo: lambda v: v.key,
    range: lambda v: (v.start, v.stop, v.step),
    pathlib.PureWindowsPath: str,
}


def same(a: object, b: object) -> bool:
    """Tell whether two values are one: by exact type and content, at every depth."""
    kind = type(a)
    if kind is not type(b):
        return False
    if kind in PARTS:
        return same(PARTS[kind](a), PARTS[kind](b))
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, set | frozenset):
        return same_in_any_order(list(a), list(b))
    if isinstance(a, dict):
        return same_in_any_order(list(a.items()), list(b.items()))
    return bool(a == b)


def same_in_any_order(ones: list[object], others: list[object]) -> bool:
    for one in ones:
        found = next((i for i, other in enumerate(others) if same(one, other)), None)
        if found is None:
            return False
        del others[found]
    return not others


# Few values, and many that Python or a careless encoding would take for one another.
ALIKE = [
    *[None, False, True, 0, 1, -1, 2, 127, 128, 255, 256, 2**63 - 1, 2**63, -(2**63), 2**64],
    *[0.0, -0.0, 1.0, float("inf"), float("-inf"), float("nan"), -float("nan")],
    *[struct.unpack(">d", bytes.fromhex("7ff8000000000001"))[0], 0j, -0j, complex(0, -0.0), 1j],
    *["", "?", "??", "0", "1", "None", "1:", "s1:1", "i1;"],
    *["\ud83d\ude00", "\U0001f600", "\ud800", "e\u0301", "\u00e9"],
    *[b"", b"0", b"1", b"s1:1", bytearray(), bytearray(b"1"), Decimal(1), Decimal("1.0")],
    *[Decimal("1.00"), Decimal("1E1"), Decimal(10), Decimal(0), Decimal("-0"), Decimal("NaN")],
    *[Decimal("-NaN"), Decimal("NaN1"), Decimal("Infinity"), Fraction(1), Fraction(1, 3)],
    *[datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, fold=1)],  # noqa: DTZ001
    *[datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), date(2026, 1, 1)],
    *[datetime(2026, 1, 1, 1, tzinfo=ZoneInfo("Europe/Paris")), time(), time(fold=1)],
    *[datetime(2026, 1, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), time(tzinfo=UTC)],
    *[timedelta(), timedelta(1), timedelta(0, 86399), timedelta(-1), UTC, ZoneInfo("UTC")],
    *[timezone(timedelta(), "utc"), timezone(timedelta(hours=1)), uuid.UUID(int=1)],
    *[Suit.ONE, Suit.TEXT, Number.ONE, Suit, Number, int, bool, Pair, range(0), range(1)],
    *[range(0, 0, 2), range(1, 1), pathlib.PurePosixPath("1"), pathlib.PurePosixPath("1/2")],
    *[pathlib.PureWindowsPath("1/2"), pathlib.PureWindowsPath("1"), (), [], {}, frozenset()],
]


def alike(index: int) -> object:
    return ALIKE[index]


# Not sampled_from(ALIKE), whose repr would be repeated wherever it is nested.
LOOKALIKES = st.integers(0, len(ALIKE) - 1).map(alike)
ANY = st.one_of(
    LOOKALIKES,
    *[st.integers(), st.floats(), st.text(max_size=4), st.binary(max_size=4)],
    st.text(st.characters(categories=["Cs", "Ll"]), max_size=2),
    *[st.decimals(), st.fractions(), st.dates(), st.timedeltas(), st.complex_numbers()],
    st.datetimes(timezones=st.sampled_from([None, UTC, ZoneInfo("Asia/Kathmandu")])),
)


def hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:  # a Decimal sNaN says TypeError too
        return False
    return True


def nest(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    keys = inner.filter(hashable)
    return st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.lists(keys, max_size=3).map(set),
        st.lists(keys, max_size=3).map(frozenset),
        st.dictionaries(keys, inner, max_size=3),
        st.builds(Pair, inner, inner),
        st.builds(Open, inner, inner),
        st.builds(Shut, inner, inner),
    )


NESTED = st.recursive(LOOKALIKES, nest, max_leaves=6)
VALUES = st.one_of(LOOKALIKES, ANY, NESTED, st.recursive(ANY, nest, max_leaves=6))
FEW = st.sampled_from(
    [1, 1.0, True, "1", b"1", 0, 0.0, -0.0, False, float("nan"), Decimal(1), Decimal("1.0"), None]
)
# Of few leaves and small sizes, so that two of them are often the same, or nearly.
SMALL = st.one_of(
    FEW,
    st.lists(FEW, max_size=2),
    st.lists(FEW, max_size=2).map(tuple),
    st.dictionaries(FEW, FEW, max_size=2),
    st.lists(FEW, max_size=2).map(frozenset),
    st.lists(st.lists(FEW, max_size=1).map(tuple), max_size=2).map(tuple),
)
ARGUMENTS = st.lists(SMALL, max_size=3).map(tuple) | st.lists(FEW, max_size=2).map(tuple)


def test_encode_tells_all_lookalikes_apart() -> None:
    """Of values chosen to be confused, alone or in a tuple, only the same ones share a key."""
    for one in ALIKE:
        for other in ALIKE:
            assert (encode(one) == encode(other)) == same(one, other)
            assert (local((one,)) == local((other,))) == same(one, other)


@BOUNDED
@given(st.lists(VALUES, min_size=2, max_size=8))
def test_encode_is_one_to_one(values: list[object]) -> None:
    """Encodings are equal exactly when values are the same by type and content, at every depth."""
    encodings = [encode(value) for value in values]
    for i, one in enumerate(values):
        for j, other in enumerate(values[:i]):
            assert (encodings[i] == encodings[j]) == same(one, other)


@BOUNDED
@given(st.lists(VALUES, min_size=2, max_size=8))
def test_no_encoding_begins_another(values: list[object]) -> None:
    """The code is a prefix code: encodings that differ do not begin with one another."""
    encodings = {encode(value) for value in values}
    for one in encodings:
        assert not any(one != other and one.startswith(other) for other in encodings)


@BOUNDED
@given(st.lists(ARGUMENTS | st.lists(VALUES, max_size=3).map(tuple), min_size=2, max_size=8))
def test_local_agrees_with_encode(calls: list[tuple[object, ...]]) -> None:
    """Local keys are equal exactly when encodings are, and then their hashes are too."""
    for i, one in enumerate(calls):
        for other in calls[: i + 1]:
            equal = encode(one) == encode(other)
            assert (local(one) == local(other)) == equal
            assert not equal or hash(local(one)) == hash(local(other))
            assert len({local(one), local(other)}) == (1 if equal else 2)


@BOUNDED
@given(ARGUMENTS, st.data())
def test_order_in_sets_and_dicts_does_not_count(
    items: tuple[object, ...], data: st.DataObject
) -> None:
    """The order in which a dict or a set was filled does not change its key."""
    unique = list(dict.fromkeys(filter(hashable, items)))
    shuffled = data.draw(st.permutations(unique))
    assert encode(dict.fromkeys(unique, 1)) == encode(dict.fromkeys(shuffled, 1))
    assert encode(set(unique)) == encode(set(shuffled))
    assert encode(frozenset(unique)) == encode(frozenset(shuffled))


TEXT = st.sampled_from(["", "a", "b", "ab", ":", "a:b", "None"]) | st.text(max_size=3)
FIVE_PARTS = st.tuples(
    TEXT, TEXT, st.none() | TEXT, st.none() | TEXT, st.sampled_from([b"", b"a", b":", b"N"])
)


@BOUNDED
@given(st.lists(FIVE_PARTS, min_size=2, max_size=10))
def test_compose_is_one_to_one(parts: list[tuple[str, str, str | None, str | None, bytes]]) -> None:
    """Full keys are equal exactly when all five parts are."""
    assert len({compose(*part) for part in parts}) == len(set(parts))


PROGRAM = """
import datetime, decimal, enum, pathlib, zoneinfo
from orc.model.key import compose, encode

class Colour(enum.Enum):
    RED = "red"

names = [f"name {i}" for i in range(200)]
value = [
    set(names), frozenset(names), {name: {name} for name in names}, Colour, {int, str, Colour},
    {pathlib.PurePosixPath(name) for name in names}, {decimal.Decimal(i) for i in range(50)},
    {(name, i, None) for i, name in enumerate(names)}, {Colour.RED, None, 1.5, b"x"},
    datetime.datetime(2026, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC")), {datetime.timezone.utc},
]
print(list(set(names))[:5])
print(compose("ns", "1", None, "m.f", encode(value)).hex())
"""


def test_keys_are_the_same_in_every_process() -> None:
    """Processes with other hash seeds, which order their sets otherwise, make the same keys."""
    orders, keys = set(), set()
    for seed in ("0", "1", "4242"):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        order, made = done.stdout.splitlines()
        orders.add(order)
        keys.add(made)
    assert len(orders) > 1
    assert len(keys) == 1
