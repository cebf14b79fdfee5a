"""Floor 6. For ORC's tests and yours.

May import: floor 5 and below.
"""

from orc.testing.clock import ManualClock

__all__ = ("ManualClock",)
