"""What all functions and partitions of one cache share."""

from __future__ import annotations

from _thread import RLock
from _weakref import ref
from collections import deque

from orc import notices
from orc.engine.gate import Gate
from orc.engine.patience import LONGEST_WAIT, Patience
from orc.errors import ConfigError, TierError
from orc.lifecycle.chance import token, uniform
from orc.lifecycle.life import life
from orc.lifecycle.scope import current_scope, reads_astray
from orc.model.tags import Tag
from orc.stampede.single_flight import Flights
from orc.stats.counters import Counters
from orc.stats.totals import Totals, total

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from weakref import WeakValueDictionary

    from orc.engine.function_spaces import FunctionSpaces
    from orc.engine.same_function import FunctionRegistry
    from orc.model.ports import ClockLike, SharedTier
    from orc.model.tags import Marks, Snapshot
    from orc.tiers.memory import Memory
    from orc.tiers.spaces import Space


OTHERS = "functions that are gone"
"""Under this name the counts of functions stand that had too many names to keep them apart."""


class Core:
    """Tiers, clock, flights, tags and counters of a cache and of its partitions."""

    MOST_SKEW = 2.0
    """Seconds by which another container's clock may be ahead before its entries are misses."""

    MOST_CLEARED = 1024
    """Partitions of which the cache remembers when each was cleared."""
    MOST_GONE = 256
    """Names of functions that are gone under which their counts are kept apart."""

    def __init__(  # noqa: PLR0913 - made in one place, from finished parts
        self,
        memory: Memory,
        tiers: Sequence[SharedTier],
        clock: ClockLike,
        *,
        namespace: str,
        version: str,
        disabled: bool,
        wait: float = LONGEST_WAIT,
    ) -> None:
        self.wait = wait
        """Seconds that a read outside of all requests waits for the loads of others."""
        self.memory = memory
        self.tiers = tuple(tiers)
        """The shared tiers, the nearest first."""
        self.unchecked = frozenset(
            tier
            for index, tier in enumerate(self.tiers)
            if not tier.fleetwide and any(deeper.fleetwide for deeper in self.tiers[index:])
        )
        """Tiers of this environment alone in front of one that all containers see."""
        self._cleared: dict[str | None, float] = {}
        """When partitions, or all (``None``), were last cleared: seconds, wall clock."""
        self.clock = clock
        self.namespace = namespace
        self.version = version
        self.gate = Gate(clock.wall, disabled=disabled)
        self.flights = Flights()
        self.uniform = uniform
        self.remaining = remaining
        self.reads_astray = reads_astray
        self.explicit = Counters("explicit keys")
        self._gone: dict[str, Counters] = {}
        """Counters of functions that are gone, by name: several may have had one."""
        self._books: list[Counters] = [self.explicit]
        self.lock = RLock()
        self._closed: deque[Counters] = deque()
        self._functions: dict[Counters, ref[FunctionSpaces]] = {}
        """Where the results of functions are, not kept alive."""
        self.registry: FunctionRegistry | None = None
        """What finds the results of a function again that is decorated in each request."""
        self._explicit_space = memory.space(self.explicit, clock.wall)
        self._partitions: WeakValueDictionary[str, Space] | None = None
        self._tags: WeakValueDictionary[tuple[str | None, str], Tag] | None = None
        self._begin: Totals | None = None
        """What the counters showed when this process began: a fork has its parent's."""
        self._stages: list[tuple[str, Totals]] = []
        """The states of the container that are over, and what the counters showed then."""
        life().move_in(self)

    def now(self) -> tuple[float, float]:
        """Read both clocks: seconds, wall and monotonic."""
        return self.clock.wall(), self.clock.monotonic()

    def patience(self) -> Patience:
        """Return how long a read of this code may wait for the loads of others."""
        return Patience(self.remaining, self.wait)

    def prewarm(self) -> None:
        """Import and connect what the tiers would at their first use.

        Raises ``ConfigError`` for a missing extra; what else fails is counted, and told.
        """
        for tier in self.tiers:
            try:
                getattr(tier, "prewarm", _nothing)()
            except ConfigError:
                raise
            except Exception as error:  # noqa: BLE001 - a tier may be anybody's
                self.explicit.tier("errors", tier.name)
                if not isinstance(error, TierError):
                    notices.warn_of_bug(f"the tier {tier.name}", error)

    # -- spaces -----------------------------------------------------------------------------------

    def explicit_space(self, partition: str | None) -> Space:
        """Return the space of explicit keys, of one partition or outside all of them.

        A partition's entries keep its space alive; where there is none, there is nothing to keep.
        """
        if partition is None:
            return self._explicit_space
        with self.lock:
            if self._partitions is None:
                from weakref import WeakValueDictionary

                self._partitions = WeakValueDictionary()
            space = self._partitions.get(partition)
            if space is None:
                name = (self._explicit_space.serial, partition)
                space = self.memory.space(self.explicit, self.clock.wall, name)
                self._partitions[partition] = space
            return space

    def function_begins(self, results: FunctionSpaces) -> None:
        """Keep the counters of a function from now on, and know where its results are."""
        self._fold()
        with self.lock:
            self._functions[results.counters] = ref(results)
            self._books.append(results.counters)

    def function_ends(self, counters: Counters, spaces: Sequence[Space]) -> None:
        """Drop the entries of a function that is gone; its counts stay in the totals.

        Called from a finaliser, at any moment: what takes time waits for the next
        :meth:`function_begins` or :meth:`books`.
        """
        self._closed.append(counters)
        for space in spaces:
            space.clear()

    def books(self) -> list[Counters]:
        """Return all counters of this cache."""
        self._fold()
        return [*self._books, *self._gone.values()]

    def _fold(self) -> None:
        with self.lock:
            while self._closed:
                counters = self._closed.popleft()
                if counters in self._books:  # an interrupt may have come before
                    self._books.remove(counters)
                name = counters.name
                if name not in self._gone and len(self._gone) >= self.MOST_GONE:
                    name = OTHERS
                self._gone.setdefault(name, Counters(name)).absorb(counters)
                self._functions.pop(counters, None)

    # -- statistics, and the life of the container ------------------------------------------------

    def totals(self) -> Totals:
        """Return what was counted since this process began."""
        self.memory.settle()  # to look takes numbers from those at which hits do it
        now = total(self.books(), [tier.name for tier in self.tiers])
        return now if self._begin is None else now.minus(self._begin)

    @property
    def counted_from(self) -> Totals | None:
        """What :meth:`totals` takes off: another object after a fork, or a restored snapshot."""
        return self._begin

    def seconds_of(self, name: str) -> float:
        """Return the seconds that a shared tier took in this process."""
        for tier in self.tiers:
            if tier.name == name:
                counted: Mapping[str, float] = getattr(tier, "counts", dict)()
                return float(counted.get("seconds", 0.0))
        return 0.0

    def totals_by_state(self) -> list[tuple[str, Totals]]:
        """Return the same by state of the container; nothing before its first request."""
        here = life()
        if not here.invocations:
            return []
        with self.lock:
            stages = [*self._stages, (here.state, self.totals())]
        parts: list[tuple[str, Totals]] = []
        before: Totals | None = None
        for state, until in stages:
            part = until if before is None else until.minus(before)
            if part:
                parts.append((state, part))
            before = until
        return parts

    def stage_ended(self, state: str) -> None:
        """Note that what was counted until now belongs to a state that the container leaves."""
        with self.lock:
            self._stages.append((state, self.totals()))

    def clock_changed(self) -> None:
        """Ask the clock's new wall clock: hits keep what they ask at hand."""
        self.gate.renew(self.clock.wall)

    def before_fork(self) -> None:
        """Keep other threads from changing memory while this process is copied."""
        self.memory.hold()

    def after_fork(self) -> None:
        """Go on in the parent."""
        self.memory.let_go(in_child=False)

    def forked(self) -> None:
        """Go on in the child: with the entries, without the other threads, counting from zero."""
        self.memory.let_go(in_child=True)
        self.lock = RLock()
        self.gate.forked()
        self.flights.forked()
        self._forget_claims()
        self._tell_tiers("forked")
        for book in (*self._books, *self._gone.values()):
            book.forked()
        self._count_anew()

    def restored(self) -> None:
        """Go on in a copy of a snapshot: whatever was stored may be weeks old by now."""
        self._forget(None)
        self._forget_claims()
        self._tell_tiers("restored")
        self._count_anew()

    def _forget_claims(self) -> None:
        if self.tiers:
            from orc.stampede import left_claims

            left_claims.forget_all()

    def _tell_tiers(self, event: str) -> None:
        for tier in self.tiers:
            try:
                getattr(tier, event, _nothing)()
            except Exception as error:  # noqa: BLE001 - a tier may be anybody's
                notices.warn_of_bug(f"the tier {tier.name}", error)

    def _count_anew(self) -> None:
        with self.lock:
            self._begin = None
            self._begin = self.totals()
            self._stages.clear()

    # -- clearing ---------------------------------------------------------------------------------

    def came_back(self) -> None:
        """Go on by the machine's clock after a test had another: nothing is left of its time."""
        self._forget(None)
        now = self.clock.wall()
        with self.lock:
            self._cleared = {name: min(at, now) for name, at in self._cleared.items()}
            for results in self._living():
                results.came_back(now)

    def clear(self, partition: str | None) -> None:
        """Drop all entries: of one partition, or of all and of what is in none.

        Those in shared tiers are not answered any more either, by this process.
        """
        with self.lock:
            if len(self._cleared) >= self.MOST_CLEARED and partition not in self._cleared:
                # One instant for all that were cleared: it can only make misses.
                self._cleared = {None: max(self._cleared.values())}
            self._cleared[partition] = self.clock.wall()
        self._forget(partition)

    def cleared_at(self, partition: str | None) -> float:
        """Return when a partition was last cleared: seconds, wall clock; 0 if it never was."""
        cleared = self._cleared
        if not cleared:
            return 0.0
        return max(cleared.get(None, 0.0), cleared.get(partition, 0.0))

    def _forget(self, partition: str | None) -> None:
        with self.lock:
            belonging: list[Space | None] = []
            for results in self._living():
                belonging += results.spaces() if partition is None else [results.find(partition)]
            if partition is None:
                belonging += [self._explicit_space, *(self._partitions or {}).values()]
            elif self._partitions is not None:
                belonging.append(self._partitions.get(partition))
        spaces = [space for space in belonging if space is not None]
        self.flights.void_all(lambda key: key[0] in spaces)
        for space in spaces:
            space.clear()

    def _living(self) -> list[FunctionSpaces]:
        found = [results() for results in list(self._functions.values())]
        return [results for results in found if results is not None]

    # -- tags -------------------------------------------------------------------------------------

    def snapshot(self, tags: Sequence[str], partition: str | None) -> Snapshot:
        """Return these tags with the versions that they have now."""
        if not tags:
            return ()
        with self.lock:
            if self._tags is None:
                from weakref import WeakValueDictionary

                self._tags = WeakValueDictionary()
            # A tag lives as long as an entry or a load carries it. A version that is forgotten with
            # the last of them is in no snapshot, so to draw another for the name later is safe.
            snapshot = []
            for name in tags:
                tag = self._tags.get((partition, name)) or Tag(name, token())
                self._tags[partition, name] = tag
                snapshot.append((tag, tag.version))
        return tuple(snapshot)

    def bind(self, marks: Marks, partition: str | None) -> Snapshot:
        """Return what an entry of a shared tier carries as a snapshot of this process's tags.

        A tag that is not known here gets a version that no entry has: nobody can tell whether it
        was invalidated meanwhile.
        """
        if not marks:
            return ()
        here = self.snapshot([name for name, _ in marks], partition)
        return tuple((tag, version) for (tag, _), (_, version) in zip(here, marks, strict=True))

    def invalidate(self, tags: Sequence[str], partition: str | None) -> None:
        """Give tags new versions: whatever carries an old one is invalid from now on."""
        with self.lock:
            for name in tags:
                tag = None if self._tags is None else self._tags.get((partition, name))
                if tag is not None:
                    tag.version = token()


def remaining() -> float | None:
    """Seconds that the request of this code has left; ``None`` where nobody knows."""
    scope = current_scope()
    return None if scope is None else scope.remaining()


def _nothing() -> None:
    """Stand in for what a tier of somebody else's does not have."""
