"""The reference tier, and tiers that each break one rule of the contract."""

from __future__ import annotations

import copy

from orc.errors import TierError
from orc.model.row import Row, Write
from orc.testing.reference_tier import Kept, ReferenceTier


class IgnoresToken(ReferenceTier):
    def write(self, write, now):
        return super().write(
            Write(write.address, write.payload or b"", write.etag, write.keep), now
        )


class ForgetsExpiry(ReferenceTier):
    def live(self, address, now):
        return self.store.rows.get(address)


class AnswersAtTheInstantOfExpiry(ReferenceTier):
    def live(self, address, now):
        kept = self.store.rows.get(address)
        return None if kept is None or now > kept.keep_until else kept


class GrantsEverybody(ReferenceTier):
    def claim(self, claim, now):
        kept = self.live(claim.address, now)
        if kept is not None:
            kept.held_until = 0.0
        return super().claim(claim, now)


class IgnoresItsOwn(ReferenceTier):
    def claim(self, claim, now):
        claim = copy.copy(claim)
        claim.own = ()
        return super().claim(claim, now)


class KeepsItsOwnToken(ReferenceTier):
    def claim(self, claim, now):
        kept = self.live(claim.address, now)
        if kept is not None and kept.etag in claim.own:
            row = Row(kept.payload, claim.token)
            row.held = 0.0
            return row
        return super().claim(claim, now)


class HeldForEver(ReferenceTier):
    def claim(self, claim, now):
        row = super().claim(claim, now)
        row.held = row.held and row.held + 3600
        return row


class GrantedIsHeld(ReferenceTier):
    def claim(self, claim, now):
        row = super().claim(claim, now)
        return Row(row.payload, row.etag, row.held or claim.lease, failed=row.failed)


class DeleteLeavesToken(ReferenceTier):
    def delete(self, address):
        kept = self.store.rows.get(address)
        if kept is not None:
            kept.payload = None


class AnswersOutOfOrder(ReferenceTier):
    def get_many(self, addresses, budget, /, *, consistent=False):
        order = sorted(addresses)
        return super().get_many(order, budget)


class LeavesOutTheAbsent(ReferenceTier):
    def get_many(self, addresses, budget, /, *, consistent=False):
        return [row for row in super().get_many(addresses, budget) if row.etag is not None]


class IgnoresWhatWasSeen(ReferenceTier):
    def claim(self, claim, now):
        kept = self.live(claim.address, now)
        claim = copy.copy(claim)
        claim.seen = None if kept is None else kept.etag
        return super().claim(claim, now)


class ClaimDropsPayload(ReferenceTier):
    def claim(self, claim, now):
        row = super().claim(claim, now)
        if row.etag == claim.token:
            self.store.rows[claim.address].payload = None
        return row


class SetKeepsLease(ReferenceTier):
    def write(self, write, now):
        before = self.live(write.address, now)
        accepted = super().write(write, now)
        if accepted and before is not None and write.token is None:
            self.store.rows[write.address].held_until = before.held_until
        return accepted


class SetKeepsEtag(ReferenceTier):
    def write(self, write, now):
        before = self.live(write.address, now)
        if before is not None and write.token is None:
            write = Write(write.address, write.payload, before.etag, write.keep)
        return super().write(write, now)


class ForgetsClaimWithLease(ReferenceTier):
    def claim(self, claim, now):
        row = super().claim(claim, now)
        kept = self.store.rows[claim.address]
        if kept.payload is None:
            kept.keep_until = kept.held_until
        return row


class ForgetsFailure(ReferenceTier):
    def claim(self, claim, now):
        row = super().claim(claim, now)
        row.failed = False
        return row


class NeverRests(ReferenceTier):
    def write(self, write, now):
        return super().write(
            Write(write.address, write.payload, write.etag, write.keep, write.token), now
        )


class GivingBackDropsPayload(ReferenceTier):
    def write(self, write, now):
        accepted = super().write(write, now)
        if accepted and write.payload is None:
            del self.store.rows[write.address]
        return accepted


class EmptyIsNothing(ReferenceTier):
    def read(self, address, now):
        row = super().read(address, now)
        return Row(row.payload or None, row.etag)


class ChoppedPayload(ReferenceTier):
    def read(self, address, now):
        row = super().read(address, now)
        return Row(row.payload and row.payload[:65536], row.etag)


class TextPayload(ReferenceTier):
    def read(self, address, now):
        row = super().read(address, now)
        text = row.payload and row.payload.decode("utf-8", "replace").encode()
        return Row(text, row.etag)


class IgnoresCase(ReferenceTier):
    def live(self, address, now):
        return super().live(address.lower(), now)

    def write(self, write, now):
        return super().write(
            Write(
                write.address.lower(),
                write.payload,
                write.etag,
                write.keep,
                write.token,
                rest=write.rest,
            ),
            now,
        )

    def claim(self, claim, now):
        claim = copy.copy(claim)
        claim.address = claim.address.lower()
        return super().claim(claim, now)

    def delete(self, address):
        super().delete(address.lower())


class FirstHundredOnly(ReferenceTier):
    def get_many(self, addresses, budget, /, *, consistent=False):
        rows = list(super().get_many(addresses, budget))
        return rows[:100] + [Row() for _ in rows[100:]]


class SeesItsOwnOnly(ReferenceTier):
    def __init__(self, store):
        super().__init__(store)
        self.store = copy.copy(store)
        self.store.rows = {}


class ForgetsWhenClosed(ReferenceTier):
    def close(self):
        self.store.rows.clear()


class RaisesItsOwn(ReferenceTier):
    def check(self, budget):
        if self.store.broken:
            raise KeyError("no server")
        super().check(budget)


class LosesRemovals(ReferenceTier):
    def delete_many(self, addresses, budget, /):
        try:
            super().delete_many(addresses, budget)
        except TierError:
            pass


class AsyncDoesNothing(ReferenceTier):
    async def aset_many(self, writes, budget, /):
        return [True for _ in writes]


class ReadsThenWrites(ReferenceTier):
    """Looks, waits for the other, and grants: no operation is done as a whole."""

    def claim_many(self, claims, budget, /):
        import threading

        now = budget.wall()
        found = [self.live(each.address, now) for each in claims]
        threading.Event().wait(0.005)
        rows = []
        for claim, kept in zip(claims, found, strict=True):
            if kept is None:
                self.store.rows[claim.address] = Kept(None, claim.token, now + claim.lease + 60)
                self.store.rows[claim.address].held_until = now + claim.lease
                rows.append(Row(None, claim.token))
            else:
                rows.append(self.claim(claim, now))
        return rows


MUTANTS = {
    name: made
    for name, made in list(globals().items())
    if isinstance(made, type) and issubclass(made, ReferenceTier) and made is not ReferenceTier
}
