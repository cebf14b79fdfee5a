"""Single flight among coroutines of one loop."""

from __future__ import annotations

import asyncio
import traceback

import pytest

import orc
from orc.errors import RecursiveLoadError, UncacheableError

COROUTINES = 200


class Gate:
    """An async loader that says when it has begun, and ends when it is let go."""

    def __init__(self, value=None):
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.value = value
        self.calls = 0

    async def __call__(self):
        self.calls += 1
        self.begun.set()
        await self.go.wait()
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


def no_flights(cache):
    return not cache._core.flights._flying


async def all_waiting(followers, number):
    await asyncio.to_thread(followers.wait, number)


def test_200_coroutines_make_one_load(cache, drive, followers):
    """200 coroutines on one cold key: one load, and each has an equal value of its own."""

    async def main():
        loader = Gate({"list": [1, 2]})
        tasks = [asyncio.create_task(cache.aget_or_set("key", loader)) for _ in range(COROUTINES)]
        await all_waiting(followers, COROUTINES - 1)
        loader.go.set()
        return loader, await asyncio.gather(*tasks)

    loader, values = drive(main())
    assert loader.calls == 1
    assert all(value == {"list": [1, 2]} for value in values)
    assert len({id(value) for value in values} | {id(loader.value)}) == COROUTINES + 1
    assert len({id(value["list"]) for value in values}) == COROUTINES
    assert no_flights(cache)


def test_a_decorated_coroutine_function_is_called_once(cache, drive, followers):
    """Concurrent calls with equal arguments are one call of the function."""

    async def main():
        loader = Gate([1])

        @cache.cached
        async def function(argument):
            return await loader()

        tasks = [asyncio.create_task(function("x")) for _ in range(8)]
        await all_waiting(followers, 7)
        loader.go.set()
        assert await asyncio.gather(*tasks) == [[1]] * 8
        info = function.cache_info()
        assert (loader.calls, info.hits, info.misses) == (1, 7, 1)

    drive(main())


def test_an_error_reaches_all_who_wait(cache, drive, followers):
    """Each gets the loader's own error, with its line in a traceback that does not grow."""

    async def main():
        loader = Gate(LookupError("no such item"))
        tasks = [asyncio.create_task(cache.aget_or_set("key", loader)) for _ in range(COROUTINES)]
        await all_waiting(followers, COROUTINES - 1)
        loader.go.set()
        for task in tasks:
            with pytest.raises(LookupError) as raised:
                await task
            assert raised.value is loader.value
            frames = traceback.extract_tb(raised.value.__traceback__)
            assert "__call__" in [frame.name for frame in frames]
            assert len(frames) < 40
        assert loader.calls == 1
        assert no_flights(cache)
        assert await cache.aget_or_set("key", lambda: "well again") == "well again"

    drive(main())


@pytest.mark.parametrize("write", ["adelete", "aset", "aclear", "ainvalidate_tags", "arefresh"])
def test_what_was_loading_while_a_key_was_written_is_not_stored(cache, drive, followers, write):
    """The async writes void a running load as the sync ones do."""

    async def main():
        old, new = Gate("old"), Gate("new")
        gates = [old, new]

        @cache.cached(tags="red")
        async def function():
            return await gates.pop(0)()

        async def load():
            return await gates.pop(0)()

        def read_key():
            return cache.aget_or_set("key", load)

        read = read_key if write in ("aset", "adelete") else function
        early = [asyncio.create_task(read()) for _ in range(2)]
        await all_waiting(followers, 1)
        writing = {
            "adelete": lambda: cache.adelete("key"),
            "aset": lambda: cache.aset("key", "new"),
            "aclear": cache.aclear,
            "ainvalidate_tags": lambda: cache.ainvalidate_tags("red"),
            "arefresh": function.refresh,
        }[write]
        written = asyncio.create_task(writing())
        if write == "arefresh":
            await new.begun.wait()
        else:
            await written
        late = asyncio.create_task(read())
        if write != "aset":
            await new.begun.wait()
        old.go.set()
        assert await asyncio.gather(*early) == ["old"] * 2
        new.go.set()
        assert await late == "new"
        await written
        assert await read() == "new"
        assert no_flights(cache)

    drive(main())


# -- loaders of all kinds ----------------------------------------------------------------------


def test_a_sync_loader_will_do(cache, drive):
    """``aget_or_set`` takes a ``def`` loader, and one that returns something awaitable."""

    async def main():
        assert await cache.aget_or_set("a", lambda: [1]) == [1]

        async def load():
            return [2]

        assert await cache.aget_or_set("b", lambda: load()) == [2]  # noqa: PLW0108 - that is the point

        def future():
            promised = asyncio.get_running_loop().create_future()
            promised.set_result([3])
            return promised

        assert await cache.aget_or_set("c", future) == [3]
        assert cache.get_many(["a", "b", "c"]) == {"a": [1], "b": [2], "c": [3]}

    drive(main())


async def an_async_generator():
    yield 1


async def returns_a_coroutine():
    return asyncio.Event().wait()


async def returns_a_future():
    return asyncio.get_running_loop().create_future()


@pytest.mark.parametrize(
    "loader",
    [an_async_generator, lambda: (n for n in [1]), returns_a_coroutine, returns_a_future],
    ids=["async generator", "generator", "coroutine", "future"],
)
@pytest.mark.parametrize("isolation", ["auto", "share"])
def test_what_can_be_used_once_is_an_error(drive, loader, isolation):
    """No generator, coroutine, task or future is ever stored or given to those who wait."""
    cache = orc.Cache(isolation=isolation)

    async def main():
        with pytest.raises(UncacheableError):
            await cache.aget_or_set("key", loader)
        assert await cache.aget("key", "absent") == "absent"

    drive(main())
    assert no_flights(cache)


def test_a_sync_read_may_stand_in_a_coroutine(cache, drive):
    """Sync and async calls share one memory, on a loop too."""

    async def main():
        assert cache.get_or_set("key", lambda: [1]) == [1]
        assert await cache.aget_or_set("key", lambda: [2]) == [1]

    drive(main())


def test_hits_go_on_over_50_loops(cache):
    """``asyncio.run`` for each invocation, a new loop each time: nothing is bound to a dead one."""
    loads = []

    @cache.cached
    async def function(argument):
        loads.append(argument)
        return [argument]

    async def handler(invocation):
        once, again, other = await asyncio.gather(
            function("x"), function("x"), function(invocation)
        )
        assert await cache.aget_or_set("key", lambda: "value") == "value"
        return once, again, other

    for invocation in range(50):
        assert asyncio.run(handler(invocation)) == (["x"], ["x"], [invocation])
    assert loads == ["x", *range(50)]
    assert no_flights(cache)


# -- cycles ------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [2, 3, 5])
@pytest.mark.parametrize("nested", ["await", "gather", "task"])
def test_loads_that_wait_in_a_circle_all_end(cache, drive, length, nested):
    """A loads B while B loads A, each in its task, or in tasks of their loaders."""

    async def main():
        leading = []
        all_lead = asyncio.Event()

        async def load(index):
            async def loader():
                leading.append(index)
                if len(leading) == length:
                    all_lead.set()
                await all_lead.wait()
                further = (index + 1) % length
                inner = cache.aget_or_set(f"key{further}", lambda: further)
                if nested == "gather":
                    inner = asyncio.gather(inner, cache.aget_or_set(f"own{index}", lambda: 0))
                elif nested == "task":
                    inner = asyncio.create_task(inner)
                return [index, await inner]

            return await cache.aget_or_set(f"key{index}", loader)

        return await asyncio.gather(*map(load, range(length)))

    values = drive(main())
    assert [value[0] for value in values] == list(range(length))
    assert no_flights(cache)


def test_a_circle_over_two_caches_is_seen(cache, clock, drive):
    """The loader of one cache waits for one of another, and back."""
    other = orc.Cache(tiers=[orc.Memory()], clock=clock)

    async def main():
        both = asyncio.Barrier(2)

        async def load(mine, theirs):
            async def loader():
                await both.wait()
                return await theirs.aget_or_set("key", lambda: "alone")

            return await mine.aget_or_set("key", loader)

        return await asyncio.gather(load(cache, other), load(other, cache))

    assert set(drive(main())) == {"alone"}


async def in_gather(coroutine):
    (value,) = await asyncio.gather(coroutine)
    return value


async def in_a_task(coroutine):
    return await asyncio.create_task(coroutine)


async def directly(coroutine):
    return await coroutine


@pytest.mark.parametrize("how", [directly, in_gather, in_a_task])
@pytest.mark.parametrize("through", ["itself", "another function"])
def test_a_key_inside_its_own_loader_is_an_error(cache, drive, how, through):
    """Also in tasks that the loader starts, which inherit its context."""

    @cache.cached
    async def function(argument):
        return await how(function(argument) if through == "itself" else other(argument))

    @cache.cached
    async def other(argument):
        return await how(function(argument))

    async def main():
        with pytest.raises(RecursiveLoadError):
            await function("x")

    drive(main())
    assert no_flights(cache)


def test_a_key_inside_its_own_loader_is_an_error_in_another_thread(cache, drive):
    """``asyncio.to_thread`` carries the context, so the sync call there is told as well."""

    async def main():
        async def loader():
            return await asyncio.to_thread(cache.get_or_set, "key", lambda: 1)

        with pytest.raises(RecursiveLoadError):
            await cache.aget_or_set("key", loader)

    drive(main())


def test_a_task_that_outlives_the_load_may_ask_for_the_key(cache, drive):
    """What a loader started may use the cache like anybody once the load has ended."""

    async def main():
        ended = asyncio.Event()
        tasks = []

        async def refresh_later():
            await ended.wait()
            await cache.adelete("key")
            return await cache.aget_or_set("key", lambda: "second")

        async def loader():
            tasks.append(asyncio.create_task(refresh_later()))
            return "first"

        assert await cache.aget_or_set("key", loader) == "first"
        ended.set()
        assert await tasks[0] == "second"
        assert await cache.aget("key") == "second"

    drive(main())


def test_a_task_that_outlives_a_lone_load_may_ask_for_the_key(cache, drive):
    """The same for a load that broke a circle and was never in the table."""

    async def main():
        both, ended = asyncio.Barrier(2), asyncio.Event()
        tasks = []

        async def later():
            await ended.wait()
            for key in ("key0", "key1"):
                await cache.adelete(key)
                assert await cache.aget_or_set(key, lambda: "later") == "later"

        async def alone():
            tasks.append(asyncio.create_task(later()))
            return "alone"

        async def load(mine, theirs):
            async def loader():
                await both.wait()
                return await cache.aget_or_set(theirs, alone)

            return await cache.aget_or_set(mine, loader)

        await asyncio.gather(load("key0", "key1"), load("key1", "key0"))
        ended.set()
        assert tasks
        await asyncio.gather(*tasks)

    drive(main())
