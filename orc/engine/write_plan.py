"""Writing and removing, as plans: the deepest tier first, and memory last.

Every write voids the loads of its key that are under way, so that no slow loader stores a value
from before: at first, and again before memory changes, since one may have begun meanwhile that
still saw the old value in a shared tier. (The leases of memcache at Facebook, NSDI 2013, inside one
process.)
"""

from __future__ import annotations

from orc.engine.operations import Fetch, Remove, Store
from orc.engine.terms import fresh_for
from orc.errors import ConfigError, TooLargeError
from orc.model.freshness import FOREVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from orc.engine.keyspace import Kept, Keyspace
    from orc.engine.operations import Plan
    from orc.engine.terms import ComputedTtl
    from orc.errors import UnstorableError
    from orc.model.address import Address
    from orc.model.entry import Entry
    from orc.model.ports import Fill, SharedTier


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
    storable: list[tuple[str, Kept, float, Address | None]] = []
    unstorable: list[str] = []
    travelling: list[Fill] = []
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
        address = keyspace.address((key,)) if keyspace.tiers else None
        travels = stored and seconds < FOREVER
        if kept is not None and stored:
            storable.append((key, kept, life, address if travels else None))
        else:
            unstorable.append(key)
        if address is None:
            continue
        if travels:
            entry = keyspace.entry(value, versions, began=began[0], life=life, ttl=seconds)
            travelling.append((address, entry, None))
        else:
            staying.append(address)
    _void(keyspace, values)
    checked_at = core.clock.wall()
    refused, broken = yield from _write_tiers(keyspace, travelling, staying)
    failure = failure or broken
    _void(keyspace, values)
    for key in unstorable:
        keyspace.space.remove(key)
    for key, kept, life, address in storable:
        # What no tier ever has is trusted in memory for its whole life.
        here_alone = address is None
        if address in refused:
            from orc.engine.passed import is_taken_nowhere

            here_alone = is_taken_nowhere(refused[address], keyspace.tiers)
        keyspace.store(
            key,
            kept,
            versions,
            began=began,
            life=life,
            checked_at=checked_at,
            here_alone=here_alone,
        )
    if failure is not None and keyspace.terms.strict:
        raise failure


def _write_tiers(
    keyspace: Keyspace, travelling: Sequence[Fill], staying: Sequence[Address]
) -> Plan:
    """Write what travels, and remove what stays: whatever is there is older than this write.

    Return the entries that tiers never take, with the reasons, and the first error.
    """
    failure: Exception | None = None
    refused: dict[Address, dict[SharedTier, UnstorableError]] = {}
    behind = any(tier.fleetwide for tier in keyspace.tiers)
    for tier in reversed(keyspace.tiers):
        here: Mapping[Address, UnstorableError] = {}
        if behind and not tier.fleetwide:
            from orc.engine.passed import is_taken_nowhere

            # It is given nothing that those behind it do not have.
            gone = {a for a, by in refused.items() if is_taken_nowhere(by, keyspace.tiers)}
            travelling = [fill for fill in travelling if fill[0] not in gone]
            staying = [*staying, *gone.difference(staying)]
        try:
            if travelling:
                here = (yield Store(tier, travelling)).refused
        except Exception as error:  # noqa: BLE001 - a broken tier is a count, whatever broke
            failure = failure or keyspace.failed(tier, error)
        try:
            if staying:  # a server that is full still deletes
                yield Remove(tier, staying)
        except Exception as error:  # noqa: BLE001 - as above
            failure = failure or keyspace.failed(tier, error)
        for address, why in here.items():
            refused.setdefault(address, {})[tier] = why
            keyspace.failed(tier, why)
            failure = failure or (None if isinstance(why, TooLargeError) else why)
    return refused, failure


def remove_many(
    keyspace: Keyspace,
    keys: Sequence[Hashable],
    values: Sequence[tuple[object, ...]],
    *,
    told: bool = False,
) -> Plan:
    """Remove keys from every tier; with `told`, return how many of them any tier had.

    `values` are what the keys are made of. The error of a tier that fails is raised, after all the
    others were done: a lost removal would leave an old value to be served.
    """
    failure: Exception | None = None
    had = (yield from _had(keyspace, keys, values)) if told else 0
    _void(keyspace, keys)
    for tier in reversed(keyspace.tiers):
        try:
            yield Remove(tier, [keyspace.address(made_of) for made_of in values])
        except Exception as error:  # noqa: BLE001 - raised below
            failure = failure or keyspace.failed(tier, error)
    _void(keyspace, keys)
    for key in keys:
        keyspace.space.remove(key)
    if failure is not None:
        raise failure
    return had


def _had(
    keyspace: Keyspace, keys: Sequence[Hashable], values: Sequence[tuple[object, ...]]
) -> Plan:
    """Count the keys that a tier has a fresh entry of; ask for what memory does not answer."""
    lacking = []
    for key, made_of in zip(keys, values, strict=True):
        if not keyspace.look(key).trusted:
            lacking.append(made_of)
    had = len(keys) - len(lacking)
    asked = {keyspace.address(made_of) for made_of in lacking} if keyspace.tiers else set()
    for tier in keyspace.tiers:
        if not asked:
            break
        try:
            addresses = list(asked)
            answers = yield Fetch(tier, addresses, _whatever, lease=None, consistent=True)
        except Exception as error:  # noqa: BLE001 - to remove is what was asked for
            keyspace.failed(tier, error)
            continue
        for address, answer in zip(addresses, answers, strict=True):
            entry = answer.entry
            if entry is not None and keyspace.accepts(tier, entry, None, None):
                asked.remove(address)
                had += 1
    return had


def _whatever(_address: Address, _entry: Entry) -> bool:
    return True


def _void(keyspace: Keyspace, keys: Iterable[Hashable]) -> None:
    for key in keys:
        keyspace.core.flights.void((keyspace.space, key))
