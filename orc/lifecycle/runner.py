"""One event loop for all ``async def`` handlers of a container."""

from __future__ import annotations

import os
import sys
from _thread import _local, get_ident
from contextvars import copy_context

from orc.lifecycle.life import life

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Runner, Task
    from collections.abc import Coroutine
    from typing import Any

ITERABLE_COROUTINE, COROUTINE = 0x100, 0x80
"""Flags of a code object (``inspect`` has names for them, and costs milliseconds)."""


GRACE = 1.0
"""Seconds that a cancelled task has to end; then the response leaves without it."""


class _Loop:
    """A runner, the process that it was made in, and the tasks that it cannot be rid of."""

    __slots__ = ("__weakref__", "process", "runner", "stubborn")

    def __init__(self) -> None:
        import asyncio
        from weakref import WeakSet, finalize

        self.runner = asyncio.Runner()
        self.stubborn: WeakSet[Task[Any]] = WeakSet()
        """Those that go on though they were cancelled: waited for, and counted, once."""
        self.process = os.getpid()
        # With its thread, or at exit: else Python complains of a loop that nobody closed.
        finalize(self, _close, self.runner, self.process)

    def usable(self) -> bool:
        return self.process == os.getpid() and not self.runner.get_loop().is_closed()


class _Kept(_local):
    """The loop of this thread: Lambda calls every handler on the same one."""

    loop: _Loop | None = None


_kept = _Kept()
_of_the_parent: list[_Loop] = []
"""Kept from being closed in the child of a fork, which would take the parent's selector along."""


def is_coroutine_function(function: object) -> bool:
    """Tell whether a call of `function` gives a coroutine, as far as it can be told."""
    code = getattr(function, "__code__", None)
    if code is not None:
        if code.co_flags & (COROUTINE | ITERABLE_COROUTINE):
            return True
        if "inspect" not in sys.modules:
            return False  # nobody has marked it as one with inspect.markcoroutinefunction
    import inspect

    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - its flags are what is asked for
    )


def running_loop() -> AbstractEventLoop | None:
    """Return the event loop that runs on this thread, without importing asyncio for it."""
    events = sys.modules.get("asyncio.events")
    return None if events is None else events._get_running_loop()  # noqa: SLF001 - asyncio's own name for "no error if there is none"


def loop_of_this_code() -> AbstractEventLoop | Any:
    """Return what runs the coroutines of this thread: asyncio's loop, trio's run, or ``None``."""
    if on_asyncio() or "trio" not in sys.modules:
        return running_loop()
    from orc.lifecycle.other_loops import trio_run

    return trio_run()


def on_asyncio() -> bool:
    """Tell whether asyncio runs this code, and not trio as a guest of asyncio's loop."""
    trio = sys.modules.get("trio")
    if trio is not None and getattr(trio.lowlevel, "in_trio_task", _no)():
        return False
    return running_loop() is not None


def strand() -> tuple[int, object]:
    """Return what tells the code of one thread, and there of one task, from all other code."""
    if "asyncio" not in sys.modules:
        return get_ident(), None
    import asyncio

    if on_asyncio():
        return get_ident(), asyncio.current_task()
    lowlevel = getattr(sys.modules.get("trio"), "lowlevel", None)
    if lowlevel is not None and lowlevel.in_trio_task():
        return get_ident(), lowlevel.current_task()
    return get_ident(), None


def _no() -> bool:
    return False


def run_to_the_end(serving: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on this thread's loop, in a copy of the context.

    The loop stays open for the next one, and with it the connections that clients keep on it.
    """
    try:
        return _loop().runner.run(serving, context=copy_context())
    finally:
        if getattr(serving, "cr_frame", None) is not None:
            # Something was raised outside all tasks, as a signal's handler does: the request ends
            # now, and with it its loop, on which it would go on in the next one's time.
            _kept.loop = None


async def end_tasks() -> None:
    """Cancel and count all other tasks of this loop, and wait for them a little."""
    import asyncio

    stubborn = _loop().stubborn
    left = asyncio.all_tasks() - {asyncio.current_task()} - set(stubborn)
    if not left:
        return
    life().tasks_cancelled += len(left)
    for task in left:
        task.cancel()
    ended, rest = await asyncio.wait(left, timeout=GRACE)
    stubborn.update(rest)
    for task in ended:
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not log that nobody did


def _loop() -> _Loop:
    loop = _kept.loop
    if loop is None or not loop.usable():
        if loop is not None and loop.process != os.getpid():
            _disown(loop)
        loop = _kept.loop = _Loop()
    return loop


def _disown(loop: _Loop) -> None:
    """Keep a loop of the parent's from being closed in this child, be it at exit."""
    _of_the_parent.append(loop)
    events: Any = loop.runner.get_loop()
    if hasattr(events, "_selector"):
        # To close a loop takes its pipe out of the selector, and the kernel's half of that is the
        # parent's too: no thread could wake the parent's loop any more.
        events._selector = type(events._selector)()  # noqa: SLF001 - no public name for it


def _close(runner: Runner, process: int) -> None:
    if process != os.getpid():
        return
    loop = runner.get_loop()
    if loop.is_closed():
        return
    import asyncio

    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        stop = loop.call_later(GRACE, loop.stop)
        try:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        except RuntimeError:
            pass  # stopped
        stop.cancel()
    if asyncio.all_tasks(loop):
        loop.close()  # the runner would wait for ever for a task that ignores its cancellation
    else:
        runner.close()
