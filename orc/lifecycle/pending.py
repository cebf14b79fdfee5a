"""What was begun and is not waited for: claims that a cancelled coroutine gives back.

Nothing of it may be on its way when the container is frozen, so ``@orc.handler`` waits for it at
its end, for a short time.
"""

from __future__ import annotations

from orc import notices
from orc.errors import TierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Future, Task
    from collections.abc import Awaitable
    from concurrent.futures import Future as ThreadFuture
    from typing import Any

    Begun = Task[Any] | ThreadFuture[Any]

LONGEST = 0.05
"""Seconds that a request waits for it."""

MOST = 64
"""What is remembered of it before what has ended is forgotten."""

_begun: list[Begun] = []


def begin(what: Awaitable[Any] | Begun | None) -> None:
    """Have the request that ends next wait for this: a thread's future, or what a task shall do.

    Where no loop runs, a coroutine does nothing.
    """
    if what is None:
        return
    if not hasattr(what, "done"):
        from asyncio import get_running_loop

        doing, close = _quietly(what), what.close  # type: ignore[attr-defined]
        try:
            what = task = get_running_loop().create_task(doing)
        except RuntimeError:
            doing.close()
            close()
            return
        # A loop that ends at once may cancel the task before it has begun.
        task.add_done_callback(lambda _: close())
    if len(_begun) >= MOST:  # outside of requests nothing waits: forget what is done
        _begun[:] = [each for each in _begun if not each.done()]
    _begun.append(what)  # type: ignore[arg-type]


async def _quietly(what: Awaitable[Any]) -> None:
    try:
        await what
    except TierError:
        pass  # it is counted where it happened
    except Exception as error:  # noqa: BLE001 - a tier may be anybody's
        notices.warn_of_bug("a tier that gives back a claim", error)


async def settle() -> None:
    """Wait for what was begun on this loop or on a thread, and cancel what takes longer."""
    if not _begun:
        return
    from asyncio import Task, get_running_loop, wait, wrap_future

    loop = get_running_loop()
    mine: list[Future[Any]] = []
    for each in _take():
        if isinstance(each, Task):
            if each.get_loop() is loop:
                mine.append(each)
        else:
            mine.append(wrap_future(each))
    if mine:
        _, late = await wait(mine, timeout=LONGEST)
        for begun in late:
            begun.cancel()
        if late:
            await wait(late, timeout=LONGEST)


def settle_threads() -> None:
    """Wait for what was begun on a thread; a loop that is not running goes on with nothing."""
    if not _begun:
        return
    from concurrent.futures import Future as ThreadFuture
    from concurrent.futures import wait

    on_threads = [each for each in _take() if isinstance(each, ThreadFuture)]
    if on_threads:
        wait(on_threads, timeout=LONGEST)


def forget() -> None:
    """Go on in the child of a fork, where nothing of it goes on."""
    _begun.clear()


def _take() -> list[Begun]:
    taken = _begun[:]
    del _begun[: len(taken)]
    return taken
