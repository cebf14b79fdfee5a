"""``orc.container()``: what is known, and no more."""

from __future__ import annotations

import json
from contextvars import Context

import pytest

import orc
from orc.lifecycle.container import _FIELDS

STREAM = {
    "AWS_LAMBDA_FUNCTION_NAME": "f",
    "AWS_LAMBDA_FUNCTION_VERSION": "7",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/23/[7]abc",
}


def test_everything_is_told_of_a_process_on_lambda(live, clock) -> None:
    """Names, ids, counts and times, ready for JSON."""
    live(STREAM)
    clock.advance(2)
    with orc.request_scope():
        clock.advance(1)
    clock.advance(30)
    with orc.request_scope():
        found = orc.container()
    told = found.as_dict()
    assert tuple(told) == _FIELDS
    assert json.loads(json.dumps(told)) == told
    assert told == told | {
        "state": "warm",
        "start": "cold",
        "caller_waited": True,
        "platform": "aws-lambda",
        "init_type": "on-demand",
        "function": "f",
        "version": "7",
        "environment_id": "2026/11/23/[7]abc",
        "generation": 1,
        "invocations": 2,
        "workers": 1,
        "age": 33,
        "frozen": 30,
        "idle": 30,
    }


def test_what_is_not_told_is_none(live) -> None:
    """Off Lambda none can say whether a caller waited, nor what the environment's id is."""
    live({})
    with orc.request_scope():
        found = orc.container()
    assert found.state == "cold"
    assert {found.caller_waited, found.environment_id, found.function, found.init_type} == {None}


@pytest.mark.parametrize(
    ("more", "later", "waited"),
    [
        ({}, 0, True),
        ({}, 60, False),
        ({"AWS_LAMBDA_INITIALIZATION_TYPE": "provisioned-concurrency"}, 0, False),
        ({"AWS_LAMBDA_MAX_CONCURRENCY": "2"}, 0, False),
    ],
)
def test_who_waited_is_known_from_the_first_request_on(live, clock, more, later, waited) -> None:
    """Before it nobody has."""
    live(STREAM | more)
    clock.advance(later)
    assert orc.container().caller_waited is None
    for _ in range(2):
        with orc.request_scope():
            assert orc.container().caller_waited is waited
        assert orc.container().caller_waited is waited


def test_a_request_keeps_the_state_that_it_found(live) -> None:
    """Also when others have begun and ended meanwhile."""
    live({"VERCEL": "1"})

    def another():
        with orc.request_scope() as second:
            assert orc.container().state == second.state == "warm"

    with orc.request_scope() as first:
        Context().run(another)
        assert orc.container().state == first.state == "cold"
    assert orc.container().state == "warm"


def test_a_part_of_a_request_is_not_counted(live, clock) -> None:
    """The records of a batch, each in a scope of its own, are one invocation of one state."""
    live(STREAM)
    for state in ("cold", "warm"):
        clock.advance(5)
        with orc.request_scope(id="batch"):
            for number in range(3):
                with orc.request_scope(id=f"record {number}") as part:
                    assert part.state == orc.container().state == state
            assert orc.container().idle == 5
    assert orc.container().invocations == 2
    assert orc.container().frozen == 5


def test_without_a_handler_invocations_are_counted_where_it_is_called(live, invocation) -> None:
    """Once each, however often it is asked."""
    live(STREAM)
    for number, state in ((1, "cold"), (2, "warm"), (3, "warm")):
        invocation(f"r{number}")
        for _ in range(2):
            found = orc.container()
            assert (found.invocations, found.state) == (number, state)


def test_it_does_not_change_and_prints_a_line_for_each_fact(live, clock) -> None:
    """Neither later, nor by hand."""
    live(STREAM)
    before = orc.container()
    clock.advance(1234.5)
    with orc.request_scope():
        pass
    assert (before.invocations, before.state, before.age) == (0, "cold", 0)
    with pytest.raises(AttributeError, match="does not change"):
        before.state = "warm"
    with pytest.raises(AttributeError, match="does not change"):
        del before.state
    with pytest.raises(AttributeError):
        before.unheard_of = 1
    lines = str(orc.container()).split("\n")
    assert len(lines) == len(_FIELDS)
    assert "age             1,234.500 s" in lines
    assert repr(before) == f"<orc.Container cold: 0 requests, {before.process_id}>"
    assert "unknown" in str(before)


def test_each_process_has_an_id_of_its_own(live) -> None:
    """It holds the kernel's, and something drawn, since the kernel gives its own again."""
    ids = {live({}).process_id for _ in range(10)}
    assert len(ids) == 10
