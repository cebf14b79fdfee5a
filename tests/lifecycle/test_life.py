"""The states of a process, and the times between its requests."""

from __future__ import annotations

import gc
import threading

import pytest

from orc.lifecycle import life as life_module
from orc.lifecycle import marker
from orc.lifecycle.life import life, runtime_invocation

NAMED = {"AWS_LAMBDA_FUNCTION_NAME": "f"}
STREAM = NAMED | {"AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/23/[1]abc"}
PROVISIONED = STREAM | {"AWS_LAMBDA_INITIALIZATION_TYPE": "provisioned-concurrency"}
SNAP_START = STREAM | {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
MANAGED = STREAM | {"AWS_LAMBDA_MAX_CONCURRENCY": "4"}


class Dweller:
    """What is told of the container's life, and writes it down."""

    def __init__(self):
        self.told = []

    def stage_ended(self, state):
        self.told.append(state)

    def before_fork(self):
        self.told.append("before")

    def after_fork(self):
        self.told.append("after")

    def forked(self):
        self.told.append("forked")

    def restored(self):
        self.told.append("restored")


@pytest.fixture
def kill(monkeypatch):
    """Have every marker's owner be dead."""
    return lambda: monkeypatch.setattr(marker, "_alive", lambda *_: False)


def first_request(here):
    """Serve a request, and return the state that it found."""
    found = here.request_begins()
    assert here.state == found
    here.request_ends()
    return found


@pytest.mark.parametrize("variables", [{}, NAMED, {"K_SERVICE": "s"}, {"VERCEL": "1"}])
def test_the_first_request_is_cold_and_all_others_warm(live, variables) -> None:
    """Cold until the first request has ended, before it too."""
    here = live(variables)
    assert here.state == "cold"
    assert first_request(here) == "cold"
    assert here.state == "warm"
    assert first_request(here) == "warm"
    assert here.known_start() == "cold"


@pytest.mark.parametrize(
    ("elapsed", "state"),
    [
        ({"wall": 10, "monotonic": 10}, "cold"),
        ({"wall": 10.01, "monotonic": 10.01}, "proactive"),
        ({"wall": 3600}, "proactive"),
        ({"monotonic": 11}, "proactive"),
        ({"wall": -3600, "monotonic": 11}, "proactive"),
        ({"wall": -3600}, "cold"),
        ({}, "cold"),
    ],
)
def test_who_is_asked_more_than_ten_seconds_later_was_begun_ahead(
    live, clock, elapsed, state
) -> None:
    """One clock alone tells it, since the other may have stood still or been set back."""
    here = live(STREAM)
    clock.advance(**elapsed)
    assert first_request(here) == state
    assert here.known_start() == state


@pytest.mark.parametrize(
    ("variables", "state"),
    [
        ({}, "cold"),
        (PROVISIONED, "provisioned"),
        (MANAGED, "provisioned"),
        ({"VERCEL": "1"}, "cold"),
    ],
)
def test_only_on_demand_is_anything_proactive(live, clock, variables, state) -> None:
    """Elsewhere a long wait says nothing new."""
    here = live(variables)
    clock.advance(3600)
    assert first_request(here) == state
    assert first_request(here) == "warm"


@pytest.mark.parametrize("variables", [NAMED, STREAM, PROVISIONED])
def test_a_process_after_a_dead_one_is_a_reset(live, clock, kill, variables) -> None:
    """Whatever began the environment, and however long ago: somebody waits for this process."""
    first = live(variables)
    assert first_request(first) != "reset"
    kill()
    second = live(variables)
    clock.advance(3600)
    assert second.state == "reset"
    assert first_request(second) == "reset"
    assert second.mark().id == first.mark().id
    assert second.mark().generation == 2
    assert first_request(second) == "warm"
    assert second.process_id != first.process_id


def test_nobody_is_reset_while_the_owner_of_the_marker_lives(live) -> None:
    """It is this very process that has left it."""
    first_request(live(STREAM))
    assert first_request(live(STREAM)) == "cold"


@pytest.mark.parametrize("variables", [MANAGED, SNAP_START, {}, {"K_SERVICE": "s"}])
def test_elsewhere_nothing_is_ever_reset(live, kill, tmp_path, variables) -> None:
    """Neither Managed Instances nor snapshots nor other platforms keep a marker."""
    kill()
    for _ in range(2):
        assert first_request(live(variables)) != "reset"
    assert not list(tmp_path.iterdir())


def test_nothing_is_looked_up_on_disk_before_it_is_needed(live, tmp_path) -> None:
    """An import costs no file; a handler asks during init."""
    here = live(STREAM)
    assert not list(tmp_path.iterdir())
    here.expect_requests()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("elapsed", "gap"),
    [
        ({"wall": 60, "monotonic": 60}, 60),
        ({"wall": 60}, 60),
        ({"monotonic": 60}, 60),
        ({"wall": -60}, 0),
        ({"wall": -60, "monotonic": 5}, 5),
    ],
)
def test_the_time_between_requests_is_that_of_the_clock_that_went(
    live, clock, elapsed, gap
) -> None:
    """A clock may stand still in a freeze, and a wall clock may be set back."""
    here = live(STREAM)
    clock.advance(3)
    first_request(here)
    assert (here.idle, here.frozen) == (3, 0)
    for number in (1, 2):
        clock.advance(**elapsed)
        here.request_begins()
        clock.advance(2)
        here.request_ends()
        assert here.idle == pytest.approx(gap)
        assert here.frozen == pytest.approx(number * gap)


def test_nothing_freezes_off_lambda_nor_while_a_request_is_open(live, clock) -> None:
    """The idle time is told all the same."""
    here = live({})
    first_request(here)
    clock.advance(60)
    first_request(here)
    assert (here.idle, here.frozen) == (60, 0)
    here = live(STREAM)
    first_request(here)
    here.request_begins()
    clock.advance(60)
    here.request_begins()
    assert here.frozen == 0


def test_the_age_goes_by_the_faster_clock(live, clock) -> None:
    """It never shrinks below zero."""
    here = live({})
    clock.advance(wall=-100)
    assert here.age() == 0
    clock.advance(monotonic=7)
    assert here.age() == 7


def test_an_invocation_without_a_request_is_counted_once(live, invocation) -> None:
    """Noticing it again changes nothing, and a request opened for it is the same one."""
    here = live(STREAM)
    here.notice()
    assert here.invocations == 0
    invocation("a")
    here.notice()
    here.notice()
    assert (here.invocations, here.state) == (1, "cold")
    assert here.request_begins() == "cold"
    assert here.invocations == 1
    here.request_ends()
    here.notice()
    assert here.invocations == 1
    invocation("b")
    here.notice()
    assert (here.invocations, here.state) == (2, "warm")
    assert here.request_begins() == "warm"
    assert here.request_begins() == "warm"
    assert here.invocations == 3


def test_invocations_that_are_only_noticed_do_not_freeze_twice(live, clock, invocation) -> None:
    """Each gap is counted once: all of them together are no longer than the process is old."""
    here = live(STREAM)
    for number in range(5):
        invocation(f"r{number}")
        here.notice()
        clock.advance(10)
    assert here.idle == 10
    assert here.frozen == 40
    assert here.frozen <= here.age()


def test_a_request_seen_in_a_proactive_process_stays_so(live, clock, invocation) -> None:
    """The invocation was noticed before its request was opened."""
    here = live(STREAM)
    clock.advance(60)
    invocation("a")
    here.notice()
    assert here.request_begins() == "proactive"


def test_the_runtimes_invocation_is_its_request_else_the_trace(
    live, invocation, monkeypatch
) -> None:
    """Off Lambda, where a process may serve several traces at once, there is neither."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1")
    live({"VERCEL": "1"} | STREAM)
    assert runtime_invocation() is None
    live(STREAM)
    assert runtime_invocation() == "Root=1"
    invocation("r1")
    assert runtime_invocation() == "r1"


def test_dwellers_are_told_of_the_first_stages_end_once(live) -> None:
    """By the state that is over; those that are gone are not kept alive."""
    here = live(STREAM)
    stays, goes = Dweller(), Dweller()
    here.move_in(stays)
    here.move_in(goes)
    del goes
    gc.collect()
    first_request(here)
    first_request(here)
    assert stays.told == ["cold"]
    assert here.living() == [stays]
    here.before_fork()
    here.move_in(late := Dweller())
    here.after_fork()
    here.before_fork()
    here.forked(0)
    assert stays.told == ["cold", "before", "after", "before", "forked"]
    assert late.told == ["before", "forked"]


def test_a_request_that_overtakes_the_first_ends_its_stage(live) -> None:
    """Where requests run at once, the second one finds a container that is no longer cold."""
    here = live({"VERCEL": "1"})
    here.move_in(dweller := Dweller())
    assert here.request_begins() == "cold"
    assert here.request_begins() == "warm"
    assert dweller.told == ["cold"]


def test_the_state_can_be_asked_while_a_dweller_is_being_told(live) -> None:
    """Who holds a cache's lock and asks does not wait for whoever waits for that lock."""
    here = live(STREAM)
    lock, entered = threading.RLock(), threading.Event()

    class Locked(Dweller):
        def stage_ended(self, state):
            entered.set()
            assert lock.acquire(timeout=10)
            lock.release()

    here.move_in(dweller := Locked())
    here.request_begins()
    with lock:
        ending = threading.Thread(target=here.request_ends)
        ending.start()
        assert entered.wait(10)
        asked = []
        asking = threading.Thread(target=lambda: asked.append(here.known_start()), daemon=True)
        asking.start()
        asking.join(5)
        assert asked == ["cold"]
    ending.join(10)
    assert dweller is not None


def test_there_is_one_life_for_all_threads(lives) -> None:
    """Made by the first who asks."""
    found = []
    start = threading.Barrier(8)

    def ask():
        start.wait(10)
        found.append(life())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({id(each) for each in found}) == len(lives) == 1


def test_counts_are_exact_under_threads(live) -> None:
    """Every request is counted, and none is open in the end."""
    here = live(STREAM)

    def serve():
        for _ in range(500):
            here.request_begins()
            here.request_ends()

    threads = [threading.Thread(target=serve) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (here.invocations, here._open, here.state) == (4000, 0, "warm")


def test_forks_of_several_threads_are_prepared_one_after_the_other(live) -> None:
    """Else what one has prepared would be undone by the other, and locks be kept for ever."""
    here = live({})
    here.move_in(dweller := Dweller())
    life_module._before_fork()
    second = threading.Thread(
        target=lambda: (life_module._before_fork(), life_module._after_fork())
    )
    second.start()
    second.join(0.05)
    assert dweller.told == ["before"]
    life_module._after_fork()
    second.join(10)
    assert dweller.told == ["before", "after"] * 2
