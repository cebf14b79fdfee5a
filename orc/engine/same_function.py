"""Finds the results of a function again that is decorated anew in each request.

``cache.partition(tenant).cached(function)`` makes a new wrapper each time. The same function object
has its results back; so have functions with one code object, equal defaults and no closure cells,
as a ``def`` inside of a handler makes them. A closure holds what its code does not say, such as
another request, so it has nothing in common with another closure.
"""

from __future__ import annotations

from types import FunctionType
from weakref import WeakKeyDictionary

from orc.engine.function_spaces import FunctionSpaces
from orc.errors import UnkeyableError
from orc.model.identity import Same, SameWhileAlive
from orc.model.key import encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any

    from orc.engine.core import Core

MOST_OPTIONS = 64
"""Sets of options under which one function is known; another one takes the oldest one's place."""

MOST_FUNCTIONS = 1024
"""Functions that are known; then it begins anew."""


class FunctionRegistry:
    """Knows the results of functions by what they are, while they live."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Any, dict[Hashable, FunctionSpaces]] = WeakKeyDictionary()

    def results(
        self, core: Core, function: Callable[..., Any], title: str, options: tuple[object, ...]
    ) -> FunctionSpaces:
        """Return the results of a function that was decorated with these options, new or known."""
        found = _identity(function)
        own_options = [_option(each) for each in options]
        if found is None or any(each is None for each in own_options):
            return FunctionSpaces(core, title)
        anchor, own = found
        key = (title, own, *own_options)
        with core.lock:
            if len(self._known) >= MOST_FUNCTIONS:
                self._known.clear()
            known = self._known.setdefault(anchor, {})
            try:
                results = known.get(key)
            except TypeError:  # an option without a hash
                return FunctionSpaces(core, title)
            if results is None:
                results = FunctionSpaces(core, title)
                if len(known) >= MOST_OPTIONS:
                    known.pop(next(iter(known)))
                known[key] = results
            return results


def _identity(function: Callable[..., Any]) -> tuple[object, Hashable] | None:
    """Return what a function is known by while it lives, and what more it is told apart by."""
    if type(function) is not FunctionType:
        return None
    if function.__closure__ is None and "__wrapped__" not in function.__dict__:
        told = (function.__defaults__, sorted((function.__kwdefaults__ or {}).items()))
        try:
            # Equal code of two modules is one key, so the globals count too, and are kept alive.
            return function.__code__, (Same(function.__globals__), encode(told))
        except UnkeyableError:
            pass
    # Of a function that is changed in its place, what was kept before is another one's. A default
    # may lead to the function, which is not to be kept alive for that.
    given = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    return function, (Same(function.__code__), *map(SameWhileAlive, given))


def _option(option: object) -> Hashable | None:
    """Return an option so that the same one of the next request equals it; ``None`` for a closure.

    What a closure holds, such as a request, is not to be kept for its sake.
    """
    if type(option) is not FunctionType:
        return type(option), option
    if option.__closure__ is not None:
        return None
    found = _identity(option)
    assert found is not None  # noqa: S101 - it is a function
    anchor, own = found
    return Same(anchor), own
