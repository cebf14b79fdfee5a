"""The table of flights: who leads, who follows, who loads alone, and what ends a flight."""

from __future__ import annotations

import pytest

from orc.errors import RecursiveLoadError
from orc.model.loading import Within
from orc.model.outcome import ABANDONED, ALONE, FAILED, FLYING, FOLLOW, LANDED, LEAD
from orc.model.tags import Tag
from orc.stampede import single_flight
from orc.stampede.single_flight import Flights

A, B, C = ("space", "a"), ("space", "b"), ("space", "c")


class Loop:
    """All that the table asks of an event loop."""

    def __init__(self):
        self.running = True

    def is_running(self):
        return self.running


@pytest.fixture
def flights():
    """Return an empty table; what blocks loops is taken back by the end of each test."""
    yield Flights()
    assert single_flight.blocking == {}


def thread(flights, key, **how):
    return flights.join(key, None, sync=True, **how)


def coroutine(flights, key, loop, **how):
    return flights.join(key, loop, sync=False, **how)


def sync_on(flights, key, loop):
    return flights.join(key, loop, sync=True)


def test_the_first_leads_and_the_others_follow_it(flights):
    """The first caller for a key leads a flight that all later callers follow."""
    first, second, third = (thread(flights, A) for _ in range(3))
    assert [first.role, second.role, third.role] == [LEAD, FOLLOW, FOLLOW]
    assert first.flight is second.flight is third.flight


def test_keys_have_flights_of_their_own(flights):
    """Callers of two keys both lead."""
    assert thread(flights, A).role == thread(flights, B).role == LEAD


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (lambda flights, flight: flights.land(flight, "kept"), LANDED),
        (lambda flights, flight: flights.fail(flight, ValueError("no")), FAILED),
        (lambda flights, flight: flights.abandon(flight), ABANDONED),
        (lambda flights, flight: flights.strand(flight), ABANDONED),
    ],
)
def test_a_flight_that_ended_is_gone_and_has_woken_all(flights, end, state):
    """However a flight ends, each waker is called once, and the next caller leads a new one."""
    flight = thread(flights, A).flight
    woken = []
    assert flights.on_landing(flight, lambda: woken.append(1))
    assert flights.on_landing(flight, lambda: woken.append(2))
    end(flights, flight)
    flights.abandon(flight)
    assert woken == [1, 2]
    assert flight.state == state
    assert thread(flights, A).role == LEAD


def test_who_comes_to_wait_too_late_is_told_so(flights):
    """A waker is not taken for a flight that has ended."""
    flight = thread(flights, A).flight
    flights.land(flight, "kept")
    assert not flights.on_landing(flight, lambda: pytest.fail("woken"))


@pytest.mark.parametrize("hand_over", [Flights.abandon, Flights.strand])
def test_what_a_leader_brings_after_it_was_given_up_reaches_nobody(flights, hand_over):
    """Neither the late result nor the late error of an abandoned flight is kept in it."""
    flight = thread(flights, A).flight
    hand_over(flights, flight)
    flights.land(flight, "late")
    flights.fail(flight, ValueError("late"))
    assert (flight.state, flight.result, flight.error) == (ABANDONED, None, None)


def test_a_void_flight_is_out_of_the_table_but_goes_on(flights):
    """After a write of the key newcomers lead, while the void flight lands for its followers."""
    old = thread(flights, A).flight
    flights.void(A)
    new = thread(flights, A)
    assert new.role == LEAD
    assert new.flight is not old
    assert (old.void, new.flight.void, old.state) == (True, False, FLYING)
    flights.land(old, "old")
    assert old.state == LANDED
    assert thread(flights, A).flight is new.flight


def test_to_void_all_voids_those_that_belong(flights):
    """``void_all`` voids the flights of the keys it is told of, and no other."""
    a, b = thread(flights, A).flight, thread(flights, B).flight
    flights.void_all(lambda key: key == A)
    assert (a.void, b.void) == (True, False)
    assert thread(flights, A).role == LEAD
    assert thread(flights, B).role == FOLLOW


def test_who_loads_anew_leads_whatever_is_under_way(flights):
    """A refresh voids the running flight and leads; later callers follow the refresh."""
    old = thread(flights, A).flight
    refresh = thread(flights, A, anew=True)
    assert refresh.role == LEAD
    assert old.void
    assert thread(flights, A).flight is refresh.flight


def test_a_flight_whose_tags_moved_on_is_not_followed(flights):
    """A caller who comes after the invalidation of a tag does not get a value from before it."""
    tag = Tag("red", b"1")
    flight = thread(flights, A).flight
    flight.versions = ((tag, b"1"),)
    assert thread(flights, A).role == FOLLOW
    tag.version = b"2"
    assert thread(flights, A).role == LEAD


@pytest.mark.parametrize("write", [lambda f: f.void(A), lambda f: f.void_all(lambda _: False)])
def test_a_watch_sees_any_write(flights, write):
    """A watch is void from the first write or removal after it was made, of whatever key."""
    watch = flights.watch()
    assert not watch.void
    write(flights)
    assert watch.void
    assert not flights.watch().void


# -- who may wait for whom ---------------------------------------------------------------------


def test_a_sync_caller_on_a_loop_never_follows_a_coroutine(flights):
    """Where a coroutine leads, of this loop or another, a sync caller on a loop loads alone."""
    mine, other = Loop(), Loop()
    coroutine(flights, A, mine)
    coroutine(flights, B, other)
    for key in (A, B):
        turn = sync_on(flights, key, mine)
        assert turn.role == ALONE
        flights.leave(turn)
    assert thread(flights, A).role == FOLLOW


def test_a_sync_caller_on_a_loop_follows_a_thread(flights):
    """What a plain thread loads, a sync caller on a loop can wait for."""
    thread(flights, A)
    turn = sync_on(flights, A, Loop())
    assert turn.role == FOLLOW
    flights.leave(turn)


def test_a_sync_caller_on_a_loop_does_not_follow_what_waits_for_that_loop(flights):
    """A thread's flight that waits for a coroutine of a loop is not waited for on that loop."""
    loop, other = Loop(), Loop()
    coroutine(flights, A, loop)
    leader = thread(flights, B)
    with Within(leader.flight):
        inner = thread(flights, A)
    assert inner.role == FOLLOW
    for on, role in ((loop, ALONE), (other, FOLLOW)):
        turn = sync_on(flights, B, on)
        assert turn.role == role
        flights.leave(turn)
    flights.leave(inner)


def test_nobody_follows_a_coroutine_whose_loop_is_blocked_until_it_is_done_itself(flights):
    """While a sync caller blocks a loop for B, the loader of B does not wait for that loop."""
    loop = Loop()
    coroutine(flights, A, loop)
    leader = thread(flights, B)
    blocker = sync_on(flights, B, loop)
    assert blocker.role == FOLLOW
    with Within(leader.flight):
        inner = thread(flights, A)
        assert inner.role == ALONE
        flights.leave(inner)
        flights.leave(blocker)
        assert thread(flights, A).role == FOLLOW


def test_a_loop_that_is_blocked_by_a_leader_counts_too(flights):
    """A sync leader blocks its loop as one who waits does."""
    loop = Loop()
    coroutine(flights, A, loop)
    leader = thread(flights, B)
    blocker = sync_on(flights, C, loop)
    with Within(blocker.flight):
        inner = thread(flights, B)  # in a thread that carries on the context
    assert inner.role == FOLLOW
    with Within(leader.flight):
        turn = thread(flights, A)
    assert turn.role == ALONE
    flights.leave(turn)
    flights.leave(inner)
    flights.leave(blocker)


@pytest.mark.parametrize("length", [2, 3, 10])
@pytest.mark.parametrize("tables", [1, 2])
def test_a_cycle_of_waits_is_not_closed(length, tables):
    """The caller who would close a cycle of any length, over any tables, loads alone."""
    table = [Flights() for _ in range(tables)]
    keys = [(table[index % tables], ("space", index)) for index in range(length)]
    leaders = [thread(flights, key) for flights, key in keys]
    roles = []
    for index, leader in enumerate(leaders):
        with Within(leader.flight):
            roles.append(thread(*keys[(index + 1) % length]).role)
    assert roles == [FOLLOW] * (length - 1) + [ALONE]


def test_a_cycle_through_a_nested_load_is_seen(flights):
    """B, which A's loader leads itself, may not wait for what waits for A."""
    a = thread(flights, A)
    with Within(a.flight):
        b = thread(flights, B)
    c = thread(flights, C)
    with Within(c.flight):
        assert thread(flights, A).role == FOLLOW
    with Within(b.flight):
        assert thread(flights, C).role == ALONE


def test_a_cycle_through_a_lone_load_is_seen(flights):
    """Who loads alone inside a loader is part of what that loader waits for."""
    loop = Loop()
    coroutine(flights, A, loop)
    outer = sync_on(flights, B, loop)
    with Within(outer.flight):
        alone = sync_on(flights, A, loop)
    assert alone.role == ALONE
    c = thread(flights, C)
    with Within(c.flight):
        waiting = thread(flights, B)
    assert waiting.role == FOLLOW
    with Within(alone.flight):
        inner = sync_on(flights, C, loop)
    assert inner.role == ALONE
    for turn in (inner, waiting, alone, outer):
        flights.leave(turn)


def test_a_wait_that_is_over_closes_no_cycle(flights):
    """Once A has left B, B may wait for A."""
    a, b = thread(flights, A), thread(flights, B)
    with Within(a.flight):
        flights.leave(thread(flights, B))
    with Within(b.flight):
        assert thread(flights, A).role == FOLLOW


def test_one_who_parts_from_a_flight_loads_on_a_flight_of_its_own(flights):
    """``part`` turns a follower into one who loads alone, and frees those who wait for nothing."""
    outer, leader = thread(flights, A), thread(flights, B)
    with Within(outer.flight):
        turn = thread(flights, B)
    flights.land(leader.flight, None)
    flights.part(turn)
    assert turn.role == ALONE
    assert turn.flight is not leader.flight
    assert turn.flight.outer is outer.flight
    flights.leave(turn)
    assert turn.flight.state == ABANDONED
    assert not outer.flight._waits_for


# -- the same key inside its own loader --------------------------------------------------------


def test_the_key_inside_its_own_loader_is_an_error(flights):
    """Directly, and with another key's loader in between; the error leaves nothing behind."""
    a = thread(flights, A)
    with Within(a.flight):
        with pytest.raises(RecursiveLoadError):
            thread(flights, A)
        b = thread(flights, B)
        with Within(b.flight), pytest.raises(RecursiveLoadError):
            thread(flights, A, anew=True)
    assert not a.flight.void
    assert [*a.flight._waits_for.values()] == [b.flight]


def test_code_that_outlives_a_load_may_ask_for_the_key(flights):
    """After the load has ended its context is no loader any more."""
    a = thread(flights, A)
    with Within(a.flight):
        flights.land(a.flight, "kept")
        turn = thread(flights, A)
        assert turn.role == LEAD
        assert turn.outer is None


def test_code_that_outlives_a_lone_load_may_ask_for_the_key(flights):
    """One who loaded alone has ended when it leaves, like a leader."""
    loop = Loop()
    coroutine(flights, A, loop)
    alone = sync_on(flights, A, loop)
    with Within(alone.flight):
        with pytest.raises(RecursiveLoadError):
            sync_on(flights, A, loop)
        flights.leave(alone)
        assert thread(flights, A).role == FOLLOW


# -- loops that stop ---------------------------------------------------------------------------


@pytest.mark.parametrize("newcomer", ["thread", "coroutine"])
def test_a_flight_on_a_loop_that_stopped_is_given_up(flights, newcomer):
    """The newcomer leads; who waits is woken; and nothing of the old leader's may be stored."""
    loop = Loop()
    old = coroutine(flights, A, loop).flight
    woken = []
    flights.on_landing(old, lambda: woken.append(1))
    loop.running = False
    turn = thread(flights, A) if newcomer == "thread" else coroutine(flights, A, Loop())
    assert turn.role == LEAD
    assert (old.state, old.void, woken) == (ABANDONED, True, [1])
    flights.land(old, "late")
    assert thread(flights, A).flight is turn.flight
