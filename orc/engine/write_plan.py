"""Writing and removing, as plans: the deepest tier first, and memory last.

Every write first voids the load of its key that may be under way, so that no slow loader stores a
value from before. (The leases of memcache at Facebook, NSDI 2013, inside one process.)
"""

from __future__ import annotations

from orc.engine.operations import Remove, Store
from orc.model.entry import Entry
from orc.model.freshness import FOREVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from orc.engine.keyspace import Kept, Keyspace
    from orc.engine.operations import Plan


def write_many(
    keyspace: Keyspace,
    values: Mapping[str, object],
    ttl: float | None,
    tags: tuple[str, ...] = (),
) -> Plan:
    """Store explicit keys with their values, for `ttl` seconds or as the terms say.

    A value that cannot be stored leaves nothing under its key. A tier that fails is counted: a
    write that did not reach it is not an error, and its rows end with their ttl.
    """
    core = keyspace.core
    versions = core.snapshot(tags, keyspace.partition)
    began = core.now()
    storable: list[tuple[str, object, float, Kept]] = []
    unstorable: list[str] = []
    for key, value in values.items():
        kept = keyspace.keep(value)
        fresh_for = keyspace.terms.ttl_of(value) if ttl is None else ttl
        if kept is None or fresh_for <= 0:
            unstorable.append(key)
        else:
            storable.append((key, value, keyspace.life_of(fresh_for), kept))
    for key in values:
        core.flights.void((keyspace.space, key))
    for tier in reversed(core.tiers):
        fills = [
            (keyspace.wire((key,)), Entry(value, began[0], began[0] + life, 0.0, versions), None)
            for key, value, life, _ in storable
            if life < FOREVER / 2
        ]
        try:
            if fills:
                yield Store(tier, fills)
            if unstorable:
                yield Remove(tier, [keyspace.wire((key,)) for key in unstorable])
        except Exception:  # noqa: BLE001 - a broken tier is a count, whatever broke
            keyspace.counters.tier("errors", tier.name)
    for key in unstorable:
        keyspace.space.remove(key)
    for key, _, life, kept in storable:
        keyspace.store(key, kept, versions, began=began, life=life)


def remove_many(
    keyspace: Keyspace, keys: Sequence[Hashable], values: Sequence[tuple[object, ...]]
) -> Plan:
    """Remove keys from every tier; return how many of them memory had.

    `values` are what the keys are made of. The error of a tier that fails is raised, after all the
    others were done: a lost removal would leave an old value to be served.
    """
    core = keyspace.core
    failure: Exception | None = None
    for key in keys:
        core.flights.void((keyspace.space, key))
    for tier in reversed(core.tiers):
        try:
            yield Remove(tier, [keyspace.wire(made_of) for made_of in values])
        except Exception as error:  # noqa: BLE001 - raised below
            keyspace.counters.tier("errors", tier.name)
            failure = failure or error
    removed = sum(keyspace.space.remove(key) for key in keys)
    if failure is not None:
        raise failure
    return removed
