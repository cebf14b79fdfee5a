"""What does a hit cost, of a value that the caller may change and that must come out fresh?"""

from __future__ import annotations

import copy
import json
import pickle

from benchmarks import loops, peers
from benchmarks.harness import Contender, together

FLAT = {
    "id": 4711,
    "name": "a flat thing",
    "price": 12.5,
    "active": True,
    "owner": None,
    "colour": "green",
    "count": 100_000,
    "code": "X-42",
    "weight": 0.25,
    "country": "de",
}
NESTED = {
    "id": "order-4711",
    "customer": {"id": 17, "name": "Ada Lovelace", "tags": ["vip", "early"], "vip": True},
    "lines": [
        {"sku": f"SKU-{n}", "quantity": n, "price": 9.99 * n, "options": {"gift": False}}
        for n in range(1, 5)
    ],
    "address": {"street": "12 Example Street", "city": "London", "zip": "N1 9GU"},
    "total": 149.85,
    "note": None,
}


def scene(value):
    def source(a):
        return value

    pickled, written = pickle.dumps(value, 5), json.dumps(value)
    decorated = {"orc": peers.Orc().decorate(source)}
    if peers.Cachebox.installed():
        import cachebox

        decorated["cachebox, deep copies"] = cachebox.cached(
            cachebox.TTLCache(peers.PLENTY, peers.TTL),
            postprocess=cachebox.postprocess_deepcopy_mutables,
        )(source)
    contenders = []
    for name, cached in decorated.items():
        first, second = cached("k"), cached("k")
        assert first == second == value
        assert first is not second
        contenders.append(Contender(name, loops.calling(cached), loops.same("k")))
    return [
        *contenders,
        Contender("pickle.loads", loops.calling(pickle.loads), loops.same(pickled)),
        Contender("json.loads", loops.calling(json.loads), loops.same(written)),
        Contender("copy.deepcopy", loops.calling(copy.deepcopy), loops.same(value)),
    ]


SCENES = {"flat": lambda: scene(FLAT), "nested": lambda: scene(NESTED)}
TITLES = {
    "mutable.flat": "hit of a mutable value: a flat dict of 10",
    "mutable.nested": f"hit of a mutable value: nested, {len(json.dumps(NESTED))} bytes of JSON",
}


def measure(name, effort):
    return together(__name__, name, processes=effort.processes, count=effort.rounds)
