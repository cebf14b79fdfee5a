"""Handing a request to other threads."""

from __future__ import annotations

import asyncio
import inspect
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

import orc
from orc.errors import ConfigError, NoRequestError, ScopeClosedError

var = orc.RequestVar("var", default=None)


@pytest.fixture
def pool():
    """Return threads that begin without a request."""
    with ThreadPoolExecutor(8) as threads:
        yield threads


def test_another_thread_works_for_the_request(pool) -> None:
    """It reads and writes the same values; its thread has no request afterwards."""
    with orc.request_scope() as scope:
        var.set(1)

        def work(step):
            assert orc.current_request() is scope
            var.set(var.get() + step)
            return var.get()

        assert pool.submit(orc.carry(work), 4).result() == 5
        assert var.get() == 5
        with pytest.raises(NoRequestError):
            pool.submit(orc.current_request).result()


def test_it_may_be_called_many_times_at_the_same_time(pool) -> None:
    """All are in the request that it was made in."""
    barrier = threading.Barrier(8)

    def work(_):
        barrier.wait(10)
        return orc.current_request()

    with orc.request_scope() as scope:
        assert set(pool.map(orc.carry(work), range(8))) == {scope}


def test_it_works_for_its_own_request_inside_another() -> None:
    """The other one is there again afterwards, also after an error."""
    with orc.request_scope(id="a") as a:
        carried = orc.carry(orc.current_request)
        fails = orc.carry(lambda: 1 / 0)
        with orc.request_scope(id="b") as b:
            assert carried() is a
            with pytest.raises(ZeroDivisionError):
                fails()
            assert orc.current_request() is b


def test_once_the_request_has_ended_it_runs_and_writes_nothing(pool) -> None:
    """Its reads raise; its writes are counted."""
    with orc.request_scope(id="a"):
        read, write = orc.carry(var.get), orc.carry(var.set)
        plain = orc.carry(lambda: "ran")
    assert pool.submit(plain).result() == "ran"
    with pytest.raises(ScopeClosedError):
        pool.submit(read).result()
    with orc.request_scope(id="b"):
        pool.submit(write, "a's").result()
        write("a's")
        assert var.get() is None
    assert orc.container().late_writes == 2


def test_coroutine_functions_are_carried_to_their_end() -> None:
    """Awaited in another task, on another loop or thread."""

    async def work():
        await asyncio.sleep(0)
        return orc.current_request()

    with orc.request_scope() as scope:
        carried = orc.carry(work)
        assert inspect.iscoroutinefunction(carried)
        found = []
        thread = threading.Thread(target=lambda: found.append(asyncio.run(carried())))
        thread.start()
        thread.join(10)
        assert found == [scope]


def test_a_coroutine_that_is_closed_elsewhere_leaves_that_context_as_it_is() -> None:
    """A loop that is gone drops its coroutines in whatever request runs then."""

    class Forever:
        def __await__(self):
            yield

    async def work():
        await Forever()

    with orc.request_scope(id="a"):
        left = orc.carry(work)()
        copy_context().run(left.send, None)
        with orc.request_scope(id="b") as b:
            left.close()
            assert orc.current_request() is b


def test_signature_and_name_are_kept() -> None:
    """As ``functools.wraps`` does; what has none is carried too."""

    def work(item: str, *, lang: str = "en") -> int:
        """Count."""
        return len(item + lang)

    class Callable:
        def __call__(self):
            return orc.current_request()

    with orc.request_scope() as scope:
        carried = orc.carry(work)
        assert (carried.__name__, carried.__doc__, carried.__wrapped__) == ("work", "Count.", work)
        assert inspect.signature(carried) == inspect.signature(work)
        assert orc.carry(Callable())() is scope
        assert orc.carry([1, 2].__len__)() == 2


def test_where_nothing_can_be_carried() -> None:
    """No request, one that has ended, and what is no function."""
    with pytest.raises(NoRequestError):
        orc.carry(print)
    with pytest.raises(ConfigError, match="give a function"):
        orc.carry(5)
    with orc.request_scope():
        left = copy_context()
    with pytest.raises(ScopeClosedError):
        left.run(orc.carry, print)
