"""Claims: one at a time loads what belongs under an address."""

from __future__ import annotations

from orc.model.row import Claim
from orc.testing.conformance.asking import Fixtures, expect, mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from orc.testing.conformance.asking import Asked

A = "orc1:n:f:a"


class ClaimRules(Fixtures):
    """What :meth:`Tier.claim_many` says."""

    def test_an_absent_row_is_granted(self, asked: Asked) -> None:
        """The answer shows the token as etag, and nobody who holds the row."""
        token = mark()
        row = asked.claim(A, token)
        expect(row.etag == token, "a granted claim shows its token", row, token)
        expect(row.held == 0 and not row.failed, "held is 0 for who is granted", row)
        expect(row.payload is None, "there is no payload", row)
        expect(asked.get(A).payload is None, "nor is there one to read")

    def test_a_claimed_row_is_held(self, asked: Asked) -> None:
        """Another is told for how long, and changes nothing."""
        token, lease = mark(), 10.0
        asked.claim(A, token, lease)
        late = mark()
        row = asked.claim(A, late, lease)
        expect(0 < row.held <= lease, "held is positive, and a lease at most", row)
        expect(row.etag != late, "a claim that is not granted does not show its token", row)
        expect(not row.failed, "it is held for a lease, no load has failed", row)
        expect(not asked.fill(A, b"late", late), "who was not granted cannot fill")
        expect(asked.fill(A, b"first", token), "who was granted can")

    def test_the_lease_of_the_holder_counts(self, asked: Asked) -> None:
        """How long a row is held is said by who holds it, not by who asks."""
        asked.claim(A, mark(), 5.0)
        row = asked.claim(A, mark(), 100.0)
        expect(0 < row.held <= 5.0, "the holder's lease counts", row)  # noqa: PLR2004 - above

    def test_a_lease_ends(self, asked: Asked, pass_time: Callable[[float], None]) -> None:
        """Then the next is granted, and the first cannot fill any more."""
        first, second = mark(), mark()
        asked.claim(A, first, 2 * self.tick)
        pass_time(2 * self.tick)
        row = asked.claim(A, second)
        expect(row.etag == second and row.held == 0, "after the lease the next is granted", row)
        expect(not asked.fill(A, b"first", first), "the first has lost its token")
        expect(asked.fill(A, b"second", second), "the second has it")

    def test_a_lease_of_nothing_keeps_nobody_out(self, asked: Asked) -> None:
        """A claim with a lease of 0 gives a token, and so does the next."""
        first, second = mark(), mark()
        expect(asked.claim(A, first, 0.0).etag == first, "granted with a lease of 0")
        row = asked.claim(A, second, 0.0)
        expect(row.etag == second and row.held == 0, "a lease of 0 keeps nobody out", row)
        expect(not asked.fill(A, b"1", first), "the first has lost its token")

    def test_a_payload_that_was_not_seen(self, asked: Asked) -> None:
        """Somebody filled the row meanwhile: it is answered, and not claimed."""
        for seen in (None, mark()):
            etag = asked.set(A, b"new")
            token = mark()
            row = asked.claim(A, token, seen=seen)
            expect(row.payload == b"new" and row.etag == etag, "the newer payload is answered", row)
            expect(row.held == 0, "nobody holds it", row)
            expect(not asked.fill(A, b"x", token), "it was not claimed")
            expect(asked.get(A).etag == etag, "nothing changed")

    def test_a_payload_that_was_seen(self, asked: Asked) -> None:
        """It is claimed, and stays to be served while it is loaded anew."""
        etag, token = asked.set(A, b"stale"), mark()
        row = asked.claim(A, token, seen=etag)
        expect(row.etag == token and row.held == 0, "granted to who has seen it", row)
        expect(row.payload == b"stale", "the payload is in the answer", row)
        expect(asked.get(A).payload == b"stale", "and stays")
        held = asked.claim(A, mark(), seen=etag)
        expect(held.held > 0 and held.payload == b"stale", "others are told, and may use it", held)
        expect(asked.fill(A, b"fresh", token), "then it is filled")
        expect(asked.get(A).payload == b"fresh", "with the new payload")

    def test_a_lease_comes_before_what_was_seen(self, asked: Asked) -> None:
        """Who has seen the token of the holder does not get the row from under it."""
        etag, token = asked.set(A, b"stale"), mark()
        asked.claim(A, token, seen=etag)
        row = asked.claim(A, mark(), seen=token)
        expect(row.held > 0, "the lease still lasts", row)
        expect(asked.fill(A, b"fresh", token), "and its holder can fill")

    def test_a_lease_of_the_own_process_is_replaced(self, asked: Asked) -> None:
        """By a claim that names its token; the load that had it cannot fill any more."""
        for payload in (None, b"stale"):
            seen = asked.set(A, payload) if payload else None
            first, second = mark(), mark()
            asked.claim(A, first, 10.0, seen)
            row = asked.claim(A, mark(), 10.0, first if payload else None, (mark(),))
            expect(row.held > 0, "a token of another row's opens nothing", row)
            row = asked.claim(A, second, 10.0, first if payload else None, (mark(), first))
            expect(row.etag == second and row.held == 0, "the own lease is no hindrance", row)
            expect(row.payload == payload, "a payload stays", row)
            expect(not asked.fill(A, b"first", first), "the first has lost its token")
            row = asked.claim(A, mark(), 10.0)
            expect(row.held > 0, "others are kept out by the second", row)
            expect(asked.fill(A, b"second", second), "which can fill")
            asked.delete(A)

    def test_an_expired_payload_is_none(
        self, asked: Asked, pass_time: Callable[[float], None]
    ) -> None:
        """A row past its keep is claimed like one that was never there."""
        asked.set(A, b"old", keep=2 * self.tick)
        pass_time(2 * self.tick)
        token = mark()
        row = asked.claim(A, token)
        expect(row.etag == token and row.payload is None, "granted, without the payload", row)
        expect(asked.fill(A, b"new", token), "and filled")
        expect(asked.get(A).payload == b"new", "with what was loaded")

    def test_a_write_frees_the_row(self, asked: Asked) -> None:
        """A write without a token ends the lease with the claim."""
        asked.claim(A, mark(), 100.0)
        etag, token = asked.set(A, b"1"), mark()
        row = asked.claim(A, token, seen=etag)
        expect(row.etag == token and row.held == 0, "the lease went with the claim", row)

    def test_a_removal_frees_the_row(self, asked: Asked) -> None:
        """Who comes after a removal need not wait for a load from before."""
        asked.claim(A, mark(), 100.0)
        asked.delete(A)
        token = mark()
        row = asked.claim(A, token)
        expect(row.etag == token and row.held == 0, "the lease went with the row", row)

    def test_many_claims_at_once(self, asked: Asked) -> None:
        """Each has its own answer, in order: granted, held, seen, not seen."""
        names = [f"orc1:n:f:{each}" for each in ("absent", "held", "seen", "unseen")]
        absent, held, seen, unseen = names
        asked.claim(held, mark(), 10.0)
        etag, newer = asked.set(seen, b"seen"), asked.set(unseen, b"unseen")
        claims = [Claim(each, mark(), 10.0, etag if each == seen else None) for each in names]
        claims.reverse()
        rows = dict(zip(reversed(names), asked.claim_all(claims), strict=True))
        tokens = {claim.address: claim.token for claim in claims}
        expect(rows[absent].etag == tokens[absent], "granted", rows[absent])
        expect(rows[held].held > 0, "held", rows[held])
        expect(rows[seen].etag == tokens[seen], "granted", rows[seen])
        expect(rows[seen].payload == b"seen", "with its payload", rows[seen])
        expect((rows[unseen].payload, rows[unseen].etag) == (b"unseen", newer), "not", rows[unseen])
