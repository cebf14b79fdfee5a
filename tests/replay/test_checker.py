"""The checker, on logs that were made up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.replay.checker import (
    ALWAYS,
    CANCELLED,
    LOAD,
    NEVER,
    NOT_ANSWERED,
    REACHED,
    UNENDED,
    Answer,
    Fault,
    Operation,
    Rules,
    judge,
)

RULES = Rules(grace=1.0, ttls={"a": 6.0, "b": 6.0}, slack=0.05, slow=15.0)
TRUTH = {"a": [(0.0, 0.0), (10.0, 10.001), (20.0, 20.001)], "b": [(0.0, 0.0)]}


def read(begin, version, *, seconds=0.01, kind="get_or_set", key="a", got="a", error="", process=1):
    """Return a read that was answered with a version, or with nothing."""
    answer = Answer(key, None if version is None else got, -1 if version is None else version)
    return Operation(process, kind, begin, begin + seconds, (answer,), error)


def write(begin, version, *, kind="delete", error=""):
    """Return a write that stands for a version, and took 10 ms."""
    return Operation(0, kind, begin, begin + 0.01, (Answer("a", "a", version),), error)


def judged(*operations, faults=(), rules=RULES):
    """Return the verdict on a log."""
    return judge(operations, TRUTH, faults, rules)


GOOD = [
    read(9.0, 0),
    write(10.01, 1),
    read(11.019, 0),  # within the grace
    read(11.1, 1),
    read(12.0, None, kind="get"),
    read(13.0, 0, kind="get", key="b", got="b"),
    read(13.1, None, error=CANCELLED),
    write(20.01, 2, error=f"{NOT_ANSWERED}TierTimeoutError"),
    read(22.0, 1),  # the delete was not answered, and promises nothing
    read(23.0, 2),
]


def test_good():
    """A log without a violation has none, and all of it is counted."""
    verdict = judged(*GOOD)
    assert verdict.violations == 0
    assert verdict.operations == len(GOOD)
    assert (verdict.answered["delete"], verdict.unanswered["delete"], verdict.cancelled) == (
        1,
        1,
        1,
    )


@pytest.mark.parametrize("kind", ["delete", "adelete", "set", "aset", "invalidate", "ainvalidate"])
def test_late(kind):
    """A read is late that begins after the grace of a write, and sees a version from before it."""
    verdict = judged(*GOOD, write(20.01, 2, kind=kind), read(21.03, 1))
    (late, _) = sorted(verdict.late, key=lambda each: each.excess)
    assert late.promise.kind == kind
    assert late.excess == pytest.approx(0.01)
    assert verdict.violations == 2  # with the read that was good while nothing was promised


def test_late_by_the_first_promise():
    """A read that breaks several promises is late by the first of them."""
    first, second = write(10.01, 1), write(20.01, 2)
    (late,) = judged(second, first, read(21.5, 0)).late
    assert late.promise is first
    assert late.excess == pytest.approx(21.5 - 10.02 - 1.0)


@pytest.mark.parametrize(
    ("sets", "counted", "late"),
    [(ALWAYS, 0, 1), (ALWAYS, 1, 1), (REACHED, 0, 1), (REACHED, 1, 0), (NEVER, 0, 0)],
)
def test_sets(sets, counted, late):
    """A set promises always, never, or unless an error was counted meanwhile, as is asked."""
    of_set = replace(write(10.01, 1, kind="set"), counted=counted)
    assert len(judged(of_set, read(12.0, 0), rules=replace(RULES, sets=sets)).late) == late


def test_judged_by_its_begin():
    """A read is not late that begins within the grace, however long it takes."""
    assert judged(write(10.01, 1), read(11.0, 0, seconds=8.0)).violations == 0


def test_expired():
    """A value is past its ttl that was replaced longer ago than that, even without a promise."""
    (found,) = judged(read(16.1, 0)).expired
    assert found.excess == pytest.approx(16.1 - 10.001 - 6.0 - 0.05)
    assert judged(read(16.04, 0)).violations == 0


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        (read(9.0, 0, got="b"), "a value of b"),
        (read(9.0, None), "no value"),
        (read(30.0, 3), "a version that never was"),
        (read(30.0, -1), "a version that never was"),
        (read(15.0, 2), "a version that was not yet"),
    ],
)
def test_wrong(operation, why):
    """A value of another key is wrong, so is a version that was never true so far, and none."""
    (found,) = judged(operation).wrong
    assert found.why == why


def test_of_several_keys():
    """Each key of a read of several is judged by itself."""
    answers = Answer("a", "a", 0), Answer("b", "b", 0)
    verdict = judged(write(10.01, 1), Operation(1, "get_many", 12.0, 12.1, answers))
    assert [each.answer.key for each in verdict.late] == ["a"]


def test_errors():
    """A read that raises is an error, and so is a write that fails without saying how."""
    verdict = judged(read(9.0, None, error="TierError"), write(10.01, 1, error="KeyError: 'a'"))
    assert [each.why for each in verdict.errors] == ["TierError", "KeyError: 'a'"]


def test_slow():
    """A call is slow that takes too long, without the time in which its process was stopped."""
    stop = Fault("worker stopped", 3.0, 5.0, process=1)
    assert len(judged(read(1.0, 0, seconds=15.5)).slow) == 1
    assert judged(read(1.0, 0, seconds=15.5), faults=[stop]).violations == 0
    assert len(judged(read(1.0, 0, seconds=15.5, process=2), faults=[stop]).slow) == 1


def test_unended():
    """A call that never ended is slow, whatever it took until its worker gave up."""
    assert len(judged(Operation(1, "get", 1.0, 3.0, (), UNENDED)).slow) == 1


def test_faults_and_sources():
    """A violation names the faults that were under way, and the loads that its value may be of."""
    before, during = Fault("full", 1.0, 2.0), Fault("flushed", 10.5, 12.5)
    load, other = read(9.5, 0, kind=LOAD), read(9.5, 1, kind=LOAD)
    verdict = judged(load, other, write(10.01, 1), read(12.0, 0), faults=[before, during])
    (late,) = verdict.late
    assert late.faults == (during,)
    assert late.sources == (load,)
    assert verdict.operations == 2
