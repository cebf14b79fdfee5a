"""The disk tier keeps the contract of a tier."""

from __future__ import annotations

import pytest

from orc.testing.conformance import TierConformance
from orc.tiers.disk.tier import Disk


class TestDisk(TierConformance):
    """Two instances on one folder are two processes of one environment."""

    @pytest.fixture
    def make_tier(self, tmp_path):
        return lambda: Disk(tmp_path / "cache")
