"""Classes of the user's that may travel between containers: dataclasses and enums, by name."""

from __future__ import annotations

import sys
from _thread import RLock

from orc.codecs import kinds
from orc.errors import ConfigError, UnstorableError
from orc.model.extras import SLOT, attributes, built_in_base, is_kept_for_later

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar, overload

    C = TypeVar("C", bound=type)


if TYPE_CHECKING:

    @overload
    def register(cls: C, /, *, name: str | None = ...) -> C: ...
    @overload
    def register(cls: None = None, /, *, name: str | None = ...) -> Callable[[C], C]: ...


def register(cls: Any = None, /, *, name: str | None = None) -> Any:
    """Let instances of a dataclass, or members of an enum, be stored outside the process.

    A decorator, bare or called. `name` is what stands for the class in stored bytes,
    ``module.qualname`` by default: give one, and the class can be moved. A dataclass is stored by
    the names of its fields and made again without calling its ``__init__`` or ``__post_init__``;
    with other fields than those stored it is a miss. An enum is stored by the names of its members.

    Registering a class again changes nothing. Raises ``ConfigError`` for a class that is neither,
    or is made inside a function, and for a name that another class has.
    """
    if cls is None:
        return lambda each: register(each, name=name)
    wire_name = _wire_name(cls, name)
    kind = _kind(cls, wire_name)
    with _lock:
        known = _by_name.setdefault(wire_name, kind)
        if known.cls is not cls:
            raise ConfigError(
                f"{wire_name!r} is the name of another registered class; give a name="
            )
        if cls in kinds.ENCODERS and _names[cls] != wire_name:
            if known is kind:
                del _by_name[wire_name]
            raise ConfigError(f"{wire_name!r} is registered already, under {_names[cls]!r}")
        if known is kind:
            _names[cls] = wire_name
            kinds.ENCODERS[cls] = kind.parts
    return cls


def record(items: list[Any]) -> object:
    """Make a dataclass again of ``[mark, name, field, value, ...]``. Raises if it is none."""
    kind = _by_name[items[1]]
    if type(kind) is not _Record:
        raise ValueError("not a dataclass")
    return kind.build(items[2::2], items[3::2])


def member(items: list[Any]) -> object:
    """Return the enum member of ``[mark, name, member]``. Raises if it is none."""
    _, name, which = items
    kind = _by_name[name]
    if type(kind) is not _Enum:
        raise ValueError("not an enum")
    return kind.members[which]


class _Record:
    """A registered dataclass."""

    __slots__ = ("cls", "fields", "fieldset", "name", "others")

    def __init__(self, cls: type, name: str) -> None:
        self.cls = cls
        self.name = name
        self.fields = tuple(field.name for field in sys.modules["dataclasses"].fields(cls))
        self.fieldset = frozenset(self.fields)
        slots = {k for base in cls.__mro__ for k, v in base.__dict__.items() if type(v) is SLOT}
        self.others = tuple(sorted(slots - self.fieldset))
        """Slots that are no fields."""

    def parts(self, value: Any) -> list[Any]:
        made: list[Any] = [kinds.RECORD, self.name]
        get = object.__getattribute__
        for field in self.fields:
            try:
                made += (field, get(value, field))
            except AttributeError:
                raise self._refusal(f"has no value in its field {field!r}") from None
        extra = [name for name in self.others if hasattr(value, name)]
        extra += [name for name in attributes(value) if name not in self.fieldset]
        # What is computed from the fields, and kept, is computed again where it is read.
        extra = [str(name) for name in extra if not is_kept_for_later(self.cls, name)]
        if extra:
            raise self._refusal(f"holds more than its fields ({', '.join(sorted(extra))})")
        return made

    def build(self, names: list[str], values: list[Any]) -> object:
        if len(names) != len(self.fields) or not self.fieldset.issuperset(names):
            raise ValueError("other fields")
        if len(set(names)) != len(values):
            raise ValueError("a field twice, or without a value")
        # Not through __init__, whose arguments and conversions are not those of today's value.
        made: object = object.__new__(self.cls)
        for name, value in zip(names, values, strict=True):
            object.__setattr__(made, name, value)
        return made

    def _refusal(self, why: str) -> UnstorableError:
        return UnstorableError(f"{kinds.name_of(self.cls)} {why}, and would not come back as it is")


class _Enum:
    """A registered enum."""

    __slots__ = ("cls", "members", "name")

    def __init__(self, cls: Any, name: str) -> None:
        self.cls = cls
        self.name = name
        self.members = dict(cls.__members__)

    def parts(self, value: Any) -> list[Any]:
        name = value._name_  # `name` may be the class's own
        if self.members.get(name) is not value:
            raise UnstorableError(
                f"{kinds.name_of(self.cls)} has no member of exactly this value; "
                "store its members, or its value"
            )
        return [kinds.MEMBER, self.name, name]


_lock = RLock()
_by_name: dict[str, _Record | _Enum] = {}
_names: dict[type, str] = {}


def _wire_name(cls: object, name: str | None) -> str:
    if not isinstance(cls, type):
        raise ConfigError(f"orc.register takes a class, not {kinds.name_of(type(cls))}")
    if "<locals>" in cls.__qualname__:
        raise ConfigError(
            f"{kinds.name_of(cls)} is made inside a function, anew at each call; "
            "move it to the top of its module"
        )
    if name is None:
        return f"{cls.__module__}.{cls.__qualname__}"
    if type(name) is not str or not name or not name.isprintable():
        raise ConfigError(f"name= is to be a text that can be printed, not {name!r}")
    return name


def _kind(cls: Any, name: str) -> _Record | _Enum:
    enum = sys.modules.get("enum")
    if enum is not None and isinstance(cls, enum.EnumType):
        return _Enum(cls, name)
    if "__dataclass_fields__" not in cls.__dict__:
        raise ConfigError(
            f"{kinds.name_of(cls)} is neither a dataclass nor an enum; decorate it with "
            "@dataclass, below @orc.register"
        )
    kind = _Record(cls, name)
    built_in = built_in_base(cls)
    if built_in is not None:
        raise ConfigError(
            f"{kinds.name_of(cls)} may hold more than its fields, being a {kinds.name_of(built_in)}"
        )
    for field in kind.fields:
        found = next((b.__dict__[field] for b in cls.__mro__ if field in b.__dict__), None)
        if hasattr(type(found), "__set__") and type(found) is not SLOT:
            raise ConfigError(
                f"{kinds.name_of(cls)}.{field} is kept by a descriptor, which ORC would go past"
            )
    return kind
