"""What this process has changed a moment ago, and has to read consistently."""

from __future__ import annotations

from _thread import RLock

FOR = 2.0
"""Seconds for which a process reads consistently what it has changed: many times what a replica of
DynamoDB is behind ("usually within one second or less", in its developer guide)."""

MOST = 4096
"""Addresses that are remembered; where there are more, everything is read consistently."""


class Recent:
    """Addresses that were written by this process, with the wall clock's instants. For threads.

    Where the clock was set back, the instant is taken anew: 2 s more at most. A clock that is set
    forward within the 2 s ends them early, as it looks the same as a container that was frozen.
    """

    __slots__ = ("_all", "_at", "_lock")

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        self._all: float | None = None
        self._lock = RLock()

    def add(self, address: str, now: float) -> None:
        """Remember that an address is being changed."""
        with self._lock:
            if len(self._at) >= MOST:
                self._at = {each: at for each, at in self._at.items() if 0 <= now - at < FOR}
                if len(self._at) >= MOST:
                    self._at.clear()
                    self._all = now
            self._at[address] = now

    def has(self, address: str, now: float) -> bool:
        """Tell whether an address may have been changed within the last 2 s."""
        if not self._at and self._all is None:
            return False
        with self._lock:
            if self._all is not None:
                self._all = min(self._all, now)
                if now - self._all < FOR:
                    return True
                self._all = None
            at = self._at.get(address)
            if at is None:
                return False
            if now < at:
                self._at[address] = at = now
            if now - at < FOR:
                return True
            del self._at[address]
            return False
