"""Lives: closed, forked, without its store, without time."""

from __future__ import annotations

import os
import signal
import warnings

import pytest

from orc.errors import TierError
from orc.model.row import Claim, Row, Write
from orc.testing.conformance.asking import Fixtures, expect, mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from orc.testing.conformance.asking import Asked

A, B, C = "orc1:n:f:a", "orc1:n:f:b", "orc1:n:f:c"
TOO_LONG = 20
"""Seconds after which a child of a fork is ended."""


class LifeRules(Fixtures):
    """What a tier does when its process, or its store, changes."""

    def test_prewarmed(self, asked: Asked) -> None:
        """A tier that was prewarmed, even twice, does what any other does."""
        asked.tier.prewarm()
        asked.tier.prewarm()
        asked.set(A, b"1")
        expect(asked.get(A).payload == b"1", "it works")

    def test_closed_and_opened_again(self, asked: Asked) -> None:
        """Closing never raises; the next call opens anew, and the rows are there."""
        asked.tier.close()
        asked.set(A, b"1")
        asked.tier.close()
        asked.tier.close()
        expect(asked.get(A).payload == b"1", "the rows outlive a connection")
        token = mark()
        asked.claim(B, token)
        asked.tier.close()
        expect(asked.fill(B, b"2", token) is True, "and so do the claims")

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    def test_in_the_child_of_a_fork(self, asked: Asked) -> None:
        """After forked() the child reads and writes; the parent goes on as if nothing were."""
        if not self.outside:
            pytest.skip("the store is in this process")
        asked.set(A, b"1")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # threads of the tests' own
            child = os.fork()
        if child == 0:
            code = 1
            try:
                signal.alarm(TOO_LONG)
                asked.tier.forked()
                right = asked.get(A).payload == b"1"
                asked.set(B, b"2")
                code = 0 if right else 2
                asked.tier.close()
            finally:
                os._exit(code)
        asked.set(C, b"3")
        expect(asked.get(C).payload == b"3", "the parent goes on")
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        expect(code == 0, "the child reads and writes (2: it read something else)", code)
        expect(asked.get(C).payload == b"3", "the parent goes on")
        expect(asked.get(B).payload == b"2", "and sees what the child wrote")

    def test_without_its_store(self, asked: Asked, break_backend: Callable[[], None]) -> None:
        """What cannot be done raises a TierError or stands as one in an answer; nothing else."""
        asked.set(A, b"1")
        break_backend()
        for name, given in (
            ("get_many", [A, B]),
            ("claim_many", [Claim(A, mark(), 10.0), Claim(B, mark(), 10.0)]),
            ("set_many", [Write(A, b"2", mark(), 3600.0), Write(B, b"2", mark(), 3600.0)]),
        ):
            try:
                answers = asked.call(name, given)
            except TierError:
                continue
            expect(len(answers) == len(given), "an answer for each that was asked", answers)
            expect(
                not any(isinstance(each, Row) and each.etag is not None for each in answers),
                "nothing is made up",
                *answers,
            )
        try:
            asked.tier.prewarm()
        except TierError:
            pass
        asked.tier.close()

    def test_a_removal_that_failed_is_told(
        self, asked: Asked, break_backend: Callable[[], None]
    ) -> None:
        """Where a row may still be there, its removal raises."""
        asked.set(A, b"1")
        break_backend()
        with pytest.raises(TierError):
            asked.delete(A)

    def test_without_time(self, asked: Asked) -> None:
        """A call with nothing left of its budget ends: with a TierError, or done."""
        asked.set(A, b"1")
        for seconds in (0.0, -1.0):
            try:
                (row,) = asked.call("get_many", [A], seconds=seconds)
            except TierError:
                continue
            expect(isinstance(row, TierError) or row.payload == b"1", "done, or not", row)
        expect(asked.get(A).payload == b"1", "the next call has time again")
