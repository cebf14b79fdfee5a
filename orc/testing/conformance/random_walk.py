"""A random walk: whatever is done in whatever order, the tier answers as the reference does."""

from __future__ import annotations

from random import Random

import pytest

from orc.model.row import Budget, Claim, Row, Write
from orc.testing.conformance.asking import PATIENCE, Fixtures, expect, mark
from orc.testing.reference_tier import ReferenceTier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from orc.testing.clock import ManualClock
    from orc.testing.conformance.asking import Asked

STEPS = 120
ADDRESSES = [f"orc1:n:f:{number}" for number in range(4)]
WALKS = 3
FEW_SECONDS = 30.0


class RandomWalk(Fixtures):
    """The tier beside :class:`~orc.testing.reference_tier.ReferenceTier`, step by step."""

    @pytest.mark.parametrize("seed", range(WALKS))
    def test_a_walk_beside_the_reference(
        self,
        asked: Asked,
        another: Callable[[], Asked],
        clock: ManualClock,
        pass_time: Callable[[float], None],
        seed: int,
    ) -> None:
        """Rows, grants, refusals and leases are the same at every step, through two instances."""
        chance = Random(seed)  # noqa: S311 - to be walked again
        tiers = (asked, another())
        reference = ReferenceTier()
        marks: list[bytes | None] = [None]
        said: list[str] = []
        # Short times pass only where the clock is the test's: a server's cannot be read exactly.
        is_manual = self.tick >= 1
        for _ in range(STEPS):
            if is_manual and chance.random() < 0.1:  # noqa: PLR2004 - now and then
                seconds = chance.choice((1.0, 5.0, 61.0))
                pass_time(seconds)
                said.append(f"{seconds:g} s pass")
                continue
            name, given = _drawn(chance, marks, is_manual=is_manual)
            said.append(f"{name} {[_told(each) for each in given]}")
            wanted = getattr(reference, name)(given, Budget(clock, PATIENCE))
            found = chance.choice(tiers).call(
                name, given, **({"consistent": True} if name == "get_many" else {})
            )
            if wanted is None:
                continue
            for mine, its in zip(found, wanted, strict=True):
                same = mine == its if isinstance(its, bool) else _same(mine, its, name)
                expect(same, "as the reference does\n" + "\n".join(said[-12:]), mine, its)
                if isinstance(its, Row):
                    marks.append(its.etag)
        rows = asked.get_all(ADDRESSES)
        for mine, its in zip(
            rows, reference.get_many(ADDRESSES, Budget(clock, PATIENCE)), strict=True
        ):
            expect(isinstance(its, Row) and _same(mine, its, "get_many"), "at the end", mine, its)


def _drawn(chance: Random, marks: list[bytes | None], *, is_manual: bool) -> tuple[str, list[Any]]:
    """Draw a call: its name and what it is given."""
    addresses = chance.sample(ADDRESSES, chance.randint(1, len(ADDRESSES)))
    name = chance.choice(("get_many", "claim_many", "claim_many", "set_many", "delete_many"))
    if name in {"get_many", "delete_many"}:
        return name, addresses if name == "get_many" else addresses[:1]
    recent = marks[-8:]
    if name == "claim_many":
        leases = (0.0, 2.0, 10.0) if is_manual else (0.0, FEW_SECONDS)
        claims = [
            Claim(each, mark(), chance.choice(leases), chance.choice(recent)) for each in addresses
        ]
        marks.extend(claim.token for claim in claims)
        return name, claims
    writes = []
    for each in addresses:
        token = chance.choice([*recent, None])
        payload = None if token is not None and chance.random() < 0.3 else chance.randbytes(5)  # noqa: PLR2004 - at times
        keep = chance.choice((3.0, 3600.0)) if is_manual else 3600.0
        rest = chance.choice((0.0, 2.0 if is_manual else FEW_SECONDS)) if payload is None else 0.0
        writes.append(Write(each, payload, mark(), keep, token, rest=rest))
        marks.append(writes[-1].etag)
    return name, writes


def _same(mine: Row, its: Row, name: str) -> bool:
    """Tell whether a row is that of the reference, a server's own sense of time allowed for."""
    if mine.payload != its.payload:
        return False
    if name == "get_many":  # who claimed it is nobody's business but for its payload's etag
        return its.payload is None or mine.etag == its.etag
    if its.held > 0:
        return 0 < mine.held <= its.held + 0.1 and mine.failed == its.failed
    return mine.held == 0 and mine.etag == its.etag


def _told(what: object) -> str:
    if isinstance(what, str):
        return what[-1]
    names = [each for each in what.__slots__ if each != "address"]  # type: ignore[attr-defined]
    said = (f"{each}={_short(getattr(what, each))}" for each in names)
    return f"{what.address[-1]}({', '.join(said)})"  # type: ignore[attr-defined]


def _short(what: object) -> str:
    if isinstance(what, bytes) and what.startswith(bytes(4)):
        return f"#{int.from_bytes(what, 'big')}"
    return repr(what)
