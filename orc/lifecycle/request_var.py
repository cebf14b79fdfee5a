"""Variables that are declared once, and empty again in every request."""

from __future__ import annotations

from orc.errors import NotSetError, ScopeClosedError
from orc.lifecycle.scope import current_request, values_for_writing
from orc.model.entry import MISSING

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
    """

    __slots__ = ("_default", "name")

    def __init__(self, name: str, *, default: Any = MISSING) -> None:
        self.name: str = name
        self._default = default

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
        if value is not MISSING:
            return value
        if default is not MISSING:
            return default
        if self._default is not MISSING:
            return self._default
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
