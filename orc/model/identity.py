"""Objects that count by their identity, where a key of a dictionary is wanted."""

from __future__ import annotations

from weakref import ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Same:
    """Stands for one object; keeps it alive, so that no other has its address."""

    __slots__ = ("_id", "_value")

    def __init__(self, value: object) -> None:
        self._id = id(value)
        self._value: Callable[[], object] = lambda: value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self._value() is other._value()

    def __hash__(self) -> int:
        return self._id


class SameWhileAlive(Same):
    """Stands for one object, and keeps it alive only where it cannot be referred to weakly."""

    __slots__ = ()

    def __init__(self, value: object) -> None:
        super().__init__(value)
        try:
            found = ref(value)
        except TypeError:
            return
        # What is gone is no object any more, and so equals nothing.
        self._value = lambda: object() if found() is None else found()
