"""The Redis tier behind its guard, over a network that fails."""

from __future__ import annotations

import pytest

from orc.errors import TierError, TierUnavailableError
from orc.lifecycle.clock import SYSTEM
from orc.model.row import Budget, Write
from orc.testing import ManualClock
from orc.testing.proxy import FaultProxy
from orc.testing.servers.valkey import Valkey
from orc.tiers.guard import Guard
from orc.tiers.redis.tier import Redis

BUDGET = 0.15
NOISE = 2.0  # seconds a busy machine may add
A = "orc1:n:f:a"


@pytest.fixture(scope="module")
def server():
    with Valkey() as running:
        yield running


@pytest.fixture
def proxy(server):
    with FaultProxy("127.0.0.1", server.port, seed=5) as made:
        yield made


@pytest.fixture
def breaker_clock():
    """Return the clock of the guard, which the test moves; budgets go by the machine's."""
    return ManualClock()


@pytest.fixture
def guard(proxy, breaker_clock):
    tier = Redis(f"redis://127.0.0.1:{proxy.port}", budget=BUDGET)
    yield Guard(tier, breaker_clock, lambda: None)
    tier.close()


def timed(work):
    """Return what a call answered or raised, and its seconds."""
    began = SYSTEM.monotonic()
    try:
        answer = work()
    except TierError as error:
        answer = error
    return answer, SYSTEM.monotonic() - began


def failed(answer):
    """Tell whether an error was raised, or stands in the place of the answer."""
    return isinstance(answer, TierError) or isinstance(answer[0], TierError)


def get(guard):
    return guard.get_many([A], Budget(SYSTEM, BUDGET))


def put(guard, payload=b"payload"):
    return guard.set_many([Write(A, payload, b"e" * 12, 3600.0)], Budget(SYSTEM, BUDGET))


FAULTS = {
    "replies lost": lambda proxy: setattr(proxy.replies, "black_hole", True),
    "requests lost": lambda proxy: setattr(proxy.requests, "black_hole", True),
    "too late": lambda proxy: setattr(proxy.replies, "delay", 10 * BUDGET),
    "too slow": lambda proxy: setattr(proxy.replies, "bandwidth", 20),
    "reset before a reply": lambda proxy: setattr(proxy.replies, "reset_after", 0),
    "reset within a reply": lambda proxy: setattr(proxy.replies, "reset_after", 9),
    "refused": lambda proxy: (setattr(proxy, "refuse", True), proxy.reset_all()),
    "port closed": lambda proxy: (proxy.close_port(), proxy.reset_all()),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_costs_one_budget_and_then_nothing(guard, proxy, breaker_clock, name) -> None:
    """A TierError within the budget; then less than a millisecond each; then it is there again."""
    put(guard)
    FAULTS[name](proxy)
    answer, seconds = timed(lambda: get(guard))
    assert failed(answer)
    assert seconds < BUDGET + NOISE
    assert guard.state == "open"
    quickest = min(timed(lambda: get(guard))[1] for _ in range(5))
    assert quickest < 0.001
    assert isinstance(timed(lambda: get(guard))[0], TierUnavailableError)
    proxy.heal()
    breaker_clock.advance(5)
    assert get(guard)[0].payload == b"payload"
    assert guard.state == "closed"


def test_a_frozen_server(guard, server, breaker_clock) -> None:
    """A server that accepts and does not answer costs one budget, and is found when it thaws."""
    put(guard)
    server.freeze()
    try:
        answer, seconds = timed(lambda: get(guard))
        assert failed(answer)
        assert seconds < BUDGET + NOISE
        assert guard.state == "open"
    finally:
        server.thaw()
    breaker_clock.advance(5)
    assert get(guard)[0].payload == b"payload"


def test_small_faults_are_no_faults(guard, proxy) -> None:
    """What is late but in time, or in pieces, or idle and reset, is answered."""
    put(guard, bytes(range(256)) * 20)
    proxy.replies.delay = proxy.requests.delay = 0.005
    proxy.replies.slice = 7
    for _ in range(3):
        assert get(guard)[0].payload == bytes(range(256)) * 20
        proxy.reset_all()
    assert guard.state == "closed"


def test_a_write_whose_reply_was_lost_may_have_landed(guard, proxy, breaker_clock) -> None:
    """The caller is told of an error; the row is whole, with the etag of that write."""
    put(guard, b"before")
    proxy.replies.black_hole = True
    answer, _ = timed(lambda: put(guard, b"landed"))
    assert failed(answer)
    proxy.heal()
    breaker_clock.advance(5)
    (row,) = get(guard)
    assert row.payload == b"landed"
    assert row.etag == b"e" * 12


def test_corrupted_replies_are_never_a_wrong_value(proxy, server) -> None:
    """Whatever bytes come, only a TierError is raised, and no wrong entry is opened."""
    from orc.codecs.codec import Codec
    from orc.model.address import addresses
    from orc.model.entry import Entry

    address = addresses("n", "1", None, "f")(["key"])
    codec = Codec()
    entry = Entry({"a": [1, 2.5, "text"] * 20}, 1.0, 2.0)
    tier = Redis(f"redis://127.0.0.1:{proxy.port}", budget=BUDGET)
    write = Write(address.text, codec.seal(entry, address), b"e" * 12, 3600.0)
    tier.set_many([write], Budget(SYSTEM, 5))
    proxy.replies.corrupt = 0.003
    right = wrong = 0
    for _ in range(60):
        answer, _ = timed(lambda: tier.get_many([address.text], Budget(SYSTEM, 0.03)))
        if failed(answer):
            continue
        opened = answer[0].payload and codec.open(answer[0].payload, address)
        if opened:
            right += opened.value == entry.value
            wrong += opened.value != entry.value
    tier.close()
    assert wrong == 0
    assert right > 0
