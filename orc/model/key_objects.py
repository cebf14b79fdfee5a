"""The bytes of keys for objects of the user's classes, by their fields, and for what has a name.

A dataclass, an attrs class, a model of pydantic or msgspec, and a namedtuple count by their class
and by the fields that take part in comparison. What else an object keeps on itself, such as a
`cached_property`, is no part of its value. Classes, functions and other objects of a module count
by their qualified name, where that leads to them.
"""

from __future__ import annotations

import sys
from functools import partial
from types import MethodDescriptorType, ModuleType

from orc.model.extras import (
    SLOT,
    attributes,
    built_in_base,
    is_cache,
    is_kept_for_later,
    made_of_fields,
)
from orc.model.key_bytes import at, of_class, of_str, on_type, refusal, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Items = Callable[[Iterable[Any]], list[bytes]]

DATACLASS, ATTRS, NAMEDTUPLE, MSGSPEC = (
    "__dataclass_fields__",
    "__attrs_attrs__",
    "_fields",
    "__struct_fields__",
)


def encode(value: Any, items: Items) -> bytes:
    """Return the bytes of an object; raise ``UnkeyableError`` for one that is not known."""
    cls = type(value)
    enum = sys.modules.get("enum")
    if enum is not None and issubclass(cls, enum.Enum):
        return _member(value, items)
    if issubclass(cls, tuple) and on_type(cls, NAMEDTUPLE) is not None:
        return _namedtuple(value, items)
    if "dataclasses" in sys.modules and on_type(cls, DATACLASS) is not None:
        fields = sys.modules["dataclasses"].fields(cls)
        names = [field.name for field in fields if field.compare]
        return _record(value, items, [field.name for field in fields], names, DATACLASS)
    if on_type(cls, ATTRS) is not None:
        own = on_type(cls, ATTRS)
        names = [field.name for field in own if field.eq]
        return _record(value, items, [field.name for field in own], names, ATTRS)
    if _is_struct(cls):
        return _fields(value, items, list(getattr(cls, MSGSPEC)), partial(getattr, value))
    model = _model_fields(cls)
    if model is not None:
        return _model(value, items, model)
    return of_class(value) if issubclass(cls, type) else _named(value, items)


def _named(value: Any, items: Items) -> bytes:
    """Encode what is told by its name alone, or made of such things."""
    found = _name_of(value) or _mark(value)
    if found is not None:
        return b"g" + of_str(found[0]) + of_str(found[1])
    alias = _alias(value, items)
    if alias is not None:
        return alias
    raise refusal(type(value), "cannot be part of a cache key")


def _member(value: Any, items: Items) -> bytes:
    from orc.errors import UnkeyableError

    cls = type(value)
    try:
        return b"E" + of_class(cls) + b"".join(items((value._name_, value._value_)))
    except UnkeyableError:
        # The members of a class are told apart by their names, whatever they stand for.
        if cls.__members__.get(value._name_) is not value:
            raise
        return b"V" + of_class(cls) + of_str(value._name_)


def _namedtuple(value: Any, items: Items) -> bytes:
    cls = type(value)
    # A subtype of tuple cannot have slots: whatever else it holds is in its __dict__.
    _refuse(cls, attributes(value))
    names = on_type(cls, NAMEDTUPLE)
    return b"n" + of_class(cls) + b"".join(items((names, tuple(tuple.__iter__(value)))))


def _record(value: Any, items: Items, fields: list[str], compared: list[str], marker: str) -> bytes:
    cls = type(value)
    if fields and not compared:
        raise refusal(cls, "has no field that takes part in comparison")
    built_in = built_in_base(cls)
    if built_in is not None:
        raise refusal(cls, f"may hold more than its fields, being a {type_name(built_in)}")
    extras: set[str] = set()
    for base in cls.__mro__[:-1]:
        if marker != ATTRS or marker not in base.__dict__:  # attrs has written all its slots
            slots = base.__dict__.items()
            extras.update(k for k, v in slots if type(v) is SLOT and _is_filled(v, value))
    if marker in cls.__dict__ and made_of_fields(cls):
        extras = {name for name in extras if not name.startswith("_")}
    else:
        extras.update(attributes(value))
    _refuse(cls, extras.difference(fields))
    return _fields(value, items, compared, partial(getattr, value))


def _is_filled(slot: Any, value: object) -> bool:
    try:
        slot.__get__(value)
    except AttributeError:
        return False
    return True


def _refuse(cls: type, names: Iterable[str]) -> None:
    """Raise for what an object holds beside its fields, unless it was kept there for later."""
    extra = [str(name) for name in names if not is_kept_for_later(cls, name)]
    if extra:
        raise refusal(cls, f"holds more than its fields ({', '.join(sorted(extra))})")


def _fields(value: Any, items: Items, names: list[str], get: Callable[[str], object]) -> bytes:
    # Names too: old and new code run side by side in a deploy and may differ in fields' order.
    flat: list[Any] = []
    for name in names:
        try:
            flat += (name, get(name))
        except (AttributeError, KeyError):
            raise refusal(type(value), f"has no value in its field {name!r}") from None
    return b"O" + of_class(type(value)) + b"%d:%b" % (len(names), b"".join(items(flat)))


def _is_struct(cls: type) -> bool:
    struct = getattr(sys.modules.get("msgspec"), "Struct", None)
    return struct is not None and issubclass(cls, struct)


def _model_fields(cls: type) -> list[str] | None:
    """Return the names of the fields of a pydantic model, version 1 or 2, if it is one."""
    for module in ("pydantic.main", "pydantic.v1.main"):
        base = getattr(sys.modules.get(module), "BaseModel", None)
        if isinstance(base, type) and issubclass(cls, base):
            for name in ("__pydantic_fields__", "model_fields", "__fields__"):
                found = on_type(cls, name)
                if isinstance(found, dict):
                    return list(found)
            return list(cls.model_fields)  # type: ignore[attr-defined]
    return None


def _model(value: Any, items: Items, names: list[str]) -> bytes:
    held: dict[str, object] = object.__getattribute__(value, "__dict__")
    extra = getattr(value, "__pydantic_extra__", None)
    if extra is None:  # version 1 has them among the fields
        extra = {
            name: held[name]
            for name in held
            if name not in names and not is_cache(type(value), name)
        }
    maker = getattr(on_type(type(value), "__init__"), "__module__", "")
    if getattr(value, "__pydantic_private__", None) and not maker.startswith("pydantic"):
        raise refusal(type(value), "has private attributes, and an __init__ that may have set them")
    get = held.__getitem__
    return _fields(value, items, names, get) + items((dict(extra),))[0]


def _name_of(value: Any) -> tuple[str, str] | None:
    """Return module and qualified name of what is there by that name, such as a function."""
    cls = type(value)
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if type(name) is not str and cls.__module__ == "typing":
        name = getattr(value, "_name", None)
    if type(name) is not str:
        return None
    module = getattr(value, "__module__", None)
    if cls is MethodDescriptorType:
        module = value.__objclass__.__module__
    return (module, name) if type(module) is str and at(module, name) is value else None


_places: dict[int, tuple[str, str]] = {}
"""Where marks were found, by id; looked at again each time."""
_MOST_PLACES = 1024


def _mark(value: Any) -> tuple[str, str] | None:
    """Return module and name of an object that nothing but its identity tells: a mark.

    That is ``object()``, in whatever module. An instance of another class may have properties.
    """
    if type(value) is not object:
        return None
    known = _places.get(id(value))
    if known is not None and at(*known) is value:
        return known
    for module in sorted(sys.modules):
        found = sys.modules.get(module)
        if not isinstance(found, ModuleType):
            continue
        for name, each in list(found.__dict__.items()):
            if each is value and "." not in name:
                if len(_places) >= _MOST_PLACES:
                    _places.clear()
                _places[id(value)] = module, name
                return module, name
    return None


def _alias(value: Any, items: Items) -> bytes | None:
    """Encode what `typing` and `collections.abc` make of brackets, such as ``Optional[int]``."""
    cls = type(value)
    origin, args = getattr(value, "__origin__", None), getattr(value, "__args__", None)
    if cls.__module__ not in {"typing", "collections.abc"} or type(args) is not tuple:
        return None
    more = (getattr(value, "_name", None), getattr(value, "__metadata__", None))
    return b"G" + b"".join(items((cls.__name__, origin, args, *more)))
