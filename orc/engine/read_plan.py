"""Reading, as a plan: what is asked of whom in which order, and what becomes of the answer.

Sans I/O. A plan is a generator that yields operations and is sent their results, so that threads
and coroutines share every decision. A trusted hit in memory is answered before a plan is begun.
"""

from __future__ import annotations

from orc.engine.operations import Fetch, Join, Load, Remove, Store, Wait
from orc.model.entry import MISSING, Entry
from orc.model.freshness import FOREVER
from orc.model.key import is_local
from orc.model.outcome import ABANDONED, FAILED, FLYING, FOLLOW, LEAD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from orc.engine.keyspace import Ask, Keyspace
    from orc.engine.operations import Plan
    from orc.model.ports import SharedTier
    from orc.stampede.flight import Flight
    from orc.stampede.single_flight import Turn

    Passed = list[tuple[SharedTier, bytes | None]]


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


def read_many(keyspace: Keyspace, keys: Sequence[str]) -> Plan:
    """Return what the tiers have of some explicit keys; one round trip for each shared tier."""
    found: dict[str, object] = {}
    missing: list[str] = []
    for key in dict.fromkeys(keys):
        view = keyspace.look(key)
        value = keyspace.open(view) if view.trusted else MISSING
        if value is MISSING:
            keyspace.counters.miss(view.cause)
            missing.append(key)
        else:
            keyspace.hit(view)
            found[key] = value
    core = keyspace.core
    for tier in core.tiers:
        if not missing:
            break
        # A copy of what was read before somebody wrote would bring back the old value.
        watch = core.flights.watch()
        try:
            found_there = yield Fetch(tier, [keyspace.wire((key,)) for key in missing])
            answers = list(zip(missing, found_there, strict=True))
        except Exception as error:  # noqa: BLE001 - a broken tier is a miss and a count
            keyspace.broken(tier, error, len(missing))
            continue
        for key, answer in answers:
            entry = answer.entry
            # No ttl of the reader's own: who sets a key says how long it is good for.
            if entry is None or not keyspace.accepts(entry, None, keyspace.space.index.get(key)):
                keyspace.counters.tier("misses", tier.name)
                continue
            keyspace.counters.tier("hits", tier.name)
            missing.remove(key)
            kept = keyspace.keep(entry.value)
            if kept is not None:
                keyspace.bring_up(key, entry, kept, watch)
            found[key] = entry.value if kept is None else _thawed(kept)
    return found


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
        passed: Passed = []
        if keyspace.core.tiers:
            value = yield from _descend(keyspace, ask, flight, passed)
            if value is not MISSING:
                return value
        return (yield from _load(keyspace, ask, flight, passed))
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


def _descend(keyspace: Keyspace, ask: Ask, flight: Flight, passed: Passed) -> Plan:
    """Ask the shared tiers one by one, and bring up what is found; note the tokens of the rest."""
    core, counters = keyspace.core, keyspace.counters
    wire = keyspace.wire(ask.values)
    if is_local(wire):
        return MISSING  # a class made in a function: no other process can know it by name
    ttl = keyspace.terms.ttl if ask.ttl is None else ask.ttl
    for tier in core.tiers:
        try:
            (found,) = yield Fetch(tier, [wire])
        except Exception as error:  # noqa: BLE001 - a broken tier is a miss and a count
            keyspace.broken(tier, error)
            continue
        if ask.anew:
            passed.append((tier, found.token))
            continue
        entry = found.entry
        copy = keyspace.space.index.get(ask.key)
        if entry is None or not keyspace.accepts(entry, ttl, copy):
            counters.tier("misses", tier.name)
            passed.append((tier, found.token))
            continue
        counters.tier("hits", tier.name)
        kept = keyspace.keep(entry.value)
        yield from _change(keyspace, flight, _fills(wire, entry, passed))
        if kept is None:
            return entry.value
        keyspace.bring_up(ask.key, entry, kept, flight, ttl)
        core.flights.land(flight, kept, entry.created_at)
        return _thawed(kept)
    return MISSING


def _load(keyspace: Keyspace, ask: Ask, flight: Flight, passed: Passed) -> Plan:
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
        load_time = max(0.0, core.clock.monotonic() - began[1])
        counters.add("load_seconds", load_time)
    kept = keyspace.keep(value)
    ttl = keyspace.terms.ttl_of(value) if ask.ttl is None else ask.ttl
    stored = kept is not None and ttl > 0
    life = keyspace.life_of(ttl)
    if stored and passed and ttl < FOREVER:
        entry = Entry(value, began[0], began[0] + life, load_time, versions)
        fills = _fills(keyspace.wire(ask.values), entry, passed)
        yield from _change(keyspace, flight, fills)
    elif ask.anew and passed:
        # What was passed by there is older than what this caller is given.
        wire = keyspace.wire(ask.values)
        removals = [Remove(tier, [wire]) for tier, _ in reversed(passed)]
        yield from _change(keyspace, flight, removals)
    if kept is not None and stored:
        keyspace.store(ask.key, kept, versions, began=began, life=life, flight=flight)
    elif not flight.void:
        keyspace.space.remove(ask.key)
    core.flights.land(flight, kept)
    return value if kept is None else _thawed(kept)


def _fills(wire: bytes, entry: Entry, passed: Passed) -> list[Store]:
    return [Store(tier, [(wire, entry, token)]) for tier, token in reversed(passed)]


def _change(keyspace: Keyspace, flight: Flight, changes: Sequence[Store | Remove]) -> Plan:
    """Change shared tiers for a flight, for as long as nobody writes the key."""
    for change in changes:
        if flight.void:
            return
        try:
            yield change
        except Exception as error:  # noqa: BLE001 - it will be loaded again, that is all
            keyspace.broken(change.tier, error)


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
    return value if kept is None else _thawed(kept)


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
    return _thawed(flight.result)


def _too_old(keyspace: Keyspace, ask: Ask, flight: Flight) -> bool:
    """Tell whether a flight brought what this reader's own, shorter ttl does not admit."""
    return ask.ttl is not None and keyspace.core.clock.wall() >= flight.created_at + ask.ttl


def _thawed(kept: Any) -> object:
    value: object
    thaw: Callable[[object], object] | None
    value, thaw = kept
    return value if thaw is None else thaw(value)
