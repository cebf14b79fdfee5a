"""The public names of orc are these, and each is there when asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import orc

# A name goes in or out of here by decision, with a line in the changelog.
PUBLIC: tuple[str, ...] = (
    "Cache",
    "Container",
    "Disk",
    "DynamoDB",
    "MISSING",
    "Memory",
    "Redis",
    "Report",
    "RequestScope",
    "RequestVar",
    "SourceUnavailable",
    "__version__",
    "cached",
    "carry",
    "container",
    "current_request",
    "default_cache",
    "errors",
    "fleet",
    "handler",
    "is_unavailable",
    "register",
    "request_cached",
    "request_scope",
    "testing",
)


def test_the_public_names_are_the_pinned_ones() -> None:
    """`orc.__all__` is exactly the pinned list: nothing becomes public by accident."""
    assert tuple(sorted(orc.__all__)) == PUBLIC


@pytest.mark.parametrize("name", sorted(orc.__all__))
def test_each_public_name_resolves(name: str) -> None:
    """The lazy facade finds every name it promises, and finds the same object again."""
    assert getattr(orc, name) is getattr(orc, name)
    assert name in dir(orc)


def test_a_star_import_brings_exactly_the_public_names() -> None:
    """`from orc import *` works, whatever extras are installed."""
    space: dict[str, object] = {}
    exec("from orc import *", space)  # noqa: S102  a star import is allowed at module level only
    del space["__builtins__"]
    assert sorted(space) == sorted(orc.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that the facade does not know fails as on any module, and the message names both."""
    with pytest.raises(AttributeError, match=r"orc.*no_such_name"):
        orc.no_such_name  # noqa: B018
    assert not hasattr(orc, "no_such_name")


def test_the_command_line_runs_as_a_module() -> None:
    """`python -m orc --help` prints its usage and exits with 0."""
    result = subprocess.run(
        [sys.executable, "-m", "orc", "--help"],
        cwd=Path(orc.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "usage" in result.stdout.lower()
