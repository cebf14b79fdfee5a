"""Run a plan: once in the manner of threads, once in the manner of coroutines.

Both do what the plan asks, one operation after the other; every decision is the plan's.
"""

from __future__ import annotations

from _thread import allocate_lock, get_ident

from orc.engine.operations import (
    Closed,
    Fetch,
    GiveBack,
    Join,
    Load,
    Pause,
    Remove,
    Stopped,
    Store,
    Wait,
)
from orc.lifecycle.runner import loop_of_this_code, on_asyncio
from orc.lifecycle.scope import scope_of_this_code
from orc.model.loading import Within
from orc.model.outcome import FLYING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Future
    from typing import Any

    from orc.engine.operations import Operation, Plan
    from orc.stampede.single_flight import Flights, Turn

LOOK_AGAIN = 0.05
"""Seconds between two looks whether whom one waits for is still there."""


def run(plan: Plan, flights: Flights) -> Any:
    """Run a plan to its end on this thread, and return its value."""
    try:
        operation = next(plan)
        while True:
            try:
                result = _perform(operation, flights)
            except StopIteration as error:
                operation = plan.throw(Stopped(error))
            except GeneratorExit as error:
                operation = plan.throw(Closed(error))
            except BaseException as error:  # noqa: BLE001 - the plan decides what an error means
                operation = plan.throw(error)
            else:
                operation = plan.send(result)
    except StopIteration as end:
        return end.value
    except (Stopped, Closed) as wrapped:
        raise wrapped.error from None
    except BaseException as error:
        if plan.gi_frame is not None:  # type: ignore[attr-defined]
            _interrupted(plan, error, flights)
        raise
    finally:
        _close(plan)


async def arun(plan: Plan, flights: Flights) -> Any:
    """Run a plan to its end in this coroutine, and return its value."""
    try:
        operation = next(plan)
        while True:
            try:
                result = await _aperform(operation, flights)
            except StopIteration as error:
                operation = plan.throw(Stopped(error))
            except GeneratorExit as error:
                operation = plan.throw(Closed(error))
            except BaseException as error:  # noqa: BLE001 - the plan decides what an error means
                operation = plan.throw(error)
            else:
                operation = plan.send(result)
    except StopIteration as end:
        return end.value
    except (Stopped, Closed) as wrapped:
        raise wrapped.error from None
    except BaseException as error:
        if plan.gi_frame is not None:  # type: ignore[attr-defined]
            _interrupted(plan, error, None)
        raise
    finally:
        _close(plan)


def _interrupted(plan: Plan, error: BaseException, flights: Flights | None) -> None:
    """Tell a plan of an exception that came between two operations, as of a signal handler.

    Without `flights` this is a coroutine's plan: what would have to be awaited is not done.
    """
    try:
        told = Closed(error) if isinstance(error, GeneratorExit) else error
        operation = plan.throw(told)
        while True:
            if not isinstance(operation, GiveBack):
                operation = plan.throw(told)  # it would go on, as if a tier had failed
                continue
            if flights is None:
                operation.tier.give_back(operation.fills)
            else:
                _perform(operation, flights)
            operation = plan.send(None)
    except BaseException as end:  # noqa: BLE001 - the caller raises what came first
        del end


def _close(plan: Plan) -> None:
    try:
        plan.close()
    except RuntimeError:  # it has yielded once more, which cannot be done any more
        plan.close()


def _perform(operation: Operation, flights: Flights) -> Any:
    if isinstance(operation, Load):
        with Within(operation.flight):
            return operation.load()
    if isinstance(operation, Join):
        return _join(operation, flights, sync=True)
    if isinstance(operation, Wait):
        return _wait(operation, flights)
    if isinstance(operation, Fetch):
        return operation.tier.fetch_many(
            operation.addresses,
            operation.accept,
            operation.lease,
            consistent=operation.consistent,
            claims=operation.claims,
            within=operation.within,
        )
    if isinstance(operation, Store):
        return operation.tier.store_many(operation.fills)
    if isinstance(operation, Pause):
        return _pause(operation.seconds)
    assert isinstance(operation, Remove)  # noqa: S101 - the last of seven kinds
    return operation.tier.remove_many(operation.addresses)


async def _aperform(operation: Operation, flights: Flights) -> Any:
    if isinstance(operation, Load):
        with Within(operation.flight):
            return await _result(operation.load())
    if isinstance(operation, Join):
        return _join(operation, flights, sync=False)
    if isinstance(operation, Wait):
        return await _await(operation, flights)
    if isinstance(operation, Fetch):
        return await operation.tier.afetch_many(
            operation.addresses,
            operation.accept,
            operation.lease,
            consistent=operation.consistent,
            claims=operation.claims,
            within=operation.within,
        )
    if isinstance(operation, Store):
        if isinstance(operation, GiveBack) and not operation.waits:
            return operation.tier.give_back(operation.fills)
        return await operation.tier.astore_many(operation.fills)
    if isinstance(operation, Pause):
        return await _apause(operation.seconds)
    assert isinstance(operation, Remove)  # noqa: S101 - the last of seven kinds
    return await operation.tier.aremove_many(operation.addresses)


def _pause(seconds: float) -> None:
    nobody = allocate_lock()
    nobody.acquire()
    nobody.acquire(timeout=seconds)


async def _apause(seconds: float) -> None:
    if on_asyncio():
        import asyncio

        await asyncio.sleep(seconds)
    else:
        from orc.lifecycle import other_loops

        await other_loops.pause(seconds)


def _join(operation: Join, flights: Flights, *, sync: bool) -> Turn:
    return flights.join(
        operation.key,
        loop_of_this_code(),
        get_ident(),
        sync=sync,
        anew=operation.anew,
        owner=scope_of_this_code(),
        turn=operation.turn,
        now=operation.now,
        follow_for=operation.follow_for,
    )


async def _result(loaded: Any) -> Any:
    # An async cache takes sync loaders too.
    return await loaded if hasattr(type(loaded), "__await__") else loaded


def _wait(operation: Wait, flights: Flights) -> None:
    flight, patience = operation.flight, operation.patience
    landed = allocate_lock()
    landed.acquire()

    def wake() -> None:
        try:
            landed.release()
        except RuntimeError:
            pass  # woken before

    if not flights.on_landing(flight, wake):
        return
    # The state is looked at too: an interrupt of the leader may have come before it woke us.
    while flight.state == FLYING:
        pause = min(LOOK_AGAIN, max(0.0, patience.left()))
        if landed.acquire(timeout=pause):
            return
        patience.spent(pause)
        if flight.stranded() or patience.left() <= 0:
            flights.strand(flight)


class _Waiter:
    """A coroutine of asyncio's that waits until it is woken, from whichever thread."""

    __slots__ = ("_landed", "_loop")

    def __init__(self) -> None:
        from asyncio import get_running_loop

        self._loop = get_running_loop()
        self._landed: Future[None] = self._loop.create_future()

    def wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._note)
        except RuntimeError:
            pass  # the loop of this waiter was closed: nobody waits here any more

    def _note(self) -> None:
        if not self._landed.done():
            self._landed.set_result(None)

    async def wait(self, seconds: float) -> bool:
        from asyncio import wait

        await wait([self._landed], timeout=seconds)
        return self._landed.done()


def _waiter() -> Any:
    if on_asyncio():
        return _Waiter()
    from orc.lifecycle.other_loops import Waiter

    return Waiter()


async def _await(operation: Wait, flights: Flights) -> None:
    flight, patience = operation.flight, operation.patience
    waiter = _waiter()
    if not flights.on_landing(flight, waiter.wake):
        return
    while flight.state == FLYING:
        pause = min(LOOK_AGAIN, max(0.0, patience.left()))
        if await waiter.wait(pause):
            return
        patience.spent(pause)
        if flight.stranded() or patience.left() <= 0:
            flights.strand(flight)
