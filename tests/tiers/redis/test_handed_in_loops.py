"""An async client that is handed in, where another loop, process or library used it before."""

from __future__ import annotations

import asyncio
import gc
import os
import warnings

import anyio
import fakeredis
import pytest
import redis.asyncio
import trio

import orc
from orc.errors import OrcWarning, TierError
from orc.tiers.redis.loop_clients import LoopClients

pytestmark = pytest.mark.litters  # the clients are their makers' to close, and these do not


def of_a_blocking_pool(port):
    pool = redis.asyncio.BlockingConnectionPool(port=port, max_connections=2, timeout=5)
    return redis.asyncio.Redis(connection_pool=pool)


CLIENTS = {
    "plain": lambda port: redis.asyncio.Redis(port=port),
    "blocking pool": of_a_blocking_pool,
    "one connection": lambda port: redis.asyncio.Redis(port=port, single_connection_client=True),
    "fake": lambda port, server=fakeredis.FakeServer(): fakeredis.FakeAsyncRedis(server=server),  # noqa: B008
}


@pytest.fixture(params=CLIENTS)
def client(request, valkey):
    """Return a client of each kind."""
    return CLIENTS[request.param](valkey.port)


def cache_of(client, namespace, **options):
    """Return a cache whose reads reach the client."""
    tiers = [orc.Memory(), orc.Redis(client, budget=2.0)]
    return orc.Cache(tiers=tiers, namespace=namespace, memory_ttl=0, **options)


def work_of(cache):
    """Return a coroutine function that writes and reads by several tasks at once."""

    async def work(number):
        await asyncio.gather(*(cache.aset(f"{number} {each}", each) for each in range(6)))
        found = await asyncio.gather(*(cache.aget(f"{number} {each}") for each in range(6)))
        return found == list(range(6))

    return work


async def ping(client):
    await asyncio.gather(*(client.ping() for _ in range(6)))


def refused(said):
    return [str(each.message) for each in said if each.category is OrcWarning]


def test_a_client_that_a_module_used_at_import_serves_the_handler(client, request):
    """The connections of the loop that is gone are not used."""
    asyncio.run(ping(client))
    work = work_of(cache_of(client, request.node.name, strict=True))
    assert all(asyncio.run(work(number)) for number in range(3))


def test_copies_whose_loop_is_gone_are_closed_in_silence(client, request, caplog):
    """No record of asyncio's for a copy that the user does not know of."""
    work = work_of(cache_of(client, request.node.name, strict=True))
    asyncio.run(work("itself"))
    for number in range(4):
        asyncio.run(work(number))
        gc.collect()

    async def later():
        await work("last")
        gc.collect()  # the copies say what they say inside of a running loop only

    asyncio.run(later())
    assert not [each for each in caplog.records if each.name == "asyncio"]


def test_a_client_that_its_own_loop_used_before_is_used(client, request):
    """The user's first command and ORC's may be in one loop."""
    work = work_of(cache_of(client, request.node.name, strict=True))

    async def handler(number):
        await ping(client)
        return await work(number)

    assert asyncio.run(handler(0))


def test_two_loops_in_turn_are_both_served(client, request):
    """Two loops that stay open, as with a loop for each of two threads."""
    work = work_of(cache_of(client, request.node.name, strict=True))
    with asyncio.Runner() as one, asyncio.Runner() as other:
        assert all(each.run(work(f"{turn} {id(each)}")) for turn in "abc" for each in (one, other))


def test_tasks_that_are_cancelled_harm_no_other(client, request):
    """A handler's `wait_for` that gives up, time and again, in loops that come and go."""
    cache = cache_of(client, request.node.name)
    work = work_of(cache)

    async def handler(number):
        tasks = [asyncio.create_task(work(f"{number} {each}")) for each in range(4)]
        for _ in range(number):
            await asyncio.sleep(0)
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return await work(number)

    assert all(asyncio.run(handler(number)) for number in range(6))


def test_a_notice_of_maintenance_moves_the_connections_of_its_own_loop():
    """redis-py 8 has a handler of such notices for each pool; a copy has one, and settings, too."""
    client = redis.asyncio.Redis()
    clients = LoopClients(client)

    async def pool_and_handler():
        pool = clients.of(asyncio.get_running_loop()).connection_pool
        return pool, getattr(pool.make_connection(), "_maint_notifications_pool_handler", None)

    for turn in range(3):
        pool, handler = asyncio.run(pool_and_handler())
        assert (pool is client.connection_pool) == (turn == 0)
        assert (pool.connection_kwargs is client.connection_pool.connection_kwargs) == (turn == 0)
        assert handler is None or handler.pool is pool


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_does_not_send_on_a_connection_of_its_parent(valkey, request):
    """Neither process gets a reply that is the other's, and both are served."""
    client = redis.asyncio.Redis(port=valkey.port)
    work = work_of(cache_of(client, request.node.name, strict=True))
    loop, another = asyncio.new_event_loop(), asyncio.new_event_loop()
    assert loop.run_until_complete(work("parent"))
    assert another.run_until_complete(work("parent's other"))
    child = os.fork()
    if child == 0:
        served = False
        try:
            gc.collect()
            served = all(asyncio.run(work(f"child {number}")) for number in range(3))
        finally:
            os._exit(0 if served else 1)
    assert loop.run_until_complete(work("meanwhile"))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert loop.run_until_complete(work("after"))
    assert another.run_until_complete(work("the other after"))
    loop.close()
    another.close()


class NotCopied(redis.asyncio.Redis):
    """A client that no copy can be made of."""

    def __copy__(self):
        raise TypeError("not this one")


def test_a_refusal_leaves_the_loop_that_is_served_alone(valkey, request):
    """The other loop loads for itself, with one warning; the first one keeps its tier."""
    cache = cache_of(NotCopied(port=valkey.port), request.node.name)
    work = work_of(cache)

    async def load():
        return 5

    async def other_work(key):
        return await cache.aget_or_set(key, load)

    with asyncio.Runner() as one, asyncio.Runner() as other:
        assert one.run(work("first"))
        with pytest.warns(OrcWarning, match="hand in the address, which serves every") as said:
            assert [other.run(other_work(f"{each}")) for each in range(3)] == [5] * 3
        assert len(refused(said)) == 1
        assert one.run(work("second"))


def test_a_refusal_is_an_error_for_strictness(valkey, request):
    """A typed one."""
    work = work_of(cache_of(NotCopied(port=valkey.port), request.node.name, strict=True))
    assert asyncio.run(work("first"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OrcWarning)
        with pytest.raises(TierError, match="no copy"):
            asyncio.run(work("second"))


CALLERS = {
    "sync": lambda cache, key: cache.get_or_set(key, lambda: 5),
    "trio": lambda cache, key: trio.run(cache.aget_or_set, key, a_load),
    "anyio on trio": lambda cache, key: anyio.run(cache.aget_or_set, key, a_load, backend="trio"),
}


async def a_load():
    await anyio.lowlevel.checkpoint()
    return 5


@pytest.fixture(params=CALLERS)
def ask(request):
    """Return a caller that an async client cannot serve."""
    return CALLERS[request.param]


def test_callers_that_it_cannot_serve_get_their_value_and_one_warning(client, ask, request):
    """And a coroutine of asyncio is served as before, for the tier is not left alone."""
    cache = cache_of(client, request.node.name)
    with pytest.warns(OrcWarning, match="the address, which serves both") as said:
        assert [ask(cache, f"{each}") for each in range(3)] == [5] * 3
    assert len(refused(said)) == 1
    assert said[0].filename == __file__
    assert asyncio.run(work_of(cache)("after"))
    assert cache.stats().tiers[1].hits > 0


def test_callers_that_it_cannot_serve_get_a_typed_error_if_strict(client, ask, request):
    """With what to hand in."""
    cache = cache_of(client, request.node.name, strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OrcWarning)
        with pytest.raises(TierError, match="the address, which serves both"):
            ask(cache, "key")
