"""The fourth story: what one container has loaded is there for the next, in Redis and DynamoDB."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from orc.cli.demo.catalogue import Catalogue
from orc.cli.demo.shared_stores import missing, open_stores
from orc.cli.demo.stage import (
    BrokenStoryError,
    SkippedStoryError,
    call,
    differences,
    open_fleet,
)
from orc.fleet.processes import Guardian

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orc.cli.progress import Progress
    from orc.fleet import Answer, Container, Fleet
    from orc.testing.servers.valkey import Valkey

QUERY = 0.2
"""Seconds that a query of the store waits."""
REDIS_BUDGET = 0.05
"""Seconds that one operation of the Redis tier may take: its default."""
OPEN_BREAKER = 0.001
"""Seconds that a look-up may spend on a tier whose circuit breaker is open."""
LATER = 90.0
"""Seconds after which memory does not answer by itself: ``memory_ttl`` is 60."""

TOLD = {"price", "milliseconds", "loads", "hits", "seconds"}
"""What the function answers with."""
SHOWN, MEANWHILE, OF_FIRST, OF_SECOND = 1, 2, 3, 4
"""Items: the one that all containers look up, and those that containers are busy with."""


@dataclass(frozen=True)
class Found:
    """One look-up, in a call of its own."""

    container: int
    """Containers are numbered from 1, in the order in which they began."""
    cold: bool
    """Whether the caller waited for the container's init, which is not in `milliseconds`."""
    item: int
    price: dict[str, int]
    by: str
    """``memory``, ``redis`` or ``dynamodb``; ``load`` where no tier had it; else ``nothing``, or
    ``several`` of these."""
    loads: int
    milliseconds: float
    redis_milliseconds: float
    """The part of it that was spent on Redis."""


@dataclass(frozen=True)
class Shared:
    """The same price, looked up by three containers; Redis is killed after the second."""

    differs: tuple[str, ...]
    first: Found
    again: Found
    meanwhile: Found
    """What keeps the first container busy, so that the second one is started."""
    second: Found
    redis_ended: bool
    third: Found
    others: tuple[Found, ...]
    """What the first and the second container look up, and nobody has loaded before."""
    resting: tuple[Found, ...]
    """What the third container looks up after it has met with the dead Redis."""
    later: Found
    """The first container, when its copy in memory is too old."""
    store_loads: int
    load_seconds: float = QUERY
    redis_budget_seconds: float = REDIS_BUDGET
    later_seconds: float = LATER

    @property
    def lookups(self) -> tuple[Found, ...]:
        """All of them."""
        alone = (self.first, self.again, self.meanwhile, self.second, self.third, self.later)
        return (*alone, *self.others, *self.resting)

    @property
    def resting_milliseconds(self) -> tuple[float, float]:
        """The medians of those look-ups, and of what they spent on Redis."""
        return (
            median(each.milliseconds for each in self.resting),
            median(each.redis_milliseconds for each in self.resting),
        )


async def tell(progress: Progress) -> Shared:
    """Look the price up in one container after the other, kill Redis, and go on.

    Raises SkippedStoryError where something is not installed.
    """
    lacking = missing()
    if lacking is not None:
        raise SkippedStoryError(lacking)
    progress.stage("shared")
    guardian = Guardian()
    try:
        await guardian.start()
        catalogue = Catalogue(guardian.folder, OF_SECOND)
        try:
            async with open_stores(guardian) as stores:
                env = catalogue.variables(QUERY) | stores.variables
                async with open_fleet("shared.handler", env=env) as fleet:
                    return judged(await _play(fleet, stores.redis, catalogue))
        finally:
            catalogue.close()
    finally:
        await guardian.close()


async def _play(fleet: Fleet, redis: Valkey, catalogue: Catalogue) -> Shared:
    calls = Calls(fleet)
    first = await calls.find(SHOWN)
    again = await calls.find(SHOWN, 1)
    # As on Lambda, another container is started where all are busy.
    meanwhile, second = await asyncio.gather(calls.find(MEANWHILE, 1), calls.find(SHOWN))
    await asyncio.to_thread(redis.kill)
    *others, third = await asyncio.gather(
        calls.find(OF_FIRST, 1), calls.find(OF_SECOND, 2), calls.find(SHOWN)
    )
    resting = [await calls.find(item, 3) for item in (MEANWHILE, OF_FIRST, OF_SECOND)]
    calls.containers[0].advance(LATER)
    later = await calls.find(SHOWN, 1)
    return Shared(
        (),
        first=first,
        again=again,
        meanwhile=meanwhile,
        second=second,
        redis_ended=not redis.running,
        third=third,
        others=tuple(others),
        resting=tuple(resting),
        later=later,
        store_loads=catalogue.loads,
    )


class Calls:
    """Calls of the function, and what each of them adds to what its container counts."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._counted: dict[str, dict[str, Any]] = {}
        self.containers: list[Container] = []

    async def find(self, item: int, container: int | None = None) -> Found:
        """Look an item up: in the container of that number, or in any that is idle, or new."""
        wanted = None
        if container is not None:
            if container > len(self.containers):
                raise BrokenStoryError("no other container was started where all were busy")
            wanted = self.containers[container - 1]
        answer = await call(self._fleet, {"item": item}, wanted)
        await answer.settled()
        return self._found(item, answer)

    def _found(self, item: int, answer: Answer) -> Found:
        if answer.container not in self.containers:
            self.containers.append(answer.container)
        now = answer.value
        if not isinstance(now, dict) or not now.keys() >= TOLD:
            raise BrokenStoryError("a function did not tell what it found")
        before = self._counted.get(answer.container.id, {"loads": 0, "hits": {}, "seconds": {}})
        self._counted[answer.container.id] = now
        loads = now["loads"] - before["loads"]
        by = [name for name, count in now["hits"].items() if count > before["hits"].get(name, 0)]
        by += ["load"] * bool(loads)
        seconds = now["seconds"].get("redis", 0.0) - before["seconds"].get("redis", 0.0)
        return Found(
            container=self.containers.index(answer.container) + 1,
            cold=answer.init == "cold",
            item=item,
            price=now["price"],
            by="several" if by[1:] else "".join(by) or "nothing",
            loads=loads,
            milliseconds=now["milliseconds"],
            redis_milliseconds=seconds * 1000,
        )


def judged(story: Shared) -> Shared:
    """Return the story with what was expected of it and is not so."""
    all_of = story.lookups
    cold = [each.container for each in (story.first, story.second, story.third) if each.cold]
    refused = (story.third, *story.others, story.later)
    _, resting_redis = story.resting_milliseconds
    prices = {each.item: each.price for each in (story.first, story.meanwhile, *story.others)}
    return replace(
        story,
        differs=differences(
            (
                "there are three containers, each with a cold start",
                cold == [1, 2, 3] == sorted({each.container for each in all_of}),
            ),
            ("the first container loads", story.first.by == "load"),
            (
                "the first container's next look-up is a hit in memory",
                story.again.by == "memory",
            ),
            (
                "the second container's cold start finds in Redis what the first one loaded",
                story.second.by == "redis",
            ),
            ("Redis has ended when the third container starts", story.redis_ended),
            (
                "the third container's cold start finds it in DynamoDB",
                story.third.by == "dynamodb",
            ),
            (
                "without Redis a container loads what nobody has loaded before",
                _all_by("load", (story.meanwhile, *story.others)),
            ),
            (
                "without Redis a container finds in DynamoDB what others have loaded",
                _all_by("dynamodb", (*story.resting, story.later)),
            ),
            (
                f"a look-up spends at most {REDIS_BUDGET * 1000:.0f} ms on the dead Redis",
                all(each.redis_milliseconds <= REDIS_BUDGET * 1000 for each in refused),
            ),
            (
                f"a look-up spends less than {OPEN_BREAKER * 1000:.0f} ms on Redis left alone",
                resting_redis < OPEN_BREAKER * 1000,
            ),
            (
                "whoever answers, the price is the one that was loaded",
                all(each.price == prices[each.item] for each in all_of)
                and all(price.get("item") == item for item, price in prices.items()),
            ),
            (
                "the store has counted the loads that the function counts",
                story.store_loads == sum(each.loads for each in all_of),
            ),
        ),
    )


def _all_by(name: str, lookups: Iterable[Found]) -> bool:
    return all(each.by == name for each in lookups)
