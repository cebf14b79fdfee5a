"""Disk tiers in a temporary directory, and budgets by a clock of the test's."""

from __future__ import annotations

import pytest

from orc.model.row import Budget
from orc.tiers.disk.tier import Disk


@pytest.fixture
def new_disk(tmp_path):
    """Make tiers of the same directory, and close them after the test."""
    made = []

    def make(path=tmp_path, **more):
        made.append(Disk(path, **more))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def disk(new_disk):
    return new_disk()


@pytest.fixture
def budget(clock):
    """Make a budget by the test's clock."""
    return lambda seconds=1.0: Budget(clock, seconds)


@pytest.fixture
def folder(tmp_path):
    """Return what gives the tier's own folder and the file in use, which must be open."""

    def find(disk):
        file = disk._keeper._file
        return tmp_path / file.folder / file.name

    return find
