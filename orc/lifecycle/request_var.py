"""Variables that are declared once, and empty again in every request."""

from __future__ import annotations

from orc.errors import NotSetError, ScopeClosedError
from orc.lifecycle.scope import current_request, note_astray, values_for_writing
from orc.model.entry import MISSING
from orc.model.loading import current_load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Generic, TypeVar, overload

    T = TypeVar("T")
    D = TypeVar("D")
else:
    T = None

    class Generic:
        """Stands in for ``typing.Generic``, whose import costs milliseconds."""

        __slots__ = ()
        __class_getitem__ = classmethod(lambda cls, _: cls)


class RequestVar(Generic[T]):
    """A variable of the request: declare it at module level, as ``RequestVar[Card]("card")``.

    What one request sets no other one reads, neither later nor at the same time. Tasks and threads
    of one request share its value. `default` is what a request reads that has not set it; share
    nothing that can change that way.

    A cached function that reads it without having its value among the arguments is not cached: its
    result would be one request's own. ``affects_values=False`` says that no result depends on it,
    as of a logger or a trace id.
    """

    __slots__ = ("_affects_values", "_default", "_label", "name")

    def __init__(self, name: str, *, default: Any = MISSING, affects_values: bool = True) -> None:
        self.name: str = name
        self._label = f"RequestVar {name!r}"
        self._default = default
        self._affects_values = affects_values

    def __repr__(self) -> str:
        return f"<orc.RequestVar {self.name!r}>"

    if TYPE_CHECKING:

        @overload
        def get(self) -> T: ...
        @overload
        def get(self, default: D) -> T | D: ...

    def get(self, default: Any = MISSING) -> Any:
        """Return the value in this request; else `default`, else the variable's own.

        Raises ``NotSetError`` (a ``LookupError``) if there is none of the three; outside a request
        ``NoRequestError``, whatever the default; and ``ScopeClosedError`` in code that outlives its
        request.
        """
        scope = current_request()
        values = scope.values
        if values is None:  # since the line before, by another thread
            raise ScopeClosedError(f"request {scope.id} ended while {self.name!r} was asked for")
        value = values.get(self, MISSING)
        if value is MISSING:
            value = self._default if default is MISSING else default
        if self._affects_values:  # also where it is not set: another request may have set it
            load = current_load.get()
            if load is not None:
                load.note(self._label, value)
            else:
                note_astray(self._label, value)
        if value is not MISSING:
            return value
        raise NotSetError(
            f"{self.name!r} was not set in request {scope.id}: set() it first, or give get() or "
            "RequestVar() a default"
        )

    def set(self, value: T) -> None:
        """Give it a value for the rest of this request.

        In code that outlives its request this does nothing but count
        (``orc.container().late_writes``). Raises ``NoRequestError`` outside a request.
        """
        values = values_for_writing()
        if values is not None:
            values[self] = value

    def unset(self) -> None:
        """Take the value away for the rest of this request; nothing happens if there is none."""
        values = values_for_writing()
        if values is not None:
            values.pop(self, None)
