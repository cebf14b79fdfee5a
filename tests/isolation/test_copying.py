"""Isolation of values: what is shared, what is copied, what is refused."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import copy
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import gc
import io
import os
import pathlib
import pickle
import re
import socket
import subprocess
import sys
import threading
import typing
import uuid
import warnings
import weakref
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orc.errors import UncacheableError, UncopyableError
from orc.isolation.copying import keep


class Colour(enum.Enum):
    RED = object()


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Point(typing.NamedTuple):
    x: object
    y: object


class Sly(typing.NamedTuple):
    items: object

    def __iter__(self):
        return iter(())

    def __reduce__(self):
        return Sly, (self[0],)


SubPoint = type("SubPoint", (Point,), {"__module__": __name__})


@dataclasses.dataclass(frozen=True)
class Card:
    name: object
    note: object = None


@dataclasses.dataclass(frozen=True, slots=True)
class SlotCard:
    name: object


@dataclasses.dataclass(frozen=True)
class GoldCard(Card):
    limit: int = 0


class PlainSubCard(Card):
    pass


@dataclasses.dataclass
class Draft:
    name: object


@dataclasses.dataclass(frozen=True)
class FrozenList(list):
    name: str = ""


@dataclasses.dataclass(frozen=True)
class Lazy:
    name: str

    @functools.cached_property
    def parts(self):
        return [self.name]


class Slotted:
    __slots__ = ("memo",)


@dataclasses.dataclass(frozen=True)
class OnSlotted(Slotted):
    name: str

    def __reduce__(self):
        return OnSlotted, (self.name,)


class Zone(dt.tzinfo):
    def utcoffset(self, when):
        return dt.timedelta(0)


PARIS = zoneinfo.ZoneInfo("UTC")
NOW = dt.datetime(2026, 11, 5, 12, 30)  # noqa: DTZ001

IMMUTABLE = [
    None,
    True,
    7,
    1 << 80,
    1.5,
    2j,
    "text",
    b"bytes",
    range(3),
    decimal.Decimal("1.10"),
    fractions.Fraction(1, 3),
    dt.date(2026, 11, 5),
    dt.time(12, 30),
    dt.time(12, 30, tzinfo=PARIS),
    NOW,
    NOW.replace(tzinfo=dt.UTC),
    NOW.replace(tzinfo=dt.timezone(dt.timedelta(hours=2))),
    NOW.replace(tzinfo=PARIS),
    dt.timedelta(1),
    dt.UTC,
    PARIS,
    uuid.UUID(int=5),
    Colour.RED,
    Access.READ | Access.WRITE,
    pathlib.Path("a"),
    pathlib.PurePosixPath("a"),
    pathlib.PureWindowsPath("a"),
    re.compile("a+"),
    (),
    (1, ("a", (None, decimal.Decimal(1)))),
    frozenset({1, ("a", 2)}),
    Point(1, (2, "y")),
    collections.namedtuple("Local", "a")(1),  # noqa: PYI024
    Card("a", (1, Point(1, 2))),
    SlotCard("a"),
    GoldCard("a", "b", 3),
    OnSlotted("a"),
]


@pytest.mark.parametrize("value", IMMUTABLE, ids=lambda each: type(each).__name__)
def test_an_immutable_value_is_shared(value):
    """Every type in the contract's list comes out as the very object that went in."""
    assert keep(value, "auto") == (value, None)
    assert keep(value, "auto")[0] is value


def subclass(base, **members):
    """Make a subclass of ``base`` that pickle can find by name."""
    name = f"Sub{base.__name__}"
    globals()[name] = type(name, (base,), {"__module__": __name__, **members})
    return globals()[name]


SUBCLASSED = [
    subclass(int)(1),
    subclass(float)(1.5),
    subclass(complex)(1j),
    subclass(str)("a"),
    subclass(bytes)(b"a"),
    subclass(tuple)((1,)),
    subclass(frozenset)({1}),
    subclass(decimal.Decimal)("1"),
    subclass(fractions.Fraction)(1, 2),
    subclass(dt.date)(2026, 1, 1),
    subclass(dt.time)(1),
    subclass(dt.datetime)(2026, 1, 1),
    subclass(dt.timedelta)(1),
    subclass(uuid.UUID)(int=1),
    subclass(type(pathlib.Path()))("a"),
    subclass(pathlib.PurePosixPath)("a"),
    SubPoint(1, 2),
    subclass(dict)(a=1),
    subclass(list)([1]),
    subclass(set)({1}),
    collections.OrderedDict(a=1),
    PlainSubCard("a"),
]


@pytest.mark.parametrize("value", SUBCLASSED, ids=lambda v: type(v).__name__)
def test_a_subclass_is_not_its_base(value):
    """A subclass may have state of its own, so it comes out as a fresh object of its own class."""
    kept, thaw = keep(value, "auto")
    first, second = thaw(kept), thaw(kept)
    assert thaw is pickle.loads
    assert type(first) is type(value)
    assert first == value
    assert first is not value
    assert first is not second


class Row(tuple):  # noqa: SLOT001
    _fields = ("a",)


def extra_card(extra="even when immutable"):
    card = Card("a", None)
    object.__setattr__(card, "extra", extra)
    return card


def slotted_card():
    card = OnSlotted("a")
    object.__setattr__(card, "memo", {"a": 1})
    return card


MUTABLE = {
    "bytearray": bytearray(b"a"),
    "nested": {"a": [1]},
    "tuple of a list": ([1],),
    "namedtuple of a list": Point(1, [2]),
    "namedtuple that hides a list": Sly([2]),
    "dataclass": Draft("a"),
    "frozen dataclass with a list": Card([1]),
    "frozen slots dataclass with a list": SlotCard([1]),
    "frozen dataclass in a tuple": (Card("a", {}),),
    "frozen dataclass with another attribute": extra_card(),
    "frozen dataclass with room for a memo": extra_card(None),
    "tuple class with fields and a __dict__": Row((1,)),
    "frozen dataclass on a class with a slot in use": slotted_card(),
    "frozen dataclass that is a list": FrozenList("a"),
    "frozen dataclass with a cached_property": Lazy("a"),
    "datetime with a tzinfo class of the user's": NOW.replace(tzinfo=Zone()),
    "time with a tzinfo class of the user's": dt.time(1, tzinfo=Zone()),
    "list of mutables": [Draft("a")],
    "set of a mutable tzinfo": {NOW.replace(tzinfo=Zone())},
    "dict with a mutable key": {frozenset({Zone()}): 1},
    "dict with a class in it": {"a": Draft},
}


@pytest.mark.parametrize("name", MUTABLE)
def test_what_can_be_changed_is_kept_as_bytes(name):
    """A value with anything mutable in it, however deep, comes out fresh each time."""
    kept, thaw = keep(MUTABLE[name], "auto")
    assert type(kept) is bytes
    assert thaw(kept) is not thaw(kept)


def test_functions_and_classes_come_out_by_reference():
    """A function or class goes by its name, so that the same object comes out."""
    for value in (test_functions_and_classes_come_out_by_reference, Card):
        kept, thaw = keep(value, "auto")
        assert thaw(kept) is value


@pytest.mark.parametrize(
    "value",
    [{}, {"a": 1, (1, "b"): Point(1, 2)}, [], [1, (2,), Colour.RED], set(), {1, frozenset({2})}],
    ids=lambda each: type(each).__name__,
)
def test_a_flat_container_comes_out_as_a_shallow_copy(value):
    """A dict, list or set of immutables is copied by its own C method, and kept apart as well."""
    kept, thaw = keep(value, "auto")
    assert thaw is type(value).copy
    assert kept == value
    assert kept is not value
    assert thaw(kept) == value
    assert thaw(kept) is not kept


def test_a_frozen_dataclass_is_judged_after_its_dict_was_looked_at():
    """That somebody has called vars() on an instance changes nothing."""
    good, bad = Card("a"), extra_card()
    assert vars(good) == {"name": "a", "note": None}
    assert vars(bad)["extra"]
    assert keep(good, "auto") == (good, None)
    assert keep(bad, "auto")[1] is pickle.loads


def test_a_frozen_dataclass_with_a_field_unset_is_not_shared():
    """What a field will hold cannot be known while it holds nothing."""
    card = Card("a")
    object.__delattr__(card, "name")
    object.__setattr__(card, "other", [1])
    assert keep(card, "auto")[1] is pickle.loads


def test_judging_a_frozen_dataclass_does_not_create_its_dict():
    """Until 3.12 a __dict__, once made, is one of the referents; it costs memory in each entry."""
    card = Card("a")
    keep(card, "auto")
    assert not [part for part in gc.get_referents(card) if type(part) is dict]


def test_a_class_of_the_users_is_not_kept_alive():
    """What was learnt about a type is remembered for the standard library's types only."""

    @dataclasses.dataclass(frozen=True)
    class Local:
        name: str

    tup = collections.namedtuple("tup", "a")  # noqa: PYI024
    alive = [weakref.ref(Local), weakref.ref(tup)]
    assert keep((Local("a"), tup(1)), "auto")[1] is None
    del Local, tup
    gc.collect()
    assert [ref() for ref in alive] == [None, None]


ATOMS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
FROZEN = st.recursive(
    ATOMS, lambda inner: st.tuples(inner, inner) | st.frozensets(inner), max_leaves=5
)
VALUES = st.recursive(
    FROZEN | st.sets(FROZEN),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(FROZEN, inner, max_size=4)
        | st.tuples(inner, inner)
    ),
    max_leaves=15,
)


def vandalise(value):
    """Change everything in ``value`` that can be changed."""
    if type(value) in (list, tuple):
        for item in value:
            vandalise(item)
    if type(value) is dict:
        for item in value.values():
            vandalise(item)
    if type(value) is list:
        value.append("vandal")
    elif type(value) is dict:
        value["vandal"] = "vandal"
    elif type(value) is set:
        value.add("vandal")


@given(VALUES)
def test_no_change_to_a_hit_reaches_the_next(value):
    """Whatever the loader's caller or a reader does to it, the next reader has the original."""
    original = copy.deepcopy(value)
    kept, thaw = keep(value, "auto")
    vandalise(value)
    for _ in range(3):
        hit = kept if thaw is None else thaw(kept)
        assert hit == original
        assert repr(type(hit)) == repr(type(original))
        vandalise(hit)


@given(VALUES)
def test_a_shared_value_holds_nothing_mutable(value):
    """Only values that cannot be vandalised are handed out themselves."""
    if keep(value, "auto")[1] is None:
        before = repr(value)
        vandalise(value)
        assert repr(value) == before


def test_a_list_that_holds_itself():
    """A cycle is kept, and comes out as a cycle."""
    value = [1]
    value.append(value)
    kept, thaw = keep(value, "auto")
    hit = thaw(kept)
    assert hit[1] is hit
    assert hit is not value


def nested(depth, wrap):
    value = 1
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: {"a": v}, lambda v: (v, []), Draft])
def test_nesting_too_deep_to_copy_is_refused(wrap):
    """100,000 levels neither crash the interpreter nor raise RecursionError."""
    with pytest.raises(UncopyableError, match="RecursionError"):
        keep(nested(100_000, wrap), "auto")


def test_depth_and_sharing_do_not_hinder_the_walk():
    """Deep tuples, and tuples with an exponential number of paths, are judged in linear time."""
    assert keep(nested(100_000, lambda v: (v,)), "auto")[1] is None
    assert keep(nested(200, lambda v: (v, v)), "auto")[1] is None
    assert keep(nested(500, lambda v: Card(v, v)), "auto")[1] is None


class Hostile:
    """Raises ``error`` when it is pickled."""

    def __init__(self, error):
        self.error = error

    def __getstate__(self):
        raise self.error


class MuteError(Exception):
    def __str__(self):
        raise ValueError


def explode():
    raise ValueError("not twice\nand more")


class OneWay:
    """Can be taken apart, not built again."""

    def __reduce__(self):
        return explode, ()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "(MemoryError)"),
        (KeyError("a"), "(KeyError: 'a')"),
        (RecursionError("deep"), "(RecursionError: deep)"),
        (MuteError(), "(MuteError)"),
    ],
    ids=lambda case: type(case).__name__,
)
def test_whatever_pickling_raises_means_uncopyable(error, reason):
    """An Exception of a value's own hooks is named with the type, and chained."""
    with pytest.raises(UncopyableError) as caught:
        keep([Hostile(error)], "auto")
    assert "builtins.list" in str(caught.value)
    assert reason in str(caught.value)
    assert caught.value.__cause__ is error


def test_what_cannot_be_built_again_is_refused_when_stored():
    """Bytes are kept only when they have been read back once; the reason is one line."""
    with pytest.raises(UncopyableError) as caught:
        keep(OneWay(), "auto")
    assert f"{__name__}.OneWay (ValueError: not twice);" in str(caught.value)


def test_an_interrupt_passes_through():
    """KeyboardInterrupt is not taken for a property of the value."""
    with pytest.raises(KeyboardInterrupt):
        keep(Hostile(KeyboardInterrupt()), "auto")


def test_a_class_that_cannot_be_hashed_is_refused():
    """A metaclass that breaks looking the type up leads to a typed error."""
    meta = type("Meta", (type,), {"__hash__": None})
    with pytest.raises(UncopyableError):
        keep(meta("Odd", (), {})(), "auto")


def test_locks_sockets_and_files_are_refused(tmp_path):
    """What stands for a resource of the process has no copy, alone or within a value."""
    with socket.socket() as sock, (tmp_path / "a").open("w") as file:
        for value in (threading.Lock(), sock, file, {"a": file}, [threading.Lock()], sys):
            with pytest.raises(UncopyableError, match='isolation="share"'):
                keep(value, "auto")


def test_a_local_class_is_refused_by_name():
    """The message says which type, and why."""

    class Local:
        pass

    with pytest.raises(UncopyableError) as caught:
        keep(Local(), "auto")
    assert f"{__name__}.test_a_local_class_is_refused_by_name.<locals>.Local" in str(caught.value)
    assert "local object" in str(caught.value)


MODES = pytest.mark.parametrize("isolation", ["auto", "share"])


async def answer():
    return 42


@MODES
def test_a_coroutine_is_refused_and_closed(isolation):
    """A coroutine as a value is a typed error, without a warning that nobody awaited it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = answer()
        with pytest.raises(UncacheableError, match="async def") as caught:
            keep(value, isolation)
        assert value.cr_frame is None
        del value
        gc.collect()
    assert not isinstance(caught.value, UncopyableError)


@MODES
def test_a_coroutine_that_runs_is_refused_but_not_closed(isolation):
    """A task's coroutine is somebody else's to end."""

    async def scenario():
        gate = asyncio.Event()

        async def wait():
            await gate.wait()
            return 42

        coroutine = wait()
        task = asyncio.create_task(coroutine)
        await asyncio.sleep(0)
        with pytest.raises(UncacheableError):
            keep(coroutine, isolation)
        with pytest.raises(UncacheableError, match="await it"):
            keep(task, isolation)
        with pytest.raises(UncacheableError, match="await it"):
            keep(asyncio.get_running_loop().create_future(), isolation)
        gate.set()
        return await task

    assert asyncio.run(scenario()) == 42


class Promise(concurrent.futures.Future):
    pass


class Awaitable:
    def __await__(self):
        return iter(())


@dataclasses.dataclass(frozen=True)
class FrozenAwaitable:
    def __await__(self):
        return iter(())


async def ticks():
    yield 1


@MODES
@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (lambda: (i for i in ()), "list or tuple"),
        (ticks, "async for"),
        (concurrent.futures.Future, r"result\(\)"),
        (Promise, r"result\(\)"),
        (Awaitable, "await it"),
        (FrozenAwaitable, "await it"),
    ],
)
def test_what_is_good_for_one_use_is_refused_in_every_mode(isolation, make, remedy):
    """Generators, futures and awaitables are refused with a message that says what to do."""
    with pytest.raises(UncacheableError, match=remedy) as caught:
        keep(make(), isolation)
    assert not isinstance(caught.value, UncopyableError)


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: (v,), lambda v: {"a": v}, lambda v: {v}])
def test_a_generator_within_a_value_is_refused(wrap):
    """Nested, it is what cannot be copied."""
    with pytest.raises(UncopyableError, match="generator"):
        keep(wrap(i for i in ()), "auto")


@pytest.mark.parametrize(
    "value",
    [*IMMUTABLE, *MUTABLE.values(), threading.Lock(), io.StringIO()],
    ids=lambda each: type(each).__name__,
)
def test_share_hands_out_the_value_itself(value):
    """With "share" nothing is judged or copied, not even what has no copy."""
    kept, thaw = keep(value, "share")
    assert kept is value
    assert thaw is None


def test_judging_imports_nothing():
    """Types are known by looking in sys.modules: what is not imported, no value can be."""
    program = (
        "import sys; from orc.isolation.copying import keep\n"
        "class A: pass\n"
        "assert keep(1, 'auto')[1] is None and keep({'a': (1,)}, 'auto')[1] is dict.copy\n"
        "assert keep(A(), 'share')[1] is None\n"
        "heavy = {'pickle', 'decimal', 'datetime', 'uuid', 'dataclasses', 'fractions', 'asyncio',\n"
        "         'zoneinfo', 'concurrent.futures', 'inspect', 'typing', 'logging'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@dataclasses.dataclass(frozen=True)
class Memoising:
    number: int

    def view(self, who):
        if not hasattr(self, "_view"):
            object.__setattr__(self, "_view", f"{self.number} for {who}")
        return self._view


@dataclasses.dataclass(frozen=True)
class ByItsDict:
    number: int

    @property
    def view_of(self):
        return self.__dict__.setdefault("_view", [])


@dataclasses.dataclass(frozen=True)
class Normalising:
    number: int

    def __post_init__(self):
        object.__setattr__(self, "number", int(self.number))


def test_a_frozen_dataclass_that_keeps_what_it_computes_is_not_shared():
    """One caller's use would show in the next one's object."""
    for value in (Memoising(1), ByItsDict(1)):
        kept, thaw = keep(value, "auto")
        assert thaw is not None
        assert thaw(kept) is not thaw(kept)
    first, second = (thaw(kept) for kept, thaw in [keep(Memoising(1), "auto")] * 2)
    assert (first.view("acme"), second.view("globex")) == ("1 for acme", "1 for globex")
    kept, thaw = keep(Normalising(1), "auto")
    assert thaw is None
