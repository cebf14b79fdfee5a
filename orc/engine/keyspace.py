"""Everything that a plan needs to know and to touch for the keys of one function or partition."""

from __future__ import annotations

from orc import notices
from orc.engine.views import TaggedThaw, View
from orc.errors import (
    ConfigError,
    TierError,
    TooLargeError,
    UncacheableError,
    UncopyableError,
    UnstorableError,
)
from orc.isolation.copying import keep
from orc.model.entry import MISSING, Entry
from orc.model.freshness import (
    FOREVER,
    follow_seconds,
    lateness,
    lease_seconds,
    lifetime,
    reader_lateness,
    stale_if_error_seconds,
    trust,
)
from orc.model.outcome import ERROR
from orc.model.tags import valid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from orc.engine.core import Core
    from orc.engine.operations import Ask
    from orc.engine.terms import Terms
    from orc.model.address import Address
    from orc.model.ports import SharedTier
    from orc.model.tags import Snapshot
    from orc.stampede.flight import Flight
    from orc.stats.counters import Counters
    from orc.tiers.copies import Copy
    from orc.tiers.spaces import Space, Voidable

    Kept = tuple[object, Callable[[object], object] | None]
    """What is stored of a value, and what makes of it what a reader gets."""


class Keyspace:
    """The keys of one function, or the explicit keys of one partition."""

    __slots__ = (
        "_address",
        "core",
        "counters",
        "counting",
        "load_time",
        "made_text",
        "name",
        "namespace",
        "partition",
        "reads_request",
        "space",
        "terms",
        "tiers",
        "version",
    )

    def __init__(  # noqa: PLR0913 - a record
        self,
        core: Core,
        terms: Terms,
        space: Space,
        counters: Counters,
        name: str | None = None,
        *,
        partition: str | None = None,
        namespace: str | None = None,
        version: str | None = None,
        shared: bool = True,
        reads_request: bool = False,
        counting: tuple[int, ...] = (),
        made_text: bool = True,
    ) -> None:
        self.core = core
        self.tiers = core.tiers if shared else ()
        """The tiers outside the process, the nearest first; none for what they cannot name."""
        self.load_time: float | None = None
        """Seconds that the last load took; ``None`` before the first."""
        self._address: Callable[[Sequence[object]], Address] | None = None
        self.namespace = core.namespace if namespace is None else namespace
        self.version = core.version if version is None else version
        self.space = space
        self.counters = counters
        self.terms = terms
        self.name = name
        self.partition = partition
        self.counting = counting
        """The places of the arguments that have a part in the key."""
        self.made_text = made_text
        """Whether a key of one text was made for the purpose, and is no argument as it came."""
        self.reads_request = reads_request
        """Whether the function may read the request, and its values do not depend on that."""

    # -- reading memory ---------------------------------------------------------------------------

    def look(self, key: Hashable, reader_ttl: float | None = None) -> View:
        """See what memory has for a key; drop what is invalid, or of no more use."""
        copy = self.space.index.get(key)
        if copy is None:
            return View(self.space.why_missing(key))
        # The value is taken before the trust is looked at, as ``Copy`` explains.
        value, thaw, versions = copy.value, copy.thaw, copy.versions
        wall, mono = self.core.clock.wall(), self.core.clock.monotonic()
        stored_late = lateness(wall, mono, copy.fresh_until, copy.mono_fresh_until)
        trusted = wall < copy.wall_until and mono < copy.mono_until
        if not valid(versions):
            self.space.drop(copy)
            return View("invalidated")
        view = View("expired")
        view.life = copy.fresh_until - copy.created_at
        if stored_late >= self.terms.longest_window(view.life):
            self.space.drop(copy, expired=True)
            return view
        if self.space.index.get(key) is not copy:
            return View(self.space.why_missing(key))
        view.copy = copy
        view.created_at = copy.created_at
        view.value = value
        view.thaw = thaw.thaw if isinstance(thaw, TaggedThaw) else thaw
        view.late = stored_late
        if reader_ttl is not None:
            view.late = reader_lateness(stored_late, view.life, reader_ttl)
            view.life = min(view.life, reader_ttl)
        view.trusted = trusted and view.late < 0
        return view

    def open(self, view: View) -> object:
        """Return what the caller gets of a view; ``MISSING`` if it cannot be read any more."""
        try:
            return view.value if view.thaw is None else view.thaw(view.value)
        except Exception:  # noqa: BLE001 - code of the value's class, run by pickle
            if view.copy is not None:
                self.space.drop(view.copy)
            view.copy = None
            view.cause = ERROR
            return MISSING

    def hit(self, view: View) -> None:
        """Count a hit that the wrapper did not answer itself."""
        if view.copy is not None:
            self.space.memory.record(view.copy)
        if not self.counters.hits.bump() & 1023:
            self.space.memory.settle()

    # -- stale values -----------------------------------------------------------------------------

    def stale_value(self, ask: Ask, error: BaseException | None = None) -> object:
        """Return a stale value that may be served in the place of `error`, or ``MISSING``.

        Without an error: one that may be served while somebody else is loading.
        """
        if error is not None and not self.terms.excuses(error):
            return MISSING
        view = self.look(ask.key, ask.reader_ttl)
        if view.copy is None:
            return MISSING
        if error is not None:
            usable = view.late < self.terms.error_window(view.life)
        else:
            usable = 0 <= view.late < self.terms.stale_while_revalidate
        return self.open(view) if usable else MISSING

    def resting(self, view: View) -> bool:
        """Tell whether a refresh has failed a short while ago, and stale may still be served."""
        if view.copy is None:
            return False
        wall_end, mono_end = view.copy.retry
        late = lateness(self.core.clock.wall(), self.core.clock.monotonic(), wall_end, mono_end)
        return late < 0 and view.late < self.terms.error_window(view.life)

    def rest(self, key: Hashable) -> None:
        """Do not refresh this key for a short while."""
        copy = self.space.index.get(key)
        if copy is not None:
            backoff = self.terms.backoff
            clock = self.core.clock
            copy.retry = (clock.wall() + backoff, clock.monotonic() + backoff)

    def is_own(
        self, ask: Ask, flight: Flight, before: object = None, *, failed: bool = False
    ) -> bool:
        """Tell whether a load has read more of the running request than its key holds.

        `before` is what had been read astray of the request when the load began: what came since
        may be the load's.
        """
        astray = self.core.reads_astray()
        if astray is not before and astray is not None:
            for name, value in astray[len(before) if isinstance(before, list) else 0 :]:
                flight.note(name, value)
        if not flight.seen:
            return False
        from orc.engine.request_reads import is_own

        return is_own(self, ask, flight, failed=failed)

    # -- storing ----------------------------------------------------------------------------------

    def keep(self, value: object) -> Kept | None:
        """Make what is stored of a value; none, counted and warned of once, if it has no copy.

        Raises ``UncacheableError`` for what can be used only once; with ``strict``
        ``UncopyableError``.
        """
        if value is MISSING:
            raise UncacheableError("orc.MISSING stands for 'no value' and cannot be one")
        try:
            return keep(value, self.terms.isolation)
        except UncopyableError as error:
            if self.terms.strict:
                raise
            if self.counters.add("uncopyable") == 1:
                notices.warn(
                    f"{self.counters.name}: {error}, for all who ask to share. It is returned and "
                    "not stored."
                )
            return None

    def store(  # noqa: PLR0913 - all that is known of a new copy
        self,
        key: Hashable,
        kept: Kept,
        versions: Snapshot,
        *,
        began: tuple[float, float],
        life: float,
        flight: Voidable | None = None,
        checked_at: float | None = None,
        here_alone: bool = False,
    ) -> None:
        """Put a kept value in memory, unless its flight was voided meanwhile.

        `began` is the start of the load on both clocks, `life` the seconds of freshness, and
        `checked_at` when the tiers behind memory were last known to have it: now, if not given.
        What no tier ever has (`here_alone`) is trusted for its whole life: no look could find it.
        """
        wall, mono = began
        value, thaw = kept
        fresh_until = wall + life
        wall_until, mono_until = fresh_until, mono + life
        if self.tiers and not here_alone:
            checked = self.core.clock.wall() if checked_at is None else checked_at
            wall_until = min(wall_until, checked + trust(life, self.terms.memory_ttl))
            mono_until -= fresh_until - wall_until
        self.space.put(
            key,
            value,
            TaggedThaw(thaw, versions) if versions else thaw,
            trust=(wall_until, mono_until),
            created_at=wall,
            fresh_until=fresh_until,
            versions=versions,
            flight=flight,
        )

    def life_of(self, ttl: float) -> float:
        """Seconds of freshness of an entry that is stored now."""
        return lifetime(ttl, self.terms.jitter, self.core.uniform()) if self.terms.jitter else ttl

    def bring_up(
        self,
        key: Hashable,
        entry: Entry,
        kept: Kept,
        flight: Voidable,
        reader_ttl: object = None,
    ) -> None:
        """Put what a shared tier had in memory, with the expiry there or the reader's own."""
        wall, mono = self.core.now()
        life = entry.fresh_until - entry.created_at
        if isinstance(reader_ttl, float):
            life = min(life, reader_ttl)
        self.store(
            key,
            kept,
            self.core.bind(entry.versions, self.partition),
            began=(entry.created_at, mono - (wall - entry.created_at)),
            life=life,
            flight=flight,
            checked_at=entry.checked_at,
        )

    def entry(  # noqa: PLR0913 - all that is known of a new entry
        self,
        value: object,
        versions: Snapshot,
        *,
        began: float,
        life: float,
        ttl: float,
        load_time: float = 0.0,
    ) -> Entry:
        """Make what travels to the shared tiers: stored now, loaded from the instant `began` on."""
        return Entry(
            value,
            began,
            began + life,
            load_time,
            tuple((tag.name, version) for tag, version in versions),
            stale_while_revalidate=self.terms.stale_while_revalidate,
            stale_if_error=stale_if_error_seconds(self.terms.stale_if_error, ttl),
            checked_at=self.core.clock.wall(),
        )

    def accepts(
        self, tier: SharedTier, entry: Entry, reader_ttl: object, copy: Copy | None
    ) -> bool:
        """Tell whether a shared tier's entry is fresh, real and not older than memory's copy.

        One in a tier of this environment alone must have been checked lately, if there is a tier
        behind it that all containers see: another of them may have deleted it there.
        """
        now = self.core.clock.wall()
        life = reader_ttl if isinstance(reader_ttl, float) else FOREVER
        latest = now + self.core.MOST_SKEW
        return (
            now < min(entry.fresh_until, entry.created_at + life)
            and entry.created_at <= latest
            and (copy is None or entry.created_at >= copy.created_at)
            and entry.created_at > max(self.space.cleared_at, self.core.cleared_at(self.partition))
            and (
                tier not in self.core.unchecked
                or now - self.terms.memory_ttl < entry.checked_at <= latest
            )
            and valid(self.core.bind(entry.versions, self.partition))
        )

    def follow_for(self, ask: Ask) -> float:
        """Seconds after its begin during which a load of this process may be followed.

        What was begun earlier may be older than its ttl; or deleted meanwhile by another container,
        which a copy in memory may not outlive for longer than its own ttl either.
        """
        ttl = self.terms.ttl if ask.ttl is None else ask.ttl
        shared = self.tiers and ttl != FOREVER  # without an end it stays in memory alone
        return follow_seconds(
            ttl if isinstance(ttl, float) else FOREVER,
            self.terms.memory_ttl if shared else None,
        )

    def lease(self) -> float:
        """Seconds for which who loads a key now keeps others from it."""
        return lease_seconds(self.load_time, self.core.remaining())

    def checked(self, tier: SharedTier, entry: Entry, asked_at: float) -> None:
        """Note that an entry was found where all who may change it do so.

        `asked_at` is the wall clock from before the tier was asked: it may have been deleted while
        the answer was on its way.
        """
        if tier not in self.core.unchecked:
            entry.checked_at = asked_at

    def broken(self, tier: SharedTier, error: Exception, amount: int = 1) -> None:
        """Count what a tier did not do; raise its error if the terms are strict.

        What a tier says of how it was set up is raised always: it will never work.
        """
        self.failed(tier, error, amount)
        if isinstance(error, ConfigError):
            raise error
        if self.terms.strict and not isinstance(error, TooLargeError):
            raise error

    def failed(self, tier: SharedTier, error: Exception, amount: int = 1) -> Exception:
        """Count what a tier did not do, or was not given, and return why."""
        if isinstance(error, TooLargeError):
            notices.warn_once(
                "values too large for a shared tier",
                f"{self.counters.name}: {error}. It is kept in memory alone.",
                f"{self.counters.name} {tier.name}",
            )
        elif isinstance(error, UnstorableError):
            if self.counters.add("unstorable") == 1 and not self.terms.strict:
                notices.warn(f"{self.counters.name}: {error}. It is kept in memory alone.")
        else:
            self.counters.tier("errors", tier.name, amount)
            if not isinstance(error, TierError | ConfigError):
                notices.warn_of_bug(f"the tier {tier.name}", error)
        return error

    def address(self, values: Sequence[object]) -> Address:
        """Return where shared tiers keep what belongs to these arguments."""
        if self._address is None:
            from orc.model.address import addresses

            self._address = addresses(self.namespace, self.version, self.partition, self.name)
        return self._address(values)
