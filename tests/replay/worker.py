"""One process of the replay: three threads and six coroutines that all use one cache.

It uses ORC's public names only, so that another version of ORC can be judged by the same program.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import orc
from tests.replay.broken import take_away
from tests.replay.checker import CANCELLED, LOAD, NOT_ANSWERED, SETS, UNENDED
from tests.replay.truth import ASYNC, DEFAULT_TTL, EXPLICIT, SYNC, TTLS, Truth, now

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

THREADS = 3
COROUTINES = 6
THINKING = 0.01
"""Seconds between two operations of one actor, at most."""
WRITING = 0.012
"""The share of operations that write."""
GIVES_UP_AFTER = 16.0
"""Seconds that operations may take to end when the run is over."""
PR_SET_PDEATHSIG = 1


class Log:
    """A file of one line for each operation, written at once: a worker may be killed."""

    def __init__(self, path: Path, truth: Truth, number: int) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._truth = truth
        self._number = number
        self._lock = threading.Lock()
        self._count = 0
        self.running: dict[str, tuple[str, float]] = {}
        """The kind and the begin of what each actor reads, and of what is done to each key."""

    def write(
        self,
        kind: str,
        begin: float,
        answers: list[tuple[str, Any]],
        error: str,
        counted: int = 0,
    ) -> None:
        """Note an operation that ends now; `answers` are keys with their values."""
        end = now()
        shown = []
        for key, value in answers:
            if value is None:
                shown.append([key, None, -1])
            elif type(value) is tuple and len(value) == 2:
                shown.append([key, *value])
            else:
                shown.append([key, repr(value), -1])
        line = json.dumps([kind, begin, end, shown, error, counted]) + "\n"
        with self._lock:
            os.write(self._file, line.encode())
            self._count += kind != LOAD
            self._truth.count(self._number, self._count)


class Origin:
    """Makes loaders, which read the truth first and are slow afterwards."""

    def __init__(self, truth: Truth, log: Log, random: Random) -> None:
        self._truth = truth
        self._log = log
        self._random = random

    def _seconds(self) -> float:
        chance = self._random
        return chance.uniform(1.0, 2.5) if chance.random() < 0.06 else 0.3 * chance.random() ** 3

    def load(self, key: str) -> tuple[str, int]:
        """Load a key in a thread."""
        begin, value = now(), (key, self._truth.version(key))
        threading.Event().wait(self._seconds())
        self._log.write(LOAD, begin, [(key, value)], "")
        return value

    async def aload(self, key: str) -> tuple[str, int]:
        """Load a key in a coroutine."""
        begin, value = now(), (key, self._truth.version(key))
        await asyncio.sleep(self._seconds())
        self._log.write(LOAD, begin, [(key, value)], "")
        return value


class Worker:
    """The cache, its functions, and what the actors do with them."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.random = Random(settings["seed"])
        self.truth = Truth(Path(settings["truth"]))
        self.log = Log(Path(settings["log"]), self.truth, settings["number"])
        self.origin = Origin(self.truth, self.log, Random(settings["seed"] + 1))
        self.cache = cache = orc.Cache(
            tiers=[orc.Memory(), orc.Redis(settings["url"], budget=settings["budget"])],
            namespace="replay",
            ttl=DEFAULT_TTL,
            memory_ttl=settings["memory_ttl"],
            jitter=0,
            breaker_open=settings["breaker_open"],
        )

        @cache.cached(namespace="replay-sync")
        def function(key: str) -> tuple[str, int]:
            return self.origin.load(key)

        @cache.cached(namespace="replay-async")
        async def afunction(key: str) -> tuple[str, int]:
            return await self.origin.aload(key)

        self.function: Any = function
        self.afunction: Any = afunction

    # -- what is drawn ----------------------------------------------------------------------------

    def some(self, keys: tuple[str, ...]) -> str:
        """Draw a key; half of the draws are of the first quarter of the keys."""
        few = max(1, len(keys) // 4)
        return self.random.choice(keys[:few] if self.random.random() < 0.5 else keys)

    def terms(self, key: str) -> dict[str, float]:
        """Return the terms of a key that are not the cache's."""
        return {"ttl": TTLS[key]} if TTLS[key] != DEFAULT_TTL else {}

    def counted(self, kind: str) -> int:
        """Return how many errors of tiers the cache has counted; asked for a `set` only."""
        return sum(tier.errors for tier in self.cache.stats().tiers) if kind in SETS else 0

    # -- one operation ----------------------------------------------------------------------------

    def do(self, kind: str, keys: list[str], work: Callable[[], Any]) -> None:
        """Read in a thread, and log it."""
        actor = threading.current_thread().name
        begin = now()
        self.log.running[actor] = kind, begin
        answers: list[tuple[str, Any]] = [(key, None) for key in keys]
        error = ""
        try:
            answers = answered(keys, work())
        except BaseException as raised:  # noqa: BLE001 - the checker judges it
            error = told(raised)
        self.log.write(kind, begin, answers, error)
        del self.log.running[actor]

    async def ado(
        self,
        actor: str,
        kind: str,
        keys: list[str],
        work: Coroutine[Any, Any, Any],
        *,
        given_up: bool = False,
    ) -> None:
        """Read in a coroutine, and log it; `given_up` where it may be cancelled."""
        begin = now()
        self.log.running[actor] = kind, begin
        answers: list[tuple[str, Any]] = [(key, None) for key in keys]
        error = ""
        try:
            answers = answered(keys, await work)
        except BaseException as raised:  # noqa: BLE001 - the checker judges it
            error = CANCELLED if given_up and is_cancellation(raised) else told(raised)
        self.log.write(kind, begin, answers, error)
        del self.log.running[actor]

    def change(self, kind: str, key: str, work: Callable[[Any], object]) -> None:
        """Make a new version true, and tell the cache; log it."""
        with self.truth.held(key) as mine:
            if not mine:
                return
            value, counted = (key, self.truth.raise_version(key)), self.counted(kind)
            begin, error = now(), ""
            self.log.running[key] = kind, begin
            try:
                work(value)
            except BaseException as raised:  # noqa: BLE001 - the checker judges it
                error = refusal(raised)
            self.log.write(kind, begin, [(key, value)], error, self.counted(kind) - counted)
            del self.log.running[key]

    async def achange(
        self, kind: str, key: str, work: Callable[[Any], Coroutine[Any, Any, object]]
    ) -> None:
        """Do as :meth:`change`, in a coroutine."""
        with self.truth.held(key) as mine:
            if not mine:
                return
            value, counted = (key, self.truth.raise_version(key)), self.counted(kind)
            begin, error = now(), ""
            self.log.running[key] = kind, begin
            try:
                await work(value)
            except BaseException as raised:  # noqa: BLE001 - the checker judges it
                error = refusal(raised)
            self.log.write(kind, begin, [(key, value)], error, self.counted(kind) - counted)
            del self.log.running[key]

    # -- actors -----------------------------------------------------------------------------------

    def thread(self) -> None:
        """Use the cache in a thread until the run is over."""
        pause = threading.Event()
        while not self.truth.stopped:
            self.step()
            pause.wait(self.random.uniform(0, THINKING))

    def step(self) -> None:
        """Do one thing in a thread."""
        cache, key, chance = self.cache, self.some(EXPLICIT), self.random.random()
        if chance < WRITING * 0.5:
            self.change("delete", key, lambda _value: cache.delete(key))
        elif chance < WRITING * 0.75:
            self.change("set", key, lambda value: cache.set(key, value, **self.terms(key)))
        elif chance < WRITING:
            of_function = self.some(SYNC)
            work = self.function.invalidate
            self.change("invalidate", of_function, lambda _value: work(of_function))
        elif chance < 0.35:
            self.do("get", [key], lambda: cache.get(key))
        elif chance < 0.45:
            keys = sorted({key, *self.random.sample(EXPLICIT, 4)})
            self.do("get_many", keys, lambda: cache.get_many(keys))
        elif chance < 0.6:
            of_function = self.some(SYNC)
            self.do("function", [of_function], lambda: self.function(of_function))
        else:
            load = partial(self.origin.load, key)
            self.do("get_or_set", [key], lambda: cache.get_or_set(key, load, **self.terms(key)))

    async def coroutine(self, actor: str) -> None:
        """Use the cache in a coroutine until the run is over."""
        while not self.truth.stopped:
            await self.astep(actor)
            await asyncio.sleep(self.random.uniform(0, THINKING))

    async def astep(self, actor: str) -> None:
        """Do one thing in a coroutine."""
        cache, key, chance = self.cache, self.some(EXPLICIT), self.random.random()
        if chance < WRITING * 0.5:
            await self.achange("adelete", key, lambda _value: cache.adelete(key))
        elif chance < WRITING * 0.75:
            terms = self.terms(key)
            await self.achange("aset", key, lambda value: cache.aset(key, value, **terms))
        elif chance < WRITING:
            of_function = self.some(ASYNC)
            # `invalidate` of a coroutine function may be either.
            work = self.afunction.invalidate
            await self.achange(
                "ainvalidate", of_function, lambda _value: awaited(work(of_function))
            )
        elif chance < 0.35:
            await self.ado(actor, "aget", [key], cache.aget(key))
        elif chance < 0.45:
            keys = sorted({key, *self.random.sample(EXPLICIT, 4)})
            await self.ado(actor, "aget_many", keys, cache.aget_many(keys))
        elif chance < 0.6:
            of_function = self.some(ASYNC)
            await self.ado(actor, "afunction", [of_function], self.afunction(of_function))
        else:
            work = cache.aget_or_set(key, partial(self.origin.aload, key), **self.terms(key))
            given_up = chance > 0.9
            if given_up:
                limit = self.random.choice((0.001, 0.02, 0.3))
                work = within(work, self.random.uniform(0, limit), cancel=chance > 0.95)
            await self.ado(actor, "aget_or_set", [key], work, given_up=given_up)

    # -- the process ------------------------------------------------------------------------------

    def run(self) -> None:
        """Run all actors until the run is over; log what does not end then."""

        async def coroutines() -> None:
            await asyncio.gather(*(self.coroutine(f"c{each}") for each in range(COROUTINES)))

        actors = [threading.Thread(target=self.thread, daemon=True) for _ in range(THREADS)]
        actors.append(threading.Thread(target=asyncio.run, args=[coroutines()], daemon=True))
        for actor in actors:
            actor.start()
        for actor in actors:
            while actor.is_alive() and not self.truth.stopped:
                actor.join(0.1)
        until = now() + GIVES_UP_AFTER
        for actor in actors:
            actor.join(max(0.0, until - now()))
        for kind, begin in list(self.log.running.values()):
            self.log.write(kind, begin, [], UNENDED)


def answered(keys: list[str], value: Any) -> list[tuple[str, Any]]:
    """Return keys with their values, of one value or a dictionary of them."""
    found = value if isinstance(value, dict) else dict.fromkeys(keys, value)
    return [(key, found.get(key)) for key in keys]


def is_cancellation(raised: BaseException) -> bool:
    """Tell whether a read was given up. The cache's own time-outs are a subclass of this one."""
    return type(raised) is TimeoutError or isinstance(raised, asyncio.CancelledError)


def told(raised: BaseException) -> str:
    """Return how an error is logged."""
    return f"{type(raised).__name__}: {raised}"


def refusal(raised: BaseException) -> str:
    """Return how the error of a write is logged."""
    name = NOT_ANSWERED if isinstance(raised, orc.errors.TierError) else ""
    return f"{name}{type(raised).__name__}: {raised}"


async def awaited(result: Any) -> Any:
    """Return what a call brought, awaited if it must be."""
    return await result if hasattr(type(result), "__await__") else result


async def within(work: Coroutine[Any, Any, Any], seconds: float, *, cancel: bool) -> Any:
    """Await what is given up after some seconds: by a time limit, or cancelled by another task."""
    if not cancel:
        return await asyncio.wait_for(work, seconds)
    task = asyncio.create_task(work)
    handle = asyncio.get_running_loop().call_later(seconds, task.cancel)
    try:
        return await task
    finally:
        handle.cancel()


def end_with_parent() -> None:
    """Have this process killed when its parent is gone, even while it is stopped."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        pass  # not on Linux: the end of stdin must do

    def watch() -> None:
        sys.stdin.buffer.read()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(settings: str) -> None:
    """Run one worker as its settings (JSON) say."""
    end_with_parent()
    report = threading.excepthook

    def fail(failure: Any) -> None:
        report(failure)
        os._exit(1)  # an actor that has ended would be missed by nothing else

    threading.excepthook = fail
    given = json.loads(settings)
    for rule in given["broken"]:
        take_away(rule)
    Worker(given).run()
    os._exit(0)  # what has not ended by now is logged, and would only keep the process
