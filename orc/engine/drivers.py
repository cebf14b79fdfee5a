"""Run a plan: once in the manner of threads, once in the manner of coroutines.

Both do what the plan asks, one operation after the other; every decision is the plan's.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock, get_ident

from orc.engine.operations import Fetch, Join, Load, Remove, Stopped, Store, Wait
from orc.stampede.single_flight import Boarding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from typing import Any

    from orc.engine.operations import Operation, Plan
    from orc.stampede.single_flight import Flight, Flights

LOOK_AGAIN = 0.05
"""Seconds between two looks whether the loop of a coroutine that one waits for still runs."""


def running_loop() -> AbstractEventLoop | None:
    """Return the event loop that runs on this thread, without importing asyncio for it."""
    events = sys.modules.get("asyncio.events")
    return None if events is None else events._get_running_loop()  # noqa: SLF001 - asyncio's own name for "no error if there is none"


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
        return flights.join(
            operation.key, running_loop(), get_ident(), sync=True, anew=operation.anew
        )
    if isinstance(operation, Wait):
        return _wait(operation.flight, flights)
    if isinstance(operation, Fetch):
        return operation.tier.get_many(operation.keys)
    if isinstance(operation, Store):
        return operation.tier.set_many(operation.fills)
    assert isinstance(operation, Remove)  # noqa: S101 - the last of six kinds
    return operation.tier.delete_many(operation.keys)


async def _aperform(operation: Operation, flights: Flights) -> Any:
    if isinstance(operation, Load):
        if operation.flight is None:
            return await _result(operation.load())
        with Boarding(operation.flight):
            return await _result(operation.load())
    if isinstance(operation, Join):
        return flights.join(
            operation.key, running_loop(), get_ident(), sync=False, anew=operation.anew
        )
    if isinstance(operation, Wait):
        return await _await(operation.flight, flights)
    if isinstance(operation, Fetch):
        return await operation.tier.aget_many(operation.keys)
    if isinstance(operation, Store):
        return await operation.tier.aset_many(operation.fills)
    assert isinstance(operation, Remove)  # noqa: S101 - the last of six kinds
    return await operation.tier.adelete_many(operation.keys)


async def _result(loaded: Any) -> Any:
    # An async cache takes sync loaders too.
    return await loaded if hasattr(type(loaded), "__await__") else loaded


def _wait(flight: Flight, flights: Flights) -> None:
    landed = allocate_lock()
    landed.acquire()
    if not flights.on_landing(flight, landed.release):
        return
    # A thread's flight always ends; a coroutine's may be left behind on a loop that was stopped.
    patience = -1.0 if flight.loop is None else LOOK_AGAIN
    while not landed.acquire(timeout=patience):
        if flight.stranded():
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
    if flight.loop is None or flight.loop is loop:
        await landed
        return
    while not landed.done():
        await asyncio.wait([landed], timeout=LOOK_AGAIN)
        if flight.stranded():
            flights.strand(flight)
