"""Reading several explicit keys, as a plan: one round trip for each tier, whatever the number."""

from __future__ import annotations

from orc.engine.operations import Fetch, Store
from orc.model.entry import MISSING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orc.engine.keyspace import Keyspace
    from orc.engine.operations import Plan
    from orc.model.address import Address
    from orc.model.entry import Entry, Found
    from orc.model.ports import Accept, SharedTier
    from orc.tiers.copies import Copy


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
    passed: list[tuple[SharedTier, dict[str, Found]]] = []
    for tier in keyspace.tiers:
        if not missing:
            break
        # A copy of what was read before somebody wrote would bring back the old value.
        watch = keyspace.core.flights.watch()
        addresses = {key: keyspace.address((key,)) for key in missing}
        copies = {addresses[key]: keyspace.space.index.get(key) for key in missing}
        # Who only reads keeps nobody from loading, and claims only what a deeper tier may fill.
        lease = None if tier is keyspace.tiers[-1] else 0.0
        asked_at = keyspace.core.clock.wall()
        try:
            answers = yield Fetch(
                tier,
                list(addresses.values()),
                acceptance(keyspace, tier, None, copies),
                lease=lease,
                consistent=any(nearer.fleetwide for nearer, _ in passed),
            )
            answered = dict(zip(missing, answers, strict=True))
        except Exception as error:  # noqa: BLE001 - a broken tier is a miss and a count
            keyspace.broken(tier, error, len(missing))
            continue
        entries: dict[str, Entry] = {}
        for key, answer in answered.items():
            if answer.error is not None:
                keyspace.broken(tier, answer.error)
                continue
            entry = answer.entry
            # No ttl of the reader's own: who sets a key says how long it is good for.
            if entry is None or not keyspace.accepts(tier, entry, None, copies[addresses[key]]):
                keyspace.counters.tier("misses", tier.name)
                continue
            keyspace.counters.tier("hits", tier.name)
            keyspace.checked(tier, entry, asked_at)
            missing.remove(key)
            entries[key] = entry
            kept = keyspace.keep(entry.value)
            if kept is not None:
                keyspace.bring_up(key, entry, kept, watch)
            # Made of bytes for this reader alone: nobody else has it.
            found[key] = entry.value
        for nearer, before in reversed(passed):
            fills = [
                (addresses[key], entry, before[key].token)
                for key, entry in entries.items()
                if before[key].token is not None
            ]
            if fills and not watch.void:
                try:
                    stored = yield Store(nearer, fills)
                    for refused in stored.refused.values():
                        keyspace.broken(nearer, refused)
                except Exception as error:  # noqa: BLE001 - it will be copied again, that is all
                    keyspace.broken(nearer, error)
        passed.append((tier, answered))
    return found


def acceptance(
    keyspace: Keyspace, tier: SharedTier, ttl: object, copies: Mapping[Address, Copy | None]
) -> Accept:
    """Return what tells whether an entry of a tier will do, beside the copies in memory."""
    return lambda address, entry: keyspace.accepts(tier, entry, ttl, copies[address])
