"""What a plan can ask of its driver: everything that may block or call the user's code."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Any

    from orc.model.address import Address
    from orc.model.entry import Entry
    from orc.model.ports import Fill, SharedTier
    from orc.stampede.flight import Flight, Key

    Plan = Generator["Operation", Any, Any]


class Operation:
    """One thing to do; a driver sends its result, or throws its error, into the plan."""

    __slots__ = ()


class Stopped(Exception):  # noqa: N818 - control flow inside ORC, never seen by a caller
    """A loader raised ``StopIteration``, which cannot pass through a plan: it would end it."""

    def __init__(self, error: StopIteration) -> None:
        self.error = error


class Load(Operation):
    """Call the loader, marked as the loader of `flight` where there is one."""

    __slots__ = ("flight", "load")

    def __init__(self, load: Callable[[], object], flight: Flight | None) -> None:
        self.load = load
        self.flight = flight


class Wait(Operation):
    """Wait until a flight ends; end it, when the request of who waits cannot afford to any more."""

    __slots__ = ("flight",)

    def __init__(self, flight: Flight) -> None:
        self.flight = flight


class Fetch(Operation):
    """Ask a shared tier for entries: a list of ``Found``, one for each address.

    With a `lease` in seconds, rows without an entry that is accepted are claimed; 0 keeps nobody
    else from claiming them. `consistent`: see every write that was answered before.
    """

    __slots__ = ("accept", "addresses", "consistent", "lease", "tier")

    def __init__(
        self,
        tier: SharedTier,
        addresses: Sequence[Address],
        accept: Callable[[Address, Entry], bool],
        *,
        lease: float | None,
        consistent: bool,
    ) -> None:
        self.tier = tier
        self.addresses = addresses
        self.accept = accept
        self.lease = lease
        self.consistent = consistent


class Pause(Operation):
    """Let some seconds go by, for somebody else to finish."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Store(Operation):
    """Store entries in a shared tier."""

    __slots__ = ("fills", "tier")

    def __init__(self, tier: SharedTier, fills: Sequence[Fill]) -> None:
        self.tier = tier
        self.fills = fills


class Remove(Operation):
    """Remove entries from a shared tier."""

    __slots__ = ("addresses", "tier")

    def __init__(self, tier: SharedTier, addresses: Sequence[Address]) -> None:
        self.tier = tier
        self.addresses = addresses


class Join(Operation):
    """Take a turn at loading a key: lead, follow, or load alone (a ``Turn``)."""

    __slots__ = ("anew", "key")

    def __init__(self, key: Key, *, anew: bool) -> None:
        self.key = key
        self.anew = anew
        """Whether a load that is under way will not do."""
