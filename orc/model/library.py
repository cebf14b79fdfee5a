"""Whether a class is the standard library's own, while tests put others in its place."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_HEAP_TYPE: Final = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: the class was made at run time, as by a ``class`` statement."""
_STANDS_IN: Final = {"FakeDatetime": "datetime", "FakeDate": "date"}


def is_of_library(cls: type, module: str) -> bool:
    """Tell whether a class is that of its name in a module of the standard library.

    Also while freezegun has put a class of its own in the place of ``datetime.datetime``.
    """
    if getattr(sys.modules.get(module), cls.__name__, None) is cls:
        return bool(cls.__module__ != "freezegun.api")
    return module == "datetime" == cls.__module__ and not cls.__flags__ & _HEAP_TYPE


def stood_in_for(cls: type) -> type | None:
    """Return the class of the standard library whose place a class of freezegun takes."""
    name = _STANDS_IN.get(cls.__name__)
    if name is None or cls.__module__ != "freezegun.api":
        return None
    return next(
        (base for base in cls.__mro__ if base.__name__ == name and is_of_library(base, "datetime")),
        None,
    )
