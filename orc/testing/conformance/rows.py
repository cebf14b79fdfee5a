"""Rows: what was written is answered until it is replaced, removed or past its keep."""

from __future__ import annotations

from orc.model.row import Claim, Write
from orc.testing.conformance.asking import Fixtures, expect, mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from orc.testing.conformance.asking import Asked

MANY = 300
LONGEST = 200
"""Characters of the longest address."""


class RowRules(Fixtures):
    """What :meth:`Tier.get_many`, :meth:`Tier.set_many` and :meth:`Tier.delete_many` say."""

    def test_attributes(self, asked: Asked) -> None:
        """A tier says what it is called, who sees its rows, and what it takes."""
        tier = asked.tier
        expect(isinstance(tier.name, str) and tier.name, "a tier has a name", tier.name)
        expect(isinstance(tier.fleetwide, bool), "fleetwide is a bool", tier.fleetwide)
        expect(isinstance(tier.remote, bool), "remote is a bool", tier.remote)
        expect(tier.budget > 0, "the budget is positive (seconds)", tier.budget)
        expect(tier.max_value_bytes > 0, "max_value_bytes is positive", tier.max_value_bytes)

    def test_counts_are_numbers_by_name(self, asked: Asked) -> None:
        """What a tier counts can be shown at any time, before its first call too."""
        for _ in range(2):
            for name, number in asked.tier.counts().items():
                expect(isinstance(name, str), "counts are by name", name)
                expect(isinstance(number, int | float), "counts are numbers", name, number)
            asked.set("orc1:n:f:a", b"1")

    def test_a_row_that_is_not_there(self, asked: Asked) -> None:
        """It has no payload, no etag, and is not held."""
        row = asked.get("orc1:n:f:absent")
        expect(row.payload is None and row.etag is None, "an absent row is empty", row)
        expect(row.held == 0 and not row.failed, "an absent row is not held", row)

    def test_what_was_written_is_read(self, asked: Asked) -> None:
        """A row is answered with its payload and the etag of its write."""
        etag = asked.set("orc1:n:f:a", b"payload")
        row = asked.get("orc1:n:f:a")
        expect(row.payload == b"payload", "the payload that was written", row)
        expect(row.etag == etag, "the etag of the write", row, etag)
        expect(row.held == 0 and not row.failed, "nobody holds it", row)

    def test_a_write_replaces(self, asked: Asked) -> None:
        """The later write without a token counts, with its etag."""
        asked.set("orc1:n:f:a", b"old, and longer")
        etag = asked.set("orc1:n:f:a", b"new")
        row = asked.get("orc1:n:f:a")
        expect((row.payload, row.etag) == (b"new", etag), "the later write counts", row)

    def test_a_removed_row_is_not_there(self, asked: Asked) -> None:
        """Those named are gone and no others; to remove what is not there is no error."""
        for name in "abc":
            asked.set(f"orc1:n:f:{name}", name.encode())
        asked.delete("orc1:n:f:a", "orc1:n:f:c", "orc1:n:f:absent")
        rows = asked.get_all([f"orc1:n:f:{name}" for name in "abc"])
        expect([row.payload for row in rows] == [None, b"b", None], "a and c are gone", *rows)
        expect(rows[0].etag is None, "a removed row has no etag", rows[0])

    def test_answers_are_in_order(self, asked: Asked) -> None:
        """Each answer belongs to what was asked in its place, absent rows among them."""
        for name in "fbda":
            asked.set(f"orc1:n:f:{name}", name.encode())
        names = "dxafyb"
        rows = asked.get_all([f"orc1:n:f:{name}" for name in names])
        expected = [None if name in "xy" else name.encode() for name in names]
        expect([row.payload for row in rows] == expected, "answers are in order", *rows)

    def test_hundreds_in_one_call(self, asked: Asked) -> None:
        """300 addresses are written, claimed, read and removed in one call each."""
        addresses = [f"orc1:n:f:{number}" for number in range(MANY)]
        accepted = asked.write_all(
            [Write(each, each.encode(), mark(), 3600.0) for each in addresses]
        )
        expect(accepted == [True] * MANY, "every write is accepted", accepted)
        rows = asked.get_all(addresses)
        expect(
            [row.payload for row in rows] == [each.encode() for each in addresses],
            "each row has its own payload",
        )
        claims = [
            Claim(address, mark(), 10.0, row.etag)
            for address, row in zip(addresses, rows, strict=True)
        ]
        claimed = asked.claim_all(claims)
        expect(
            [row.etag for row in claimed] == [claim.token for claim in claims],
            "every claim is granted with its own token",
        )
        asked.delete(*addresses)
        expect(
            all(row.payload is None and row.etag is None for row in asked.get_all(addresses)),
            "every row is gone",
        )

    def test_calls_for_nothing(self, asked: Asked) -> None:
        """An empty call has an empty answer."""
        expect(asked.get_all([]) == [], "no addresses, no rows")
        expect(asked.claim_all([]) == [], "no claims, no rows")
        expect(asked.write_all([]) == [], "no writes, no answers")
        asked.delete()

    def test_payloads_of_any_bytes_and_size(self, asked: Asked) -> None:
        """Every byte, no byte, one, 100 KB and the largest that is taken come back as they were."""
        largest = min(asked.tier.max_value_bytes, 4 << 20)
        every = bytes(range(256))
        sizes = (0, 1, min(100_000, largest), largest)
        payloads = [
            every,
            every[::-1],
            b"\0",
            b"\xff" * 3,
            *((every * (n // 256 + 1))[:n] for n in sizes),
        ]
        for payload in payloads:
            asked.set("orc1:n:f:a", payload)
            row = asked.get("orc1:n:f:a")
            expect(row.payload == payload, "the payload as it was", len(payload), row)
            expect(isinstance(row.payload, bytes), "a payload is bytes", type(row.payload))

    def test_addresses_are_apart(self, asked: Asked) -> None:
        """Any character of an address counts, up to the last of 200."""
        plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.<>/%"
        longest = "orc1:" + plain * 3
        addresses = [
            *(f"orc1:{each}:f:h" for each in plain),
            *(
                f"orc1:n:f:{each}"
                for each in ("", "a", "aa", "a%", "a_", "%", "_", "..", "/", "a/b")
            ),
            longest[:LONGEST],
            longest[: LONGEST - 1],
            longest[: LONGEST - 1] + "?".replace("?", "_"),
        ]
        for address in addresses:
            asked.set(address, address.encode())
        rows = asked.get_all(addresses)
        wrong = [a for a, row in zip(addresses, rows, strict=True) if row.payload != a.encode()]
        expect(not wrong, "rows under different addresses are apart", *wrong)
        asked.delete("orc1:n:f:a")
        expect(asked.get("orc1:n:f:aa").payload == b"orc1:n:f:aa", "only what is named is removed")

    def test_never_past_its_keep(self, asked: Asked, pass_time: Callable[[float], None]) -> None:
        """A row is answered within its keep, and never from then on."""
        asked.set("orc1:n:f:a", b"1", keep=8 * self.tick)
        asked.set("orc1:n:f:b", b"2", keep=3600.0)
        pass_time(2 * self.tick)
        expect(asked.get("orc1:n:f:a").payload == b"1", "within its keep it is there")
        pass_time(6 * self.tick)
        row = asked.get("orc1:n:f:a")
        expect(row.payload is None and row.etag is None, "past its keep it is not there", row)
        expect(asked.get("orc1:n:f:b").payload == b"2", "another's keep is its own")

    def test_a_later_write_has_its_own_keep(
        self, asked: Asked, pass_time: Callable[[float], None]
    ) -> None:
        """What is replaced takes its keep along, be it longer or shorter."""
        asked.set("orc1:n:f:a", b"1", keep=2 * self.tick)
        asked.set("orc1:n:f:a", b"2", keep=3600.0)
        asked.set("orc1:n:f:b", b"1", keep=3600.0)
        asked.set("orc1:n:f:b", b"2", keep=2 * self.tick)
        pass_time(2 * self.tick)
        expect(asked.get("orc1:n:f:a").payload == b"2", "the longer keep counts")
        expect(asked.get("orc1:n:f:b").payload is None, "the shorter keep counts")

    def test_two_instances_see_each_other(self, asked: Asked, another: Callable[[], Asked]) -> None:
        """What one wrote, removed or claimed is so for the other."""
        other = another()
        asked.set("orc1:n:f:a", b"1")
        expect(other.get("orc1:n:f:a").payload == b"1", "the other sees a write")
        other.delete("orc1:n:f:a")
        expect(asked.get("orc1:n:f:a").payload is None, "the other sees a removal")
        token = mark()
        asked.claim("orc1:n:f:a", token)
        expect(other.claim("orc1:n:f:a", mark()).held > 0, "the other sees a claim")
        expect(asked.fill("orc1:n:f:a", b"2", token), "and cannot take it away")
        expect(other.get("orc1:n:f:a").payload == b"2", "the other sees a fill")
