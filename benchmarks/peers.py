"""The peers: each in the quickest setting that its documentation offers for the same job.

The same job is: results by arguments, a time to live of 300 s, a bound on the entries where the
peer has one, and safe use from several threads. ``functools.lru_cache`` has no time to live: it is
the floor, and no peer. An adapter may be of use to some of the questions only.
"""

from __future__ import annotations

import atexit
import importlib.util
import shutil
import tempfile

TTL = 300
PLENTY = 2_000_000
"""More entries than any question stores, so that none is evicted."""


class Peer:
    """How to decorate with a library, and how to read and write explicit keys in it."""

    name = ""
    module = ""
    distribution = ""
    asynchronous = False
    """Only coroutines can use it."""
    bounded = True
    """It has a bound in entries."""

    @classmethod
    def installed(cls):
        """Tell whether it can be imported, without doing so."""
        try:
            return importlib.util.find_spec(cls.module) is not None
        except ModuleNotFoundError:
            return False

    def decorate(self, function, items=PLENTY):
        """Return the function, cached; `items` is how many entries it may have."""
        raise NotImplementedError

    def store(self, items=PLENTY):
        """Return two callables, ``get(key)`` and ``set(key, value)``; none where it has none."""
        return


class Orc(Peer):
    name, module, distribution = "orc", "orc", "orc-cache"

    def __init__(self):
        import orc

        self._orc = orc

    def cache(self, items, max_bytes=1 << 30):
        memory = self._orc.Memory(max_bytes=max_bytes, max_items=items)
        return self._orc.Cache(tiers=[memory], ttl=TTL, namespace="benchmark")

    def decorate(self, function, items=PLENTY):
        return self.cache(items).cached(function)

    def decorate_within(self, max_bytes, function):
        """Decorate with a budget in bytes of which the tier's own records take a hundredth."""
        return self.cache(None, max_bytes).cached(function)

    def store(self, items=PLENTY):
        cache = self.cache(items)
        return cache.get, cache.set


class LruCache(Peer):
    name, module, distribution = "functools.lru_cache", "functools", ""

    def decorate(self, function, items=PLENTY):
        from functools import lru_cache

        return lru_cache(items)(function)


class Cachetools(Peer):
    name, module, distribution = "cachetools + lock", "cachetools", "cachetools"

    def decorate(self, function, items=PLENTY):
        from threading import Lock

        import cachetools

        return cachetools.cached(cachetools.TTLCache(items, TTL), lock=Lock())(function)

    def store(self, items=PLENTY):
        from threading import Lock

        import cachetools

        cache, lock = cachetools.TTLCache(items, TTL), Lock()

        def get(key):
            with lock:
                return cache.get(key)

        def put(key, value):
            with lock:
                cache[key] = value

        return get, put


class Cachebox(Peer):
    name, module, distribution = "cachebox", "cachebox", "cachebox"

    def decorate(self, function, items=PLENTY):
        import cachebox

        return cachebox.cached(cachebox.TTLCache(items, TTL))(function)

    def store(self, items=PLENTY):
        import cachebox

        cache = cachebox.TTLCache(items, TTL)
        return cache.get, cache.insert


class Moka(Peer):
    name, module, distribution = "moka-py", "moka_py", "moka-py"

    def decorate(self, function, items=PLENTY):
        import moka_py

        return moka_py.cached(items, ttl=TTL, policy="lru")(function)

    def store(self, items=PLENTY):
        import moka_py

        cache = moka_py.Moka(items, ttl=TTL, policy="lru")
        return cache.get, cache.set


class Theine(Peer):
    name, module, distribution = "theine", "theine", "theine"

    def decorate(self, function, items=PLENTY):
        from datetime import timedelta

        import theine

        return theine.Memoize(items, timedelta(seconds=TTL))(function)

    def store(self, items=PLENTY):
        from datetime import timedelta

        import theine

        cache, ttl = theine.Cache(items), timedelta(seconds=TTL)
        return cache.get, lambda key, value: cache.set(key, value, ttl)


class Dogpile(Peer):
    name, module, distribution = "dogpile.cache", "dogpile.cache", "dogpile.cache"
    bounded = False

    def region(self):
        from dogpile.cache import make_region

        return make_region().configure("dogpile.cache.memory", expiration_time=TTL)

    def decorate(self, function, items=PLENTY):
        return self.region().cache_on_arguments()(function)

    def store(self, items=PLENTY):
        region = self.region()
        return region.get, region.set


class Aiocache(Peer):
    name, module, distribution = "aiocache", "aiocache", "aiocache"
    asynchronous = True
    bounded = False

    def decorate(self, function, items=PLENTY):
        import aiocache

        return aiocache.cached(ttl=TTL)(function)

    def store(self, items=PLENTY):
        import aiocache

        cache = aiocache.SimpleMemoryCache()
        return cache.get, lambda key, value: cache.set(key, value, ttl=TTL)


class Cashews(Peer):
    name, module, distribution = "cashews", "cashews", "cashews"
    asynchronous = True

    def cache(self, items):
        from cashews import Cache

        cache = Cache()
        cache.setup(f"mem://?size={items}")
        return cache

    def decorate(self, function, items=PLENTY):
        return self.cache(items)(ttl=TTL)(function)

    def store(self, items=PLENTY):
        cache = self.cache(items)
        return cache.get, lambda key, value: cache.set(key, value, expire=TTL)


class Diskcache(Peer):
    name, module, distribution = "diskcache", "diskcache", "diskcache"
    bounded = False  # in bytes only

    def cache(self):
        import diskcache

        folder = tempfile.mkdtemp(prefix="benchmark-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return diskcache.Cache(folder)

    def decorate(self, function, items=PLENTY):
        return self.cache().memoize(expire=TTL)(function)

    def store(self, items=PLENTY):
        cache = self.cache()
        return cache.get, lambda key, value: cache.set(key, value, expire=TTL)


ALL = [
    Orc, LruCache, Cachetools, Cachebox, Moka, Theine, Dogpile, Aiocache, Cashews, Diskcache,
]  # fmt: skip
BY_NAME = {peer.name: peer for peer in ALL}


def installed(*, sync=True, bounded=False):
    """Return an instance of each peer at hand: those for threads, or those for coroutines."""
    return [
        peer()
        for peer in ALL
        if peer.installed()
        and not (sync and peer.asynchronous)
        and not (bounded and not peer.bounded)
    ]


def not_installed():
    """Name the peers that cannot be imported here."""
    return [peer.name for peer in ALL if not peer.installed()]
