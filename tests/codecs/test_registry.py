"""Dataclasses and enums travel by name, and only as what they are."""

from __future__ import annotations

import enum
import sys
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from orc.codecs import kinds, registry
from orc.codecs.codec import Codec
from orc.codecs.registry import register
from orc.errors import ConfigError, UnstorableError
from orc.model.address import Address
from orc.model.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Address(b"key", "orc1:n:f", None, "1")


@pytest.fixture(autouse=True)
def registered_here_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave the registry as it was."""
    monkeypatch.setattr(registry, "_by_name", dict(registry._by_name))
    monkeypatch.setattr(registry, "_names", dict(registry._names))
    before = dict(kinds.ENCODERS)
    yield
    for each in kinds.ENCODERS.keys() - before.keys():
        del kinds.ENCODERS[each]


def sealed(value: object) -> bytes:
    return Codec().seal(Entry(value, 1.0, 2.0), HERE)


def opened(payload: bytes) -> Entry | None:
    return Codec().open(payload, HERE)


def kept(value: object) -> Any:
    found = opened(sealed(value))
    assert found is not None
    return found.value


def forget(cls: type) -> None:
    """Do as a container that is started anew: its code may register something else."""
    del registry._by_name[registry._names.pop(cls)]
    del kinds.ENCODERS[cls]


@dataclass
class Plain:
    a: int
    b: object = None
    shared: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class Frozen:
    a: int
    b: tuple[int, ...] = ()


@dataclass(slots=True)
class Derived(Plain):
    c: int = 3


@dataclass
class Careful:
    """Its constructor changes what it is given."""

    given: InitVar[int]
    doubled: int = field(init=False)
    ran: ClassVar[int] = 0

    def __post_init__(self, given: int) -> None:
        type(self).ran += 1
        self.doubled = given * 2


class Colour(enum.Enum):
    RED = 1
    CRIMSON = 1  # noqa: PIE796 - an alias
    GREEN = 2


class Bits(enum.Flag):
    A = enum.auto()
    B = enum.auto()
    BOTH = A | B


class Level(enum.IntEnum):
    LOW = 1


def test_a_dataclass_comes_back_as_it_was() -> None:
    """Of its own class, with its fields of any storable type, at any depth."""
    register(Plain)
    register(Frozen)
    value = [Plain(1, {"x": Frozen(2, (3,))}), {Frozen(1): Plain(2)}]
    found = kept(value)
    assert found == value
    assert type(found[0].b["x"]) is Frozen
    assert type(found[0].b["x"].b) is tuple


def test_inherited_fields_and_slots_are_kept() -> None:
    """A dataclass with slots of its own above one with a dict."""
    register(Derived)
    found = kept(Derived(1, "b", 5))
    assert (type(found), found.a, found.b, found.c) == (Derived, 1, "b", 5)


def test_a_constructor_is_not_called() -> None:
    """Whatever __init__ and __post_init__ would make of it: the value counts as it is today."""
    register(Careful)
    value = Careful(4)
    value.doubled = 9
    ran = Careful.ran
    assert kept(value).doubled == 9
    assert Careful.ran == ran


def test_the_members_of_an_enum_are_themselves() -> None:
    """By name; an alias is the member that it stands for; flags without a name are refused."""
    for each in (Colour, Bits, Level):
        register(each)
    assert kept(Colour.CRIMSON) is Colour.RED
    assert kept([Level.LOW])[0] is Level.LOW
    assert kept(Bits.BOTH) is Bits.BOTH
    nameless = enum.Flag("nameless", "X Y", module=__name__, qualname="nameless")
    register(nameless, name="nameless")
    with pytest.raises(UnstorableError, match="no member of exactly this value"):
        sealed(nameless.X | nameless.Y)


def test_a_decorator_may_be_bare_or_called() -> None:
    """Both return the class; twice the same changes nothing."""
    assert register(Plain) is Plain
    assert register()(Plain) is Plain
    assert register(Frozen, name="frozen") is Frozen
    assert register(Frozen, name="frozen") is Frozen
    assert kept(Plain(1)) == Plain(1)


def test_a_class_may_move_under_a_name_of_its_own() -> None:
    """What stands in the bytes is the name, and not where the class was."""
    register(Plain, name="shop.Plain")
    payload = sealed(Plain(1, 2))
    assert b"test_registry" not in payload
    forget(Plain)
    moved = dataclass(type("Plain", (), {"__annotations__": {"a": int, "b": object}}))
    register(moved, name="shop.Plain")
    found = opened(payload)
    assert found is not None
    assert type(found.value) is moved
    assert (found.value.a, found.value.b) == (1, 2)


@pytest.mark.parametrize(
    "fields",
    [("a",), ("a", "c"), ("a", "b", "c"), ()],
    ids=["one removed", "renamed", "one added", "none left"],
)
def test_other_fields_than_stored_are_a_miss(fields: tuple[str, ...]) -> None:
    """Nothing is guessed of a field that was renamed, added or taken away."""
    register(Plain, name="shop.Plain")
    payload = sealed([Plain(1, 2)])
    forget(Plain)
    changed = dataclass(type("Changed", (), {"__annotations__": dict.fromkeys(fields, int)}))
    register(changed, name="shop.Plain")
    assert opened(payload) is None


def test_fields_in_another_order_are_the_same_fields() -> None:
    """They are stored by name."""
    register(Plain, name="shop.Plain")
    payload = sealed(Plain(1, 2))
    forget(Plain)
    turned = dataclass(type("Turned", (), {"__annotations__": {"b": object, "a": int}}))
    register(turned, name="shop.Plain")
    found = opened(payload)
    assert found is not None
    assert (found.value.a, found.value.b) == (1, 2)


def test_a_name_that_is_not_registered_is_a_miss() -> None:
    """Also one that is an enum by now, or an enum without that member."""
    register(Plain, name="shop.Plain")
    register(Colour, name="shop.Colour")
    record, member = sealed(Plain(1)), sealed(Colour.GREEN)
    forget(Plain)
    assert opened(record) is None
    register(Bits, name="shop.Plain")
    assert opened(record) is None
    forget(Colour)
    register(Frozen, name="shop.Colour")
    assert opened(member) is None
    forget(Frozen)
    register(Level, name="shop.Colour")
    assert opened(member) is None


def test_an_instance_that_holds_more_than_its_fields_is_refused() -> None:
    """An attribute beside the fields, or in a slot that is none, would be lost."""
    register(Plain)
    value: Any = Plain(1)
    value.cached_total = 5
    with pytest.raises(UnstorableError, match=r'value\["a"\]:.*more than its fields.*cached_total'):
        sealed({"a": value})

    with pytest.raises(UnstorableError, match=r"value:.*more than its fields \(extra\)"):
        sealed(register(slotted())(1))


def slotted() -> Any:
    made = type("Slotted", (), {"__slots__": ("a", "extra"), "__annotations__": {"a": int}})

    def init(self: Any, a: int) -> None:
        self.a = self.extra = a

    made.__init__ = init  # type: ignore[misc]
    return dataclass(init=False)(made)


def test_an_instance_without_one_of_its_fields_is_refused() -> None:
    """Nothing is made up for it; a default on the class is a value."""
    register(Careful)
    value = object.__new__(Careful)
    with pytest.raises(UnstorableError, match="no value in its field 'doubled'"):
        sealed(value)


def test_a_subclass_of_a_registered_class_is_not_registered() -> None:
    """A class is known by identity."""
    register(Frozen)

    class Below(Frozen):
        pass

    with pytest.raises(UnstorableError, match="Below would not come back"):
        sealed(Below(1))


def test_a_class_that_cannot_be_registered_is_a_configuration_error() -> None:
    """What is no class, neither of the two kinds, local, or nameless; and what holds more."""

    @dataclass
    class Local:
        a: int

    class Listed(list):  # type: ignore[type-arg]
        a: int

    Listed.__qualname__ = "Listed"

    class Property:
        @property
        def a(self) -> int:
            return 1

        @a.setter
        def a(self, value: int) -> None:
            pass

        __annotations__: ClassVar = {"a": int}

    Property.__qualname__ = "Property"
    for wrong, words in [
        (3, "takes a class"),
        (Plain(1), "takes a class"),
        (int, "neither a dataclass nor an enum"),
        (Local, "inside a function"),
        (dataclass(Listed), "may hold more than its fields, being a list"),
        (dataclass(Property), "kept by a descriptor"),
    ]:
        with pytest.raises(ConfigError, match=words):
            register(wrong)  # type: ignore[call-overload]
    for name in ("", "a\nb", 7):
        with pytest.raises(ConfigError, match="name= is to be"):
            register(Plain, name=name)  # type: ignore[call-overload]


def test_a_subclass_of_a_dataclass_needs_the_decorator_of_its_own() -> None:
    """Else its own annotations would silently be no fields."""
    with pytest.raises(ConfigError, match="neither a dataclass"):
        register(type("Below", (Plain,), {}))


def test_a_name_has_one_class_and_a_class_one_name() -> None:
    """Whoever comes second is told, and changes nothing."""
    register(Plain, name="a")
    with pytest.raises(ConfigError, match="name of another registered class"):
        register(Frozen, name="a")
    with pytest.raises(ConfigError, match="registered already, under 'a'"):
        register(Plain, name="b")
    register(Frozen, name="b")
    assert kept([Plain(1), Frozen(2)]) == [Plain(1), Frozen(2)]


def test_the_registry_imports_nothing_for_a_class() -> None:
    """The two modules are there if the class is; so registering costs a cold start no import."""
    assert {"dataclasses", "enum"} <= sys.modules.keys()
    assert not {"dataclasses", "enum"} & vars(registry).keys()
