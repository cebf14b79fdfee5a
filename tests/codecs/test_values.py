"""What is stored comes back exactly: value, type, sign, order and zone, at every depth."""

from __future__ import annotations

import math
import struct
import tracemalloc
import zoneinfo
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, auto
from fractions import Fraction
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgpack import ExtType, Timestamp

from orc.codecs.codec import CAP, Codec
from orc.codecs.values import PLAIN, Values
from orc.errors import UnstorableError
from orc.model.address import Address
from orc.model.entry import Entry

HERE = Address(b"key", "orc1:n:f", None, "1")
VALUES = Values(CAP)
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are of the same types with the same contents, to the last bit."""
    if type(one) is not type(other):
        return False
    if type(one) is float:
        return struct.pack(">d", one) == struct.pack(">d", other)
    if type(one) is complex:
        return same(one.real, other.real) and same(one.imag, other.imag)
    if type(one) in {list, tuple}:
        return len(one) == len(other) and all(map(same, one, other))
    if type(one) is dict:
        return same(list(one.items()), list(other.items()))
    if type(one) in {set, frozenset}:
        left = list(other)
        for each in one:
            found = next((n for n, it in enumerate(left) if same(each, it)), None)
            if found is None:
                return False
            del left[found]
        return not left
    if type(one) in {datetime, time}:
        return (
            one.replace(tzinfo=None) == other.replace(tzinfo=None)
            and one.fold == other.fold
            and same(one.tzinfo, other.tzinfo)
        )
    if type(one) is timezone:
        return repr(one) == repr(other)
    if type(one) is zoneinfo.ZoneInfo:
        return one is other
    if type(one) is Decimal:
        return one.as_tuple() == other.as_tuple()
    if type(one) is range:
        return (one.start, one.stop, one.step) == (other.start, other.stop, other.step)
    return bool(one == other)


def kept(value: object) -> object:
    """Return a value after a journey through an envelope."""
    found = Codec().open(Codec().seal(Entry(value, 1.0, 2.0), HERE), HERE)
    assert found is not None
    return found.value


def bits_of_a_float(bits: int) -> float:
    made: float = struct.unpack(">d", bits.to_bytes(8, "big"))[0]
    return made


zones = st.one_of(
    st.none(),
    st.just(UTC),
    st.sampled_from(ZONES).map(zoneinfo.ZoneInfo),
    st.timedeltas(timedelta(hours=-23), timedelta(hours=23)).map(timezone),
    st.builds(timezone, st.just(timedelta(hours=1)), st.text(max_size=4)),
)
decimals = st.one_of(
    st.decimals(),
    st.sampled_from(["-NaN7", "sNaN", "-0E-9", "1E+999999", "1.10"]).map(Decimal),
)
hashable_leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**64) - 2, 2**64 + 2),
    st.floats(),
    st.text(),
    st.binary(),
    st.dates(),
    st.datetimes(),
    st.times(),
    st.timedeltas(),
    st.fractions(),
    st.uuids(),
    st.complex_numbers(),
    st.builds(range, st.integers(), st.integers(), st.integers(1)),
    st.text("ab./", max_size=9).map(PurePosixPath),
    # A path that Python itself makes another of, from its own text, is refused.
    st.text("ab./\\", max_size=9)
    .map(PureWindowsPath)
    .filter(lambda path: PureWindowsPath(str(path)) == path),
)
leaves = st.one_of(
    hashable_leaves,
    decimals,
    zones,
    st.binary().map(bytearray),
    st.integers(0, 2**64 - 1).map(bits_of_a_float),
    st.builds(
        lambda at, zone, fold: at.replace(tzinfo=zone, fold=fold),
        st.datetimes(),
        zones,
        st.integers(0, 1),
    ),
    st.builds(
        lambda at, zone, fold: at.replace(tzinfo=zone, fold=fold),
        st.times(),
        zones,
        st.integers(0, 1),
    ),
)
hashables = st.recursive(
    hashable_leaves,
    lambda each: st.one_of(st.tuples(each, each), st.frozensets(each, max_size=3)),
    max_leaves=5,
)
values = st.recursive(
    st.one_of(leaves, hashables),
    lambda each: st.one_of(
        st.lists(each, max_size=5),
        st.tuples(each),
        st.tuples(each, each),
        st.sets(hashables, max_size=4),
        st.frozensets(hashables, max_size=4),
        st.dictionaries(hashables, each, max_size=5),
    ),
    max_leaves=15,
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(values)
def test_every_value_comes_back_exactly(value: object) -> None:
    """All types in all nestings: type and contents are the same at every depth."""
    assert same(kept(value), value)


@pytest.mark.parametrize(
    "bits",
    [0x7FF8000000000000, 0xFFF8000000000000, 0x7FF8000000000123, 1 << 63, 1],
    ids=hex,
)
def test_the_bits_of_a_float_are_kept(bits: int) -> None:
    """NaNs with a sign and a payload, negative zero, and the smallest number."""
    found = kept([bits_of_a_float(bits)])
    assert isinstance(found, list)
    assert struct.pack(">d", found[0]) == bits.to_bytes(8, "big")


def test_the_order_of_a_dict_and_its_keys_are_kept() -> None:
    """Keys that differ only by type are kept apart by their dict, and stay in order."""
    value = {"z": 1, "a": 2, 3: 4, (1, 2): 5, b"z": 6, None: 7, frozenset({1}): 8, 1.5: 9}
    found = kept(value)
    assert isinstance(found, dict)
    assert same(list(found.items()), list(value.items()))


def test_a_decimal_does_not_depend_on_the_context() -> None:
    """More digits than the context's precision are neither rounded nor trapped."""
    digits = Decimal("1." + "1" * 200)
    assert same(kept([digits, Decimal("sNaN1")]), [digits, Decimal("sNaN1")])


def test_plain_values_are_plain_msgpack() -> None:
    """Whatever msgpack can say by itself is said so, and needs no extension."""
    kind, _ = VALUES.encode({"a": [1, 2.5, None, True, "text", b"bytes", -(2**63), 2**64 - 1]})
    assert kind == PLAIN


def test_the_value_is_not_touched() -> None:
    """What was sealed is what it was, lists in it included."""
    value = {"a": [(1, {2}), bytearray(b"x")], "b": Fraction(1, 3)}
    kept(value)
    assert same(value, {"a": [(1, {2}), bytearray(b"x")], "b": Fraction(1, 3)})


class Colour(Enum):
    RED = 1


class Number(IntEnum):
    ONE = 1


class Bits(Flag):
    A = auto()


class Pair(NamedTuple):
    a: int


class Text(str):
    __slots__ = ()


class Stamp(datetime):
    pass


class Zone(zoneinfo.ZoneInfo):
    pass


class Hostile:
    @property
    def __class__(self) -> Any:
        raise RuntimeError


REFUSED = [
    ({"user": [1, Colour.RED]}, 'value["user"][1]', "orc.register(Colour)"),
    ([Number.ONE], "value[0]", "orc.register(Number)"),
    ([Bits.A], "value[0]", "orc.register(Bits)"),
    ({"p": Pair(1)}, 'value["p"]', "store a plain tuple"),
    ([Text("x")], "value[0]", "store a plain str"),
    ({"a": {Text("k"): 1}}, 'a key of value["a"]', "store a plain str"),
    ([Stamp(2026, 1, 1, tzinfo=UTC)], "value[0]", "store what it is made of"),
    ((1, {2: memoryview(b"x")}), "value[1][2]", "store bytes"),
    ([ExtType(1, b"x")], "value[0]", "store bytes"),
    ([Timestamp(1)], "value[0]", "store bytes"),
    ([bytearray(b"fine"), ExtType(1, b"x")], "value[1]", "store bytes"),
    ([({Timestamp(1)},)], "an item of value[0][0]", "store bytes"),
    (["ok", "\ud800"], "value[1]", "surrogate"),
    ({"\ud800": 1}, "a key of value", "surrogate"),
    ([object()], "value[0]", "orc.register"),
    ([Hostile()], "value[0]", "orc.register"),
    (lambda: 1, "value", "orc.register"),
    (time(1, tzinfo=Zone("UTC")), "value", "use ZoneInfo or datetime.timezone"),
    ({7: {"x" * 90: 1j, None: int}}, "value[7][a NoneType]", "orc.register"),
]


@pytest.mark.parametrize(("value", "path", "remedy"), REFUSED)
def test_a_refusal_names_place_and_remedy(value: object, path: str, remedy: str) -> None:
    """What would not come back as it is, is refused with its path and what to do instead."""
    with pytest.raises(UnstorableError) as caught:
        VALUES.encode(value)
    assert f": {path}: " in str(caught.value)
    assert remedy in str(caught.value)


def test_a_refusal_shows_no_contents() -> None:
    """Neither the text of a value nor that of an unprintable or long key is in a message."""
    with pytest.raises(UnstorableError) as caught:
        VALUES.encode({"secret\n" + "k" * 100: ["a password", object()]})
    text = str(caught.value)
    assert "password" not in text
    assert "\n" not in text
    assert "k" * 41 not in text
    assert caught.value.__cause__ is None


def tower(make: Any, levels: int = 60) -> Any:
    """Return a value that is met 2 to the power of `levels` times when it is walked through."""
    made = make(0)
    for _ in range(levels):
        made = make(made)
    return made


def cycle() -> list[object]:
    made: list[object] = []
    made.append(made)
    return made


def nested(depth: int, make: Any = lambda below: [below]) -> object:
    made: object = 0
    for _ in range(depth):
        made = make(made)
    return made


ENDLESS = {
    "lists": tower(lambda below: [below, below]),
    "dicts": tower(lambda below: {"a": below, "b": below}),
    "tuples": tower(lambda below: (below, below)),
    "lists in tuples": tower(lambda below: ([below], [below])),
    "with bytearrays": tower(lambda below: [below, below, bytearray(b"x")]),
    "wide": [[[0] * 10_000] * 10_000],
    "a cycle": cycle(),
    "deep lists": nested(100_000),
    "deep tuples": nested(100_000, lambda below: (below,)),
    "deep dicts": nested(100_000, lambda below: {"a": below}),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_what_is_endless_is_refused_before_it_is_packed(name: str) -> None:
    """What is shared counts each time it is met; neither time nor memory goes with that number."""
    tracemalloc.start()
    try:
        with pytest.raises(UnstorableError, match=r"items, or .* counting|contains itself"):
            Values(1_000_000).encode(ENDLESS[name])
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("make", [lambda x: [x], lambda x: (x,), lambda x: {"a": x}])
def test_depth_is_kept_or_refused_and_never_a_recursion_error(make: Any) -> None:
    """Up to a bound nesting comes back; beyond it, it is refused."""
    assert repr(kept(nested(300, make))) == repr(nested(300, make))
    for depth in range(400, 1200, 100):
        try:
            kind, packed = VALUES.encode(nested(depth, make))
        except UnstorableError:
            continue
        assert VALUES.decode(kind, packed) is not None


def test_what_is_shared_may_be_large_and_is_kept() -> None:
    """Beyond the quick count the types in a value are still found, rich ones among them."""
    row = {"a": (1, 2), "b": [bytearray(b"x"), {3}]}
    value = [row] * 60_000
    assert kept(value[:2]) == value[:2]
    found = kept(value)
    assert isinstance(found, list)
    assert len(found) == len(value)
    assert same(found[-1], row)
    with pytest.raises(UnstorableError, match=r"value\[60000\]: msgpack.*ExtType"):
        VALUES.encode([*value, ExtType(1, b"")])


def test_floats_are_told_from_integers() -> None:
    """The integer 1, the float 1.0 and True are three values."""
    found = kept([1, 1.0, True, math.inf])
    assert isinstance(found, list)
    assert [type(each) for each in found] == [int, float, bool, float]


def test_a_uuid_in_a_set_in_a_key() -> None:
    """Hashable nestings are built before what holds them."""
    value = {(UUID(int=1), frozenset({date(2026, 1, 1), (Decimal(1),)})): {timedelta(1)}}
    assert same(kept(value), value)
