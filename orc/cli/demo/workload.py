"""What the containers are asked, and what changes in the meantime. Pure: a seed decides."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import accumulate

SEED = 2015
ITEMS = 3_000
EXPONENT = 1.2
"""Of Zipf's law: item number n is asked for in proportion to 1 / n ** EXPONENT."""
ROUNDS = 40
CONTAINERS = 3
PAGE = 20
"""Look-ups in one invocation."""


@dataclass(frozen=True)
class Round:
    """Pages that are asked for at the same time, and the item whose price changes afterwards."""

    pages: tuple[tuple[int, ...], ...]
    changed: int


@dataclass(frozen=True)
class Workload:
    """The same for every variant, in the same order."""

    rounds: tuple[Round, ...]
    recycled_before: int
    """The round before which one container is recycled."""

    @property
    def lookups(self) -> int:
        """How many there are in all."""
        return sum(len(page) for each in self.rounds for page in each.pages)


def workload(seed: int = SEED, rounds: int = ROUNDS) -> Workload:
    """Draw the rounds. Popular items are also those whose prices change."""
    chance = random.Random(seed)  # noqa: S311 - a workload, not a secret
    weights = list(accumulate(1 / rank**EXPONENT for rank in range(1, ITEMS + 1)))

    def draw(count: int) -> tuple[int, ...]:
        return tuple(chance.choices(range(1, ITEMS + 1), cum_weights=weights, k=count))

    return Workload(
        tuple(
            Round(tuple(draw(PAGE) for _ in range(CONTAINERS)), draw(1)[0]) for _ in range(rounds)
        ),
        recycled_before=rounds // 2,
    )
