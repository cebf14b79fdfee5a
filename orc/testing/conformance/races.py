"""Races: what holds for one caller after the other holds for many at a time."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

from orc.errors import TierError
from orc.model.row import Budget, Claim, Write
from orc.testing.conformance.asking import PATIENCE, Fixtures, expect, mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from orc.testing.conformance.asking import Asked

A = "orc1:n:f:a"
CALLERS = 8
ROUNDS = 10


def at_once(*work: Callable[[], object]) -> list[object]:
    """Run each on a thread of its own, begun together; return what they returned or raised."""
    results: list[object] = [None] * len(work)
    begin = threading.Barrier(len(work))

    def run(index: int) -> None:
        begin.wait()
        try:
            results[index] = work[index]()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(work))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


class RaceRules(Fixtures):
    """Each operation on a row is done as a whole, before or after any other."""

    def test_one_of_many_is_granted(self, asked: Asked, another: Callable[[], Asked]) -> None:
        """Of claims at the same time, through two instances, one is granted."""
        other = another()
        for number in range(ROUNDS):
            address = f"orc1:n:f:{number}"
            tokens = [mark() for _ in range(CALLERS)]
            rows = at_once(
                *(
                    partial((asked, other)[index % 2].claim, address, token)
                    for index, token in enumerate(tokens)
                )
            )
            granted = [t for t, row in zip(tokens, rows, strict=True) if row.etag == t]  # type: ignore[attr-defined]
            expect(len(granted) == 1, "one claim is granted", len(granted))
            expect(asked.fill(address, b"1", granted[0]), "and can be filled")

    def test_no_fill_survives_a_removal(self, asked: Asked, another: Callable[[], Asked]) -> None:
        """Whichever is first, a row that was removed is not filled with a value from before."""
        other = another()
        for _ in range(ROUNDS):
            token = mark()
            asked.claim(A, token)
            at_once(partial(asked.fill, A, b"old", token), partial(other.delete, A))
            row = asked.get(A)
            expect(row.payload is None, "removed is removed", row)
            asked.delete(A)

    def test_no_fill_survives_a_write(self, asked: Asked, another: Callable[[], Asked]) -> None:
        """Whichever is first, the write without a token is what stays."""
        other = another()
        for _ in range(ROUNDS):
            token = mark()
            asked.claim(A, token)
            at_once(partial(asked.fill, A, b"old", token), partial(other.set, A, b"new"))
            row = asked.get(A)
            expect(row.payload == b"new", "the write stays", row)
            asked.delete(A)

    def test_threads_do_not_mix_answers(self, asked: Asked) -> None:
        """Each of many threads reads what it wrote itself."""

        def work(number: int) -> Callable[[], None]:
            def run() -> None:
                for step in range(ROUNDS):
                    address, payload = f"orc1:n:f:{number}", b"%d %d" % (number, step)
                    etag = asked.set(address, payload)
                    row = asked.get(address)
                    expect((row.payload, row.etag) == (payload, etag), "its own", row, payload)

            return run

        at_once(*(work(number) for number in range(CALLERS)))

    def test_coroutines_do_not_mix_answers(self, asked: Asked) -> None:
        """Each of many coroutines of one event loop reads what it wrote itself."""
        tier = asked.tier

        async def one(number: int) -> None:
            for step in range(ROUNDS):
                address, payload = f"orc1:n:f:{number}", b"%d %d" % (number, step)
                write = Write(address, payload, mark(), 3600.0)
                await tier.aset_many([write], Budget(asked.clock, PATIENCE))
                (row,) = await tier.aget_many(
                    [address], Budget(asked.clock, PATIENCE), consistent=True
                )
                if isinstance(row, TierError):
                    raise row
                expect(row.payload == payload, "its own", row, payload)
            claims = [Claim(f"orc1:n:f:claim{number}", mark(), 10.0)]
            (row,) = await tier.aclaim_many(claims, Budget(asked.clock, PATIENCE))
            if isinstance(row, TierError):
                raise row
            expect(row.etag == claims[0].token, "its own", row)

        async def all_of_them() -> None:
            await asyncio.gather(*(one(number) for number in range(CALLERS)))

        asyncio.run(all_of_them())
