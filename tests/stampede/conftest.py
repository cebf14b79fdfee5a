"""Threads and loops that a test can wait for, and that fail it rather than hang."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

import pytest

from orc.stampede.single_flight import Flights

PATIENCE = 10
"""Seconds after which whatever a test waits for will not come any more."""


@pytest.fixture
def spawn():
    """Return what runs a function in a thread of its own and returns the future of its result."""

    def start(function, *args):
        future = Future()

        def work():
            try:
                future.set_result(function(*args))
            except BaseException as error:  # noqa: BLE001 - for the one who waits
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return future

    return start


@pytest.fixture
def drive(spawn):
    """Return what runs a coroutine to its end in a new loop, in a thread of its own."""

    def run(coroutine):
        async def main():
            async with asyncio.timeout(PATIENCE):
                return await coroutine

        return spawn(asyncio.run, main()).result(PATIENCE + 1)

    return run


class Followers:
    """Counts those who have begun to wait for a flight, so that its leader can let them wait."""

    def __init__(self):
        self._begun = threading.Semaphore(0)

    def note(self):
        self._begun.release()

    def wait(self, number):
        """Wait until `number` more callers have begun to wait."""
        for _ in range(number):
            assert self._begun.acquire(timeout=PATIENCE), "fewer callers follow than expected"


@pytest.fixture
def followers(monkeypatch):
    """Return a count of those who follow flights; ``followers.wait(3)`` waits for three more."""
    counted = Followers()
    on_landing = Flights.on_landing

    def noting(self, flight, waker):
        flying = on_landing(self, flight, waker)
        counted.note()
        return flying

    monkeypatch.setattr(Flights, "on_landing", noting)
    return counted


class LoopThread:
    """An event loop that runs in a thread of its own until it is stopped."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self._run()

    def _run(self):
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def submit(self, coroutine):
        """Start a coroutine in the loop; return the concurrent future of its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def stop(self):
        """Let the loop stand still, with what is unfinished in it."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def resume(self):
        """Let a stopped loop run again."""
        self._run()

    def close(self):
        """Stop the loop and close it, after its tasks were cancelled."""
        if self.loop.is_running():
            self.stop()
        tasks = asyncio.all_tasks(self.loop)
        for task in tasks:
            task.cancel()
        if tasks:
            self.loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


@pytest.fixture
def loop_thread():
    """Return what makes loops that run in threads of their own; they are closed after the test."""
    made = []

    def make():
        made.append(LoopThread())
        return made[-1]

    yield make
    for each in made:
        if not each.loop.is_closed():
            each.close()


@pytest.fixture
def wait():
    """Return what waits for an event, a future or a barrier for as long as a test may wait."""

    def until(waited_for):
        if isinstance(waited_for, Future):
            return waited_for.result(PATIENCE)
        if isinstance(waited_for, threading.Barrier):
            return waited_for.wait(PATIENCE)
        assert waited_for.wait(PATIENCE), "what was waited for did not happen"
        return None

    return until


class Gate:
    """A loader that says when it has begun, and ends when it is let go."""

    def __init__(self, wait, value=None):
        self._wait = wait
        self.begun = threading.Event()
        self.go = threading.Event()
        self.value = value
        self.calls = 0

    def __call__(self):
        self.calls += 1
        self.begun.set()
        self._wait(self.go)
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


@pytest.fixture
def gate(wait):
    """Return a maker of loaders that are held until the test lets them go."""
    return lambda value=None: Gate(wait, value)
