"""A shared tier in this process, and the two ways to call a cache."""

from __future__ import annotations

import asyncio
from copy import deepcopy

import pytest

import orc
from orc.model.entry import Entry, Found, Stored


class FakeTier:
    """A shared tier that is a dictionary: with tokens, a log of calls, and errors when asked.

    Each row has a version, which every write and removal replaces: it is the token of a fill.
    """

    def __init__(self, name, log=None):
        self.name = name
        self.rows = {}
        self.log = [] if log is None else log
        self.broken = None
        self.tokens = True
        self.left = []

    def _do(self, what, keys):
        self.log.append((what, self.name, len(keys)))
        if self.broken is not None:
            raise self.broken

    def _row(self, key):
        return self.rows.setdefault(key, [None, 0])

    fleetwide = True

    def fetch_many(self, keys, accept, lease, *, consistent, claims=None, within=None):
        self._do("get", keys)
        rows = [self._row(key) for key in keys]
        return [
            Found(deepcopy_entry(entry), b"%d" % version if self.tokens else b"any")
            for entry, version in rows
        ]

    def store_many(self, fills):
        given_back = all(entry is None for _, entry, _ in fills)
        self._do("give back" if given_back else "set", fills)
        for key, entry, token in fills:
            row = self._row(key)
            if entry is None:
                continue  # a claim that is given back: nobody is kept out here anyway
            if token is None or token in {b"any", b"%d" % row[1]}:
                row[0] = deepcopy_entry(entry)
                row[1] += 1
        return Stored()

    def give_back(self, fills):
        self.log.append(("give back", self.name, len(fills)))

    def remember(self, address, token):
        self.left.append((address, token))

    def hold(self, address, token, flight):
        pass

    def release(self, address, flight):
        pass

    def remove_many(self, keys):
        self._do("delete", keys)
        for key in keys:
            row = self._row(key)
            row[0] = None
            row[1] += 1

    async def afetch_many(self, *asked, **how):
        await asyncio.sleep(0)
        return self.fetch_many(*asked, **how)

    async def astore_many(self, fills):
        await asyncio.sleep(0)
        return self.store_many(fills)

    async def aremove_many(self, keys):
        await asyncio.sleep(0)
        self.remove_many(keys)

    # -- what tests ask --

    @property
    def entries(self):
        """The entries held, in the order of their keys' first use."""
        return [entry for entry, _ in self.rows.values() if entry is not None]

    @property
    def value(self):
        """The value of the only entry held; ``MISSING`` if there is none."""
        entries = self.entries
        assert len(entries) < 2
        return entries[0].value if entries else orc.MISSING

    def put(self, key, value, created_at, life=300.0):
        """Place an entry, as another container would."""
        row = self._row(key)
        row[0] = Entry(value, created_at, created_at + life)
        row[1] += 1


def deepcopy_entry(entry):
    if entry is None:
        return None
    value = deepcopy(entry.value)
    return Entry(value, entry.created_at, entry.fresh_until, entry.load_time, entry.versions)


class Sync:
    """Calls the methods of a cache as they are."""

    def __init__(self, cache):
        self.cache = cache

    def __getattr__(self, name):
        return getattr(self.cache, name)


class Async:
    """Calls the async twins of a cache's methods, each in a loop of its own."""

    def __init__(self, cache):
        self.cache = cache

    def __getattr__(self, name):
        method = getattr(self.cache, f"a{name}")

        def call(*args, **kwargs):
            async def main():
                async with asyncio.timeout(10):
                    return await method(*args, **kwargs)

            return asyncio.run(main())

        return call


@pytest.fixture(params=[Sync, Async], ids=["sync", "async"])
def driven(request):
    """Return what gives a cache's methods their sync or their async driver."""
    return request.param


@pytest.fixture
def log():
    """Return the calls of all tiers of a test, in their order."""
    return []


@pytest.fixture
def near(log):
    """Return the first shared tier."""
    return FakeTier("near", log)


@pytest.fixture
def deep(log):
    """Return the second shared tier."""
    return FakeTier("deep", log)


@pytest.fixture
def fake_tier():
    """Return the class of fake tiers, for those who need more of them."""
    return FakeTier


@pytest.fixture
def tiered(clock, near, deep):
    """Return a maker of caches in front of the two tiers: another one is another container."""

    def make(**terms):
        return orc.Cache(
            tiers=[orc.Memory(max_bytes=1_000_000), near, deep],
            clock=clock,
            **{"jitter": 0, "namespace": "test"} | terms,
        )

    return make


@pytest.fixture
def wire_of():
    """Return what tells the key by which shared tiers know an explicit key of a cache."""
    return lambda cache, key: cache._keyspace.address((key,))
