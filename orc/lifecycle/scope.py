"""The scope of a request: what is opened when it begins, and gone when it has ended.

A context variable alone is no such scope: Lambda's runtime calls every invocation in the same
context, so that what one sets the next one reads (seen with awslambdaric 4.2.2). Here the variable
holds an object, and that object is closed. Tasks and ``asyncio.to_thread`` inherit it; other
threads get it by ``orc.carry``; a bare thread has no request.
"""

from __future__ import annotations

from contextvars import ContextVar

from orc.errors import ConfigError, NoRequestError, ScopeClosedError, ScopeError
from orc.lifecycle import hooks
from orc.lifecycle.chance import token
from orc.lifecycle.clock import SYSTEM
from orc.lifecycle.life import life, runtime_invocation
from orc.lifecycle.runner import strand
from orc.model.loading import TENANT, note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from orc.model.ports import ClockLike

HOW = (
    "decorate the handler with @orc.handler, or open a scope with "
    "`with orc.request_scope(id=...):`; hand it to a thread of your own with orc.carry(function)"
)

EARLIEST_DEADLINE = 1e9
"""Unix time of 2001: a deadline before that is a duration by mistake."""


class RequestScope:
    """One request, from its begin to its end. Made by ``@orc.handler`` and ``orc.request_scope``.

    Shared by all tasks and threads that work for the request.
    """

    __slots__ = (
        "_clock",
        "_closers",
        "_counted",
        "_ends",
        "_tenant",
        "astray",
        "context",
        "id",
        "invocation",
        "memo",
        "state",
        "values",
    )

    def __init__(
        self,
        id: str,  # noqa: A002 - the word for it
        tenant: str | None,
        deadline: float | None,
        clock: ClockLike = SYSTEM,
    ) -> None:
        self.id: str = id
        """The request's id: Lambda's, or the one given, or one drawn for it."""
        self._tenant = tenant
        self._clock: ClockLike = clock
        self._ends: tuple[float, float] | None = None
        if deadline is not None:
            left = deadline - clock.wall()
            self._ends = (deadline, clock.monotonic() + left)
        self.context: object = None
        """The object by which a handler knows that it is inside another one's request."""
        self._counted: bool = False
        self.state: str = ""
        """The state in which it found the container: ``cold``, ``warm``, ..."""
        self.invocation: str | None = runtime_invocation()
        """What the runtime was at when the scope was opened."""
        self.values: dict[object, Any] | None = {}
        """What request variables hold; none once the request has ended."""
        self.memo: dict[object, Any] | None = {}
        """What ``@orc.request_cached`` remembers; none once the request has ended."""
        self._closers: list[Callable[[], object]] = []
        self.astray: list[tuple[str, object]] | None = None
        """What carried functions have read of it, of which no load is known to have called them."""

    def __repr__(self) -> str:
        return f"<orc request {self.id}{'' if self.values is not None else ', ended'}>"

    @property
    def tenant(self) -> str | None:
        """For whom the request is served, if that is known."""
        if not note(TENANT, self._tenant):
            note_astray(TENANT, self._tenant)
        return self._tenant

    @property
    def closed(self) -> bool:
        """Whether the request has ended."""
        return self.values is None

    @property
    def deadline(self) -> float | None:
        """Unix time in seconds at which the request must be done, if there is such a time."""
        return None if self._ends is None else self._ends[0]

    def remaining(self) -> float | None:
        """Return the seconds until the deadline, at least 0; ``None`` if there is none.

        The less of what the two clocks say, since one of them may have stood still.
        """
        if self._ends is None:
            return None
        wall, monotonic = self._ends
        return max(0.0, min(wall - self._clock.wall(), monotonic - self._clock.monotonic()))

    def on_close(self, closer: Callable[[], object]) -> None:
        """Have `closer` called when the request ends; the last one first.

        Its errors are counted and warned of, and reach nobody. Raises ``ScopeClosedError`` after
        the end.
        """
        if self.closed:
            raise ScopeClosedError(f"on_close: request {self.id} has ended")
        self._closers.append(closer)

    def open(self, outer: RequestScope | None) -> None:
        """Begin: count the request, unless it is part of another, and run the hooks of the start.

        So the records of a batch, each in a scope of its own, are one invocation.
        """
        self._counted = outer is None
        self.state = life().request_begins() if outer is None else outer.state
        for hook in hooks.STARTED:
            hooks.safely(hook, self)

    @property
    def outermost(self) -> bool:
        """Whether it is no part of another request."""
        return self._counted

    def close(self) -> None:
        """End: run what was put off until now, then let go of all that the request held.

        Does nothing the second time; raises nothing but what is no ``Exception``.
        """
        if self.closed:
            return
        try:
            for hook in hooks.ENDING:
                hooks.safely(hook, self)
            while self._closers:
                hooks.safely(self._closers.pop())
        finally:  # a closer may be interrupted, or raise what is not for ORC to catch
            # A thread that is writing just now has the old dict, which nobody reads any more.
            self.values = self.memo = self.context = None
            if self._counted:
                life().request_ends()

    def left_over(self) -> bool:
        """Tell whether the runtime is at another invocation by now: nobody closed this one."""
        return self.invocation is not None and self.invocation != runtime_invocation()


class _Frame:
    """A scope in a context, and what was there before it."""

    __slots__ = ("astray", "before", "carried", "owner", "scope", "strand")

    def __init__(
        self, scope: RequestScope, before: _Frame | None, *, owner: bool, carried: bool = False
    ) -> None:
        self.carried = carried
        self.scope = scope
        self.before = before
        self.owner = owner
        self.strand: object = strand()
        self.astray = False
        """Whether it has ended, and the context that it was entered in may not know."""


_frame: ContextVar[_Frame | None] = ContextVar("orc_request", default=None)


def note_astray(name: str, value: object) -> None:
    """Note a read of a carried function; a load of the request may wait for it elsewhere."""
    frame = _frame.get()
    if frame is not None and frame.carried:
        frame.scope.astray = [*(frame.scope.astray or ()), (name, value)]


def reads_astray() -> list[tuple[str, object]] | None:
    """Return what carried functions have read of this code's request for no load that is known."""
    scope = current_scope()
    return None if scope is None else scope.astray


def _living(frame: _Frame | None) -> _Frame | None:
    """Return the first frame that has not ended elsewhere, from this one outwards.

    A generator that was left early ends its frame out of order, or in another task. The code that
    entered the frame goes on in the request from before. A task that was started inside of it does
    not: its request has ended, and the outer one is not its own.
    """
    while frame is not None and frame.astray and frame.strand == strand():
        frame = frame.before
    return frame


def _current() -> _Frame | None:
    frame = _frame.get()
    # Outside of all requests the frame that has ended is still the one to speak of.
    return frame if frame is None or not frame.astray else _living(frame) or frame


def current_scope() -> RequestScope | None:
    """Return the request that this code belongs to; ``None`` if there is none, or it has ended."""
    frame = _current()
    if frame is None or frame.scope.closed or frame.scope.left_over():
        return None
    return frame.scope


def current_request() -> RequestScope:
    """Return the request that this code belongs to: its ``id``, ``tenant`` and ``remaining()``.

    Raises ``NoRequestError`` where none is open, and ``ScopeClosedError`` in what is left running
    of one that has ended.
    """
    frame = _current()
    if frame is not None and frame.scope.closed:
        note(TENANT, None)
        raise ScopeClosedError(
            f"request {frame.scope.id} has ended, and this code still runs for it: wait for "
            "threads and tasks before the handler returns"
        )
    if frame is None or frame.scope.left_over():
        note(TENANT, None)  # a load that goes on without one would go on otherwise in a request
        raise NoRequestError(f"no request is open here: {HOW}")
    return frame.scope


def request_tenant() -> str | None:
    """Return the tenant of this code's request, if there is one. A load around it depends on it."""
    scope = current_scope()
    return None if scope is None else scope.tenant


def scope_of_this_code() -> RequestScope | None:
    """Return the request that this code belongs to, also when that has ended."""
    frame = _current()
    return None if frame is None else frame.scope


def values_for_writing() -> dict[object, Any] | None:
    """Return what the variables of this code's request hold; ``None``, counted, if it has ended.

    Raises ``NoRequestError`` where no request is open.
    """
    frame = _current()
    if frame is not None:
        values = frame.scope.values
        if values is None:
            life().late_writes += 1
            return None
        if not frame.scope.left_over():
            return values
    raise NoRequestError(f"no request is open here: {HOW}")


class request_scope:  # noqa: N801 - used like a function: ``with orc.request_scope():``
    """Open the scope of a request, for what is no Lambda handler; ``with`` and ``async with``.

    `id` names the request, and `tenant` for whom it is: take it from a *verified* claim, never from
    a raw header. `deadline` is Unix time in seconds. Inside another request a scope without an `id`
    joins it (unless it names another `tenant`): library code may open one to be sure, and nothing
    is closed too early. One with an `id`, such as a record of a batch, has its own variables, the
    outer tenant unless it names one, and no later deadline. ``with`` gives the
    :class:`RequestScope`.

    Call it from any thread or task. Raises ``ConfigError`` for arguments that are not allowed, and
    ``ScopeError`` if one object is entered again before it was left.
    """

    __slots__ = ("_deadline", "_entered", "_id", "_tenant")

    def __init__(
        self,
        id: str | None = None,  # noqa: A002 - the word for it
        tenant: str | None = None,
        deadline: float | None = None,
    ) -> None:
        for name, text in (("id", id), ("tenant", tenant)):
            if text is not None and (not isinstance(text, str) or not text):
                raise ConfigError(
                    f"request_scope({name}={text!r}): give a string that is not empty"
                )
        if deadline is not None and (
            isinstance(deadline, bool)
            or not isinstance(deadline, (int, float))
            or not deadline >= EARLIEST_DEADLINE
        ):
            raise ConfigError(
                f"request_scope(deadline={deadline!r}): give Unix time in seconds, such as "
                "time.time() + 3"
            )
        self._id = id
        self._tenant = tenant
        self._deadline = deadline
        self._entered: _Frame | None = None

    def __enter__(self) -> RequestScope:
        if self._entered is not None:
            raise ScopeError(
                "this scope was entered and not left: make one with orc.request_scope() for each "
                "`with`"
            )
        outer = current_scope()
        if outer is not None and self._id is None and self._tenant in {None, outer._tenant}:  # noqa: SLF001 - ORC's own look
            self._entered = _enter(outer, owner=False)
        else:
            tenant, deadline = self._tenant, self._deadline
            if outer is not None:
                # A part of a request is for whom that is, and has no more time than that.
                tenant = outer._tenant if tenant is None else tenant  # noqa: SLF001
                ends = [each for each in (deadline, outer.deadline) if each is not None]
                deadline = min(ends, default=None)
            scope = RequestScope(self._id or token().hex(), tenant, deadline)
            self._entered = _enter(scope, owner=True)
        return self._entered.scope

    def __exit__(self, *exc: object) -> None:
        frame, self._entered = self._entered, None
        if frame is not None:
            _leave(frame)

    async def __aenter__(self) -> RequestScope:
        return self.__enter__()

    async def __aexit__(self, *exc: object) -> None:
        self.__exit__()


def _enter(scope: RequestScope, *, owner: bool) -> _Frame:
    before = _living(_frame.get())
    while before is not None and before.scope.left_over():
        # Lambda is at another invocation, so whatever opened this one has no end any more.
        if before.owner and not before.scope.closed:
            life().leftovers += 1
            before.scope.close()
        before = before.before
    frame = _Frame(scope, before, owner=owner)
    _frame.set(frame)
    if owner:
        outer = None if before is None or before.scope.closed else before.scope
        try:
            scope.open(outer)
        except BaseException:  # an interrupt: no `with` block begins, so none will end
            _leave(frame)
            raise
    return frame


def _leave(frame: _Frame) -> None:
    try:
        if frame.owner:
            frame.scope.close()
    finally:
        # Not ``reset(token)``: a generator or a fixture may end in another context than it began.
        on_top = _frame.get() is frame
        if on_top and frame.strand == strand():
            _frame.set(_living(frame.before))
            frame.strand = None
        else:
            frame.astray = True
            if on_top:
                _frame.set(frame.before)


class Entered:
    """Opens a scope for a ``with`` block, and closes it; a `carried` one is open elsewhere."""

    __slots__ = ("_carried", "_frame", "_scope")

    def __init__(self, scope: RequestScope, *, carried: bool = False) -> None:
        self._scope = scope
        self._carried = carried

    def __enter__(self) -> None:
        if self._carried:
            self._frame = _Frame(self._scope, _frame.get(), owner=False, carried=True)
            _frame.set(self._frame)
        else:
            self._frame = _enter(self._scope, owner=True)

    def __exit__(self, *exc: object) -> None:
        _leave(self._frame)
