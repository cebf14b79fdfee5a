"""What runs at the begin and end of requests, and what happens if it fails."""

from __future__ import annotations

import pytest

import orc
from orc.errors import OrcWarning, ScopeClosedError
from orc.lifecycle.hooks import on_end, on_start
from orc.lifecycle.life import life
from orc.lifecycle.scope import current_scope

var = orc.RequestVar("var", default=None)


def test_hooks_run_while_the_scope_is_open() -> None:
    """At the begin and at the end; a scope that joins has neither."""
    seen = []
    on_start(lambda scope: seen.append(("start", scope.id, orc.current_request() is scope)))
    on_end(lambda scope: seen.append(("end", scope.id, var.get())))
    with orc.request_scope(id="r"), orc.request_scope():
        var.set(1)
    assert seen == [("start", "r", True), ("end", "r", 1)]


def test_closers_run_after_the_hooks_the_last_one_first() -> None:
    """They may still read, and have more closers run."""
    seen = []
    on_end(lambda scope: seen.append("hook"))

    def first():
        seen.append(("first", var.get()))
        orc.current_request().on_close(lambda: seen.append("more"))

    with orc.request_scope() as scope:
        var.set(1)
        scope.on_close(first)
        scope.on_close(lambda: seen.append("second"))
    assert seen == ["hook", "second", ("first", 1), "more"]
    with pytest.raises(ScopeClosedError, match="has ended"):
        scope.on_close(first)


def failing(*_):
    """Fail."""
    raise ValueError("it")


def test_their_errors_are_counted_and_warned_of_once() -> None:
    """The request is served, and closed, and all the others run."""
    seen = []
    on_start(failing)
    on_start(lambda scope: seen.append("start"))
    on_end(failing)
    on_end(lambda scope: seen.append("end"))
    with pytest.warns(OrcWarning, match=r"failing failed .* passed over: ValueError: it") as said:  # noqa: PT031 - said once in two requests
        for _ in range(2):
            with orc.request_scope() as scope:
                scope.on_close(lambda: seen.append("closer"))
                scope.on_close(failing)
            assert scope.closed
    assert len(said) == 1
    assert seen == ["start", "end", "closer"] * 2
    assert orc.container().hook_errors == 6


@pytest.mark.parametrize("place", ["hook", "closer"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_at_the_end_closes_the_scope_nevertheless(place, error) -> None:
    """It passes through, and leaves no value behind for whatever runs next."""

    def interrupt(*_):
        raise error

    if place == "hook":
        on_end(interrupt)
    with pytest.raises(error), orc.request_scope() as scope:  # noqa: PT012 - the end raises
        if place == "closer":
            scope.on_close(interrupt)
        var.set("mine")
    assert scope.closed
    assert current_scope() is None
    assert (life()._open, life().state) == (0, "warm")


def test_an_interrupt_at_the_start_opens_nothing() -> None:
    """No ``with`` block begins, so none would end."""

    def interrupt(_):
        raise KeyboardInterrupt

    on_start(interrupt)
    again = orc.request_scope()
    with pytest.raises(KeyboardInterrupt):
        again.__enter__()
    assert current_scope() is None
    assert life()._open == 0
    again.__exit__(None, None, None)


def test_a_warning_that_is_an_error_leaves_no_scope_open() -> None:
    """Where warnings are errors, as in this very run, one reaches the caller."""
    on_start(failing)
    with pytest.raises(OrcWarning), orc.request_scope():
        pytest.fail("the block began")
    assert current_scope() is None
    with orc.request_scope() as scope:  # it was said once
        scope.on_close(lambda: 1 / 0)
        var.set(1)
        with pytest.raises(OrcWarning):
            scope.close()
        assert scope.closed


def test_closing_twice_is_closing_once() -> None:
    """The second time nothing runs."""
    seen = []
    with orc.request_scope() as scope:
        scope.on_close(lambda: seen.append(1))
        scope.close()
        scope.close()
    assert seen == [1]
    assert life()._open == 0


def test_hooks_see_the_state_of_the_container() -> None:
    """The one that the request found, at its begin and at its end."""
    seen = []
    on_start(lambda scope: seen.append(scope.state))
    on_end(lambda scope: seen.append(orc.container().state))
    for _ in range(2):
        with orc.request_scope():
            pass
    assert seen == ["cold", "cold", "warm", "warm"]
