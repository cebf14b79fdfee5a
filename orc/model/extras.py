"""What an object keeps on itself beside its fields, and whether that is a part of its value."""

from __future__ import annotations

from types import FunctionType

from orc.model.key_bytes import on_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def attributes(value: object) -> list[str]:
    """List the names in an object's dict; none if it has no dict."""
    try:
        return list(object.__getattribute__(value, "__dict__"))
    except AttributeError:
        return []


def is_cache(cls: type, name: str) -> bool:
    """Tell whether a descriptor of the class keeps this on its instances, as `cached_property`."""
    found = on_type(cls, name)
    kind = type(found)
    return (
        found is not None
        and kind is not FunctionType
        and hasattr(kind, "__get__")
        and not hasattr(kind, "__set__")
    )


def is_private_cache(cls: type, name: str, marker: str) -> bool:
    """Tell whether this was kept after the object was made: its class makes fields alone.

    The name begins with an underscore, and the constructor is the one that a dataclass, attrs or
    namedtuple writes, known by its `marker`, with nothing that runs after it.
    """
    if not name.startswith("_"):
        return False
    return (
        _writer(cls, "__init__", marker)
        and _writer(cls, "__new__", marker)
        and on_type(cls, "__post_init__") is None
        and on_type(cls, "__attrs_post_init__") is None
    )


def _writer(cls: type, method: str, marker: str) -> bool:
    """Tell whether a constructor is the one of a class that has the marker itself, or object's."""
    for base in cls.__mro__:
        if method in base.__dict__:
            return base is object or base is tuple or _is_written(base, method, marker)
    return True


def _is_written(base: Any, method: str, marker: str) -> bool:
    if marker not in base.__dict__:
        return False
    parameters = base.__dict__.get("__dataclass_params__")
    # A dataclass with a constructor of the user's was told not to write one, or has kept it.
    return method == "__new__" or parameters is None or _made_up(base.__dict__[method])


def _made_up(method: Any) -> bool:
    code = getattr(method, "__code__", None)
    return code is not None and code.co_filename == "<string>"
