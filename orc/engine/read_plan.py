"""Reading, as a plan: what is asked of whom in which order, and what becomes of the answer.

Sans I/O. A plan is a generator that yields operations and is sent their results, so that threads
and coroutines share every decision. A trusted hit in memory is answered before a plan is begun.
"""

from __future__ import annotations

from orc.engine.operations import Fetch, Join, Load, Pause, Remove, Store, Wait
from orc.engine.read_many import acceptance
from orc.engine.views import thawed
from orc.model.entry import MISSING
from orc.model.freshness import FOREVER, LEAST_PATIENCE, MOST_PATIENCE
from orc.model.key import is_local
from orc.model.outcome import ABANDONED, FAILED, FLYING, FOLLOW, LEAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from orc.engine.keyspace import Ask, Keyspace
    from orc.engine.operations import Plan
    from orc.model.address import Address
    from orc.model.entry import Entry, Found
    from orc.model.ports import SharedTier
    from orc.stampede.flight import Flight
    from orc.stampede.single_flight import Turn


class Passed:
    """The shared tiers that a read has passed without finding what it looked for."""

    __slots__ = ("address", "lost", "tokens")

    def __init__(self, address: Address) -> None:
        self.address = address
        self.tokens: list[tuple[SharedTier, bytes]] = []
        """Those that a fill may go to, with the token for it."""
        self.lost: list[SharedTier] = []
        """Those where somebody else is loading it, and no fill of ours is taken."""

    def note(self, tier: SharedTier, found: Found) -> None:
        """Note what a tier without the entry has answered."""
        if found.token is None:
            self.lost.append(tier)
        else:
            self.tokens.append((tier, found.token))

    def fills(self, entry: Entry | None) -> list[Store]:
        """Return the fills, the deepest tier first; without an entry, give the claims back."""
        return [
            Store(tier, [(self.address, entry, token)]) for tier, token in reversed(self.tokens)
        ]


def read_through(keyspace: Keyspace, ask: Ask) -> Plan:
    """Return the value of a key, loading it if need be."""
    flights = keyspace.core.flights
    if not ask.anew:
        view = keyspace.look(ask.key, ask.ttl)
        if view.trusted:
            value = keyspace.open(view)
            if value is not MISSING:
                keyspace.hit(view)
                return value
        keyspace.counters.miss(view.cause)
        if keyspace.resting(view):
            value = keyspace.open(view)
            if value is not MISSING:
                keyspace.counters.add("stale")
                return value
    while True:
        turn: Turn = yield Join((keyspace.space, ask.key), anew=ask.anew)
        try:
            if turn.role == LEAD:
                return (yield from _lead(keyspace, ask, turn.flight))
            value = keyspace.stale_value(ask)
            if value is not MISSING:
                keyspace.counters.add("stale")
                return value
            if turn.role == FOLLOW:
                yield Wait(turn.flight)
                if turn.flight.state == ABANDONED or _too_old(keyspace, ask, turn.flight):
                    continue  # one of those who followed leads
                value = _of_others(keyspace, ask, turn.flight)
                if value is not MISSING:
                    return value
                flights.part(turn)
            return (yield from _alone(keyspace, ask, turn.flight))
        finally:
            flights.leave(turn)


def _lead(keyspace: Keyspace, ask: Ask, flight: Flight) -> Plan:
    flights = keyspace.core.flights
    try:
        # Memory again: another leader may have landed between the first look and this flight.
        if not ask.anew and ask.key in keyspace.space.index:
            view = keyspace.look(ask.key, ask.ttl)
            value = keyspace.open(view) if view.trusted else MISSING
            if value is not MISSING:
                keyspace.counters.add("shared")
                flights.land(flight, (view.value, view.thaw), view.created_at)
                return value
        if keyspace.tiers:
            passed = Passed(keyspace.address(ask.values))
            # A class made in a function has no name that another process knows.
            if not is_local(passed.address.full):
                return (yield from _from_shared(keyspace, ask, flight, passed))
        return (yield from _load(keyspace, ask, flight, None))
    except Exception as error:
        flights.fail(flight, error)
        value = keyspace.stale_value(ask, error)
        if value is MISSING:
            raise
        keyspace.rest(ask.key)
        if ask.anew:
            raise
        keyspace.counters.add("stale")
        return value
    finally:
        # A leader that was cancelled or interrupted comes here with the flight still on its way.
        if flight.state == FLYING:
            flights.abandon(flight)


def _from_shared(keyspace: Keyspace, ask: Ask, flight: Flight, passed: Passed) -> Plan:
    """Ask the shared tiers, then load; leave no claim behind that is not for a fill."""
    try:
        value = yield from _descend(keyspace, ask, flight, passed)
        if value is not MISSING:
            return value
        return (yield from _load(keyspace, ask, flight, passed))
    except Exception:
        # Who waits for this load need not wait until the lease is over.
        for give_back in passed.fills(None):
            try:
                yield give_back
            except Exception:  # noqa: BLE001 - the first error is the one to tell
                keyspace.counters.tier("errors", give_back.tier.name)
        raise


def _descend(keyspace: Keyspace, ask: Ask, flight: Flight, passed: Passed) -> Plan:
    """Ask the shared tiers one by one, and bring up what is found; note the tokens of the rest."""
    core, counters = keyspace.core, keyspace.counters
    ttl = keyspace.terms.ttl if ask.ttl is None else ask.ttl
    copy = keyspace.space.index.get(ask.key)
    for tier in keyspace.tiers:
        try:
            found, asked_at = yield from _ask(keyspace, ask, tier, passed, ttl)
        except Exception as error:  # noqa: BLE001 - a broken tier is a miss and a count
            keyspace.broken(tier, error)
            continue
        entry = found.entry
        if ask.anew or entry is None or not keyspace.accepts(tier, entry, ttl, copy):
            if not ask.anew:
                counters.tier("misses", tier.name)
            passed.note(tier, found)
            continue
        counters.tier("hits", tier.name)
        keyspace.checked(tier, entry, asked_at)
        kept = keyspace.keep(entry.value)
        yield from _change(keyspace, flight, passed.fills(entry))
        if kept is not None:
            keyspace.bring_up(ask.key, entry, kept, flight, ttl)
            core.flights.land(flight, kept, entry.created_at)
        # Made of bytes for this reader alone: nobody else has it.
        return entry.value
    return MISSING


def _ask(keyspace: Keyspace, ask: Ask, tier: SharedTier, passed: Passed, ttl: object) -> Plan:
    """Ask one tier, and claim the row if it lacks the entry; wait while somebody else loads it.

    Not longer than the lease of that other one, nor than half of what is left of this request.
    Return what was found, and the wall clock from before it was asked for.
    """
    copies = {passed.address: keyspace.space.index.get(ask.key)}
    fetch = Fetch(
        tier,
        [passed.address],
        _nothing_will_do if ask.anew else acceptance(keyspace, tier, ttl, copies),
        lease=keyspace.lease(),
        consistent=any(nearer.fleetwide for nearer, _ in passed.tokens),
    )
    left = keyspace.core.remaining()
    patience = None if left is None else left / 2
    pause = LEAST_PATIENCE
    while True:
        asked_at = keyspace.core.clock.wall()
        (found,) = yield fetch
        if found.error is not None:
            raise found.error
        wait = found.held if patience is None else min(found.held, patience)
        if ask.anew or wait <= 0:
            return found, asked_at
        if patience is None:
            patience = wait
        pause = min(pause, wait)
        yield Pause(pause)
        patience -= pause
        pause = min(2 * pause, MOST_PATIENCE)


def _nothing_will_do(_address: Address, _entry: Entry) -> bool:
    return False


def _load(keyspace: Keyspace, ask: Ask, flight: Flight, passed: Passed | None) -> Plan:
    """Call the loader and store what it returns: the deepest tier first and memory last."""
    core, counters = keyspace.core, keyspace.counters
    versions = flight.versions = core.snapshot(ask.tags, keyspace.partition)
    began = core.now()
    counters.add("loads")
    try:
        value = yield Load(ask.load, flight)
    except BaseException:
        counters.add("load_errors")
        raise
    finally:
        load_time = keyspace.load_time = max(0.0, core.clock.monotonic() - began[1])
        counters.add("load_seconds", load_time)
    kept = keyspace.keep(value)
    ttl = keyspace.terms.ttl_of(value) if ask.ttl is None else ask.ttl
    stored = kept is not None and ttl > 0
    life = keyspace.life_of(ttl)
    checked_at = None
    if passed is not None:
        checked_at = core.clock.wall()
        entry = None
        if stored and ttl < FOREVER:
            entry = keyspace.entry(
                value, versions, began=began[0], life=life, ttl=ttl, load_time=load_time
            )
        # What was overtaken by a write elsewhere is this caller's, and nobody else's.
        stored &= yield from _change(keyspace, flight, _outcome(passed, entry, anew=ask.anew))
    if kept is not None and stored:
        keyspace.store(
            ask.key,
            kept,
            versions,
            began=began,
            life=life,
            flight=flight,
            checked_at=checked_at,
        )
    elif not flight.void:
        keyspace.space.remove(ask.key)
    core.flights.land(flight, kept)
    return value if kept is None else thawed(kept)


def _outcome(passed: Passed, entry: Entry | None, *, anew: bool) -> Sequence[Store | Remove]:
    """Return what becomes of the rows that were passed."""
    if not anew:
        return passed.fills(entry)
    # What was passed by is older than what this caller is given.
    tiers = [*passed.lost, *(tier for tier, _ in passed.tokens if entry is None)]
    removals = [Remove(tier, [passed.address]) for tier in tiers]
    return [*removals, *passed.fills(entry)] if entry is not None else removals


def _change(keyspace: Keyspace, flight: Flight, changes: Sequence[Store | Remove]) -> Plan:
    """Change shared tiers for a flight, for as long as nobody writes the key.

    Return whether every fill was taken by the tier that it was for, or never reached it.
    """
    taken = True
    for change in changes:
        if flight.void:
            return True  # nothing is stored then
        try:
            taken &= (yield change) is not False
        except Exception as error:  # noqa: BLE001 - it will be loaded again, that is all
            keyspace.broken(change.tier, error)
    return taken


def _alone(keyspace: Keyspace, ask: Ask, flight: Flight) -> Plan:
    """Load for this caller only: nothing is stored, and nobody is kept waiting."""
    counters, monotonic = keyspace.counters, keyspace.core.clock.monotonic
    began = monotonic()
    counters.add("loads")
    try:
        value = yield Load(ask.load, flight)
    except Exception as error:
        counters.add("load_errors")
        stale = keyspace.stale_value(ask, error)
        if stale is MISSING:
            raise
        counters.add("stale")
        return stale
    finally:
        counters.add("load_seconds", max(0.0, monotonic() - began))
    kept = keyspace.keep(value)
    return value if kept is None else thawed(kept)


def _of_others(keyspace: Keyspace, ask: Ask, flight: Flight) -> object:
    """Return what a flight brought to those who followed; ``MISSING`` if they must load."""
    if flight.state == FAILED and flight.error is not None:
        value = keyspace.stale_value(ask, flight.error)
        if value is MISSING:
            raise flight.error.with_traceback(flight.traceback)
        keyspace.counters.add("stale")
        return value
    if flight.result is None:
        return MISSING
    keyspace.counters.add("shared")
    return thawed(flight.result)


def _too_old(keyspace: Keyspace, ask: Ask, flight: Flight) -> bool:
    """Tell whether a flight brought what this reader's own, shorter ttl does not admit."""
    return ask.ttl is not None and keyspace.core.clock.wall() >= flight.created_at + ask.ttl
