"""What is in real signatures has a key, and what an object keeps on itself is no part of it."""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import enum
import functools
import http
import ipaddress
import itertools
import operator
import sys
import types
import typing
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import attrs
import msgspec
import numpy as np
import pydantic
import pytest
import pytz
from boto3.dynamodb.types import Binary
from dateutil import tz

import orc
from orc.errors import UnkeyableError
from orc.model.key import encode, local

UNSET = object()
OTHER = object()
T = typing.TypeVar("T")
UserId = typing.NewType("UserId", int)


class Mark:
    """A class without state, whose instances may have properties all the same."""


MARK = Mark()


def function(x):
    return x


@functools.lru_cache
def remembered(x):
    return x


@orc.Cache(tiers=[orc.Memory()]).cached
def cached(x):
    return x


class Shop:
    def method(self):
        """Do nothing."""


class Handler(enum.Enum):
    """Members that stand for what has no key."""

    ONE = object()
    TWO = memoryview(b"a")


ip = ipaddress.ip_address
NOON = datetime(2026, 6, 1, 12)  # noqa: DTZ001 - of no zone, to be given others
BERLIN = tz.gettz("Europe/Berlin")
PYTZ = pytz.timezone("Europe/Berlin")

ALL_DIFFERENT = [
    *[..., None, UNSET, OTHER, "UNSET", ("tests", "UNSET")],
    *[function, remembered, cached, len, str.upper, str.lower, Shop.method, operator.add, "len"],
    *[Shop, Mark, http.HTTPStatus, http.HTTPStatus.OK, 200, Handler.ONE, Handler.TWO, UserId, T],
    *[list[int], list[str], list, tuple[int, ...], tuple[int], dict[str, list[int]], type[int]],
    *[
        int | None,
        type(None),
        int | str,
        typing.Optional[bool],  # noqa: UP045
        typing.Union[bytes, str],  # noqa: UP007
        typing.Any,
    ],
    *[typing.List[int], typing.Literal[1], typing.Literal[True], typing.Literal["1"]],  # noqa: UP006
    *[typing.Annotated[int, 1], typing.Annotated[int, 2], typing.Callable[[int], str], list[T]],
    *[collections.abc.Callable[[int], str], typing.Optional, typing.Union],
    *[ip("10.0.0.1"), ip("10.0.0.2"), ip("::1"), ip("fe80::1%1"), ip("fe80::1%2"), "10.0.0.1"],
    *[ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("10.0.0.0/9")],
    *[ipaddress.ip_interface("10.0.0.1/8"), ipaddress.ip_interface("10.0.0.1/9")],
    *[ipaddress.ip_network("::/8"), ipaddress.ip_interface("::1/8"), 167772161],
    *[collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1), {"a": 1, "b": 2}],
    *[collections.OrderedDict(), {}, [("a", 1), ("b", 2)]],
    *[np.int64(1), np.int32(1), np.uint64(1), np.int8(1), 1, True, np.bool_(True)],
    *[np.float64(1), np.float32(1), np.float16(1), 1.0, np.complex64(1)],
    *[np.float64(0.0), np.float64(-0.0), np.float64("nan"), np.longlong(1)],
    *[np.str_("a"), "a", np.bytes_(b"a"), b"a"],
    *[np.datetime64("2026-01-01"), np.datetime64("2026-01-01T00", "h"), np.timedelta64(1, "m")],
    *[np.timedelta64(1, "s"), np.datetime64("NaT", "s")],
    *[tz.tzutc(), tz.tzoffset(None, 3600), tz.tzoffset("A", 3600), tz.tzoffset(None, 7200), BERLIN],
    *[tz.gettz("Europe/Paris"), tz.tzlocal(), UTC, ZoneInfo("Europe/Berlin")],
    *[pytz.UTC, pytz.FixedOffset(60), pytz.FixedOffset(30), PYTZ, pytz.timezone("Europe/Paris")],
    *[NOON.replace(tzinfo=each) for each in (None, UTC, tz.tzutc(), BERLIN, pytz.UTC)],
    *[NOON.replace(tzinfo=each) for each in (tz.tzoffset(None, 60), tz.tzoffset(None, 120))],
    *[PYTZ.localize(NOON), PYTZ.localize(NOON.replace(month=1)), tz.tzlocal].__getitem__(
        slice(0, 2)
    ),
    *[Binary(b"a"), Binary(b"b"), Decimal(1)],
]


def test_all_keys_differ():
    for encoded in ({encode(v) for v in ALL_DIFFERENT}, {local((v,)) for v in ALL_DIFFERENT}):
        assert len(encoded) == len(ALL_DIFFERENT)


def test_no_key_begins_another():
    keys = sorted(encode(value) for value in ALL_DIFFERENT)
    assert not any(b.startswith(a) for a, b in itertools.pairwise(keys))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: int | str, lambda: str | int),
        (lambda: ip("0:0::1"), lambda: ip("::1")),
        (lambda: tz.gettz("Europe/Berlin"), lambda: tz.tz.tzfile(BERLIN._filename)),
        (lambda: tz.tzoffset("A", 60), lambda: tz.tzoffset("A", timedelta(minutes=1))),
        (lambda: np.int64(5), lambda: np.array([5])[0]),
        (lambda: np.float32(1.5), lambda: np.float32("1.5")),
        (lambda: list[int], lambda: list[int]),
        (lambda: collections.OrderedDict(a=1), lambda: collections.OrderedDict([("a", 1)])),
        (lambda: Binary(b"a"), lambda: Binary(bytearray(b"a"))),
    ],
)
def test_equal_values_share(one, other):
    assert encode([one()]) == encode([other()])


def local_function():
    return 1


made_here = local_function
local_function = None  # the name leads elsewhere now

REFUSED = [
    made_here,
    lambda x: x,
    Shop().method,
    [].append,
    functools.partial(function),
    object(),
    MARK,
    sys,
    types.SimpleNamespace(),
    np.array([1]),
    np.void(b"a"),
    np.longdouble(1),
    tz.tzrange("EST"),
    tz.tzstr("EST5EDT"),
    typing.List["int"],  # noqa: UP006
    type("Float", (np.float64,), {})(1),
    type("Address", (ipaddress.IPv4Address,), {})("10.0.0.1"),
    type("Ordered", (collections.OrderedDict,), {})(),
    type("Zone", (type(tz.tzutc()),), {})(),
]


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: str(type(value).__name__))
def test_what_its_name_does_not_tell_is_refused(value):
    with pytest.raises(UnkeyableError, match="key="):
        encode(value)


def test_an_ordered_dict_with_attributes_is_refused():
    value = collections.OrderedDict(a=1)
    value.tenant = "acme"
    with pytest.raises(UnkeyableError, match="tenant"):
        encode(value)


def test_a_local_zone_counts_by_what_it_is():
    assert encode(tz.tzlocal()) == encode(tz.tzlocal()) != encode(tz.tzutc())


def test_a_mark_that_has_gone_is_not_taken_for_another(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "GONE", object(), raising=False)
    first = encode(GONE)  # noqa: F821 - put there above
    old = GONE  # noqa: F821
    monkeypatch.setattr(sys.modules[__name__], "GONE", object())
    assert encode(GONE) == first  # noqa: F821
    with pytest.raises(UnkeyableError):
        encode(old)


# -- objects that keep something on themselves ----------------------------------------------------


@dataclasses.dataclass
class Order:
    number: int
    lines: list[int] = dataclasses.field(default_factory=list)
    seen: int = dataclasses.field(default=0, compare=False)

    @functools.cached_property
    def total(self):
        return sum(self.lines)

    def digest(self):
        self._digest = self.number * 2
        return self._digest


@dataclasses.dataclass(frozen=True)
class Frozen:
    number: int
    memo: dict = dataclasses.field(default_factory=dict, compare=False, repr=False)

    @functools.cached_property
    def total(self):
        return self.number + 1

    def digest(self):
        object.__setattr__(self, "_digest", 5)
        self.memo[1] = 2


@dataclasses.dataclass(slots=True)
class Slots:
    number: int
    seen: int = dataclasses.field(default=0, compare=False)

    def digest(self):
        self.seen += 1


@dataclasses.dataclass
class Child(Order):
    name: str = ""


class Plain(Order):
    """No dataclass itself, and nothing but what it has from one."""


class Named(typing.NamedTuple):
    number: int


class Kept(Named):
    @functools.cached_property
    def total(self):
        return self.number

    def digest(self):
        self._digest = 3


@attrs.define(slots=False)
class Attrs:
    number: int
    seen: int = attrs.field(default=0, eq=False)

    @functools.cached_property
    def total(self):
        return self.number

    def digest(self):
        self.seen = 4


@attrs.define
class AttrsSlots:
    number: int

    @functools.cached_property
    def total(self):
        return self.number


class Model(pydantic.BaseModel):
    number: int
    when: datetime | None = None
    _private: int = pydantic.PrivateAttr(default=0)

    @functools.cached_property
    def total(self):
        return self.number

    @pydantic.computed_field
    @functools.cached_property
    def computed(self) -> int:
        return self.number

    def digest(self):
        self._private = 5
        return self.computed


class Struct(msgspec.Struct, dict=True):
    number: int

    @functools.cached_property
    def total(self):
        return self.number


class Colour(enum.Enum):
    RED = 1

    @functools.cached_property
    def total(self):
        return self.value


class Ordered(collections.OrderedDict):
    """With a key of its own."""

    def __orc_key__(self):
        return tuple(self.items())


KEEPERS = [
    lambda: Order(1, [1, 2]),
    lambda: Frozen(1),
    lambda: Slots(1),
    lambda: Child(1, name="a"),
    lambda: Plain(1),
    lambda: Kept(1),
    lambda: Attrs(1),
    lambda: AttrsSlots(1),
    lambda: Model(number=1),
    lambda: Struct(1),
    lambda: Colour.RED,
    lambda: ipaddress.ip_network("10.0.0.0/30"),
    lambda: (Order(1), [Model(number=2)]),
]


def use(value):
    """Have an object keep what it may."""
    for each in (
        value if isinstance(value, (tuple, list)) and not hasattr(value, "_fields") else [value]
    ):
        if isinstance(each, list):
            use(each)
        for name in ("total", "is_private", "num_addresses", "broadcast_address"):
            getattr(each, name, None)
        if hasattr(each, "digest"):
            each.digest()
        if hasattr(each, "seen"):
            each.seen = 99
        repr(each)


@pytest.mark.parametrize("make", KEEPERS)
def test_the_key_is_the_same_before_and_after(make):
    value = make()
    before = encode(value)
    use(value)
    assert encode(value) == before == encode(make())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Order(1), Order(2)),
        (Order(1), Child(1)),
        (Order(1), Plain(1)),
        (Frozen(1), Frozen(2)),
        (Attrs(1), Attrs(2)),
        (Model(number=1), Model(number=2)),
        (Model(number=1), Model(number=1, when=NOON)),
        (Struct(1), Struct(2)),
        (Kept(1), Named(1)),
    ],
)
def test_fields_and_classes_are_told_apart(one, other):
    assert encode(one) != encode(other)


def test_what_a_subclass_adds_is_not_passed_over():
    class OfTenant(Order):
        def __init__(self, number, tenant):
            super().__init__(number)
            self._tenant = tenant

    class Public(Order):
        pass

    value = Public(1)
    value.tenant = "acme"
    for each in (OfTenant(1, "acme"), value):
        with pytest.raises(UnkeyableError, match="tenant"):
            encode(each)


@dataclasses.dataclass
class Handed:
    number: int
    tenant: dataclasses.InitVar[str] = ""

    def __post_init__(self, tenant):
        self._tenant = tenant


@dataclasses.dataclass(init=False)
class Own:
    number: int

    def __init__(self, number, tenant):
        self.number, self._tenant = number, tenant


@dataclasses.dataclass
class Made:
    number: int

    def __new__(cls, *args):
        made = super().__new__(cls)
        made._tenant = "acme"
        return made


@attrs.define(slots=False, init=False)
class OwnAttrs:
    number: int

    def __init__(self, number, tenant):
        self.number, self._tenant = number, tenant


@attrs.define(slots=False)
class Before:
    number: int

    def __attrs_pre_init__(self):
        self._tenant = "acme"


class OwnModel(pydantic.BaseModel):
    number: int
    _tenant: str = pydantic.PrivateAttr("")

    def __init__(self, tenant, **fields):
        super().__init__(**fields)
        self._tenant = tenant


TYPED_IN = """
import dataclasses

@dataclasses.dataclass(init=False)
class TypedIn:
    number: int

    def __init__(self, number, tenant):
        self.number, self._tenant = number, tenant
"""
exec(TYPED_IN)  # noqa: S102 - as in ``python -c``


@pydantic.dataclasses.dataclass(config={"extra": "allow"})
class Allowing:
    number: int


class OwnTuple(tuple):  # noqa: SLOT001 - to have attributes
    _fields = ("number",)

    def __new__(cls, number, tenant):
        made = super().__new__(cls, (number,))
        made._tenant = tenant
        return made


@pytest.mark.parametrize(
    "make",
    [
        lambda: Handed(1, "acme"),
        lambda: Own(1, "acme"),
        lambda: TypedIn(1, "acme"),  # noqa: F821 - made above
        lambda: Made(1),
        lambda: OwnAttrs(1, "acme"),
        lambda: Before(1),
        lambda: OwnModel("acme", number=1),
        lambda: Allowing(number=1, tenant="acme"),
        lambda: OwnTuple(1, "acme"),
    ],
)
def test_what_a_constructor_of_the_users_has_put_there_is_not_passed_over(make):
    with pytest.raises(UnkeyableError, match=r"tenant|private attributes"):
        encode(make())


def test_a_constructor_that_derives_from_the_fields_is_let_pass():
    @dataclasses.dataclass
    class Derived:
        number: int

        def __post_init__(self):
            self._cache = {}

    one, other = Derived(1), Derived(1)
    other._cache["a"] = 1
    assert encode(one) == encode(other) != encode(Derived(2))


def test_a_dataclass_that_compares_nothing_is_refused():
    @dataclasses.dataclass
    class Secret:
        value: str = dataclasses.field(compare=False)

    with pytest.raises(UnkeyableError, match="no field that takes part in comparison"):
        encode(Secret("a"))

    @dataclasses.dataclass
    class Empty:
        pass

    assert encode(Empty()) == encode(Empty())


class Open(pydantic.BaseModel, extra="allow"):
    number: int


class Root(pydantic.RootModel[list[int]]):
    pass


class Outer(pydantic.BaseModel):
    inner: Model
    others: dict[str, Open] = pydantic.Field(default_factory=dict)


def test_models_of_pydantic():
    values = [
        *[Open(number=1), Open(number=1, a=2), Open(number=1, a=3), Open(number=1, b=2)],
        *[Root([1]), Root([2]), Outer(inner=Model(number=1)), Outer(inner=Model(number=2))],
        *[Outer(inner=Model(number=1), others={"a": Open(number=1)}), Model(number=1)],
    ]
    assert len({encode(value) for value in values}) == len(values)
    assert encode(Model(number=1, when=None)) == encode(Model(number="1"))
    assert encode(Open(number=1, a=2, b=3)) == encode(Open(number=1, b=3, a=2))
    with pytest.raises(UnkeyableError, match="'number'"):
        encode(Model.model_construct())


def test_models_of_version_1():
    v1 = pytest.importorskip("pydantic.v1")

    class Versioned(v1.BaseModel):
        number: int

        class Config:
            extra = "allow"

    values = [Versioned(number=1), Versioned(number=2), Versioned(number=1, a=2)]
    assert len({encode(value) for value in values}) == 3
    assert encode(Versioned(number=1)) == encode(Versioned(number="1"))


def test_a_field_that_has_no_key_is_refused():
    class Holder(pydantic.BaseModel, arbitrary_types_allowed=True):
        thing: Shop

    for value in (Holder(thing=Shop()), Order(Shop()), Attrs(Shop()), Struct(Shop())):
        with pytest.raises(UnkeyableError, match="Shop"):
            encode(value)


def test_no_built_in_class_is_local():
    from orc.model.key import is_local

    for value in (type(None), int | None, type(NotImplemented), int):
        assert not is_local(encode(value))


def test_members_that_stand_for_what_has_no_key():
    assert len({encode(each) for each in Handler}) == 2


def test_an_object_may_key_itself():
    assert encode(Ordered(a=1)) != encode(collections.OrderedDict(a=1))


# -- defaults -------------------------------------------------------------------------------------


def test_an_untouched_default_is_always_keyable(cache):
    mark = Shop()
    calls = []

    @cache.cached
    def find(item, shop=mark, *, other=[].append, plain=5):
        calls.append(item)
        return item

    for _ in range(2):
        find("a"), find(item="a"), find("a", mark), find("a", shop=mark, plain=5)
    assert calls == ["a"]
    find("a", plain=6)
    assert len(calls) == 2
    with pytest.raises(UnkeyableError, match="'shop'"):
        find("a", Shop())
    find.invalidate("a")
    assert find.peek("a") is orc.MISSING


def test_an_untouched_default_is_not_taken_for_a_value(cache):
    mark = Shop()
    find = cache.cached(lambda a=mark, b=None: (a, b))
    for args in [(), (None,), (mark, None), (None, mark), (mark, mark), (mark, 1)]:
        if mark in args[1:]:
            with pytest.raises(UnkeyableError):
                find(*args)
        else:
            find.peek(*args)
    from orc.model.key import with_untouched

    marked = [with_untouched(v, (mark, mark)) for v in [(mark, 1), (1, mark), (mark, mark), (1, 2)]]
    assert len({encode(each) for each in marked}) == 4


def test_in_a_template_and_by_the_wire(memory, clock):
    from orc.testing.reference_tier import ReferenceTier, Store

    store, mark, calls = Store(), Shop(), []

    def load(item, shop=mark, currency=UNSET, level=...):
        calls.append(item)
        return item

    for _ in range(2):
        cache = orc.Cache(tiers=[orc.Memory(), ReferenceTier(store)], clock=clock, namespace="test")
        cache.cached(namespace="one")(load)("a")
        cache.cached(namespace="two", key="{item}:{shop}:{level}")(load)("a")
    assert calls == ["a", "a"]


def test_signatures_of_the_field(cache):
    @cache.cached
    def find(item, *types, when=None, **options):
        return item

    for call in [
        lambda: find("a", int, list[int], int | None),
        lambda: find("a", when=datetime(2026, 1, 1, tzinfo=tz.tzutc())),
        lambda: find("a", when=datetime(2026, 1, 1, tzinfo=timezone.utc)),  # noqa: UP017
        lambda: find("a", handler=function, sentinel=UNSET, ip=ip("::1"), n=np.int64(1)),
        lambda: find(Model(number=1), order=Order(1)),
    ]:
        misses = find.cache_info().misses
        call(), call()
        assert find.cache_info().misses == misses + 1
