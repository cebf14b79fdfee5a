"""What do ``get`` and ``set`` of an explicit key cost?"""

from __future__ import annotations

from benchmarks import loops, peers
from benchmarks.harness import Contender, together

VALUE = "an immutable value of some length"
KEYS = [f"item:{number}" for number in range(1000)]


def stores():
    """Return the name, get and set of each peer that has them, and whether they are async."""
    for peer in peers.installed(sync=False):
        both = peer.store()
        if both is not None:
            yield peer.name, *both, peer.asynchronous


def reading():
    contenders = []
    for name, get, put, asynchronous in stores():
        loops.calling(put, loops.atwo if asynchronous else loops.two)([(k, VALUE) for k in KEYS])
        call = loops.calling(get, loops.aone if asynchronous else loops.one)
        contenders.append(Contender(name, call, loops.randomly(KEYS)))
    return contenders


def overwriting():
    pairs = [(key, VALUE) for key in KEYS]
    contenders = []
    for name, _, put, asynchronous in stores():
        call = loops.calling(put, loops.atwo if asynchronous else loops.two)
        call(pairs)
        contenders.append(Contender(name, call, loops.randomly_pairs(pairs)))
    return contenders


def adding():
    return [
        Contender(
            name,
            loops.calling(put, loops.atwo if asynchronous else loops.two),
            loops.new_pairs(VALUE),
        )
        for name, _, put, asynchronous in stores()
    ]


SCENES = {"get": reading, "set": overwriting, "set-new": adding}
TITLES = {
    "explicit.get": "get of a key that is there, 1,000 keys at random",
    "explicit.set": "set of a key that is there, 1,000 keys at random",
    "explicit.set-new": "set of a new key",
}


def measure(name, effort):
    return together(__name__, name, processes=effort.processes, count=effort.rounds)
