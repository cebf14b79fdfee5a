"""What is told of a tier that is down: each outage once, and its end; never more than that."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import warnings
from itertools import pairwise

import pytest

from orc.errors import (
    OrcWarning,
    TierError,
    TierReadOnlyError,
    TierRefusedError,
    TierThrottledError,
    TierTimeoutError,
    TierUnavailableError,
)
from orc.model.row import Budget, Claim, Write
from orc.testing.reference_tier import ReferenceTier, Store
from orc.tiers.guard import Guard
from orc.tiers.outages import MOST_PLACES, Outages

CALLS = {
    "get_many": ["a"],
    "claim_many": [Claim("a", b"t", 1.0)],
    "set_many": [Write("a", b"p", b"e", 60.0)],
    "delete_many": ["a"],
}
COME_AND_GO = [
    TierTimeoutError("no answer in time"),
    TierUnavailableError("cannot be reached"),
    TierThrottledError("too much"),
    TierReadOnlyError("a replica"),
    TierError("no room"),
]


class Played(ReferenceTier):
    """A tier that fails as it is told to."""

    where = "server:6379"

    def __init__(self, store=None) -> None:
        super().__init__(store, remote=True)
        self.fault = None

    def check(self, budget):
        if self.fault is not None:
            raise self.fault

    def prewarm(self):
        self.check(None)


class Rig:
    """A guarded tier, and the log that its user reads."""

    def __init__(self, clock, log, store=None) -> None:
        self.clock, self.log = clock, log
        self.tier = Played(store)
        self.guard = Guard(self.tier, clock, lambda: None)

    def call(self, name="get_many", *, way="thread"):
        budget = Budget(self.clock, 10.0)
        try:
            if way == "thread":
                getattr(self.guard, name)(CALLS[name], budget)
            else:
                asyncio.run(getattr(self.guard, f"a{name}")(CALLS[name], budget))
        except TierError:
            pass

    def told(self):
        """Return what was logged since this was asked last."""
        said = [
            (record.levelname, record.getMessage())
            for record in self.log.records
            if record.name == "orc"
        ]
        self.log.clear()
        return said


@pytest.fixture
def rigs(clock, caplog):
    """Return what makes guarded tiers, of one server if they are given the same store."""
    caplog.set_level(logging.INFO, "orc")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield lambda store=None: Rig(clock, caplog, store)


@pytest.fixture
def rig(rigs):
    """Return a guarded tier."""
    return rigs()


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("way", ["thread", "coroutine"])
@pytest.mark.parametrize("fault", COME_AND_GO, ids=lambda fault: type(fault).__name__)
def test_an_outage_is_told_once_and_so_is_its_end(rig, way, name, fault):
    """A warning with tier, host and reason; then nothing, for as long as it lasts; then an info."""
    rig.tier.fault = fault
    rig.call(name, way=way)
    (record,) = [each for each in rig.log.records if each.name == "orc"]
    assert (record.tier, record.host, record.reason) == ("reference", "server:6379", str(fault))
    ((level, said),) = rig.told()
    assert level == "WARNING"
    assert all(each in said for each in ("reference", "server:6379", str(fault)))
    for _ in range(120):
        rig.clock.advance(5.0)
        rig.call(name, way=way)
    assert not rig.told()
    rig.tier.fault = None
    rig.clock.advance(61.0)  # what one request was refused is over when it was not for a minute
    rig.call(name, way=way)
    ((level, said),) = rig.told()
    assert level == "INFO"
    assert "server:6379" in said
    rig.call(name, way=way)
    assert not rig.told()


@pytest.mark.parametrize("doubtful", [False, True])
def test_what_is_warned_of_is_not_logged(rig, doubtful):
    """What its user must mend is one ``OrcWarning``, and no outage; nor is its end told."""
    error = TierUnavailableError("closes connections") if doubtful else TierRefusedError("no right")
    if doubtful:
        error.doubtful = True
    rig.tier.fault = error
    with pytest.warns(OrcWarning, match=str(error)):
        rig.call()
    rig.tier.fault = None
    rig.clock.advance(61.0)
    rig.call()
    assert not rig.told()


def test_of_one_tier_there_is_at_most_one_warning_a_minute(rig):
    """A tier that comes and goes is told once a minute, and the one that lasts is told late."""
    told = []
    for second in range(600):
        rig.tier.fault = TierTimeoutError("late") if second % 7 < 3 else None
        rig.call()
        rig.clock.advance(1.0)
        told += [(second, level) for level, _ in rig.told()]
    warned = [second for second, level in told if level == "WARNING"]
    assert 8 <= len(warned) <= 10
    assert all(later - earlier >= 60 for earlier, later in pairwise(warned))
    over = [second for second, level in told if level == "INFO"]
    assert len(warned) - 1 <= len(over) <= len(warned)


@pytest.mark.parametrize("moved", [(3600.0, 0.0), (0.0, 3600.0), (-3600.0, 0.0)])
def test_a_minute_is_over_when_either_clock_says_so(rig, moved):
    """A container that was frozen, or whose wall clock was set, is not silent for longer."""
    for _ in range(2):
        rig.tier.fault = TierTimeoutError("late")
        rig.call()
        assert [level for level, _ in rig.told()] == ["WARNING"]
        rig.tier.fault = None
        rig.clock.advance(6.0)
        rig.call()
        assert [level for level, _ in rig.told()] == ["INFO"]
        rig.clock.advance(wall=moved[0], monotonic=moved[1])


def test_caches_of_one_server_tell_its_outage_once(rigs):
    """Its end, too; and servers of different names are told apart."""
    store = Store()
    first, second, other = rigs(store), rigs(store), rigs(Store())
    for rig in (first, second, other, first, second, other):
        rig.tier.fault = TierUnavailableError("cannot be reached")
        rig.call()
    assert [level for level, _ in first.told()] == ["WARNING", "WARNING"]
    for rig in (first, second, other):
        rig.tier.fault = None
        rig.clock.advance(6.0)
        rig.call()
    assert [level for level, _ in first.told()] == ["INFO", "INFO"]


def test_a_cache_that_is_gone_in_an_outage_keeps_none_secret(rigs):
    """Another cache of the same server tells the next outage, when a minute is over."""
    store = Store()
    first = rigs(store)
    first.tier.fault = TierUnavailableError("cannot be reached")
    first.call()
    assert len(first.told()) == 1
    second = rigs(store)
    second.clock.advance(61.0)
    second.tier.fault = TierUnavailableError("cannot be reached")
    second.call()
    assert [level for level, _ in second.told()] == ["WARNING"]


def test_a_place_that_cannot_be_shown_is_not_shown(rig):
    """Neither does it fail in the middle of an error, nor shows it a password."""
    rig.tier.where = "redis://user:s3cret@host:1"
    rig.tier.fault = TierUnavailableError("cannot be reached")
    rig.call()
    ((_, said),) = rig.told()
    assert "s3cret" not in said
    assert "host:1" in said
    type(rig.tier).where = property(lambda self: 1 / 0)
    try:
        del rig.tier.__dict__["where"]
        rig.clock.advance(61.0)
        rig.guard.restored()
        rig.call()
        assert len(rig.told()) == 1
    finally:
        type(rig.tier).where = "server:6379"


def test_prewarm_tells_an_outage_and_the_first_answer_its_end(rig):
    """The init phase is where a closed security group shows."""
    rig.tier.fault = TierUnavailableError("cannot be reached")
    with pytest.raises(TierUnavailableError):
        rig.guard.prewarm()
    assert [level for level, _ in rig.told()] == ["WARNING"]
    rig.call()
    assert not rig.told()
    rig.tier.fault = None
    rig.clock.advance(6.0)
    rig.call()
    assert [level for level, _ in rig.told()] == ["INFO"]


def test_reads_and_writes_are_told_apart(rig):
    """A table short of write capacity still reads: the log says which it is."""
    rig.tier.fault = TierThrottledError("no capacity")
    rig.call("set_many")
    ((_, said),) = rig.told()
    assert "refuses writes" in said
    rig.tier.fault = None
    rig.clock.advance(2.0)
    rig.call("get_many")
    assert not rig.told()
    rig.call("set_many")
    ((_, said),) = rig.told()
    assert "refused writes" in said


def test_a_full_server_is_told_once_though_it_answers_in_between(rig):
    """It refuses what is stored, and goes on to read and to delete."""
    for _ in range(100):
        rig.tier.fault = TierError("no room")
        rig.call("set_many")
        rig.tier.fault = None
        rig.call("get_many")
        rig.clock.advance(1.0)
    assert [level for level, _ in rig.told()] == ["WARNING"]


def test_a_fork_and_a_restored_snapshot_have_logs_of_their_own(rig):
    """An outage that is told in the log of another environment is told again."""
    for event in ("forked", "restored"):
        rig.tier.fault = TierTimeoutError("late")
        rig.call()
        rig.clock.advance(61.0)
        rig.told()
        getattr(rig.guard, event)()
        rig.call()
        assert [level for level, _ in rig.told()] == ["WARNING"], event


def test_a_handler_of_the_log_that_fails_or_asks_the_cache_does_no_harm(rig):
    """Whatever a user's handler raises, the call of the cache is what it was."""

    class Failing(logging.Filter):
        def filter(self, record):
            rig.call()
            raise RuntimeError("a bug of the user's")

    logger = logging.getLogger("orc")
    failing = Failing()
    logger.addFilter(failing)
    try:
        rig.tier.fault = TierTimeoutError("late")
        rig.call()
    finally:
        logger.removeFilter(failing)
    assert rig.guard.state == "open"


def test_threads_that_fail_at_once_tell_one_outage(rigs):
    """No thread tells it a second time."""
    rig = rigs()
    rig.tier.fault = TierTimeoutError("late")
    threads = [threading.Thread(target=rig.call) for _ in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert len(rig.told()) == 1


def test_what_is_remembered_of_tiers_is_bounded(clock):
    """A process that makes caches without end remembers some."""
    from orc.tiers import outages

    for _ in range(10 * MOST_PLACES):
        Outages(Played(Store()), clock).began("gone", 5.0)
    assert len(outages.TOLD._by_store) <= MOST_PLACES


COLD = """
import orc
import sys

from orc.errors import TierUnavailableError
from orc.testing.reference_tier import ReferenceTier, Store

class Down(ReferenceTier):
    fault = None
    def check(self, budget):
        if self.fault:
            raise self.fault

before = set(sys.modules)
tier = Down(remote=True)
cache = orc.Cache(tiers=[orc.Memory(), tier], namespace="test")
cache.set("a", 1)
assert "logging" not in sys.modules or "logging" in before
tier.fault = TierUnavailableError("cannot be reached")
cache.set("b", 1)
assert "logging" in sys.modules
"""


def test_logging_is_imported_only_when_there_is_something_to_tell():
    """And the handler of last resort writes it to standard error, which Lambda logs."""
    done = subprocess.run(
        [sys.executable, "-c", COLD], capture_output=True, text=True, timeout=60, check=False
    )
    assert not done.returncode, done.stderr
    assert "the tier reference does not answer: cannot be reached" in done.stderr
