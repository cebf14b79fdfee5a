"""What an object keeps on itself beside its fields, and whether that is a part of its value."""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType

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


SLOT = type(type.__dict__["__basicsize__"])
"""The type of what a name in ``__slots__`` becomes on its class."""


def built_in_base(cls: type) -> type | None:
    """Return a base written in C that may hold more than fields, if a class has one."""
    for base in cls.__mro__[:-1]:
        maker = base.__dict__.get("__new__")
        if type(maker) is BuiltinFunctionType and base.__basicsize__ > object.__basicsize__:
            return base
    return None


def is_kept_for_later(cls: type, name: object) -> bool:
    """Tell whether what an object holds beside its fields is computed from these, and kept."""
    return type(name) is str and (is_cache(cls, name) or is_private_cache(cls, name))


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


def is_private_cache(cls: type, name: str) -> bool:
    """Tell whether this was kept after the object was made, under a name with an underscore."""
    return (
        name.startswith("_")
        and made_of_fields(cls)
        and on_type(cls, "__post_init__") is None
        and on_type(cls, "__attrs_post_init__") is None
    )


def made_of_fields(cls: type) -> bool:
    """Tell whether a constructor is given fields alone: the one that was written for the class.

    A constructor of the user's may put anything beside them, such as a tenant.
    """
    for method in ("__new__", "__init__"):
        for base in cls.__mro__:
            if method in base.__dict__:
                if base is object or base is tuple or _is_written(base, base.__dict__[method]):
                    break
                return False
    config: Any = on_type(cls, "__pydantic_config__")
    if isinstance(config, dict) and config.get("extra") == "allow":
        return False
    fields = on_type(cls, "__dataclass_fields__") or {}
    return on_type(cls, "__attrs_pre_init__") is None and not any(
        getattr(getattr(field, "_field_type", None), "name", "") == "_FIELD_INITVAR"
        for field in fields.values()
    )


def _is_written(base: type, method: Any) -> bool:
    """Tell whether a dataclass, attrs, namedtuple or pydantic has written a constructor."""
    code = getattr(getattr(method, "__func__", method), "__code__", None)
    if code is None:
        return False
    return (
        code.co_qualname.startswith("__create_fn__.")  # what dataclasses calls it around the code
        or (code.co_name == "<lambda>" and code.co_varnames[:1] == ("_cls",))  # namedtuple
        or code.co_filename.startswith("<attrs generated")
        or ("__is_pydantic_dataclass__" in base.__dict__ and "pydantic" in code.co_filename)
    )
