"""What does a hit cost, of an immutable value, through a decorator?"""

from __future__ import annotations

from benchmarks import loops, peers
from benchmarks.harness import Contender, together

VALUE = "an immutable value of some length"
KEYS = [f"item:{number}" for number in range(1000)]
TRIPLES = [(key, number, "en") for number, key in enumerate(KEYS)]


def source(a):
    return VALUE


def source3(a, b=1, c="en"):
    return VALUE


async def asource(a):
    return VALUE


def shared_cachebox(function):
    """Cachebox without the copy that it makes of a dict, a list or a set."""
    import cachebox

    return cachebox.cached(cachebox.TTLCache(peers.PLENTY, peers.TTL), postprocess=None)(function)


def scene(function, loop, batch, items):
    """Return everybody, filled, and the bare function beside them."""
    decorated = {peer.name: peer.decorate(function) for peer in peers.installed()}
    if peers.Cachebox.installed():
        decorated["cachebox, sharing"] = shared_cachebox(function)
    for cached in decorated.values():
        loops.calling(cached, loop)(items)
    decorated["the bare function"] = function
    return [
        Contender(name, loops.calling(cached, loop), batch) for name, cached in decorated.items()
    ]


def hot():
    return scene(source, loops.one, loops.same(KEYS[0]), KEYS[:1])


def random_keys():
    return scene(source, loops.one, loops.randomly(KEYS), KEYS)


def three():
    return scene(source3, loops.three, loops.same(TRIPLES[1]), TRIPLES[:2])


def keywords():
    return scene(source3, loops.keywords, loops.same(TRIPLES[1]), TRIPLES[:2])


def coroutines():
    """Async callers; and the sum that an async hit is measured by."""
    decorated = {}
    for peer in peers.installed(sync=False):
        if peer.name in {"functools.lru_cache", "diskcache", "dogpile.cache", "cachetools + lock"}:
            continue  # they have nothing for coroutine functions
        decorated[f"{peer.name}, async"] = peer.decorate(asource)
    for cached in decorated.values():
        loops.calling(cached, loops.aone)(KEYS[:1])
    decorated["the bare coroutine"] = asource
    batch = loops.same(KEYS[0])
    contenders = [
        Contender(name, loops.calling(cached, loops.aone), batch)
        for name, cached in decorated.items()
    ]
    sync = peers.Orc().decorate(source)
    sync(KEYS[0])
    return [*contenders, Contender("orc", loops.calling(sync), batch)]


SCENES = {
    "hot": hot,
    "random": random_keys,
    "three": three,
    "keywords": keywords,
    "async": coroutines,
}
TITLES = {
    "hit.hot": "hit, one argument, one hot key",
    "hit.random": "hit, one argument, 1,000 keys at random",
    "hit.three": "hit, three arguments",
    "hit.keywords": "hit, three arguments, two of them by keyword",
    "hit.async": "hit, async def, one hot key",
}


def measure(name, effort):
    return together(__name__, name, processes=effort.processes, count=effort.rounds)
