"""Reference models of eviction, and the audit of a memory tier's books."""

from __future__ import annotations

from collections import OrderedDict, deque
from types import SimpleNamespace

import pytest

from orc.tiers.copies import GRAIN
from orc.tiers.sizes import SPACE_BYTES, TAG_BYTES


class LruModel:
    """Least recently used, as in a textbook: a dictionary in the order of use."""

    def __init__(self, most):
        self.most = most
        self.order = OrderedDict()

    def get(self, key):
        if key in self.order:
            self.order.move_to_end(key)
        return key in self.order

    def put(self, key):
        self.order[key] = None
        self.order.move_to_end(key)
        while len(self.order) > self.most:
            self.order.popitem(last=False)

    def delete(self, key):
        return self.order.pop(key, self) is None

    def live(self):
        return set(self.order)


class S3FifoModel:
    """Algorithm 1 of Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023.

    Function by function, in the paper's names; queues count objects, their heads are on the left.
    As the text says, the access bits are cleared in the move from S to M; G has as many ghosts as M
    has places.
    """

    def __init__(self, most):
        self.size = most
        self.size_of_main = most - int(0.1 * most)
        self.S, self.M, self.G = deque(), deque(), OrderedDict()
        self.freq = {}

    def get(self, x):
        if x in self.freq:
            self.freq[x] = min(self.freq[x] + 1, 3)
        return x in self.freq

    def put(self, x):
        if x in self.freq:
            self.delete(x)
        self.insert(x)
        self.freq[x] = 0

    def delete(self, x):
        if x not in self.freq:
            return False
        del self.freq[x]
        (self.S if x in self.S else self.M).remove(x)
        return True

    def live(self):
        return set(self.freq)

    def insert(self, x):
        while len(self.S) + len(self.M) >= self.size:
            self.evict()
        if x in self.G:
            del self.G[x]
            self.M.appendleft(x)
        else:
            self.S.appendleft(x)

    def evict(self):
        if len(self.S) >= 0.1 * self.size:
            self.evict_s()
        else:
            self.evict_m()

    def evict_s(self):
        evicted = False
        while not evicted and self.S:
            t = self.S.pop()
            if self.freq[t] > 1:
                self.freq[t] = 0
                self.M.appendleft(t)
                if len(self.M) > self.size_of_main:
                    self.evict_m()
            else:
                del self.freq[t]
                self.G[t] = None
                if len(self.G) > self.size_of_main:
                    self.G.popitem(last=False)
                evicted = True

    def evict_m(self):
        evicted = False
        while not evicted and self.M:
            t = self.M.pop()
            if self.freq[t] > 0:
                self.freq[t] -= 1
                self.M.appendleft(t)
            else:
                del self.freq[t]
                evicted = True


def audit_memory(memory, *spaces):
    """Count everything anew, and compare with the memory's own books."""
    copies = [copy for space in spaces for copy in space.index.values()]
    tags = {id(tag): tag for copy in copies for tag, _ in copy.versions}
    for space in spaces:
        assert space.items == len(space.index)
        assert all(copy.space is space and copy.key == key for key, copy in space.index.items())
    assert memory.items == len(copies)
    for tag in tags.values():
        assert tag.entries == sum(each is tag for copy in copies for each, _ in copy.versions)
    assert memory.used_bytes == (
        sum(copy.weight for copy in copies) * GRAIN
        + SPACE_BYTES * sum(bool(space.index) for space in spaces)
        + TAG_BYTES * len(tags)
        + memory.footprints.size
    )
    assert memory.used_bytes <= memory.max_bytes
    assert memory.max_items is None or memory.items <= memory.max_items
    assert not memory._changing
    assert not memory._orphans


@pytest.fixture(scope="session")
def lru_model():
    return LruModel


@pytest.fixture(scope="session")
def s3fifo_model():
    return S3FifoModel


@pytest.fixture(scope="session")
def audit():
    """Check a memory's books against the spaces in it, which must be all that hold anything."""
    return audit_memory


@pytest.fixture(scope="session")
def new_ledger():
    """Make what a space counts in."""
    return lambda: SimpleNamespace(name="a ledger", evicted=0, expired=0, invalidated=0, oversize=0)


@pytest.fixture(scope="session")
def store():
    """Put a value in a space that is fresh until the end of all days."""

    def put(space, key, value=None, **more):
        ends = {"trust": (9e9, 9e9), "created_at": 0.0, "fresh_until": 9e9} | more
        return space.put(key, value, ends.pop("thaw", None), **ends)

    return put
