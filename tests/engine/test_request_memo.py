"""``@orc.request_cached``: one request sees one answer."""

from __future__ import annotations

import asyncio
import inspect
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import orc
from orc.errors import ConfigError, RecursiveLoadError, UncacheableError


@pytest.fixture
def calls():
    """Return what a function was called with."""
    return []


@pytest.fixture
def find(calls):
    """Return a function with a memo; each call gives a new list."""

    @orc.request_cached
    def find(key, lang="en"):
        calls.append((key, lang))
        return [key]

    return find


def test_one_request_sees_one_answer_and_the_next_asks_anew(find, calls) -> None:
    """The very object, not a copy."""
    with orc.request_scope():
        first = find("a")
        assert find("a") is first
        assert calls == [("a", "en")]
    with orc.request_scope():
        assert find("a") is not first
    assert len(calls) == 2


def test_outside_a_request_the_function_is_simply_called(find, calls) -> None:
    """Nothing is remembered there."""
    assert find("a") is not find("a")
    assert len(calls) == 2


def test_a_nested_request_has_a_memo_of_its_own(find, calls) -> None:
    """One that joins has the outer one's."""
    with orc.request_scope():
        first = find("a")
        with orc.request_scope(id="another"):
            assert find("a") is not first
        with orc.request_scope():
            assert find("a") is first
    assert len(calls) == 2


def test_calls_are_told_apart_by_their_arguments(find, calls) -> None:
    """However they are spelt; equal values of two types are two."""
    with orc.request_scope():
        for _ in range(2):
            find("a"), find("a", "en"), find(lang="en", key="a")
            find("a", "de"), find(1), find(1.0), find(True), find((1,)), find((True,))
    assert len(calls) == 7


def test_arguments_without_a_key_count_by_identity(find, calls) -> None:
    """They are kept alive, so that no other one takes their address."""

    class Thing:
        __hash__ = None

        def __eq__(self, other):
            return True

    with orc.request_scope():
        one, two = Thing(), Thing()
        assert find(one) is find(one)
        assert find(two) is not find(one)
        for _ in range(100):
            find(Thing())
        assert len(calls) == 102


def test_none_is_an_answer_and_errors_are_not(calls) -> None:
    """What raises is asked again."""

    @orc.request_cached
    def find(key):
        calls.append(key)
        if key == "fails":
            raise LookupError(key)

    with orc.request_scope():
        assert find("a") is find("a") is None
        for _ in range(2):
            with pytest.raises(LookupError, match="fails"):
                find("fails")
    assert calls == ["a", "fails", "fails"]


def test_methods_are_remembered_for_each_object(calls) -> None:
    """Those of a class and static ones too."""

    class Shop:
        @orc.request_cached
        def find(self, key):
            calls.append(key)
            return [key]

        @orc.request_cached
        @classmethod
        def of_class(cls, key):
            calls.append(cls)
            return [key]

        @staticmethod
        @orc.request_cached()
        def static(key):
            calls.append(key)
            return [key]

    one, two = Shop(), Shop()
    with orc.request_scope():
        assert one.find(1) is one.find(1)
        assert one.find(1) is not two.find(1)
        assert Shop.of_class(1) is one.of_class(1)
        assert Shop.static(1) is one.static(1)
    assert calls == [1, 1, Shop, 1]


def test_tasks_that_ask_at_once_share_one_call(calls) -> None:
    """Each gets the very object; a cancelled one hands over."""

    @orc.request_cached
    async def find(key):
        calls.append(key)
        await asyncio.sleep(0)
        if len(calls) == 1:
            await asyncio.Event().wait()
        return [key]

    async def main():
        async with orc.request_scope():
            leader = asyncio.create_task(find("a"))
            await asyncio.sleep(0)
            followers = [asyncio.create_task(find("a")) for _ in range(20)]
            await asyncio.sleep(0)
            leader.cancel()
            found = await asyncio.gather(*followers)
            assert len({id(each) for each in found}) == 1
            assert await find("a") is found[0]

    asyncio.run(main())
    assert calls == ["a", "a"]
    assert inspect.iscoroutinefunction(find)


def test_tasks_of_two_requests_share_nothing(calls) -> None:
    """Though they ask for the same at the same time."""

    @orc.request_cached
    async def find(key):
        calls.append(key)
        await asyncio.sleep(0)
        return [key]

    async def serve():
        async with orc.request_scope():
            return await find("a")

    async def main():
        return await asyncio.gather(*(serve() for _ in range(20)))

    assert len({id(each) for each in asyncio.run(main())}) == 20


def test_threads_of_a_request_share_one_call(calls) -> None:
    """Those that it was carried to."""
    barrier = threading.Barrier(8)

    @orc.request_cached
    def find(key):
        calls.append(key)
        return [key]

    def work(_):
        barrier.wait(10)
        return find("a")

    with ThreadPoolExecutor(8) as pool, orc.request_scope():
        found = list(pool.map(orc.carry(work), range(8)))
    assert len({id(each) for each in found}) == 1
    assert calls == ["a"]


def test_a_request_that_ends_during_a_call_gets_its_answer(calls) -> None:
    """Nobody remembers it, and nothing is raised."""
    there, go_on = threading.Event(), threading.Event()

    @orc.request_cached
    def find(key):
        there.set()
        assert go_on.wait(10)
        return [key]

    with ThreadPoolExecutor(1) as pool:
        with orc.request_scope() as scope:
            answer = pool.submit(orc.carry(find), "a")
            assert there.wait(10)
        go_on.set()
        assert answer.result() == ["a"]
    assert scope.memo is None


def test_a_call_that_needs_its_own_result_is_told_so(calls) -> None:
    """Instead of waiting for itself; other arguments are another call."""

    @orc.request_cached
    def find(key):
        return find(key) if key == 0 else key and find(key - 1) if key > 5 else key

    with orc.request_scope():
        assert find(9) == 5
        with pytest.raises(RecursiveLoadError):
            find(0)


def test_what_can_be_read_once_is_refused() -> None:
    """Generator functions when they are decorated, what a call gives when it is made."""

    def generator():
        yield 1

    async def async_generator():
        yield 1

    for function in (generator, async_generator):
        with pytest.raises(UncacheableError, match="generator"):
            orc.request_cached(function)
    with orc.request_scope(), pytest.raises(UncacheableError):
        orc.request_cached(lambda: iter(generator()))()
    with pytest.raises(ConfigError, match="decorate a function"):
        orc.request_cached(5)


def test_signature_and_name_are_kept(find) -> None:
    """Wrong calls are told in Python's own words."""
    assert find.__name__ == "find"
    assert inspect.signature(find) == inspect.signature(find.__wrapped__)
    with orc.request_scope(), pytest.raises(TypeError, match="missing 1 required"):
        find()
