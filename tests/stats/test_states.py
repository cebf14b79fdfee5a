"""Statistics by the state of the container."""

from __future__ import annotations

import threading

import pytest

import orc
from orc.lifecycle import life as life_module
from orc.lifecycle.life import Life, life


@pytest.fixture(autouse=True)
def here(monkeypatch, clock):
    """Let this process begin anew."""
    monkeypatch.setattr(life_module, "_lives", [Life({}, clock)])


def by_state(cache):
    """Return hits, misses and loads of each state."""
    return {
        state: (part.hits, part.misses, part.loads) for state, part in cache.stats().states.items()
    }


def ask(cache, *keys):
    """Ask for keys in one request."""
    with orc.request_scope():
        for key in keys:
            cache.get_or_set(key, lambda: 1)


def test_there_are_no_states_before_the_first_request(cache) -> None:
    """What init asked for is counted, and belongs to the state of the first request."""
    cache.get_or_set("a", lambda: 1)
    assert by_state(cache) == {}
    with orc.request_scope():
        assert by_state(cache) == {"cold": (0, 1, 1)}


def test_they_stand_in_their_order_and_add_up(cache) -> None:
    """Cold is the first request, warm all others."""
    ask(cache, "a", "b", "a")
    ask(cache, "a", "c")
    ask(cache, "a", "b")
    assert list(by_state(cache).items()) == [("cold", (1, 2, 2)), ("warm", (3, 1, 1))]
    stats = cache.stats()
    for name in ("hits", "misses", "loads", "requests"):
        parts = stats.states.values()
        assert sum(getattr(part, name) for part in parts) == getattr(stats, name)
    assert sum(part.causes["first touch"] for part in stats.states.values()) == 3


def test_states_in_which_nothing_was_asked_are_left_out(cache) -> None:
    """A cache may be first used late."""
    ask(cache)
    assert by_state(cache) == {}
    ask(cache, "a")
    assert by_state(cache) == {"warm": (0, 1, 1)}


def test_a_cache_made_in_a_warm_container_is_warm(clock) -> None:
    """Whatever others counted before it was there."""
    with orc.request_scope():
        pass
    late = orc.Cache(tiers=[orc.Memory()], clock=clock)
    ask(late, "a")
    assert by_state(late) == {"warm": (0, 1, 1)}


def test_each_cache_counts_for_itself(cache, clock) -> None:
    """All are told of the same end of the first request."""
    other = orc.Cache(tiers=[orc.Memory()], clock=clock)
    ask(cache, "a")
    ask(other, "a")
    assert by_state(cache) == {"cold": (0, 1, 1)}
    assert by_state(other) == {"warm": (0, 1, 1)}


def test_functions_that_are_gone_stay_in_their_state(cache) -> None:
    """Their counts are folded into the totals, and subtracted like all others."""
    with orc.request_scope():
        cache.cached(lambda: 1)()
    with orc.request_scope():
        cache.cached(lambda: 1)()
    assert by_state(cache) == {"cold": (0, 1, 1), "warm": (0, 1, 1)}


def test_a_restored_copy_counts_from_zero(cache) -> None:
    """Under the state of its own."""
    ask(cache, "a")
    ask(cache, "a")
    life().restored()
    ask(cache, "a")
    assert by_state(cache) == {"restored": (0, 1, 1)}


def test_the_report_prints_a_line_for_each_state(cache) -> None:
    """Under a heading of its own; none where there are none."""
    assert "state" not in str(cache.stats())
    ask(cache, "a")
    ask(cache, "a")
    text = str(cache.stats())
    assert "\nstate " in text
    assert "\ncold " in text
    assert "\nwarm " in text


def test_to_look_while_the_first_request_ends_waits_for_nobody(cache) -> None:
    """One thread has the cache's lock and asks for the state, the other ends the request."""
    done = []

    def look():
        for _ in range(200):
            cache.stats()
        done.append("looked")

    def serve():
        for _ in range(200):
            life().restored()
            ask(cache, "a")
        done.append("served")

    threads = [threading.Thread(target=each, daemon=True) for each in (look, serve)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(done) == ["looked", "served"]
