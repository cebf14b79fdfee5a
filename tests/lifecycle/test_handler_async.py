"""``@orc.handler`` on ``async def``: one loop for a container, and nothing left on it."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import threading

import pytest

import orc
from orc.lifecycle import runner
from orc.lifecycle.life import life
from orc.lifecycle.scope import current_scope

var = orc.RequestVar("var", default=None)


@pytest.fixture(autouse=True)
def own_loop(monkeypatch):
    """Begin without a loop, and leave none; wait for nobody."""
    monkeypatch.setattr(runner, "GRACE", 0.02)
    monkeypatch.setattr(runner, "_kept", runner._Kept())


async def for_ever():
    """Wait until cancelled."""
    await asyncio.Event().wait()


def test_all_invocations_run_on_one_loop_that_stays_open(context) -> None:
    """So connections that clients keep on it are there again."""

    @orc.handler
    async def handler(event, context):
        await asyncio.sleep(0)
        return asyncio.get_running_loop(), orc.current_request()

    served = [handler({}, context("same")) for _ in range(3)]
    assert len({id(loop) for loop, _ in served}) == 1
    assert not served[0][0].is_closed()
    assert len({id(scope) for _, scope in served}) == 3
    assert all(scope.closed and scope.id == "same" for _, scope in served)
    assert current_scope() is None


def test_tasks_left_behind_are_cancelled_and_counted(context) -> None:
    """Inside the request, which is still open while they end."""
    seen = []

    async def background():
        try:
            await for_ever()
        finally:
            seen.append((var.get(), orc.current_request().closed))

    @orc.handler
    async def handler(event, context):
        var.set(event)
        seen.append([asyncio.create_task(background()) for _ in range(2)])
        await asyncio.sleep(0)
        return event

    assert handler("a", context()) == "a"
    tasks = seen.pop(0)
    assert all(task.cancelled() for task in tasks)
    assert seen == [("a", False)] * 2
    assert orc.container().tasks_cancelled == 2


def test_tasks_are_cancelled_after_an_error_too(context) -> None:
    """And the error passes through; one of theirs is not logged as unseen."""
    tasks = []

    async def background():
        try:
            await for_ever()
        finally:
            raise LookupError

    @orc.handler
    async def handler(event, context):
        tasks.append(asyncio.create_task(background()))
        await asyncio.sleep(0)
        raise event

    for error in (ValueError("it"), SystemExit(3)):
        with pytest.raises(type(error)) as caught:
            handler(error, context())
        assert caught.value is error
    assert orc.container().tasks_cancelled == 2
    assert life()._open == 0


def test_a_task_that_ignores_its_cancellation_is_not_waited_for(context) -> None:
    """The response leaves without it, its writes are dropped, and the next one cancels it again."""
    ends, tasks = [], []

    async def stubborn(release):
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                var.set("late")
        ends.append(current_scope())

    @orc.handler
    async def handler(event, context):
        if event == "first":
            ends.append(asyncio.Event())
            tasks.append(asyncio.create_task(stubborn(ends[0])))
            await asyncio.sleep(0)
        else:
            ends.pop(0).set()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        return var.get()

    assert handler("first", context()) is None
    assert orc.container().tasks_cancelled == 1
    assert handler("second", context()) is None
    assert ends == [None]
    assert orc.container().tasks_cancelled == 1


def test_another_decorator_between_leaves_no_task_either(context) -> None:
    """One that is no coroutine function itself, as most are."""

    def between(function):
        return lambda event, context: function(event, context=context)

    tasks = []

    @orc.handler
    @between
    @orc.handler
    async def handler(event, context):
        tasks.append(asyncio.create_task(for_ever()))
        await asyncio.sleep(0)
        return orc.current_request().id

    assert handler({}, context("r1")) == "r1"
    assert tasks[0].cancelled()
    assert orc.container().tasks_cancelled == 1
    assert life().invocations == 1


def test_a_loop_that_the_handler_closed_is_replaced(context) -> None:
    """Without complaint."""

    @orc.handler
    async def handler(event, context):
        return asyncio.get_running_loop()

    first = handler({}, context())
    first.close()
    second = handler({}, context())
    assert second is not first
    assert not second.is_closed()


def test_inside_a_running_loop_it_is_awaited(context) -> None:
    """As in a test; other tasks of that loop are nobody's to cancel."""
    users = contextvars.ContextVar("users", default=None)

    @orc.handler
    async def handler(event, context):
        before = users.get(), var.get()
        users.set(event)
        var.set(event)
        await asyncio.sleep(0)
        assert var.get() == event
        return before

    async def main():
        other = asyncio.create_task(for_ever())
        served = await asyncio.gather(*(handler(n, context(f"r{n}")) for n in range(20)))
        assert served == [(None, None)] * 20
        assert await handler(1, context()) == (None, None)
        assert users.get() is None
        assert not other.done()
        other.cancel()

    asyncio.run(main())
    assert orc.container().tasks_cancelled == 0


def test_to_cancel_the_awaited_handler_cancels_it(context) -> None:
    """And its scope is closed."""
    scopes = []

    @orc.handler
    async def handler(event, context):
        scopes.append(orc.current_request())
        await for_ever()

    async def main():
        task = asyncio.create_task(handler({}, context()))
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert scopes[0].closed

    asyncio.run(main())


def test_context_variables_are_as_before(context) -> None:
    """The coroutine runs in a copy of the context."""
    users = contextvars.ContextVar("users", default="none")

    @orc.handler
    async def handler(event, context):
        before = users.get()
        users.set(event)
        return before

    assert [handler("alice", context()) for _ in range(2)] == ["none", "none"]
    users.set("mine")
    assert handler("alice", context()) == "mine"
    assert users.get() == "mine"


def test_an_interrupt_outside_all_tasks_ends_the_request(context) -> None:
    """As a signal's handler raises it: what was interrupted never goes on in the next request."""
    scopes, went_on = [], []

    class Interrupt(BaseException):
        pass

    @orc.handler
    async def handler(event, context):
        if event == "next":
            await asyncio.sleep(0)
            return "served"
        scopes.append(orc.current_request())
        loop = asyncio.get_running_loop()
        select = loop._selector.select

        def interrupt(timeout):
            loop._selector.select = select
            raise Interrupt

        loop._selector.select = interrupt
        await asyncio.sleep(0)
        return went_on.append(1)

    with pytest.raises(Interrupt):
        handler("first", context())
    assert scopes[0].closed
    assert life()._open == 0
    assert handler("next", context()) == "served"
    assert went_on == []


def test_each_thread_has_a_loop_of_its_own(context) -> None:
    """Two handlers at once do not meet on one."""
    barrier = threading.Barrier(2)

    @orc.handler
    async def handler(event, context):
        await asyncio.to_thread(barrier.wait, 10)
        return asyncio.get_running_loop()

    loops = []
    threads = [
        threading.Thread(target=lambda: loops.append(handler({}, context()))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len({id(loop) for loop in loops}) == 2
    assert all(loop.is_closed() for loop in loops)


def test_callable_objects_and_partials_may_be_async(context) -> None:
    """They are known by what they call; the wrapper itself is no coroutine function."""

    class Function:
        async def __call__(self, event, context):
            return orc.current_request().id

        async def serve(self, event, context):
            return orc.current_request().id

    for function in (Function(), Function().serve, functools.partial(Function.serve, None)):
        handler = orc.handler(function)
        assert not inspect.iscoroutinefunction(handler)
        assert handler({}, context()) == "r1"


def test_a_process_with_a_stubborn_task_ends(run_program) -> None:
    """At exit the loop is closed, and waits for nobody for ever."""
    assert run_program("""
import asyncio, orc
from orc.lifecycle import runner
runner.GRACE = 0.02
async def stubborn():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
tasks = []
@orc.handler
async def handler(event, context):
    tasks.append(asyncio.create_task(stubborn()))
    await asyncio.sleep(0)
    return "served"
print(handler({}, None))
""") == ["served"]


def test_a_coroutine_behind_a_plain_decorator_is_run(context) -> None:
    """A wrapper that does not look like an ``async def`` gives a coroutine all the same."""

    def wraps(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args)

        return wrapper

    @orc.handler
    @wraps
    async def handler(event, given):
        await asyncio.sleep(0)
        return orc.current_request().id

    assert handler({}, context("r1")) == "r1"
    assert handler({}, context("r2")) == "r2"


def test_a_task_that_ignores_its_end_is_waited_for_once(context, monkeypatch) -> None:
    """Later requests neither wait for it nor count it again."""
    monkeypatch.setattr(runner, "GRACE", 0.05)
    gate = []

    async def stubborn():
        while not gate:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass

    @orc.handler
    async def handler(event, given):
        if event:
            tasks.append(asyncio.create_task(stubborn()))
            await asyncio.sleep(0)

    tasks = []
    handler(True, context())
    monkeypatch.setattr(runner, "GRACE", 1000.0)
    for _ in range(3):
        handler(False, context())
    assert orc.container().tasks_cancelled == 1
    gate.append("open")

    @orc.handler
    async def ends(event, given):
        tasks[0].cancel()
        await tasks[0]

    ends(None, context())
