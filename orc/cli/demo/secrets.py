"""The third story: a credit card in a module global is the next customer's, too."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orc.cli.demo.stage import BrokenStoryError, call, differences, open_fleet

if TYPE_CHECKING:
    from orc.cli.progress import Progress

ADA = {"holder": "Ada", "number": "4111111111111111"}
BEN = {"holder": "Ben", "number": "5555555555554444"}
"""Numbers that payment services publish for tests."""

ADAS, BENS, REFUSED = "Ada ..1111", "Ben ..4444", "refused"


@dataclass(frozen=True)
class Verified:
    """Whose card was verified, where the card is kept in one way."""

    first: str
    """Ada brings her card."""
    second: str
    """Ben brings none: the same container, one request after the other."""
    at_once: tuple[str, ...]
    """Ada and Ben bring a card each: one process, two threads."""
    containers: int


@dataclass(frozen=True)
class Secrets:
    """The same requests, with the card in a module global and in a RequestVar."""

    differs: tuple[str, ...]
    module_global: Verified
    request_var: Verified


async def tell(progress: Progress) -> Secrets:
    """Send the same requests to two functions that differ in where they keep the card."""
    progress.stage("secrets")
    kept_global, scoped = await asyncio.gather(
        _pay("secrets_global.handler"), _pay("secrets_scoped.handler")
    )
    return Secrets(
        differences(
            ("with a global, Ben's request has Ada's card verified", kept_global.second == ADAS),
            (
                "with a global, two requests at once have the same card verified",
                kept_global.at_once in {(ADAS, ADAS), (BENS, BENS)},
            ),
            ("with RequestVar, Ben's request without a card is refused", scoped.second == REFUSED),
            (
                "with RequestVar, of two requests at once each has its own card verified",
                scoped.at_once == (ADAS, BENS),
            ),
            ("Ada's own card is verified", kept_global.first == scoped.first == ADAS),
            (
                "all requests reach one container",
                kept_global.containers == scoped.containers == 1,
            ),
        ),
        kept_global,
        scoped,
    )


async def _pay(handler: str) -> Verified:
    async with open_fleet(handler) as fleet:
        first = await call(fleet, {"card": ADA})
        second = await call(fleet, {})
        both = await call(fleet, {"at_once": [{"card": ADA}, {"card": BEN}]})
    answers = (first, second, both)
    containers = {answer.container.id for answer in answers}
    if not isinstance(both.value, list) or len(both.value) != len((ADA, BEN)):
        raise BrokenStoryError("a function did not serve two requests at once")
    return Verified(
        str(first.value), str(second.value), tuple(map(str, both.value)), len(containers)
    )
