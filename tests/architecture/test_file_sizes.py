"""Files of orc/ stay small enough to have one reason to change."""

from __future__ import annotations

from pathlib import Path

import orc

LARGEST = 400


def test_no_file_is_longer_than_the_limit() -> None:
    """Every module of orc/ has at most 400 lines."""
    package = Path(orc.__file__).parent
    sizes = {
        path.relative_to(package).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in package.rglob("*.py")
    }
    assert sizes
    assert {name: size for name, size in sizes.items() if size > LARGEST} == {}
