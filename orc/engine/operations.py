"""What a plan can ask of its driver: everything that may block or call the user's code."""

from __future__ import annotations

from orc.model.freshness import FOREVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Sequence
    from typing import Any

    from orc.engine.patience import Patience
    from orc.engine.terms import ComputedTtl
    from orc.model.address import Address
    from orc.model.entry import Entry
    from orc.model.ports import Claims, Fill, SharedTier
    from orc.stampede.flight import Flight, Key
    from orc.stampede.single_flight import Turn

    Plan = Generator["Operation", Any, Any]


class Operation:
    """One thing to do; a driver sends its result, or throws its error, into the plan."""

    __slots__ = ()


class Stopped(Exception):  # noqa: N818 - control flow inside ORC, never seen by a caller
    """A loader raised ``StopIteration``, which cannot pass through a plan: it would end it."""

    def __init__(self, error: StopIteration) -> None:
        self.error = error


class Closed(BaseException):
    """A ``GeneratorExit``, which a plan cannot be given as it is: it would only be closed."""

    def __init__(self, error: GeneratorExit) -> None:
        self.error = error


class Load(Operation):
    """Call the loader, marked as the loader of `flight`, which notes what it asks the request."""

    __slots__ = ("flight", "load")

    def __init__(self, load: Callable[[], object], flight: Flight) -> None:
        self.load = load
        self.flight = flight


class Wait(Operation):
    """Wait until a flight ends; abandon it, when the reader cannot afford to wait any more."""

    __slots__ = ("flight", "patience")

    def __init__(self, flight: Flight, patience: Patience) -> None:
        self.flight = flight
        self.patience = patience


class Fetch(Operation):
    """Ask a shared tier for entries: a list of ``Found``, one for each address.

    With a `lease` in seconds, rows without an entry that is accepted are claimed; 0 keeps nobody
    else from claiming them. `consistent`: see every write that was answered before.
    """

    __slots__ = ("accept", "addresses", "claims", "consistent", "lease", "tier", "within")

    def __init__(  # noqa: PLR0913 - a record
        self,
        tier: SharedTier,
        addresses: Sequence[Address],
        accept: Callable[[Address, Entry], bool],
        *,
        lease: float | None,
        consistent: bool,
        claims: Claims | None = None,
        within: float | None = None,
    ) -> None:
        self.within = within
        """Seconds that it may take, if that is less than the tier's budget."""
        self.claims = claims
        """What is told of claims before they are asked for."""
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


class GiveBack(Store):
    """Give claims back to a shared tier; `waits` tells whether for its answer.

    A coroutine that was cancelled does not wait.
    """

    __slots__ = ("waits",)

    def __init__(self, tier: SharedTier, fills: Sequence[Fill], *, waits: bool) -> None:
        super().__init__(tier, fills)
        self.waits = waits


class Remove(Operation):
    """Remove entries from a shared tier."""

    __slots__ = ("addresses", "tier")

    def __init__(self, tier: SharedTier, addresses: Sequence[Address]) -> None:
        self.tier = tier
        self.addresses = addresses


class Join(Operation):
    """Take a turn at loading a key: lead, follow, or load alone.

    `turn` is filled in. A load that began more than `follow_for` seconds before `now` (wall and
    monotonic seconds) will not do; with `anew` none that is under way will.
    """

    __slots__ = ("anew", "follow_for", "key", "now", "turn")

    def __init__(
        self,
        turn: Turn,
        key: Key,
        *,
        anew: bool = False,
        now: tuple[float, float] = (0.0, 0.0),
        follow_for: float = FOREVER,
    ) -> None:
        self.turn = turn
        self.key = key
        self.anew = anew
        self.now = now
        self.follow_for = follow_for


class Ask:
    """One request for one key: how to key it, and how to load it."""

    __slots__ = ("anew", "bound", "key", "load", "patience", "reader_ttl", "tags", "ttl", "values")

    def __init__(  # noqa: PLR0913 - a record
        self,
        key: Hashable,
        values: tuple[object, ...],
        load: Callable[[], object],
        *,
        ttl: float | ComputedTtl | None = None,
        tags: tuple[str, ...] = (),
        anew: bool = False,
        bound: tuple[object, ...] | None = None,
    ) -> None:
        self.key = key
        """The key in memory's index."""
        self.values = values
        """What the key is made of: the arguments, or the explicit key alone."""
        self.load = load
        self.ttl = ttl
        """Seconds, or what computes them, in the place of the terms' ttl."""
        self.reader_ttl = ttl if isinstance(ttl, float) else None
        """Seconds after which a value is too old for this reader, whatever it was stored with."""
        self.tags = tags
        self.bound = bound
        """The arguments of the call; none for an explicit key."""
        self.anew = anew
        """Load, whatever is stored."""
        self.patience: Patience | None = None
        """What it may still wait for others; made when it first has to."""
