"""``@orc.request_cached``: a memo that lives as long as one request."""

from __future__ import annotations

from functools import partial, update_wrapper

from orc.engine.drivers import arun, run
from orc.engine.operations import Join, Load, Wait
from orc.engine.patience import LONGEST_WAIT, Patience
from orc.engine.wrapper import Parameters, compile_wrapper
from orc.errors import ConfigError, UnkeyableError
from orc.isolation.copying import keep
from orc.lifecycle.life import after_fork_in_child
from orc.lifecycle.scope import current_scope
from orc.model.identity import Same
from orc.model.key import local
from orc.model.loading import note
from orc.model.outcome import FAILED, FOLLOW, LANDED, LEAD
from orc.stampede.single_flight import Flights

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from typing import Any, ParamSpec, Protocol, TypeVar, overload

    from orc.engine.operations import Plan
    from orc.lifecycle.scope import RequestScope
    from orc.stampede.flight import Flight

    Known = tuple[object, Sequence[tuple[str, object]]]
    """A result, and what was read of the request for it."""

    P = ParamSpec("P")
    R = TypeVar("R")

    class MemoDecorator(Protocol):
        """What ``request_cached()`` returns."""

        def __call__(self, function: Callable[P, R], /) -> Callable[P, R]:
            """Return the function with a memo."""
            ...


_flights = Flights()

after_fork_in_child(_flights.forked)

if TYPE_CHECKING:

    @overload
    def request_cached(function: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def request_cached(function: None = None, /) -> MemoDecorator: ...


def request_cached(function: Any = None, /) -> Any:
    """Remember what a function returns for the rest of the request. Use it bare or called.

    One request sees one answer, however often it asks (a repeatable read), and the very object, not
    a copy; threads and tasks of the request that ask at the same time share one call. The next
    request asks anew. Outside a request the function is simply called. For ``def``, ``async def``
    and methods, by their arguments; an argument that has no key (see ``orc.cached``) counts by
    identity. What raises is not remembered.

    Raises ``ConfigError`` for what is not callable and ``UncacheableError`` for a generator
    function when it decorates; ``RecursiveLoadError`` for a call that needs its own result.
    """
    if function is None:
        return request_cached
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(request_cached(function.__func__))
    if not callable(function):
        raise ConfigError(f"request_cached({function!r}): decorate a function")
    parameters = Parameters(function)
    memo = _Memo()
    compiled = compile_wrapper(function, parameters, key="None", key_values="()", helpers={})
    memo.call = compiled.call
    # An index that is always empty: the wrapper binds the arguments, and asks the memo.
    slow = memo.aslow if parameters.asynchronous else memo.slow
    return update_wrapper(compiled.wrapper({}, slow), function)


class _Memo:
    """What stands behind one wrapper."""

    __slots__ = ("call",)

    call: Callable[[tuple[Any, ...]], Any]

    def slow(self, values: tuple[Any, ...]) -> Any:
        scope = current_scope()
        if scope is None:
            return self.call(values)
        return run(_read(self, scope, values), _flights)

    async def aslow(self, values: tuple[Any, ...]) -> Any:
        scope = current_scope()
        if scope is None:
            return await self.call(values)
        return await arun(_read(self, scope, values), _flights)


def _read(memo: _Memo, scope: RequestScope, values: tuple[Any, ...]) -> Plan:
    """Return what this request remembers of a call, or make the call."""
    key = (memo, *map(_key_of, values))
    patience = None
    while True:
        known = _known(scope, key)
        if known is not None:
            return _answer(known)
        turn = _flights.turn()
        try:
            yield Join(turn, (scope, key))
            flight: Flight = turn.flight
            if turn.role == FOLLOW:
                patience = patience or Patience(scope.remaining, LONGEST_WAIT)
                if patience.left() > 0:
                    yield Wait(flight, patience)
                    if flight.state == FAILED and flight.error is not None:
                        _note_all(flight.seen)
                        raise flight.error.with_traceback(flight.traceback)
                    if flight.state == LANDED:
                        return _answer(flight.result)
                    continue
                _flights.part(turn)
            load = partial(memo.call, values)
            lead = turn.role == LEAD
            return (yield from _call(scope, key, load, turn.flight, lead=lead))
        finally:
            try:
                _flights.leave(turn)
            except BaseException:  # an interrupt: what it cut short is done, and then it goes on
                _flights.leave(turn)
                raise


def _call(
    scope: RequestScope,
    key: Hashable,
    load: Callable[[], object],
    flight: Flight,
    *,
    lead: bool,
) -> Plan:
    try:
        known = _known(scope, key)  # another leader may have landed since the first look
        if known is None:
            value = yield Load(load, flight)
            keep(value, "share")  # a coroutine or a generator can be read once only
            known = value, flight.seen
            memo = scope.memo  # read once: another thread may end the request meanwhile
            if memo is not None:
                # Of two who loaded at once, the first answer is everybody's.
                known = memo.setdefault(key, known)
        if lead:
            _flights.land(flight, known)
    except Exception as error:
        flight.pass_on()  # what is made of the error depends on the request, too
        if lead:
            _flights.fail(flight, error)
        raise
    return _answer(known)


def _known(scope: RequestScope, key: Hashable) -> Known | None:
    memo = scope.memo
    return None if memo is None else memo.get(key)


def _answer(known: Any) -> object:
    """Return a result; the load that asks for it depends on what was read of the request for it."""
    value, seen = known
    _note_all(seen)
    return value


def _note_all(seen: Sequence[tuple[str, object]]) -> None:
    for name, read in seen:
        note(name, read)


def _key_of(value: object) -> Hashable:
    """Return a hashable that stands for one argument and no other."""
    try:
        return type(value), local((value,))
    except UnkeyableError:
        return Same(value)
