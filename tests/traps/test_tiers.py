"""Traps 16 to 18, 19, 23 and 24: stores that outlive the container, in real runtime processes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from orc.testing.proxy import FaultProxy
from orc.testing.servers.valkey import Valkey


@pytest.fixture(scope="module")
def server():
    """Return a Valkey for the tests of this file."""
    with Valkey() as valkey:
        yield valkey


@pytest.fixture
def valkey(server):
    """Return it, running and empty."""
    import redis

    if not server.running:
        server.restart()
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    return server


@pytest.fixture
def proxy(valkey):
    """Return a proxy in front of it."""
    with FaultProxy("127.0.0.1", valkey.port) as proxy:
        yield proxy


@pytest.fixture
def redis_fleet(fleet_of):
    """Return what makes a fleet whose functions know a Redis."""

    def make(handler, port, **options):
        url = f"redis://127.0.0.1:{port}"
        env = {"REDIS": url, "ORC_TIERS": url} | options.pop("env", {})
        return fleet_of(f"stores.{handler}", env=env, **{"timeout": 2.0} | options)

    return make


@pytest.mark.parametrize("cut", ["frozen", "black hole", "refused"])
@pytest.mark.parametrize(("handler", "answers"), [("plain_redis", False), ("tiered", True)])
def test_traps_17_and_18_redis_is_cut_off(redis_fleet, valkey, proxy, handler, answers, cut):
    """The client's own retries outlast the function's time; ORC asks the origin instead."""
    with redis_fleet(handler, proxy.port) as fleet:
        first = fleet.invoke({})
        assert first.value[:2] == [{"price": 12}, 1]
        first.settled()
        try:
            if cut == "frozen":
                valkey.freeze()
            elif cut == "black hole":
                proxy.requests.black_hole = proxy.replies.black_hole = True
            else:
                proxy.close_port()
                proxy.reset_all()
            again = fleet.invoke({})
        finally:
            valkey.thaw()
        assert (again.error is None) is answers
        if answers:
            assert again.value == [{"price": 12}, 2, 0, 1]


@pytest.mark.parametrize("end", ["reset", "closed"])
def test_trap_16_the_connection_died_in_the_freeze(redis_fleet, valkey, proxy, hour_passes, end):
    """Nobody told the frozen process: the next request reconnects at once, and finds its value."""
    import redis

    with redis_fleet("tiered", proxy.port) as fleet:
        first = fleet.invoke({})
        assert first.value == [{"price": 12}, 1, 0, 0]
        first.settled()
        hour_passes(first.container)
        if end == "reset":
            proxy.reset_all()
        else:
            with redis.Redis.from_url(valkey.url) as client:
                client.client_kill_filter(skipme=True)
                client.persist("item")
        again = fleet.invoke({})
        # It is an hour later there: the entry is stale by its own clocks, the connection fine.
        assert again.error is None
        assert again.value[3] == 0


@pytest.mark.parametrize(
    ("handler", "answers"),
    [("plain_async", [False, None, False]), ("tiered_async", [0, 1, 2])],
)
def test_trap_19_a_loop_for_each_invocation_and_redis(redis_fleet, valkey, handler, answers):
    """The client's connection belongs to a loop that is closed; ORC's is bound anew, and hits."""
    with redis_fleet(handler, valkey.port) as fleet:
        got = []
        for _ in answers:
            answer = fleet.invoke({})
            got.append(None if answer.error else answer.value)
        assert got == answers


@pytest.mark.parametrize(("handler", "answers"), [("plain_file", False), ("disk", True)])
def test_trap_23_killed_while_writing_a_file(fleet_of, handler, answers):
    """Half a file is left for the next process; ORC's rows are whole or not there."""
    env = {"ORC_TIERS": "disk://"} if answers else {}
    with fleet_of(f"stores.{handler}", env=env, timeout=5.0) as fleet:
        assert fleet.invoke({"die": True}).error is not None
        again = fleet.invoke({})
        assert (again.error is None) is answers
        if answers:
            assert again.value == [{"price": 12}, 0, "reset", True]


def test_trap_23_the_workers_of_a_managed_instance_share_the_disk(fleet_of):
    """One of them loads, whoever asks first; the others find it in the directory they share."""
    env = {"ORC_TIERS": "disk://"}
    with fleet_of("stores.worker", env=env, mode="managed", concurrency=4, timeout=20) as fleet:
        (container,) = fleet.start()
        assert fleet.invoke({}).value[1:] == [{"price": 12}, 1]
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(fleet.invoke, {}) for _ in range(12)]
            answers = [each.result() for each in asked]
        there = [each.value for each in answers if each.container == container]
        assert len({process for process, _, _ in there}) > 1
        assert {loads for _, value, loads in there if value == {"price": 12}} <= {0, 1}
        assert sum({process: loads for process, _, loads in there}.values()) <= 1


@pytest.mark.parametrize(
    ("handler", "shape"), [("plain_version", "price"), ("tiered_version", "amount")]
)
def test_trap_24_new_code_reads_what_old_code_stored(redis_fleet, valkey, handler, shape):
    """Both run side by side in a deploy; with a version in the key each finds its own."""
    for version in ("old", "new"):
        env = {"SHAPE": version, "ORC_VERSION": version}
        with redis_fleet(handler, valkey.port, env=env) as fleet:
            value = fleet.invoke({}).value
    assert list(value) == [shape]


def test_clones_of_a_snapshot_have_connections_of_their_own(redis_fleet, valkey):
    """What was connected at init is dropped on restore: two clones never share a socket."""
    with redis_fleet("clone", valkey.port, mode="snap-start", timeout=10.0) as fleet:
        containers = fleet.start(3)
        for _ in range(2):
            for each in containers:
                assert fleet.invoke({}, container=each).error is None
