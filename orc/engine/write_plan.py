"""Writing and removing, as plans: the deepest tier first, and memory last.

Every write voids the loads of its key that are under way, so that no slow loader stores a value
from before: at first, and again before memory changes, since one may have begun meanwhile that
still saw the old value in a shared tier. (The leases of memcache at Facebook, NSDI 2013, inside one
process.)
"""

from __future__ import annotations

from orc.engine.operations import Remove, Store
from orc.engine.terms import fresh_for
from orc.errors import ConfigError
from orc.model.freshness import FOREVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from orc.engine.keyspace import Kept, Keyspace
    from orc.engine.operations import Plan
    from orc.engine.terms import ComputedTtl
    from orc.model.address import Address
    from orc.model.entry import Entry


def write_many(
    keyspace: Keyspace,
    values: Mapping[str, object],
    ttl: float | ComputedTtl | None,
    tags: tuple[str, ...] = (),
) -> Plan:
    """Store explicit keys with their values, for `ttl` seconds, or as it or the terms compute.

    A value that cannot be stored leaves nothing under its key. A tier that fails is counted: a
    write that did not reach it is not an error, and its rows end with their ttl.
    """
    core = keyspace.core
    versions = core.snapshot(tags, keyspace.partition)
    began = core.now()
    storable: list[tuple[str, Kept, float]] = []
    unstorable: list[str] = []
    travelling: list[tuple[Address, Entry, None]] = []
    staying: list[Address] = []
    failure: Exception | None = None
    for key, value in values.items():
        kept = keyspace.keep(value)
        try:
            seconds = fresh_for(keyspace, value, ttl)
        except ConfigError as error:  # with strictness: nothing is left under the key all the same
            failure, seconds = failure or error, 0.0
        life = keyspace.life_of(seconds)
        stored = kept is not None and seconds > 0
        if kept is not None and stored:
            storable.append((key, kept, life))
        else:
            unstorable.append(key)
        if not keyspace.tiers:
            continue
        address = keyspace.address((key,))
        if stored and seconds < FOREVER:
            entry = keyspace.entry(value, versions, began=began[0], life=life, ttl=seconds)
            travelling.append((address, entry, None))
        else:
            staying.append(address)
    _void(keyspace, values)
    checked_at = core.clock.wall()
    for tier in reversed(keyspace.tiers):
        try:
            if travelling:
                yield Store(tier, travelling)
            if staying:
                # Whatever is there is older than this write.
                yield Remove(tier, staying)
        except Exception as error:  # noqa: BLE001 - a broken tier is a count, whatever broke
            failure = failure or keyspace.failed(tier, error)
    _void(keyspace, values)
    for key in unstorable:
        keyspace.space.remove(key)
    for key, kept, life in storable:
        keyspace.store(key, kept, versions, began=began, life=life, checked_at=checked_at)
    if failure is not None and keyspace.terms.strict:
        raise failure


def remove_many(
    keyspace: Keyspace, keys: Sequence[Hashable], values: Sequence[tuple[object, ...]]
) -> Plan:
    """Remove keys from every tier; return how many of them memory had.

    `values` are what the keys are made of. The error of a tier that fails is raised, after all the
    others were done: a lost removal would leave an old value to be served.
    """
    failure: Exception | None = None
    _void(keyspace, keys)
    for tier in reversed(keyspace.tiers):
        try:
            yield Remove(tier, [keyspace.address(made_of) for made_of in values])
        except Exception as error:  # noqa: BLE001 - raised below
            failure = failure or keyspace.failed(tier, error)
    _void(keyspace, keys)
    removed = sum(keyspace.space.remove(key) for key in keys)
    if failure is not None:
        raise failure
    return removed


def _void(keyspace: Keyspace, keys: Iterable[Hashable]) -> None:
    for key in keys:
        keyspace.core.flights.void((keyspace.space, key))
