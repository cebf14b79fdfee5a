"""What does a miss cost, beside the loader: the look, the load of a new key, and the store?"""

from __future__ import annotations

from benchmarks import loops, peers
from benchmarks.harness import Contender, together

VALUE = "an immutable value of some length"
FLAT = {"id": 4711, "name": "a flat thing", "price": 12.5, "active": True, "owner": None}
BOUND = 1000


def source(a):
    return VALUE


def flat_source(a):
    return FLAT


async def asource(a):
    return VALUE


def plain():
    """The bound is far away."""
    decorated = {peer.name: peer.decorate(source) for peer in peers.installed()}
    decorated["orc, a flat dict"] = peers.Orc().decorate(flat_source)
    decorated["the bare function"] = source
    return [
        Contender(name, loops.calling(cached), loops.new_keys())
        for name, cached in decorated.items()
    ]


def evicting():
    """Each store has to make room."""
    contenders = []
    for peer in peers.installed(bounded=True):
        keys = loops.new_keys()
        call = loops.calling(peer.decorate(source, BOUND))
        call(keys(2 * BOUND))
        contenders.append(Contender(peer.name, call, keys))
    return contenders


def coroutines():
    decorated = {}
    for peer in peers.installed(sync=False):
        if peer.name in {"functools.lru_cache", "diskcache", "dogpile.cache", "cachetools + lock"}:
            continue
        decorated[f"{peer.name}, async"] = peer.decorate(asource)
    decorated["the bare coroutine"] = asource
    return [
        Contender(name, loops.calling(cached, loops.aone), loops.new_keys())
        for name, cached in decorated.items()
    ]


SCENES = {"plain": plain, "evicting": evicting, "async": coroutines}
TITLES = {
    "miss.plain": "miss: load and store",
    "miss.evicting": f"miss: load and store, {BOUND:,} entries at most, so each evicts one",
    "miss.async": "miss, async def: load and store",
}


def measure(name, effort):
    return together(__name__, name, processes=effort.processes, count=effort.rounds)
