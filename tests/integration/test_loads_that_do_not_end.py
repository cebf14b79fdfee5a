"""Every way in which a load can end gives its claim back: in real servers, for other containers."""

from __future__ import annotations

import asyncio
import threading

import pytest

import orc
from orc.engine import drivers
from orc.errors import TierError, TierTimeoutError
from orc.lifecycle.clock import SYSTEM
from orc.model.row import Budget, Claim, Write
from orc.stampede import left_claims
from orc.testing import ManualClock
from orc.testing.reference_tier import ReferenceTier, Store
from orc.testing.servers.dynamodb import moto
from orc.testing.servers.valkey import Valkey

TIERS = ("reference", "disk", "redis", "dynamodb")


class Timeout(BaseException):
    """What the handler of a signal raises."""


SENT = (ValueError, TimeoutError, asyncio.CancelledError, GeneratorExit, Timeout, StopIteration)
"""Ends after which the claim is given back in the server."""
KEPT = (KeyboardInterrupt, SystemExit)
"""Ends after which nothing is sent, and the process remembers its token."""


def patient(tier):
    """Give a tier of this machine the time that a busy one takes."""
    tier.budget = 5.0
    return tier


@pytest.fixture(scope="module")
def valkey():
    """Return a Valkey for the tests of this file."""
    with Valkey() as server:
        yield server


@pytest.fixture(scope="module")
def client():
    """Return a client of moto's server, with a table."""
    import boto3

    with moto() as server:
        made = boto3.client(
            "dynamodb",
            region_name="us-east-1",
            endpoint_url=server.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - moto takes any
        )
        made.create_table(
            TableName="orc",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield made
        made.close()


@pytest.fixture(autouse=True)
def fresh():
    """Begin and end with nothing remembered."""
    left_claims.forget_all()
    yield
    left_claims.forget_all()


@pytest.fixture
def tier(request, tmp_path):
    """Return a maker of one tier, all on one store."""
    store = Store()
    name = request.param
    server = request.getfixturevalue({"redis": "valkey", "dynamodb": "client"}.get(name, "fresh"))
    makers = {
        "reference": lambda: ReferenceTier(store),
        "disk": lambda: patient(orc.Disk(tmp_path)),
        "redis": lambda: orc.Redis(server.url, budget=2.0),
        "dynamodb": lambda: orc.DynamoDB(server, table="orc", budget=5.0),
    }
    made = []

    def make():
        made.append(makers[name]())
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def cached(tier, request):
    """Return a maker of caches in front of a tier of its own on the one store."""

    def make(**terms):
        given = {"namespace": request.node.name[:100], "jitter": 0, "wait": 5} | terms
        return orc.Cache(tiers=[orc.Memory(), tier()], **given)

    return make


@pytest.fixture
def no_pause(monkeypatch):
    """Have every wait for the lease of another load fail the test."""

    def fail(_seconds):
        pytest.fail("it waits for a lease")

    async def afail(_seconds):
        pytest.fail("it waits for a lease")

    monkeypatch.setattr(drivers, "_pause", fail)
    monkeypatch.setattr(drivers, "_apause", afail)


def held(tier, cache, key="key"):
    """Return for how many seconds another container is kept from claiming the row."""
    address = cache._keyspace.address((key,)).text
    made = tier()
    made.load()
    (row,) = made.claim_many([Claim(address, b"another----!", 0.0)], Budget(SYSTEM, 5.0))
    return row.held


def drop_the_value(cache, key="key"):
    cache._keyspace.space.remove(key)


def sync_load(cache, loader):
    return cache.get_or_set("key", loader)


def async_load(cache, loader):
    async def main():
        async def load():
            await asyncio.sleep(0)
            return loader()

        task = asyncio.ensure_future(cache.aget_or_set("key", load))
        await asyncio.wait([task])
        for _ in range(200):  # what is given back is not waited for
            if not [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]:
                break
            await asyncio.sleep(0.005)
        return await task

    return asyncio.run(main())


class Raises:
    """A loader that ends with an error."""

    def __init__(self, error):
        self.error = error

    def __call__(self):
        raise self.error()


# Of a task asyncio takes no other BaseException; and no coroutine can raise StopIteration.
SENT_BY = [(sync_load, error) for error in SENT]
SENT_BY += [(async_load, error) for error in SENT[:3]]


@pytest.mark.parametrize(("load", "error"), SENT_BY, ids=lambda each: each.__name__)
@pytest.mark.parametrize("tier", TIERS, indirect=True)
def test_a_load_that_raises_gives_its_claim_back(tier, cached, no_pause, load, error):
    """In the server itself, so that no other container waits; and the next caller loads at once."""
    cache = cached()
    with pytest.raises(error):
        load(cache, Raises(error))
    left_claims.forget_all()  # as another process
    assert _soon(lambda: held(tier, cache) == 0)
    assert cached().get_or_set("key", lambda: "next") == "next"


def _soon(true):
    for _ in range(100):
        if true():
            return True
        threading.Event().wait(0.01)
    return False


@pytest.mark.parametrize("error", KEPT, ids=lambda error: error.__name__)
@pytest.mark.parametrize("tier", TIERS, indirect=True)
def test_after_an_exit_the_process_takes_its_own_claim_over(tier, cached, no_pause, error):
    """Nothing is sent; the next load of the process waits for nothing, and no fill is lost."""
    cache = cached()
    with pytest.raises(error):
        cache.get_or_set("key", Raises(error))
    assert held(tier, cache) > 0
    assert cached().get_or_set("key", lambda: "next") == "next"
    left_claims.forget_all()
    assert cached().get("key") == "next"  # it was stored in the tier, with a token of its own


@pytest.mark.parametrize("tier", TIERS, indirect=True)
def test_a_load_that_was_given_up_cannot_fill_any_more(tier, cached):
    """The claim that takes its place has another token."""
    address = cached()._keyspace.address(("key",))
    made = tier()
    made.load()
    budget = Budget(SYSTEM, 5.0)
    (first,) = made.claim_many([Claim(address.text, b"given up---!", 10.0)], budget)
    assert first.held == 0
    claim = Claim(address.text, b"takes over-!", 10.0, None, (b"another one!", b"given up---!"))
    (second,) = made.claim_many([claim], budget)
    assert (second.held, second.etag) == (0, b"takes over-!")
    late = Write(address.text, b"late", b"late-------!", 60.0, b"given up---!")
    fill = Write(address.text, b"right", b"right------!", 60.0, b"takes over-!")
    assert list(made.set_many([late], budget)) == [False]
    assert list(made.set_many([fill], budget)) == [True]


@pytest.mark.parametrize("load", [sync_load, async_load], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("value", "terms"),
    [
        (threading.Lock(), {}),
        (object(), {"isolation": "share"}),
        ("x" * 200, {"ttl": 0}),
        ("x" * 200, {"ttl": None}),
        (b"x" * 3_000_000, {"compression": "none"}),
    ],
    ids=["uncopyable", "unstorable", "ttl 0", "ttl None", "oversize"],
)
@pytest.mark.parametrize("tier", TIERS, indirect=True)
@pytest.mark.filterwarnings("ignore::orc.errors.OrcWarning")
def test_a_value_that_is_not_stored_keeps_no_claim(tier, cached, no_pause, load, value, terms):
    """Neither one without a copy, nor one that does not travel, nor one that is too large."""
    cache = cached(**terms)
    assert load(cache, lambda: value) is not None
    left_claims.forget_all()
    assert held(tier, cache) == 0


@pytest.mark.parametrize("load", [sync_load, async_load], ids=["sync", "async"])
@pytest.mark.parametrize("tier", TIERS, indirect=True)
def test_a_fill_that_is_refused_gives_its_claim_back(tier, cached, no_pause, load, monkeypatch):
    """As by a server that is full: what it does not store keeps nobody from loading."""
    cache = cached()
    made = cache._keyspace.tiers[0].tier
    inner = getattr(made, "tier", made)
    kind = type(inner)
    whole, awhole = kind.set_many, kind.aset_many

    def full(self, writes, budget):
        if any(each.payload is not None for each in writes):
            raise TierError("OOM")
        return whole(self, writes, budget)

    async def afull(self, writes, budget):
        if any(each.payload is not None for each in writes):
            raise TierError("OOM")
        return await awhole(self, writes, budget)

    monkeypatch.setattr(kind, "set_many", full)
    monkeypatch.setattr(kind, "aset_many", afull)
    assert load(cache, lambda: "value") == "value"
    left_claims.forget_all()
    assert held(tier, cache) == 0


@pytest.mark.parametrize("tier", ["redis"], indirect=True)
def test_a_full_server_takes_a_claim_back(tier, cached, valkey, no_pause):
    """A real one, at its limit of memory, with a stale payload in the row or none."""
    from redis import Redis

    server = Redis(port=valkey.port)
    clock = ManualClock()
    cache = cached(ttl=10, stale_if_error=100, clock=clock, memory_ttl=1)
    cache.set("key", "old")
    clock.advance(20)
    for key in ("key", "absent"):

        def load():
            server.config_set("maxmemory-policy", "noeviction")
            server.config_set("maxmemory", "1")
            return "new"

        try:
            assert cache.get_or_set(key, load) == "new"
        finally:
            server.config_set("maxmemory", "0")
        left_claims.forget_all()
        assert held(tier, cache, key) == 0
    server.close()


@pytest.mark.parametrize("tier", TIERS, indirect=True)
def test_a_claim_whose_answer_was_lost_is_taken_over(tier, cached, no_pause, monkeypatch):
    """It may have been granted: then the next load of this process need not wait for it."""
    cache = cached()
    made = cache._keyspace.tiers[0].tier
    inner = getattr(made, "tier", made)
    kind = type(inner)
    whole = kind.claim_many
    lost = []

    def losing(self, claims, budget):
        answers = whole(self, claims, budget)
        if not lost:
            lost.append(claims)
            raise TierTimeoutError("the answer was lost")
        return answers

    monkeypatch.setattr(kind, "claim_many", losing)
    assert cache.get_or_set("key", lambda: "first") == "first"
    monkeypatch.setattr(kind, "claim_many", whole)
    assert lost
    assert cached().get_or_set("key", lambda: "second") == "second"


@pytest.mark.parametrize("tier", TIERS, indirect=True)
def test_a_follower_takes_over_from_a_leader_that_is_cancelled(tier, cached, no_pause):
    """At once, and what it loads is stored."""
    cache = cached()
    calls = []

    async def load():
        calls.append(None)
        if len(calls) == 1:
            begun.set()
            await asyncio.Event().wait()
        return len(calls)

    begun = asyncio.Event()

    async def main():
        leader = asyncio.create_task(cache.aget_or_set("key", load))
        await begun.wait()
        follower = asyncio.create_task(cache.aget_or_set("key", load))
        await asyncio.sleep(0.01)
        leader.cancel()
        return await follower

    assert asyncio.run(main()) == 2
    assert cached().get("key") == 2


@pytest.mark.parametrize("tier", TIERS, indirect=True)
def test_a_coroutine_that_is_closed_gives_its_claim_back(tier, cached, no_pause):
    """Also outside of a loop, where nothing can be sent: then this process takes it over."""
    cache = cached()

    async def main():
        begun = asyncio.Event()

        async def load():
            begun.set()
            await asyncio.Event().wait()

        reading = cache.aget_or_set("key", load)
        task = asyncio.create_task(reading)
        await begun.wait()
        task.cancel()
        del task

    asyncio.run(main())
    assert cached().get_or_set("key", lambda: "next") == "next"


@pytest.mark.parametrize("tier", ["reference"], indirect=True)
def test_a_newcomer_takes_the_claim_of_an_old_load_over(tier, cached, no_pause):
    """It abandons what began more than `memory_ttl` ago, and does not wait for its lease."""
    clock = ManualClock()
    cache = cached(clock=clock, memory_ttl=2)
    begun, go_on = threading.Event(), threading.Event()
    answers = []

    def slow():
        begun.set()
        assert go_on.wait(10)
        return "old"

    thread = threading.Thread(target=lambda: answers.append(cache.get_or_set("key", slow)))
    thread.start()
    assert begun.wait(10)
    clock.advance(2.5)
    assert cache.get_or_set("key", lambda: "new") == "new"
    go_on.set()
    thread.join(10)
    assert answers == ["old"]
    assert cache.get("key") == "new"
    assert cached(clock=clock).get("key") == "new"


@pytest.mark.parametrize("end", ["stopped", "closed"])
@pytest.mark.parametrize("tier", TIERS, indirect=True)
def test_the_claim_of_a_load_on_a_loop_that_ended_is_taken_over(tier, cached, end):
    """By another cache of the process too; no coroutine of that loop was cancelled."""
    cache, other = cached(), cached()
    begun = threading.Event()

    async def load():
        begun.set()
        await asyncio.Event().wait()

    loop = asyncio.new_event_loop()
    task = loop.create_task(cache.aget_or_set("key", load))
    loop.run_until_complete(asyncio.wait([task], timeout=0.3))
    assert begun.is_set()
    if end == "closed":
        loop.close()
    assert other.get_or_set("key", lambda: "next") == "next"
    task._log_destroy_pending = False
    task.get_coro().close()
    loop.close()
