"""The conformance suite for tiers: what the contract of a tier says, as tests of pytest.

::

    import pytest
    from orc.testing.conformance import TierConformance

    class TestMyTier(TierConformance):
        @pytest.fixture
        def make_tier(self, clock):
            store = MyStore()  # empty
            return lambda: MyTier(store)

Every test runs for threads and for coroutines. The fixtures that a subclass may override are those
of :class:`orc.testing.conformance.asking.Fixtures`. Importing this imports pytest.
"""

from orc.testing.conformance.asking import Fixtures
from orc.testing.conformance.claims import ClaimRules
from orc.testing.conformance.fills import FillRules
from orc.testing.conformance.lives import LifeRules
from orc.testing.conformance.races import RaceRules
from orc.testing.conformance.random_walk import RandomWalk
from orc.testing.conformance.rows import RowRules

__all__ = ("TierConformance",)


class TierConformance(RowRules, ClaimRules, FillRules, RaceRules, LifeRules, RandomWalk, Fixtures):
    """Subclass it under a name that begins with ``Test``, with a fixture ``make_tier``."""
