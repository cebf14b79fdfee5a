"""How long one read may wait for the loads of others."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_WAIT = 10.0
"""Seconds that a read outside of all requests waits, unless `ORC_WAIT` says otherwise."""


class Patience:
    """The seconds that a read may spend on waiting, for flights and for leases together.

    Half of what its request has left when it first waits: the other half is for the load that it
    then makes itself. Outside of a request it is `wait`.
    """

    __slots__ = ("_enough", "_left", "_remaining")

    def __init__(self, remaining: Callable[[], float | None], wait: float) -> None:
        left = remaining()
        self._remaining = remaining
        self._enough = None if left is None else left / 2
        self._left = wait if left is None else left / 2

    def left(self) -> float:
        """Seconds that are left for waiting; 0 or less when it must load for itself."""
        if self._enough is None:
            return self._left
        remaining = self._remaining()
        return self._left if remaining is None else min(self._left, remaining - self._enough)

    def spent(self, seconds: float) -> None:
        """Note that so many seconds were waited: a clock may stand still meanwhile."""
        self._left -= seconds
