"""The helpers of the tests keep their own promises."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from orc.config import assemble, default

if TYPE_CHECKING:
    from collections.abc import Callable

    Require = Callable[[str, object], None]


def test_what_is_there_is_used(require: Require) -> None:
    """A need that is met neither skips nor fails."""
    require("redis", object())


def test_what_is_absent_skips(require: Require, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it was promised, and then under the name that was promised."""
    monkeypatch.setenv("ORC_TEST_REQUIRE", "redistribution,java")
    with pytest.raises(pytest.skip.Exception, match="redis"):
        require("redis", None)


def test_what_was_promised_and_is_absent_fails(
    require: Require, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ORC_TEST_REQUIRE is a list with commas, and blanks round them do no harm."""
    monkeypatch.setenv("ORC_TEST_REQUIRE", "java, redis")
    with pytest.raises(pytest.fail.Exception, match="ORC_TEST_REQUIRE"):
        require("redis", None)


def test_every_test_begins_in_a_clean_process() -> None:
    """No variable of ORC's or Lambda's, no shared memory, no default cache."""
    names = [name for name in os.environ if name.startswith(("ORC_", "AWS_LAMBDA_"))]
    assert [name for name in names if not name.startswith("ORC_TEST_")] == []
    assert assemble._shared == default._made == []
