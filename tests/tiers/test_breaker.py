"""When a tier is left alone, and who is let through to see."""

from __future__ import annotations

import threading

import pytest

from orc.tiers.breaker import Breaker


def test_closed_lets_everybody_through() -> None:
    """Nobody is a probe of what is closed."""
    breaker = Breaker()
    assert not breaker.resting
    assert breaker.admitted(5, 0, 0) == 0
    assert breaker.state(0, 0) == "closed"


@pytest.mark.parametrize(
    ("wall", "monotonic", "admits"),
    [(4.9, 4.9, False), (5, 5, True), (5, 0, True), (-3600, 5, True), (-3600, 4.9, False)],
)
def test_a_rest_is_over_when_either_clock_says_so(wall, monotonic, admits) -> None:
    """A freeze counts as time passed; a wall clock set back does not make it longer."""
    breaker = Breaker()
    assert breaker.opened(5, "why", 10_000, 100)
    assert breaker.state(10_000, 100) == "open"
    assert breaker.left(10_000, 100) == 5
    assert (breaker.admitted(5, 10_000 + wall, 100 + monotonic) is not None) == admits


def test_one_probe_at_a_time() -> None:
    """Others are refused until it ends; its success closes."""
    breaker = Breaker()
    breaker.opened(5, "why", 0, 0)
    probe = breaker.admitted(5, 5, 5)
    assert probe
    assert breaker.admitted(5, 6, 6) is None
    assert breaker.state(6, 6) == "half-open"
    breaker.succeeded(probe)
    assert breaker.admitted(5, 6, 6) == 0
    assert breaker.reason == ""


def test_a_probe_that_fails_opens_for_a_whole_rest() -> None:
    """Nor can it close afterwards what it opened."""
    breaker = Breaker()
    breaker.opened(5, "why", 0, 0)
    probe = breaker.admitted(5, 5, 5)
    assert breaker.opened(5, "again", 6, 6)
    breaker.succeeded(probe)
    breaker.abandoned(probe)
    assert breaker.admitted(5, 10.9, 10.9) is None
    assert breaker.admitted(5, 11, 11)


def test_a_probe_that_never_ends_is_given_up() -> None:
    """Its request was killed: after its patience another is let through, and counts."""
    breaker = Breaker()
    breaker.opened(5, "why", 0, 0)
    killed = breaker.admitted(2, 5, 5)
    assert breaker.admitted(2, 6.9, 6.9) is None
    probe = breaker.admitted(2, 7, 7)
    assert probe
    assert probe != killed
    breaker.succeeded(killed)
    assert breaker.resting
    breaker.succeeded(probe)
    assert not breaker.resting


def test_an_abandoned_probe_makes_room_at_once() -> None:
    """It was cancelled, and nobody knows how it would have ended."""
    breaker = Breaker()
    breaker.opened(5, "why", 0, 0)
    breaker.abandoned(breaker.admitted(5, 5, 5))
    assert breaker.admitted(5, 5, 5)


def test_the_longer_rest_counts() -> None:
    """A short rest does not end a long one, and is not a second opening."""
    breaker = Breaker()
    breaker.opened(60, "refused", 0, 0)
    assert not breaker.opened(5, "timed out", 1, 1)
    assert breaker.left(1, 1) == 59
    assert breaker.reason == "refused"
    assert not breaker.opened(100, "longer", 1, 1)
    assert breaker.left(1, 1) == 100


def test_reset() -> None:
    """A restored snapshot, or the child of a fork, begins closed."""
    breaker = Breaker()
    breaker.opened(5, "why", 0, 0)
    probe = breaker.admitted(5, 5, 5)
    breaker.reset()
    assert breaker.admitted(5, 5, 5) == 0
    breaker.opened(5, "why", 6, 6)
    breaker.succeeded(probe)
    assert breaker.resting


def test_of_many_threads_one_is_the_probe() -> None:
    """However many come at the instant at which the rest is over."""
    breaker = Breaker()
    breaker.opened(5, "why", 0, 0)
    begin = threading.Barrier(8)
    answers = []

    def run() -> None:
        begin.wait()
        answers.append(breaker.admitted(5, 5, 5))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert answers.count(None) == 7
