"""Floor 6. For ORC's tests and yours.

May import: floor 5 and below.
"""

from orc.testing.clock import ManualClock
from orc.testing.patchable import patchable_clock

__all__ = ("ManualClock", "patchable_clock")
