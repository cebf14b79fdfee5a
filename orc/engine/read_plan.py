"""Reading, as a plan: what is asked of whom in which order, and what becomes of the answer.

Sans I/O. A plan is a generator that yields operations and is sent their results, so that threads
and coroutines share every decision. A trusted hit in memory is answered before a plan is begun.
"""

from __future__ import annotations

from orc.engine.operations import Fetch, GiveBack, Join, Load, Pause, Remove, Store, Wait
from orc.engine.terms import fresh_for
from orc.engine.views import thawed
from orc.errors import TierError, TierTimeoutError, TierUnavailableError
from orc.model.entry import MISSING
from orc.model.freshness import FOREVER, LEAST_PATIENCE, MOST_PATIENCE, SHARE_OF_TIERS
from orc.model.key import is_local
from orc.model.outcome import ABANDONED, FAILED, FOLLOW, LEAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orc.engine.keyspace import Keyspace
    from orc.engine.operations import Ask, Plan
    from orc.engine.passed import Passed
    from orc.model.address import Address
    from orc.model.entry import Entry
    from orc.model.ports import SharedTier
    from orc.stampede.flight import Flight


def read_through(keyspace: Keyspace, ask: Ask) -> Plan:
    """Return the value of a key, loading it if need be."""
    flights = keyspace.core.flights
    if not ask.anew:
        view = keyspace.look(ask.key, ask.reader_ttl)
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
        turn = flights.turn()
        try:
            yield Join(
                turn,
                (keyspace.space, ask.key),
                anew=ask.anew,
                now=keyspace.core.now(),
                follow_for=keyspace.follow_for(ask),
            )
            if turn.role == LEAD:
                return (yield from _lead(keyspace, ask, turn.flight))
            value = keyspace.stale_value(ask)
            if value is not MISSING:
                keyspace.counters.add("stale")
                return value
            if turn.role == FOLLOW:
                ask.patience = ask.patience or keyspace.core.patience()
                if ask.patience.left() > 0:
                    yield Wait(turn.flight, ask.patience)
                    if turn.flight.state == ABANDONED or _too_old(keyspace, ask, turn.flight):
                        continue  # one of the followers leads
                    value = _of_others(keyspace, ask, turn.flight)
                    if value is not MISSING:
                        return value
                flights.part(turn)
            return (yield from _alone(keyspace, ask, turn.flight))
        finally:
            try:
                flights.leave(turn)
            except BaseException:  # an interrupt: what it cut short is done, and then it goes on
                flights.leave(turn)
                raise


def _lead(keyspace: Keyspace, ask: Ask, flight: Flight) -> Plan:
    flights = keyspace.core.flights
    try:
        # Memory again: another leader may have landed between the first look and this flight.
        if not ask.anew and ask.key in keyspace.space.index:
            view = keyspace.look(ask.key, ask.reader_ttl)
            value = keyspace.open(view) if view.trusted else MISSING
            if value is not MISSING:
                keyspace.counters.add("shared")
                flights.land(flight, (view.value, view.thaw), view.created_at)
                return value
        if keyspace.tiers:
            from orc.engine.passed import Passed

            passed = Passed(keyspace.address(ask.values), flight)
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


def _from_shared(keyspace: Keyspace, ask: Ask, flight: Flight, passed: Passed) -> Plan:
    """Ask the shared tiers, then load; however that ends, leave no claim that keeps others out."""
    flight.given_up = passed.remember
    try:
        value = yield from _descend(keyspace, ask, flight, passed)
        if value is not MISSING:
            return value
        return (yield from _load(keyspace, ask, flight, passed))
    except (KeyboardInterrupt, SystemExit):
        raise  # the process ends: nothing is sent any more
    except BaseException as error:
        # A cancelled coroutine may wait for nothing; the first error is the one to tell.
        passed.tokens += passed.asked
        yield from _give_back(keyspace, passed, waits=isinstance(error, Exception))
        passed.asked.clear()
        raise
    finally:
        passed.end()


def _give_back(
    keyspace: Keyspace, passed: Passed, *, waits: bool = True, counts: bool = True
) -> Plan:
    """Let others claim what this load has claimed, the deepest tier first.

    `counts`: an error is one more, and not the consequence of one that was counted.
    """
    while passed.tokens:
        tier, token = passed.tokens[-1]
        try:
            yield GiveBack(tier, [(passed.address, None, token)], waits=waits)
        except Exception as error:  # noqa: BLE001 - the tier remembers the claim for this process
            if counts:
                keyspace.failed(tier, error)
        passed.tokens.pop()


def _descend(keyspace: Keyspace, ask: Ask, flight: Flight, passed: Passed) -> Plan:
    """Ask the shared tiers one by one, and bring up what is found; note the tokens of the rest."""
    core, counters = keyspace.core, keyspace.counters
    ttl = keyspace.terms.ttl if ask.ttl is None else ask.ttl
    copy = keyspace.space.index.get(ask.key)
    left = core.remaining()
    for tier in keyspace.tiers:
        try:
            within = None
            if left is not None and (after := core.remaining()) is not None:
                within = left * SHARE_OF_TIERS - (left - after)
            found, asked_at = yield from _ask(keyspace, ask, tier, passed, ttl, within)
        except Exception as error:  # noqa: BLE001 - a broken tier is a miss and a count
            if isinstance(error, TierError) and not isinstance(error, _UNANSWERED):
                passed.answered(tier)
            keyspace.broken(tier, error)
            continue
        entry = found.entry
        if ask.anew or entry is None or not keyspace.accepts(tier, entry, ttl, copy):
            if not ask.anew:
                counters.tier("misses", tier.name)
            passed.note(tier, found)
            continue
        passed.answered(tier)
        counters.tier("hits", tier.name)
        keyspace.checked(tier, entry, asked_at)
        kept = keyspace.keep(entry.value)
        yield from _fill(keyspace, flight, passed, entry, confirmed=True)
        if kept is not None:
            keyspace.bring_up(ask.key, entry, kept, flight, ttl)
            core.flights.land(flight, kept, entry.created_at)
        # Made of bytes for this reader alone: nobody else has it.
        return entry.value
    return MISSING


def _ask(  # noqa: PLR0913, PLR0917 - what a read has come to
    keyspace: Keyspace,
    ask: Ask,
    tier: SharedTier,
    passed: Passed,
    ttl: object,
    within: float | None,
) -> Plan:
    """Ask one tier, and claim the row if it lacks the entry; wait while somebody else loads it.

    Not longer than the lease of that other one, nor than this read may wait in all.
    Return what was found, and the wall clock from before it was asked for.
    """
    from orc.engine.read_many import acceptance

    copies = {passed.address: keyspace.space.index.get(ask.key)}
    fetch = Fetch(
        tier,
        [passed.address],
        _nothing_will_do if ask.anew else acceptance(keyspace, tier, ttl, copies),
        # What has no end stays in memory alone: no other container need wait for it.
        lease=None if ttl == FOREVER else keyspace.lease(),
        consistent=any(nearer.fleetwide for nearer, _ in passed.tokens),
        claims=passed,
        within=within,
    )
    pause = LEAST_PATIENCE
    while True:
        asked_at = keyspace.core.clock.wall()
        (found,) = yield fetch
        if found.error is not None:
            raise found.error
        if found.token is None:
            passed.answered(tier)
        if ask.anew or found.held <= 0:
            return found, asked_at
        ask.patience = ask.patience or keyspace.core.patience()
        wait = min(found.held, ask.patience.left())
        if wait <= 0:
            return found, asked_at
        pause = min(pause, wait)
        yield Pause(pause)
        ask.patience.spent(pause)
        pause = min(2 * pause, MOST_PATIENCE)


def _nothing_will_do(_address: Address, _entry: Entry) -> bool:
    return False


def _load(keyspace: Keyspace, ask: Ask, flight: Flight, passed: Passed | None) -> Plan:
    """Call the loader and store what it returns: the deepest tier first and memory last."""
    core, counters = keyspace.core, keyspace.counters
    versions = flight.versions = core.snapshot(ask.tags, keyspace.partition)
    began = flight.began if passed is None else core.now()
    counters.add("loads")
    before = core.reads_astray()
    try:
        value = yield Load(ask.load, flight)
    except BaseException as error:
        counters.add("load_errors")
        if isinstance(error, Exception) and keyspace.is_own(ask, flight, before, failed=True):
            core.flights.land(flight, None)  # an error, too, may tell of whom it is
        raise
    finally:
        load_time = keyspace.load_time = max(0.0, core.clock.monotonic() - began[1])
        counters.add("load_seconds", load_time)
    own = keyspace.is_own(ask, flight, before)
    if own:
        core.flights.land(flight, None)  # each follower loads for itself
    kept = keyspace.keep(value)
    ttl = fresh_for(keyspace, value, ask.ttl)
    stored = kept is not None and ttl > 0 and not own
    life = keyspace.life_of(ttl)
    checked_at = None
    here_alone = ttl >= FOREVER
    if passed is not None:
        asked_at = core.clock.wall()
        entry = None
        if stored and not here_alone:
            entry = keyspace.entry(
                value, versions, began=began[0], life=life, ttl=ttl, load_time=load_time
            )
        if ask.anew:
            yield from _remove_what_is_older(keyspace, flight, passed, entry)
        taken = yield from _fill(keyspace, flight, passed, entry)
        # What was overtaken by a write elsewhere is this caller's alone. And what no
        # tier has taken may have been deleted there since the load began.
        stored &= taken is not False
        here_alone |= passed.is_taken_nowhere(keyspace.tiers)
        checked_at = asked_at if taken else began[0]
    if kept is not None and stored:
        keyspace.store(
            ask.key,
            kept,
            versions,
            began=began,
            life=life,
            flight=flight,
            checked_at=checked_at,
            here_alone=here_alone,
        )
    elif not flight.void:
        keyspace.space.remove(ask.key)
    core.flights.land(flight, kept)
    return value if kept is None else thawed(kept)


def _remove_what_is_older(
    keyspace: Keyspace, flight: Flight, passed: Passed, entry: Entry | None
) -> Plan:
    """Remove what a load that was asked for anew has passed by: its caller was given newer."""
    tiers = [*passed.lost, *(tier for tier, _ in passed.tokens if entry is None)]
    if entry is None:
        passed.tokens.clear()  # a row that is removed has no claim either
    for tier in tiers:
        if flight.void:
            return
        try:
            yield Remove(tier, [passed.address])
        except Exception as error:  # noqa: BLE001 - it will be loaded again, that is all
            keyspace.broken(tier, error)


def _fill(
    keyspace: Keyspace,
    flight: Flight,
    passed: Passed,
    entry: Entry | None,
    *,
    confirmed: bool = False,
) -> Plan:
    """Fill the rows that were claimed, the deepest tier first; what is not filled is given back.

    Return ``True`` if a tier that all containers see has taken it, ``False`` if one has not, since
    the key was written meanwhile, and ``None`` where none has said so. `confirmed`: one of them has
    answered with this entry. A tier of this environment alone is given nothing that those behind it
    do not have: a deletion would not be seen there.
    """
    taken: bool | None = True if confirmed else None
    behind = any(tier.fleetwide for tier in keyspace.tiers)
    refused: list[tuple[SharedTier, bytes]] = []
    while passed.tokens and entry is not None and taken is not False and not flight.void:
        tier, token = passed.tokens[-1]
        if behind and not tier.fleetwide and not taken:
            break
        try:
            stored = yield Store(tier, [(passed.address, entry, token)])
        except Exception as error:  # noqa: BLE001 - it will be loaded again, that is all
            if not isinstance(error, _UNANSWERED):
                # It may take this, though not that: a server that is full still deletes.
                refused.append((tier, token))
            keyspace.broken(tier, error)
        else:
            why = stored.refused.get(passed.address)
            if why is not None:
                passed.refused[tier] = why
                keyspace.broken(tier, why)
            if not stored.accepted or (why is None and (tier.fleetwide or not behind)):
                taken = stored.accepted
        passed.tokens.pop()
    yield from _give_back(keyspace, passed)
    passed.tokens += refused + passed.asked
    yield from _give_back(keyspace, passed, counts=False)
    passed.asked.clear()
    return taken


_UNANSWERED = (TierTimeoutError, TierUnavailableError)
"""Errors that do not tell what a tier has done."""


def _alone(keyspace: Keyspace, ask: Ask, flight: Flight) -> Plan:
    """Load for this caller only: nothing is stored, and nobody is kept waiting."""
    counters, monotonic = keyspace.counters, keyspace.core.clock.monotonic
    began = monotonic()
    counters.add("loads")
    before = keyspace.core.reads_astray()
    try:
        value = yield Load(ask.load, flight)
    except Exception as error:
        counters.add("load_errors")
        keyspace.is_own(ask, flight, before, failed=True)
        stale = keyspace.stale_value(ask, error)
        if stale is MISSING:
            raise
        counters.add("stale")
        return stale
    finally:
        counters.add("load_seconds", max(0.0, monotonic() - began))
    keyspace.is_own(ask, flight, before)
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
    ttl = ask.reader_ttl
    return ttl is not None and keyspace.core.clock.wall() >= flight.created_at + ttl
