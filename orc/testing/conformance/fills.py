"""Fills: a value is stored only while nobody has changed the row since it was claimed."""

from __future__ import annotations

from orc.model.row import Write
from orc.testing.conformance.asking import Fixtures, expect, mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from orc.testing.conformance.asking import Asked

A = "orc1:n:f:a"


class FillRules(Fixtures):
    """What :class:`orc.model.row.Write` says of tokens, rests and claims that are given back."""

    def test_a_fill(self, asked: Asked) -> None:
        """It is stored with its own etag, and the row is free again."""
        token, etag = mark(), mark()
        asked.claim(A, token)
        expect(asked.fill(A, b"1", token, etag) is True, "a fill with a live token is accepted")
        row = asked.get(A)
        expect((row.payload, row.etag) == (b"1", etag), "it is stored with its etag", row)
        claimed = asked.claim(A, mark(), seen=etag)
        expect(claimed.held == 0, "nobody holds a row that is filled", claimed)

    def test_a_token_fills_once(self, asked: Asked) -> None:
        """The fill replaced the etag, so another with the same token is refused."""
        token = mark()
        asked.claim(A, token)
        asked.fill(A, b"1", token)
        expect(asked.fill(A, b"2", token) is False, "the token is used up")
        expect(asked.get(A).payload == b"1", "nothing changed")

    def test_no_fill_without_a_claim(self, asked: Asked) -> None:
        """A token that no row has is refused, whether there is a row or not."""
        expect(asked.fill(A, b"1", mark()) is False, "there is no row")
        expect(asked.get(A).payload is None, "nor is there one now")
        etag = asked.set(A, b"1")
        expect(asked.fill(A, b"2", mark()) is False, "the row has another etag")
        expect(asked.get(A).etag == etag, "nothing changed")

    def test_no_fill_after_a_write(self, asked: Asked) -> None:
        """Whoever sets the row takes the token away."""
        token = mark()
        asked.claim(A, token)
        asked.set(A, b"set")
        expect(asked.fill(A, b"loaded before", token) is False, "the token is gone")
        expect(asked.get(A).payload == b"set", "the write stays")

    def test_no_fill_after_a_removal(self, asked: Asked) -> None:
        """Whoever removes the row takes the token away, also where it had a payload."""
        for seen in (None, asked.set(A, b"stale")):
            token = mark()
            if seen is None:
                asked.delete(A)
            asked.claim(A, token, seen=seen)
            asked.delete(A)
            expect(asked.fill(A, b"loaded before", token) is False, "the token is gone")
            expect(asked.get(A).payload is None, "the row stays removed")
            asked.set(A, b"stale")

    def test_no_fill_after_another_claim(self, asked: Asked) -> None:
        """A removed row that is claimed anew belongs to the new claim."""
        first, second = mark(), mark()
        asked.claim(A, first)
        asked.delete(A)
        asked.claim(A, second)
        expect(asked.fill(A, b"first", first) is False, "the token is gone")
        expect(asked.fill(A, b"second", second) is True, "the new one is live")

    def test_a_slow_load_can_be_stored(
        self, asked: Asked, pass_time: Callable[[float], None]
    ) -> None:
        """A claim outlives its lease by a minute, so long as nobody else has come."""
        token = mark()
        asked.claim(A, token, 2 * self.tick)
        pass_time(2 * self.tick + min(59.0, 59 * self.tick) * (self.tick >= 1))
        expect(asked.fill(A, b"slow", token) is True, "a slow load is stored")
        expect(asked.get(A).payload == b"slow", "and read")

    def test_a_claim_is_given_back(self, asked: Asked) -> None:
        """The next is granted at once, and the old token is worth nothing."""
        first, second = mark(), mark()
        asked.claim(A, first, 100.0)
        expect(asked.give_back(A, first) is True, "a live claim can be given back")
        expect(asked.fill(A, b"1", first) is False, "and is worth nothing any more")
        row = asked.claim(A, second)
        expect(row.etag == second and row.held == 0, "the next is granted", row)

    def test_a_payload_stays_when_a_claim_is_given_back(self, asked: Asked) -> None:
        """A stale value may be served although its reload failed."""
        etag, token = asked.set(A, b"stale"), mark()
        asked.claim(A, token, seen=etag)
        asked.give_back(A, token)
        row = asked.get(A)
        expect(row.payload == b"stale", "the payload stays", row)
        again = mark()
        expect(asked.claim(A, again, seen=row.etag).etag == again, "and can be claimed again")

    def test_only_who_has_it_gives_it_back(self, asked: Asked) -> None:
        """Another's token gives nothing back, nor does it make the row rest."""
        token = mark()
        asked.claim(A, token)
        expect(asked.give_back(A, mark(), rest=10.0) is False, "not with another token")
        row = asked.claim(A, mark())
        expect(row.held > 0 and not row.failed, "it is held as before", row)
        expect(asked.fill(A, b"1", token) is True, "by who claimed it")

    def test_a_failed_load_makes_it_rest(
        self, asked: Asked, pass_time: Callable[[float], None]
    ) -> None:
        """For so long no claim is granted, and who asks is told why."""
        rest = 4 * self.tick
        token = mark()
        asked.claim(A, token, 100.0)
        asked.give_back(A, token, rest=rest)
        row = asked.claim(A, mark())
        expect(0 < row.held <= rest, "held is positive, and the rest at most", row)
        expect(row.failed is True, "since the load failed", row)
        pass_time(rest)
        token = mark()
        row = asked.claim(A, token)
        expect(row.etag == token and row.held == 0, "after the rest the next is granted", row)
        expect(not row.failed, "and no load has failed", row)
        expect(not asked.claim(A, mark()).failed, "nor for who is told of the lease")

    def test_a_write_ends_a_rest(self, asked: Asked) -> None:
        """What is set is there, and who has seen it may load it anew."""
        token = mark()
        asked.claim(A, token)
        asked.give_back(A, token, rest=100.0)
        etag = asked.set(A, b"1")
        row = asked.claim(A, mark(), seen=etag)
        expect(row.held == 0 and not row.failed, "the rest is over", row)

    def test_many_writes_at_once(self, asked: Asked) -> None:
        """Each has its own answer, in order: written, filled, refused, given back."""
        token, other = mark(), mark()
        asked.claim("orc1:n:f:fill", token)
        asked.claim("orc1:n:f:back", other)
        answers = asked.write_all(
            [
                Write("orc1:n:f:refused", b"1", mark(), 3600.0, mark()),
                Write("orc1:n:f:fill", b"2", mark(), 3600.0, token),
                Write("orc1:n:f:set", b"3", mark(), 3600.0),
                Write("orc1:n:f:none", None, mark(), 0.0, mark()),
                Write("orc1:n:f:back", None, mark(), 0.0, other),
            ]
        )
        expect(answers == [False, True, True, False, True], "answers are in order", answers)
        names = ("refused", "fill", "set", "none", "back")
        rows = asked.get_all([f"orc1:n:f:{name}" for name in names])
        expected = [None, b"2", b"3", None, None]
        expect([row.payload for row in rows] == expected, "and true", *rows)
