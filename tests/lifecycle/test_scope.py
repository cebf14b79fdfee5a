"""The scope of a request: opened, joined, nested, closed; and what is left of one."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

import orc
from orc.errors import ConfigError, NoRequestError, ScopeClosedError, ScopeError
from orc.lifecycle.clock import SYSTEM
from orc.lifecycle.life import life
from orc.lifecycle.scope import RequestScope, current_scope

var = orc.RequestVar("var", default=None)


def test_there_is_no_request_outside_a_scope() -> None:
    """The error says what to do."""
    with pytest.raises(NoRequestError, match=r"@orc\.handler.*request_scope.*orc\.carry"):
        orc.current_request()
    with orc.request_scope():
        pass
    with pytest.raises(NoRequestError):
        orc.current_request()


def test_a_scope_has_what_was_given() -> None:
    """Id, tenant and deadline; it is what ``with`` gives, and the current one."""
    deadline = time.time() + 60  # noqa: TID251 - a deadline is the wall's
    with orc.request_scope(id="r1", tenant="t", deadline=deadline) as scope:
        assert orc.current_request() is scope
        assert (scope.id, scope.tenant, scope.deadline) == ("r1", "t", deadline)
        assert 0 < scope.remaining() <= 60
        assert repr(scope) == "<orc request r1>"
        assert not scope.closed
    assert scope.closed
    assert repr(scope) == "<orc request r1, ended>"


def test_a_scope_without_an_id_is_given_one() -> None:
    """Nobody else's, and neither tenant nor deadline."""
    ids = set()
    for _ in range(100):
        with orc.request_scope() as scope:
            ids.add(scope.id)
        assert (scope.tenant, scope.deadline, scope.remaining()) == (None, None, None)
    assert len(ids) == 100


def test_the_remaining_time_is_the_less_of_two_clocks(clock) -> None:
    """One of them may have stood still; it is never negative."""
    scope = RequestScope("r", None, clock.wall() + 10, clock)
    clock.advance(3)
    assert scope.remaining() == 7
    clock.advance(wall=2)
    assert scope.remaining() == 5
    clock.advance(monotonic=4)
    assert scope.remaining() == 3
    clock.advance(wall=-100)
    assert scope.remaining() == 3
    clock.advance(60)
    assert scope.remaining() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"id": ""},
        {"id": 5},
        {"id": b"r"},
        {"tenant": ""},
        {"tenant": 1},
        {"deadline": 30},
        {"deadline": True},
        {"deadline": "soon"},
        {"deadline": float("nan")},
        {"deadline": -1e12},
    ],
)
def test_arguments_that_are_not_allowed(arguments) -> None:
    """They are refused when the scope is made, by name."""
    with pytest.raises(ConfigError, match=rf"request_scope\({next(iter(arguments))}="):
        orc.request_scope(**arguments)


def test_a_scope_without_an_id_joins_the_outer_one() -> None:
    """To leave the inner one closes nothing, and it is the same request."""
    with orc.request_scope(id="r", tenant="t") as outer:
        for terms in ({}, {"tenant": "t"}):
            with orc.request_scope(**terms) as inner:
                assert inner is outer
                var.set(terms)
            assert not outer.closed
            assert var.get() == terms
        assert life().invocations == 1
    assert outer.closed


def test_a_scope_with_an_id_is_a_request_of_its_own() -> None:
    """Also with the outer one's id; the outer one's values are there again afterwards."""
    with orc.request_scope(id="r") as outer:
        var.set("outer")
        with orc.request_scope(id="r") as inner:
            assert inner is not outer
            assert var.get() is None
            var.set("inner")
        assert inner.closed
        assert orc.current_request() is outer
        assert var.get() == "outer"


def test_another_tenants_scope_never_joins() -> None:
    """Nor does one that names a tenant inside one that names none."""
    for tenant in ("a", None):
        with orc.request_scope(tenant=tenant) as outer:
            with orc.request_scope(tenant="b") as inner:
                assert inner is not outer
                assert inner.tenant == "b"
                var.set("b's")
            assert var.get() is None


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_it_is_closed_whatever_is_raised(error) -> None:
    """And the error passes through as it is."""
    raised = error("it")
    with pytest.raises(error) as caught, orc.request_scope() as scope:
        raise raised
    assert caught.value is raised
    assert scope.closed
    assert current_scope() is None


def test_it_is_closed_when_its_task_is_cancelled() -> None:
    """``async with`` ends as ``with`` does."""
    scopes = []

    async def serve(started):
        async with orc.request_scope() as scope:
            scopes.append(scope)
            started.set()
            await asyncio.Event().wait()

    async def main():
        started = asyncio.Event()
        task = asyncio.create_task(serve(started))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert scopes[0].closed


def test_one_object_opens_one_request_at_a_time() -> None:
    """It can be used again once it was left, for a new request."""
    again = orc.request_scope(id="r")
    with again as first, pytest.raises(ScopeError, match="make one with"):
        again.__enter__()
    with again as second:
        assert second is not first
        assert not second.closed
    again.__exit__(None, None, None)


def test_code_that_outlives_its_request_is_told_so() -> None:
    """By an error of its own when it reads; what it writes is dropped and counted."""
    with orc.request_scope(id="r7"):
        left = copy_context()
        var.set("r7's")
    with pytest.raises(ScopeClosedError, match="request r7 has ended"):
        left.run(orc.current_request)
    with pytest.raises(ScopeClosedError):
        left.run(var.get, "default")
    left.run(var.set, "late")
    left.run(var.unset)
    assert orc.container().late_writes == 2
    with orc.request_scope(id="r7"):
        assert var.get() is None


def test_code_that_outlives_its_request_can_open_another() -> None:
    """It joins nothing, and afterwards it is told of its own request's end again."""
    with orc.request_scope():
        left = copy_context()

    def later():
        with orc.request_scope() as scope:
            assert not scope.closed
            var.set(1)
        orc.current_request()

    with pytest.raises(ScopeClosedError):
        left.run(later)


def test_what_a_closed_scope_held_is_let_go() -> None:
    """A context somewhere may keep the scope for long, but no value with it."""

    class Value:
        pass

    import weakref

    with orc.request_scope() as scope:
        left = copy_context()
        held = Value()
        alive = weakref.ref(held)
        var.set(held)
        scope.context = held
        del held
    assert alive() is None
    assert left is not None


def test_a_generator_may_be_left_in_another_context() -> None:
    """Its scope is closed there, and that context keeps the request that it has."""

    def serve():
        with orc.request_scope(id="inside") as scope:
            yield scope

    serving = serve()
    began = copy_context()
    scope = began.run(next, serving)
    with orc.request_scope(id="mine") as mine:
        serving.close()
        assert scope.closed
        assert orc.current_request() is mine
    with pytest.raises(ScopeClosedError):
        began.run(orc.current_request)


def test_an_async_generator_may_be_left_in_another_task() -> None:
    """As a loop does with those that nobody has read to their end."""

    async def serve():
        async with orc.request_scope(id="inside") as scope:
            yield scope

    async def main():
        serving = serve()
        scope = await asyncio.create_task(anext(serving))
        async with orc.request_scope(id="mine") as mine:
            await asyncio.create_task(serving.aclose())
            assert scope.closed
            assert orc.current_request() is mine

    asyncio.run(main())


def test_scopes_may_be_left_in_the_order_in_which_they_were_entered() -> None:
    """None stays open, and the request that goes on sees no value of the one that has ended."""
    first, second = orc.request_scope(id="1"), orc.request_scope(id="2")

    def run():
        one = first.__enter__()
        two = second.__enter__()
        first.__exit__(None, None, None)
        assert one.closed
        assert orc.current_request() is two
        second.__exit__(None, None, None)
        assert two.closed
        assert current_scope() is None

    copy_context().run(run)


def test_a_fixture_may_be_entered_in_a_context_that_is_gone() -> None:
    """What was entered in a copy is open for that copy alone."""
    entered = orc.request_scope()
    copy_context().run(entered.__enter__)
    assert current_scope() is None
    entered.__exit__(None, None, None)
    assert life()._open == 0


def test_tasks_and_to_thread_are_in_the_request_and_bare_threads_are_not() -> None:
    """The first inherit the context; a thread of one's own begins with an empty one."""

    async def child():
        await asyncio.sleep(0)
        var.set(var.get() + 1)
        return orc.current_request()

    async def main():
        async with orc.request_scope() as scope:
            var.set(0)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(child()) for _ in range(3)]
            assert {task.result() for task in tasks} == {scope}
            assert await asyncio.to_thread(orc.current_request) is scope
            assert var.get() == 3

    asyncio.run(main())
    with orc.request_scope(), ThreadPoolExecutor(1) as pool:
        with pytest.raises(NoRequestError):
            pool.submit(orc.current_request).result()
        with pytest.raises(NoRequestError):
            pool.submit(var.set, 1).result()


def test_requests_of_many_threads_are_apart() -> None:
    """Each thread has its own scope at the same time as all others."""
    barrier = threading.Barrier(8)

    def serve(number):
        with orc.request_scope(id=str(number)) as scope:
            var.set(number)
            barrier.wait(10)
            return scope.id, var.get()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(serve, range(8))) == {(str(n), n) for n in range(8)}


# -- what a timeout leaves behind -----------------------------------------------------------------


def enter_and_leave_open(request_id, **terms):
    """Open a scope that nobody will close."""
    return orc.request_scope(id=request_id, **terms).__enter__()


@pytest.mark.parametrize("terms", [{}, {"id": "new"}, {"tenant": "t"}])
def test_a_later_invocation_closes_what_it_finds_open(on_lambda, invocation, terms) -> None:
    """It joins nothing of an invocation before it, and counts what it closed."""

    def run():
        invocation("a")
        outer = enter_and_leave_open("a")
        inner = enter_and_leave_open("b", tenant="t")
        closed = []
        outer.on_close(lambda: closed.append("outer"))
        inner.on_close(lambda: closed.append("inner"))
        var.set("old")
        joined = orc.request_scope().__enter__()
        assert joined is inner
        invocation("c")
        with orc.request_scope(**terms) as scope:
            assert scope not in {outer, inner}
            assert var.get() is None
            assert outer.closed
            assert inner.closed
            assert closed == ["inner", "outer"]
        assert orc.container().leftovers == 2
        with pytest.raises(NoRequestError):
            orc.current_request()

    copy_context().run(run)
    assert on_lambda._open == 0


def test_a_scope_of_an_invocation_before_is_no_request(on_lambda, invocation) -> None:
    """Though nobody has closed it: neither read, nor written, nor joined."""

    def run():
        invocation("a")
        scope = enter_and_leave_open("a")
        var.set("old")
        invocation("b")
        assert current_scope() is None
        for use in (var.get, lambda: var.set(1), var.unset, orc.current_request):
            with pytest.raises(NoRequestError):
                use()
        assert not scope.closed
        assert scope.left_over()
        assert orc.container().invocations == 2

    copy_context().run(run)


def test_a_scope_from_before_all_invocations_is_not_left_over(invocation) -> None:
    """One opened where no runtime tells the invocation stays open until it is closed."""
    invocation(None)
    with orc.request_scope() as scope:
        invocation("a")
        assert orc.current_request() is scope


def test_scopes_of_one_invocation_are_not_leftovers_of_each_other(on_lambda, invocation) -> None:
    """Several in a row, or nested, are what a handler does for the records of a batch."""
    invocation("a")
    with orc.request_scope() as outer:
        for record in range(3):
            with orc.request_scope(id=f"record-{record}"):
                assert var.get() is None
                var.set(record)
        assert orc.current_request() is outer
    assert orc.container().leftovers == 0


def test_the_trace_tells_invocations_apart_where_the_runtime_does_not(
    on_lambda, monkeypatch
) -> None:
    """Another runtime may lack awslambdaric's private name."""

    def run():
        monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1")
        scope = enter_and_leave_open("a")
        assert orc.current_request() is scope
        monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=2")
        assert current_scope() is None

    copy_context().run(run)


def test_a_part_of_a_request_is_for_whom_that_is_and_has_no_more_time() -> None:
    """A record of a batch: tenant and deadline are the outer ones, unless it is stricter."""
    now = SYSTEM.wall()
    with orc.request_scope(id="batch", tenant="blue", deadline=now + 100) as batch:
        with orc.request_scope(id="1") as record:
            assert (record.tenant, record.deadline) == ("blue", batch.deadline)
        with orc.request_scope(id="2", tenant="green", deadline=now + 50) as record:
            assert (record.tenant, record.deadline) == ("green", now + 50)
        with orc.request_scope(id="3", deadline=now + 500) as record:
            assert record.deadline == now + 100
        with orc.request_scope(tenant="green") as other:
            assert (other.tenant, other.deadline) == ("green", now + 100)
