"""What does a hit cost whose arguments the quick path cannot key: floats, tuples, dates, lists?

The quick path takes arguments that are hashable and of a few types; all others go through the
canonical encoding. The peers that refuse a list, or take 1.0 for 1, have it easier.
"""

from __future__ import annotations

from datetime import UTC, datetime

from benchmarks import loops, peers
from benchmarks.harness import Contender, together

VALUE = "an immutable value of some length"
ARGUMENTS = {
    "str": "item:1",
    "int": 4711,
    "float": 12.5,
    "tuple": ("item:1", 7),
    "datetime": datetime(2026, 11, 23, 12, tzinfo=UTC),
    "list": ["item:1", 7],
}


def source(a):
    return VALUE


def scene():
    cached = peers.Orc().decorate(source)
    contenders = []
    for name, argument in ARGUMENTS.items():
        cached(argument)
        contenders.append(Contender(f"orc, {name}", loops.calling(cached), loops.same(argument)))
    mixed = peers.Orc().decorate(lambda a, b: VALUE)
    mixed("item:1", 12.5)
    pairs = loops.same(("item:1", 12.5))
    contenders.append(Contender("orc, str and float", loops.calling(mixed, loops.two), pairs))
    if peers.Cachetools.installed():
        other = peers.Cachetools().decorate(source)
        for name in ("str", "float", "tuple", "datetime"):
            other(ARGUMENTS[name])
            contenders.append(
                Contender(
                    f"cachetools + lock, {name}",
                    loops.calling(other),
                    loops.same(ARGUMENTS[name]),
                )
            )
    return contenders


SCENES = {"types": scene}
TITLES = {"arguments.types": "hit, one argument of a certain type"}


def measure(name, effort):
    return together(__name__, name, processes=effort.processes, count=effort.rounds)
