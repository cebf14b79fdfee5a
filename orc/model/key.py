"""Cache keys: values ↔ bytes, one to one.

Two keys are equal exactly when the values they were made from are the same: same types, same
contents, at every depth. ``1``, ``1.0``, ``True`` and ``"1"`` differ, so do ``0.0`` and ``-0.0``,
``Decimal("1.0")`` and ``Decimal("1.00")``, and one instant in two zones. Dicts equal but for their
order share, and so do equal sets.

The canonical form is a prefix code: a tag of one byte, then a fixed number of bytes, or digits
ended by ``;``, or a length ended by ``:`` and so many bytes or items. No encoding begins another
one, so a container is a count and its items laid end to end. Sets and dicts are sorted by encoding.

A type is recognised by identity, never by ``isinstance`` or by name alone: a subclass may carry
state that its base does not show, and two keys that wrongly agree serve one caller's data to
another. What is not known here is refused; ``repr`` and ``pickle`` are never asked.
"""

from __future__ import annotations

from functools import partial
from struct import Struct

from orc.errors import UnkeyableError
from orc.model.key_bytes import (
    LOCAL_CLASS,
    REMEDY,
    counted,
    of_class,
    of_int,
    of_str,
    on_type,
    sized,
    type_name,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from typing import Any

    Encoder = Callable[[Any, int], bytes]

MAX_DEPTH = 100
"""Levels of nesting that a key may have. A value that contains itself runs into it."""

_SELF_REMEDY = '; define __orc_key__() on its class, or leave it out with ignore=("self",)'


class UntouchedDefault:
    """Stands in a key for the default of a parameter that has no key itself, such as a mark."""

    __slots__ = ()


UNTOUCHED = UntouchedDefault()


def encode(value: object) -> bytes:
    """Return the canonical bytes of a value: the same in every process, and no other value's.

    Raises UnkeyableError for a type that is not known here, for a value that contains itself, and
    for one nested more than `MAX_DEPTH` deep; never RecursionError. What an ``__orc_key__()``
    raises is passed on.
    """
    try:
        return _items((value,), MAX_DEPTH + 1)[0]
    except RecursionError:
        raise _too_deep() from None


def local(values: tuple[object, ...]) -> Hashable:
    """Return a hashable that equals another exactly when the encodings of both tuples are equal.

    For indexes inside one process; it is cheaper than `encode`:

    - one value of exact type ``str`` or ``int``: that object itself;
    - only values of exact type ``str``, ``int``, ``bool``, ``bytes``, ``NoneType``, or ``float``
      that is neither zero nor NaN: the flat tuple ``(type(a), type(b), ..., a, b, ...)``, hence
      ``()`` for no values;
    - anything else: ``encode(values)``.

    The three cannot meet, being a ``str`` or ``int``, a ``tuple``, and ``bytes``. Generated
    wrappers build the same expression inline: change it here and there together.
    Raises UnkeyableError, as `encode` does.
    """
    if len(values) == 1:
        value = values[0]
        kind = type(value)
        if kind is str or kind is int:
            return value
    for value in values:
        kind = type(value)
        if kind is str or kind is int or kind is bool or kind is bytes or value is None:
            continue
        # 0.0 and -0.0 are equal and have two keys; NaN has a key and does not equal itself.
        if kind is float and value and value == value:  # noqa: PLR0124
            continue
        return encode(values)
    # Types first: 1, 1.0 and True are told apart before the values are compared.
    return (*map(type, values), *values)


def arguments(names: tuple[str, ...], values: tuple[object, ...], function: str) -> Hashable:
    """Return `local` of a call's bound arguments, given in the order of their names.

    Raises UnkeyableError that names the function, the argument and what to do about it.
    """
    try:
        return local(values)
    except UnkeyableError as error:
        raise UnkeyableError(_blame(names, values, function, error)) from None


def with_untouched(values: tuple[object, ...], defaults: tuple[object, ...]) -> tuple[object, ...]:
    """Return values with a mark in the place of each that is its default, and has no key itself.

    So a call that leaves a sentinel alone has a key; which default it is, the function tells.
    """
    return tuple(
        UNTOUCHED if value is default and not _is_keyable(value) else value
        for value, default in zip(values, defaults, strict=True)
    )


def _is_keyable(value: object) -> bool:
    try:
        encode((value,))
    except UnkeyableError:
        return False
    return True


def compose(
    namespace: str, version: str, partition: str | None, name: str | None, key: bytes
) -> bytes:
    """Return the full canonical key of an entry, for tiers outside the process.

    One to one over its five parts. Partition ``None`` is no tenant and differs from ``""``; name
    ``None`` is the space of explicit keys and differs from every function's name.
    """
    return encode((namespace, version, partition, name, key))


def explicit(key: object) -> str:
    """Return an explicit key as an exact ``str``; of a ``StrEnum`` or other subclass, its text.

    Raises UnkeyableError for anything else. The message does not show the key.
    """
    if type(key) is str:
        return key
    if issubclass(type(key), str):
        return str.__str__(key)
    raise UnkeyableError(
        f"{type_name(type(key))} is no key: keys are strings; use str(...) or f'...'"
    )


def is_local(encoded: bytes) -> bool:
    """Tell whether encoded bytes name a class that only this process knows: not to be shared.

    Errs on the safe side: ``bytes`` arguments that imitate the mark are taken for local.
    """
    return LOCAL_CLASS in encoded


def _items(values: Iterable[Any], left: int) -> list[bytes]:
    if not left:
        raise _too_deep()
    left -= 1
    parts = []
    for value in values:
        cls = type(value)
        # A metaclass may bring a foreign __hash__ and __eq__: such classes are not looked up.
        encoder = _EXACT.get(cls, _other) if type(cls) is type else _other
        parts.append(encoder(value, left))
    return parts


def _other(value: Any, left: int) -> bytes:
    cls = type(value)
    items = partial(_items, left=left)
    known = _learned.get(cls) if type(cls) is type else None
    if known is not None:
        return known(value, items)
    own_key = on_type(cls, "__orc_key__")
    if own_key is not None:
        bound = own_key.__get__(value, cls) if hasattr(own_key, "__get__") else own_key
        return b"K" + of_class(cls) + items((bound(),))[0]
    from orc.model import key_objects, key_types

    known = key_types.encoder(cls)
    if known is not None:
        _learned[cls] = known
        return known(value, items)
    return key_objects.encode(value, items)


def _dict(value: dict[Any, Any], left: int) -> bytes:
    flat = _items([side for pair in list(value.items()) for side in pair], left)
    return counted(b"d", sorted(map(bytes.__add__, flat[::2], flat[1::2])))


_DOUBLE = Struct(">d").pack

_EXACT: dict[type, Encoder] = {
    str: of_str,
    int: of_int,
    type(None): lambda _v, _: b"N",
    bool: lambda v, _: b"T" if v else b"F",
    float: lambda v, _: b"f" + _DOUBLE(v),
    bytes: lambda v, _: sized(b"b", v),
    bytearray: lambda v, _: sized(b"B", bytes(v)),
    complex: lambda v, _: b"c" + _DOUBLE(v.real) + _DOUBLE(v.imag),
    range: lambda v, _: b"R" + of_int(v.start) + of_int(v.stop) + of_int(v.step),
    tuple: lambda v, left: counted(b"(", _items(v, left)),
    list: lambda v, left: counted(b"[", _items(v, left)),
    set: lambda v, left: counted(b"{", sorted(_items(list(v), left))),
    frozenset: lambda v, left: counted(b"<", sorted(_items(v, left))),
    dict: _dict,
    type: of_class,
    UntouchedDefault: lambda _v, _: b"u",
    type(...): lambda _v, _: b".",
}

_learned: dict[type, Callable[[Any, Callable[[Iterable[Any]], list[bytes]]], bytes]] = {}
"""Types of libraries, once one was met."""


def _too_deep() -> UnkeyableError:
    return UnkeyableError(f"the value contains itself, or is nested over {MAX_DEPTH} deep{REMEDY}")


def _blame(
    names: tuple[str, ...], values: tuple[object, ...], function: str, error: UnkeyableError
) -> str:
    for name, value in zip(names, values, strict=False):
        try:
            # In a tuple, as it was: that is one level of nesting.
            encode((value,))
        except UnkeyableError as refusal:
            reason = str(refusal)
            if name == "self":
                reason = reason.removesuffix(REMEDY) + _SELF_REMEDY
            return f"{function}(): argument {name!r}: {reason}"
    return f"{function}(): {error}"
