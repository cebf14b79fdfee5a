"""Variables of a request."""

from __future__ import annotations

import pytest

import orc
from orc.errors import NoRequestError, NotSetError, OrcError, ScopeClosedError
from orc.lifecycle.scope import RequestScope

card = orc.RequestVar[dict]("card")


def test_what_one_request_sets_no_other_reads() -> None:
    """Each begins empty, also under the same id."""
    for number in range(3):
        with orc.request_scope(id="same"):
            with pytest.raises(NotSetError):
                card.get()
            card.set({"number": number})
            assert card.get() == {"number": number}


def test_the_errors_say_what_to_do() -> None:
    """They are ORC's, and such as a caller would catch without knowing it."""
    with orc.request_scope(id="r9"):
        with pytest.raises(NotSetError, match=r"'card' was not set in request r9: set\(\) it"):
            card.get()
        with pytest.raises(LookupError):
            card.get()
    for use in (card.get, lambda: card.get(None), lambda: card.set({}), card.unset):
        with pytest.raises(NoRequestError, match="no request is open here"):
            use()
        with pytest.raises(OrcError):
            use()


def test_the_nearest_default_wins() -> None:
    """That of the call before that of the variable; what was set before both, be it false."""
    with_default = orc.RequestVar("with_default", default=1)
    with orc.request_scope():
        assert card.get(None) is None
        assert card.get(2) == 2
        assert with_default.get() == 1
        assert with_default.get(2) == 2
        for value in (None, 0, "", []):
            with_default.set(value)
            assert with_default.get(2) == value
            assert with_default.get() == value


def test_a_default_is_no_value_outside_a_request() -> None:
    """To read there is a mistake, which a default would hide."""
    with pytest.raises(NoRequestError):
        orc.RequestVar("v", default=1).get(2)


def test_unset_takes_the_value_away() -> None:
    """Nothing happens where there is none."""
    with orc.request_scope():
        card.unset()
        card.set({})
        card.unset()
        assert card.get("none") == "none"


def test_variables_of_one_name_are_two() -> None:
    """The object counts, as with context variables."""
    one, two = orc.RequestVar("v"), orc.RequestVar("v")
    with orc.request_scope():
        one.set(1)
        assert two.get(2) == 2
    assert repr(one) == "<orc.RequestVar 'v'>"


def test_a_request_that_ends_while_it_is_read_is_told_as_ended(monkeypatch) -> None:
    """By another thread, between two steps: neither a default nor an error of Python's own."""
    scope = RequestScope("r", None, None)
    scope.values = None
    monkeypatch.setattr("orc.lifecycle.request_var.current_request", lambda: scope)
    with pytest.raises(ScopeClosedError, match="request r ended while 'card'"):
        card.get("default")
