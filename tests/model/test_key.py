from __future__ import annotations

import collections
import dataclasses
import enum
import gc
import io
import pathlib
import re
import struct
import sys
import types
import typing
import uuid
import zipfile
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal, localcontext
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from orc.errors import UnkeyableError
from orc.model import key, key_bytes
from orc.model.key import arguments, compose, encode, explicit, is_local, local


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    RED = 1


class Odd(enum.Enum):
    NAN = float("nan")
    NOT_A_NUMBER = float("nan")  # noqa: PIE796 - NaN is not NaN, so no alias


class Word(enum.StrEnum):
    RED = "1"


class Mode(enum.Flag):
    READ = 1
    WRITE = 2


Point = collections.namedtuple("Point", "x y")  # noqa: PYI024 - the untyped kind is meant


class Typed(typing.NamedTuple):
    x: int
    y: int


class Loaded(Point):
    """A namedtuple with a __dict__, as a subclass without __slots__ has."""


@dataclasses.dataclass
class Item:
    name: str
    note: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    name: str
    note: str = ""


@dataclasses.dataclass
class TextItem(str):  # noqa: SLOT000
    name: str = ""


class Slotted:
    __slots__ = ("hidden",)


@dataclasses.dataclass
class SlottedItem(Slotted):
    name: str


class Repo:
    def __init__(self, table: object) -> None:
        self.table = table

    def __orc_key__(self) -> object:
        return self.table


class OtherRepo(Repo):
    pass


class Plain:
    pass


class Meta(type):
    """Answers for its classes, not for their instances, and cannot be hashed."""

    def __eq__(cls, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]

    def __orc_key__(cls) -> str:
        return "by the metaclass"


class WithMeta(metaclass=Meta):
    pass


class KeyedWithMeta(metaclass=Meta):
    def __orc_key__(self) -> int:
        return 1


class Nepal(tzinfo):
    def utcoffset(self, when: datetime | None) -> timedelta:
        return timedelta(hours=5, minutes=45)


NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
LATE = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))

ALL_DIFFERENT = [
    *[None, True, False, 0, 1, -1, 2**63, 2**64, -(2**64), 10**5000, 1.0, 0.0, -0.0, 1j, -1j, 0j],
    *["", "1", "True", "\ud800\udc00", "\U00010000", b"", b"1", bytearray(b"1"), float("nan")],
    *[Decimal("1.0"), Decimal("1.00"), Decimal("-0"), Decimal(0), Decimal("NaN"), Decimal("sNaN1")],
    *[Decimal("1E+5"), Fraction(1), Fraction(1, 2)],
    *[timedelta(1), timedelta(0, 1), timedelta(0, 0, 1)],
    *[NOON, NOON.replace(tzinfo=None), NOON.astimezone(ZoneInfo("UTC")), date(2026, 6, 1)],
    *[NOON.astimezone(timezone(timedelta(hours=1))), NOON.astimezone(ZoneInfo("Europe/London"))],
    *[NOON.astimezone(timezone(timedelta(hours=1), "BST")), LATE, LATE.replace(fold=1)],
    *[time(12), time(12, fold=1), time(12, tzinfo=UTC), UTC, ZoneInfo("UTC")],
    *[uuid.UUID(int=0), uuid.UUID(int=1), Colour.RED, Colour.BLUE, Level.RED, Word.RED, *Odd],
    *[Mode.READ, Mode.WRITE, Mode.READ | Mode.WRITE, Mode(0)],
    *[pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a"), pathlib.Path("a")],
    *[pathlib.Path("b"), re.compile("a"), re.compile(b"a"), re.compile("a", re.IGNORECASE)],
    *[range(1), range(2), range(0, 1, 2)],
    *[(), [], set(), frozenset(), {}, (1,), [1], {1}, frozenset({1}), {1: 2}, (1, 2), ((1, 2),)],
    *[((1,), 2), (1, (2,)), {(1, 2)}, {True: 2}, {1: 2, 2: 1}, {1: 1, 2: 2}],
    *[("a:sb", "c"), ("a", "b:sc"), (b"a:bb", b"c"), (b"a", b"b:bc")],
    *[("a", "bc"), ("ab", "c"), Point(1, 2), Typed(1, 2), Loaded(1, 2)],
    *[Item("a"), Item("b"), Frozen("a"), Frozen("a", "b")],
    *[SlottedItem("a"), Repo("a"), OtherRepo("a"), Repo(1), Repo(None), KeyedWithMeta()],
    *[int, str, type, type(None), Colour, Repo, Item, datetime, WithMeta],
    *[pathlib.Path, zipfile.Path],
]


def named(module: str, name: str, *, other: int = 0) -> type:
    """Make a class that says it lives somewhere; it is not put there."""
    return type(name, (), {"__module__": module, "other": other})


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


def test_all_keys_differ() -> None:
    """Values that differ in type, content, field or zone have different keys of both kinds."""
    assert len({encode(value) for value in ALL_DIFFERENT}) == len(ALL_DIFFERENT)
    assert len({local((value,)) for value in ALL_DIFFERENT}) == len(ALL_DIFFERENT)


def test_a_metaclass_may_key_its_classes() -> None:
    """A class is keyed by its metaclass's __orc_key__; its own speaks of its instances only."""
    assert encode(WithMeta) == encode(KeyedWithMeta)
    assert encode(Repo) == encode(Repo)


def test_order_does_not_count_where_it_has_no_meaning() -> None:
    """Dicts equal but for order share a key, at any depth, and so do equal sets."""
    assert encode({"a": 1, "b": {"c": 2, "d": 3}}) == encode({"b": {"d": 3, "c": 2}, "a": 1})
    assert encode({8, 0, 16}) == encode({16, 8, 0})
    assert encode(frozenset({8, 0})) == encode(frozenset({0, 8}))


def test_decimal_context_does_not_count() -> None:
    """A Decimal's key does not depend on the decimal context."""
    usual = encode(Decimal("1E+5"))
    with localcontext() as context:
        context.capitals = 0
        assert encode(Decimal("1E+5")) == usual


def test_equal_zones_share() -> None:
    """Two timezone objects of one offset and name, and one ZoneInfo key, are one zone."""
    first, second = timezone(timedelta(hours=2), "X"), timezone(timedelta(hours=2), "X")
    assert encode(NOON.astimezone(first)) == encode(NOON.astimezone(second))
    assert encode(ZoneInfo.no_cache("Europe/Berlin")) == encode(ZoneInfo("Europe/Berlin"))


@pytest.mark.parametrize("value", [NOON.replace(tzinfo=Nepal()), time(1, tzinfo=Nepal())])
def test_foreign_zones_are_refused(value: object) -> None:
    """A tzinfo that is neither timezone nor ZoneInfo is refused with the remedy."""
    with pytest.raises(UnkeyableError, match=r"Nepal as a tzinfo .* use ZoneInfo or key="):
        encode(value)


def test_nameless_zoneinfo_is_refused() -> None:
    """A ZoneInfo read from a file without a key is refused, alone and in a datetime."""
    # The least file there is: version 1, no transitions, one type of local time, named UTC.
    file = b"TZif" + bytes(16) + struct.pack(">6I", 0, 0, 0, 0, 1, 4) + bytes(6) + b"UTC\0"
    nameless = ZoneInfo.from_file(io.BytesIO(file))
    for value in (nameless, NOON.astimezone(nameless)):
        with pytest.raises(UnkeyableError, match="use ZoneInfo"):
            encode(value)


class MyStr(str):
    __slots__ = ()


class MyDict(dict):  # type: ignore[type-arg]
    pass


class MyTuple(tuple):
    __slots__ = ()


class MyDatetime(datetime):
    pass


class Weights(float):
    _fields = ("w",)
    __dataclass_fields__: typing.ClassVar[dict[str, object]] = {}


REFUSED = [
    *[Plain(), object(), memoryview(b"a"), slice(1), [].append, lambda: 1, iter([])],
    *[Exception("a")],
    *[MyStr("a"), MyDict(), MyTuple(), MyDatetime(2026, 1, 1)],
    *[collections.defaultdict(int), collections.Counter("a"), collections.deque([1])],
    *[TextItem("a"), Weights(1.0)],
    *[types.MappingProxyType({}), types.SimpleNamespace(), sys, NotImplemented],
]


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: type(value).__name__)
def test_the_unknown_is_refused(value: object) -> None:
    """Other types, and subclasses of known ones, are refused by name and with the remedy."""
    for whole in (value, [value], {"a": (value,)}, Item(value)):
        with pytest.raises(UnkeyableError) as caught:
            encode(whole)
        message = str(caught.value)
        assert type(value).__qualname__ in message
        assert "key=" in message
        assert "ignore=" in message
        assert "__orc_key__()" in message
    with pytest.raises(UnkeyableError):
        local((1, value))


def test_metaclasses_are_classes() -> None:
    """A metaclass is a class like others."""
    assert encode(Meta) == encode(Meta) != encode(type)


def test_a_name_is_no_proof() -> None:
    """A class that calls itself decimal.Decimal is not taken for it."""
    with pytest.raises(UnkeyableError):
        encode(named("decimal", "Decimal")())
    assert encode(named("decimal", "Decimal")) != encode(Decimal)


def test_messages_do_not_show_values() -> None:
    """A refused value's repr is not in the message: it may be a secret."""
    with pytest.raises(UnkeyableError) as caught:
        encode(["hush", MyStr("hush")])
    assert "hush" not in str(caught.value)


def test_instances_with_a_foreign_metaclass() -> None:
    """A metaclass's __eq__ and __hash__ are not asked, nor is its __orc_key__ for instances."""
    with pytest.raises(UnkeyableError):
        encode(WithMeta())
    assert encode(KeyedWithMeta()) != encode(WithMeta)


def test_orc_key_is_looked_up_on_the_type() -> None:
    """An __orc_key__ in the instance's own __dict__ does not count."""
    plain = Plain()
    plain.__orc_key__ = lambda: 1  # type: ignore[attr-defined]
    with pytest.raises(UnkeyableError):
        encode(plain)
    repo = Repo("a")
    repo.__orc_key__ = lambda: "b"  # type: ignore[method-assign]
    assert encode(repo) == encode(Repo("a"))


def test_orc_key_comes_first() -> None:
    """__orc_key__ makes keyable what is refused otherwise, and overrides a dataclass's fields."""

    class Mapping(dict):  # type: ignore[type-arg]
        def __orc_key__(self) -> object:
            return sorted(self)

    @dataclasses.dataclass
    class Client:
        url: str
        connection: object

        def __orc_key__(self) -> str:
            return self.url

    assert encode(Mapping(a=1)) == encode(Mapping(a=2)) != encode(Mapping(b=1))
    assert encode(Client("a", object())) == encode(Client("a", object()))


@pytest.mark.parametrize("kind", [staticmethod, classmethod])
def test_orc_key_of_any_kind(kind: type) -> None:
    """__orc_key__ is bound as Python binds it: static and class methods work."""
    cls = type("Fixed", (), {"__orc_key__": kind(lambda *_: 7)})
    assert encode(cls()) == encode(cls())


def test_errors_of_orc_key_reach_the_caller() -> None:
    """What __orc_key__ raises is not wrapped; what it returns must be keyable."""

    class Broken:
        def __orc_key__(self) -> object:
            raise LookupError

    with pytest.raises(LookupError):
        encode(Broken())
    with pytest.raises(UnkeyableError, match="Plain"):
        encode(Repo(Plain()))
    endless = Repo(None)
    endless.table = endless
    with pytest.raises(UnkeyableError, match="contains itself"):
        encode(endless)


def test_dataclasses_with_more_than_fields_are_refused() -> None:
    """A dataclass instance with other slots, or without a field, is refused."""
    slotted = SlottedItem("a")
    slotted.hidden = 1
    with pytest.raises(UnkeyableError, match="hidden"):
        encode(slotted)
    unset = Item("a")
    del unset.name
    with pytest.raises(UnkeyableError, match="'name'"):
        encode(unset)


def test_subclass_of_a_dataclass() -> None:
    """A subclass of a dataclass is another class; with attributes of its own it is refused."""

    class Sub(Item):
        pass

    sub = Sub("a")
    assert encode(sub) != encode(Item("a"))
    sub.more = 1  # type: ignore[attr-defined]
    with pytest.raises(UnkeyableError, match="more"):
        encode(sub)


def test_generic_dataclasses_are_keyable() -> None:
    """A base without state of its own, such as Generic, does not get in the way."""
    t = typing.TypeVar("t")

    @dataclasses.dataclass
    class Box(typing.Generic[t]):
        value: t

    assert encode(Box(1)) == encode(Box(1)) != encode(Box(2))


def test_namedtuples_with_attributes_are_refused() -> None:
    """A namedtuple's subclass is keyable until an instance has attributes of its own."""
    loaded = Loaded(1, 2)
    assert encode(loaded) == encode(Loaded(1, 2))
    loaded.more = 1
    with pytest.raises(UnkeyableError, match="more"):
        encode(loaded)


def test_struct_sequences_are_refused() -> None:
    """A struct sequence hides fields beyond its items, so it is refused."""
    with pytest.raises(UnkeyableError):
        encode(sys.version_info)


def test_classes_with_one_name_do_not_collide() -> None:
    """Classes of one module and name, made in a function, differ, and so do their instances."""

    def make() -> type:
        @dataclasses.dataclass
        class Made:
            x: int

        return Made

    first, second = make(), make()
    assert first.__qualname__ == second.__qualname__
    assert encode(first) == encode(first) != encode(second)
    assert encode(first(1)) == encode(first(1)) != encode(second(1))
    impostor = type("Repo", (Repo,), {"__module__": __name__})
    assert encode(impostor) != encode(Repo)


def test_local_classes_are_told() -> None:
    """is_local() sees a class that other processes do not know, however deep, and only such."""

    class Here:
        pass

    assert is_local(encode(Here))
    assert is_local(compose("n", "1", None, "f", encode([{"a": Here}])))
    assert not any(is_local(encode(value)) for value in ALL_DIFFERENT if value is not type(None))


def test_numbers_of_dead_classes_are_not_given_again() -> None:
    """Local classes that come and go leave nothing behind, and no number is dealt twice."""
    before = len(key_bytes._local_numbers)
    seen = set()
    for _ in range(200):
        seen.add(encode(named("nowhere", "Made")))
        gc.collect(0)
    gc.collect()
    assert len(seen) == 200
    assert len(key_bytes._local_numbers) <= before + 1


@pytest.mark.parametrize("module", [None, 3, "no.such.module"])
def test_classes_with_odd_modules(module: object) -> None:
    """A class whose __module__ is odd or missing from sys.modules is keyed by number."""
    cls = type("Odd", (), {})
    cls.__module__ = module  # type: ignore[assignment]
    assert encode(cls) == encode(cls)
    assert is_local(encode(cls))


def test_no_module_attribute_is_computed() -> None:
    """Looking for a class does not run a module's __getattr__, which may import things."""
    module = types.ModuleType("lazy_module")
    module.__getattr__ = pytest.fail  # type: ignore[method-assign]
    sys.modules["lazy_module"] = module
    try:
        assert is_local(encode(named("lazy_module", "Gone")))
    finally:
        del sys.modules["lazy_module"]


def test_local_of_one_str_or_int_is_the_object() -> None:
    """A single exact str or int is its own local key."""
    for value in ("abc" * 9, 10**30):
        assert local((value,)) is value


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((), ()),
        ((True,), (bool, True)),
        ((None,), (type(None), None)),
        ((b"a",), (bytes, b"a")),
        ((1.5,), (float, 1.5)),
        ((float("inf"),), (float, float("inf"))),
        (("a", 1), (str, int, "a", 1)),
        ((1, 1.5, True, None, b""), (int, float, bool, type(None), bytes, 1, 1.5, True, None, b"")),
    ],
)
def test_local_of_plain_values_is_flat(values: tuple[object, ...], expected: object) -> None:
    """Plain values give their types, then themselves, in one flat tuple."""
    assert local(values) == expected


@pytest.mark.parametrize(
    "values",
    [(0.0,), (-0.0,), (float("nan"),), ("a", 0.0), ((),), ((1,),), (Word.RED,), ("a", [1])],
)
def test_local_of_all_else_is_the_encoding(values: tuple[object, ...]) -> None:
    """Zeros, NaNs and every other type give the canonical bytes of all the values."""
    assert local(values) == encode(values)


def test_self_containing_values_are_refused() -> None:
    """Values that contain themselves raise UnkeyableError, by whichever road."""
    a_list: list[object] = []
    a_list += [a_list, a_list]
    a_dict: dict[str, object] = {}
    a_dict["a"] = (a_dict,)
    item = Item("a")
    item.name = item  # type: ignore[assignment]
    for value in (a_list, a_dict, item):
        with pytest.raises(UnkeyableError, match="contains itself"):
            encode(value)


def test_depth_is_bounded() -> None:
    """MAX_DEPTH levels are keyable and one more is not, however deep the stack may be."""
    assert encode(nested(key.MAX_DEPTH - 1))
    deep = nested(100_000)
    for value in (nested(key.MAX_DEPTH), deep):
        with pytest.raises(UnkeyableError, match="nested over 100 deep"):
            encode(value)
    while deep:  # else its destruction takes the stack of interpreters that do not guard it
        deep = deep.pop()  # type: ignore[assignment]


def test_a_nearly_full_stack_is_no_recursion_error() -> None:
    """Where the caller has used up the stack, a deep value raises UnkeyableError all the same."""
    value = nested(90)
    frame, used = sys._getframe(), 0
    while frame is not None:
        frame, used = frame.f_back, used + 1  # type: ignore[assignment]
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(used + 60)
    try:
        with pytest.raises(UnkeyableError):
            encode(value)
    finally:
        sys.setrecursionlimit(limit)


def test_large_values_work() -> None:
    """A list of a million items, a str of 10 MB and an int of 100,000 digits have keys."""
    assert len(encode(list(range(1_000_000)))) > 1_000_000
    assert len(encode("é" * 5_000_000)) > 10_000_000
    assert encode(10**100_000) != encode(10**100_000 + 1)


def test_arguments_is_local_when_all_is_well() -> None:
    """arguments() gives what local() gives."""
    assert arguments(("a", "b"), ("x", 1), "m.f") == local(("x", 1))


def test_arguments_names_the_culprit() -> None:
    """The error names function, argument, type and remedy, and hides the inner error."""
    with pytest.raises(UnkeyableError) as caught:
        arguments(("a", "b"), (1, {"x": Plain()}), "m.f")
    message = str(caught.value)
    assert message.startswith("m.f(): argument 'b': ")
    assert "Plain cannot be part of a cache key; use key=" in message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_arguments_knows_self() -> None:
    """For self the remedy is __orc_key__() or ignore=("self",)."""
    with pytest.raises(UnkeyableError) as caught:
        arguments(("self", "b"), (Plain(), 1), "m.Plain.f")
    assert str(caught.value).startswith("m.Plain.f(): argument 'self': ")
    remedy = 'define __orc_key__() on its class, or leave it out with ignore=("self",)'
    assert str(caught.value).endswith(f"Plain cannot be part of a cache key; {remedy}")


def test_arguments_blames_depth_on_its_argument() -> None:
    """An argument that is one level too deep within the arguments is named."""
    too_deep = nested(key.MAX_DEPTH - 1)
    assert encode(too_deep)
    with pytest.raises(UnkeyableError, match="argument 'b'"):
        arguments(("a", "b"), (1, too_deep), "f")


def test_arguments_without_a_culprit_names_the_function() -> None:
    """A refusal that does not happen again when looked into still names the function."""
    refusals = iter([UnkeyableError("once")])

    class Flaky:
        def __orc_key__(self) -> int:
            for refusal in refusals:
                raise refusal
            return 1

    with pytest.raises(UnkeyableError, match=r"^f\(\): once$"):
        arguments(("a",), (Flaky(),), "f")


def test_compose_keeps_its_parts_apart() -> None:
    """No tenant is not the empty tenant, and explicit keys are not any function's."""
    keys = [
        compose("n", "v", None, "f", b"k"),
        compose("n", "v", "", "f", b"k"),
        compose("n", "v", None, None, b"k"),
        compose("n", "v", None, "", b"k"),
        compose("n", "v", "f", None, b"k"),
        compose("nv", "", None, "f", b"k"),
        compose("", "nv", None, "f", b"k"),
        compose("n", "v", None, "fk", b""),
    ]
    assert len(set(keys)) == len(keys)


def test_explicit_keys_become_exact_strings() -> None:
    """str, its subclasses and str enums give an exact str of their text, whatever __str__ says."""

    class Shout(str):
        __slots__ = ()

        def __str__(self) -> str:
            return self.upper()

    class Mixed(str, enum.Enum):  # noqa: UP042 - the older kind, whose str() is not its text
        A = "a"

    for given in ("a", Shout("a"), Mixed.A, enum.StrEnum("E", {"A": "a"}).A):
        assert explicit(given) == "a"
        assert type(explicit(given)) is str


@pytest.mark.parametrize("given", [b"a", 1, None, ("a",), Colour.RED])
def test_explicit_keys_must_be_strings(given: object) -> None:
    """Anything but a string is refused, with the remedy."""
    with pytest.raises(UnkeyableError, match=r"keys are strings; use str\(\.\.\.\) or f'\.\.\.'"):
        explicit(given)


def test_only_builtins_are_imported_by_the_module() -> None:
    """Values of library types are known without the module importing their libraries."""
    names = {
        name
        for name, value in vars(key).items()
        # pytest puts names of its own into the modules whose assertions it rewrites
        if isinstance(value, types.ModuleType) and not name.startswith("@")
    }
    assert names == set()
