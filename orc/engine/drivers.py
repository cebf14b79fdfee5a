"""Run a plan: once in the manner of threads, once in the manner of coroutines.

Both do what the plan asks, one operation after the other; every decision is the plan's.
"""

from __future__ import annotations

from _thread import allocate_lock, get_ident

from orc.engine.operations import Fetch, Join, Load, Pause, Remove, Stopped, Store, Wait
from orc.lifecycle.runner import running_loop
from orc.lifecycle.scope import current_scope, scope_of_this_code
from orc.stampede.single_flight import Boarding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Future
    from typing import Any

    from orc.engine.operations import Operation, Plan
    from orc.stampede.flight import Flight
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
            except BaseException as error:  # noqa: BLE001 - the plan decides what an error means
                operation = plan.throw(error)
            else:
                operation = plan.send(result)
    except StopIteration as end:
        return end.value
    except Stopped as stopped:
        raise stopped.error from None
    finally:
        plan.close()


async def arun(plan: Plan, flights: Flights) -> Any:
    """Run a plan to its end in this coroutine, and return its value."""
    try:
        operation = next(plan)
        while True:
            try:
                result = await _aperform(operation, flights)
            except StopIteration as error:
                operation = plan.throw(Stopped(error))
            except BaseException as error:  # noqa: BLE001 - the plan decides what an error means
                operation = plan.throw(error)
            else:
                operation = plan.send(result)
    except StopIteration as end:
        return end.value
    except Stopped as stopped:
        raise stopped.error from None
    finally:
        plan.close()


def _perform(operation: Operation, flights: Flights) -> Any:
    if isinstance(operation, Load):
        if operation.flight is None:
            return operation.load()
        with Boarding(operation.flight):
            return operation.load()
    if isinstance(operation, Join):
        return _join(operation, flights, sync=True)
    if isinstance(operation, Wait):
        return _wait(operation.flight, flights)
    if isinstance(operation, Fetch):
        return operation.tier.fetch_many(
            operation.addresses, operation.accept, operation.lease, consistent=operation.consistent
        )
    if isinstance(operation, Store):
        return operation.tier.store_many(operation.fills)
    if isinstance(operation, Pause):
        return _pause(operation.seconds)
    assert isinstance(operation, Remove)  # noqa: S101 - the last of seven kinds
    return operation.tier.remove_many(operation.addresses)


async def _aperform(operation: Operation, flights: Flights) -> Any:
    if isinstance(operation, Load):
        if operation.flight is None:
            return await _result(operation.load())
        with Boarding(operation.flight):
            return await _result(operation.load())
    if isinstance(operation, Join):
        return _join(operation, flights, sync=False)
    if isinstance(operation, Wait):
        return await _await(operation.flight, flights)
    if isinstance(operation, Fetch):
        return await operation.tier.afetch_many(
            operation.addresses, operation.accept, operation.lease, consistent=operation.consistent
        )
    if isinstance(operation, Store):
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
    import asyncio

    await asyncio.sleep(seconds)


def _join(operation: Join, flights: Flights, *, sync: bool) -> Turn:
    return flights.join(
        operation.key,
        running_loop(),
        get_ident(),
        sync=sync,
        anew=operation.anew,
        owner=scope_of_this_code(),
    )


async def _result(loaded: Any) -> Any:
    # An async cache takes sync loaders too.
    return await loaded if hasattr(type(loaded), "__await__") else loaded


class _Patience:
    """How long a follower waits: half of the time that its request has left, if that is known.

    The other half is for taking over: so a load that hangs costs one request some time, and not
    every later one.
    """

    __slots__ = ("_enough", "_scope")

    def __init__(self) -> None:
        self._scope = current_scope()
        left = None if self._scope is None else self._scope.remaining()
        self._enough = None if left is None else left / 2

    @property
    def endless(self) -> bool:
        return self._enough is None

    def over(self) -> bool:
        if self._scope is None or self._enough is None:
            return False
        left = self._scope.remaining()
        return left is not None and left <= self._enough


def _wait(flight: Flight, flights: Flights) -> None:
    landed = allocate_lock()
    landed.acquire()
    if not flights.on_landing(flight, landed.release):
        return
    patience = _Patience()
    # A thread's flight always ends; a coroutine's may be left behind on a loop that was stopped,
    # and a request's by that request.
    sure = flight.loop is None and flight.owner is None and patience.endless
    while not landed.acquire(timeout=-1.0 if sure else LOOK_AGAIN):
        if flight.stranded() or patience.over():
            flights.strand(flight)


async def _await(flight: Flight, flights: Flights) -> None:
    import asyncio

    loop = asyncio.get_running_loop()
    landed: Future[None] = loop.create_future()

    def note() -> None:
        if not landed.done():
            landed.set_result(None)

    def wake() -> None:
        try:
            loop.call_soon_threadsafe(note)
        except RuntimeError:
            pass  # the loop of this waiter was closed: nobody waits here any more

    if not flights.on_landing(flight, wake):
        return
    patience = _Patience()
    if (flight.loop is None or flight.loop is loop) and flight.owner is None and patience.endless:
        await landed
        return
    while not landed.done():
        await asyncio.wait([landed], timeout=LOOK_AGAIN)
        if flight.stranded() or patience.over():
            flights.strand(flight)
