"""The second story: a slow store without a cache, with a dictionary, and with ORC."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orc.cli.demo.catalogue import Catalogue
from orc.cli.demo.stage import BrokenStoryError, call, differences, open_fleet
from orc.cli.demo.tally import Page, tally
from orc.cli.demo.workload import CONTAINERS, ITEMS, SEED, Workload, workload
from orc.fleet.processes import Guardian

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orc.cli.demo.tally import Tally
    from orc.cli.progress import Progress
    from orc.fleet import Answer, Fleet

QUERY = 0.003
"""Seconds that a query of the store waits, as for a network."""
TTL = 60.0
"""Seconds for which ORC may serve what it has loaded."""
STEP = 5.0
"""Seconds that pass between two rounds, by the clocks of the containers."""
FASTER = 5
"""How many times less than the store's a median look-up must be to be called fast."""


@dataclass(frozen=True)
class Speed:
    """The same look-ups, answered in three ways."""

    differs: tuple[str, ...]
    items: int
    seed: int
    query_seconds: float
    ttl_seconds: float
    step_seconds: float
    recycled_before: int
    plain: Tally
    dictionary: Tally
    orc: Tally


async def tell(progress: Progress) -> Speed:
    """Run the workload with each variant, one after the other; each has a store of its own."""
    load = workload()
    plain, plain_counts = await _run("speed_plain.handler", "no cache", load, progress)
    simple, simple_counts = await _run("speed_dict.handler", "a dict", load, progress)
    cached, cached_counts = await _run("speed_orc.handler", "ORC", load, progress)
    variants = (plain, simple, cached)
    return Speed(
        differences(
            (
                "every look-up is answered, by 3 containers and one in a recycled one's place",
                all(
                    (each.lookups, each.containers, each.cold_starts)
                    == (load.lookups, CONTAINERS + 1, CONTAINERS + 1)
                    for each in variants
                ),
            ),
            (
                "the store has counted the loads that the functions count",
                all(plain_counts + simple_counts + cached_counts),
            ),
            (
                "without a cache each look-up is a load, and none is stale",
                (plain.loads, plain.stale) == (plain.lookups, 0),
            ),
            (
                "with the dictionary less is loaded, and what is stale stays so beyond the ttl",
                simple.loads < plain.loads and simple.beyond_ttl > 0,
            ),
            ("with ORC less is loaded", cached.loads < plain.loads),
            ("with ORC less is stale than with the dictionary", cached.stale < simple.stale),
            ("with ORC nothing is stale for longer than the ttl", cached.beyond_ttl == 0),
            ("with ORC the median look-up is fast", cached.p50 * FASTER < plain.p50),
            (
                "a warm container hits more often than a cold one",
                all(
                    each.states["warm"].hit_ratio > each.states["cold"].hit_ratio
                    for each in (simple, cached)
                ),
            ),
        ),
        items=ITEMS,
        seed=SEED,
        query_seconds=QUERY,
        ttl_seconds=TTL,
        step_seconds=STEP,
        recycled_before=load.recycled_before,
        plain=plain,
        dictionary=simple,
        orc=cached,
    )


async def _run(
    handler: str, name: str, load: Workload, progress: Progress
) -> tuple[Tally, tuple[bool, ...]]:
    """Return what the look-ups came to, and whether the counts of others agree with it."""
    progress.stage(f"speed, {name}")
    guardian = Guardian()  # removes its folder, however this process ends
    try:
        await guardian.start()
        catalogue = Catalogue(guardian.folder, ITEMS)
        env = catalogue.variables(QUERY) | {"ORC_TTL": str(TTL)}
        try:
            async with open_fleet(handler, env=env, most=CONTAINERS) as fleet:
                rounds, answers = await _play(fleet, catalogue, load, progress)
            result = tally(rounds, TTL)
            return result, (catalogue.loads == result.loads, _own_counts(answers, result))
        finally:
            catalogue.close()
    finally:
        await guardian.close()


async def _play(
    fleet: Fleet, catalogue: Catalogue, load: Workload, progress: Progress
) -> tuple[list[list[Page]], list[Answer]]:
    loop = asyncio.get_running_loop()
    passed = 0.0

    def clock() -> float:
        return loop.time() + passed  # as far as differences go, the clock of the containers

    rounds, answers = [], []
    for number, each in enumerate(load.rounds):
        if number == load.recycled_before:
            await fleet.containers[0].recycle()
        now = clock()
        answered = await asyncio.gather(
            *(call(fleet, {"items": list(page)}) for page in each.pages)
        )
        rounds.append(
            [
                _page(answer, items, catalogue, now)
                for answer, items in zip(answered, each.pages, strict=True)
            ]
        )
        answers += answered
        # Time passes, and prices change, while every container is frozen.
        await asyncio.gather(*(answer.settled() for answer in answered))
        catalogue.change(each.changed, clock)
        fleet.advance(STEP)
        passed += STEP
        progress.done(number + 1, len(load.rounds))
    return rounds, answers


def _page(answer: Answer, items: Sequence[int], catalogue: Catalogue, now: float) -> Page:
    value = answer.value
    if not isinstance(value, dict) or len(value.get("versions", ())) != len(items):
        raise BrokenStoryError("a function did not answer every look-up")
    found = zip(items, value["versions"], strict=True)
    ages = (catalogue.outdated(item, version, now) for item, version in found)
    return Page(
        container=answer.container.id,
        state="warm" if answer.init is None else answer.init,
        loads=value["loads"],
        milliseconds=tuple(value["milliseconds"]),
        outdated=tuple(age for age in ages if age is not None),
    )


def _own_counts(answers: Sequence[Answer], result: Tally) -> bool:
    """Tell whether ``cache.stats().states`` of all containers says the same as the store.

    The statistics of a process grow, so its last answer has them all.
    """
    last = {answer.container.id: answer.value.get("states") for answer in answers}
    if None in last.values():
        return True  # no cache of ORC in this function
    counted = {state: (part.lookups, part.loads) for state, part in result.states.items()}
    told = {
        state: tuple(sum(states.get(state, (0, 0))[i] for states in last.values()) for i in (0, 1))
        for state in counted
    }
    return told == counted
