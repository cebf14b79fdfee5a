"""What ORC must reach, as ratios to peers that were measured in the same rounds."""

from __future__ import annotations

from benchmarks.harness import ratio, spread

CLOSE = 0.9
"""From this share of a bar on, one that is met is called close."""


class Bar:
    """The median of one series must not be above `limit` times another (or `limit` alone)."""

    def __init__(  # noqa: PLR0913 - a record
        self, question, what, ours, limit, theirs=None, *, below=False
    ):
        self.question = question
        self.what = what
        self.ours = ours
        self.limit = limit
        self.theirs = theirs
        self.below = below
        """Whether the limit itself is too much."""

    def judge(self, samples):
        """Return the verdict, or none where a peer was not measured."""
        if self.ours not in samples:
            return None
        if self.theirs is None:
            found, against = spread(samples[self.ours]), ""
        else:
            chosen = self.theirs(samples)
            if chosen is None:
                return None
            against, series = chosen
            found = ratio(samples[self.ours], series)
        value = found["median"]
        met = value < self.limit if self.below else value <= self.limit
        word = "MISSED" if not met else "met, close" if value > CLOSE * self.limit else "met"
        return {
            "question": self.question,
            "what": self.what,
            "ours": self.ours,
            "against": against,
            "limit": self.limit,
            "strict": self.below,
            "verdict": word,
            **found,
        }


def peer(name):
    """Compare with one peer."""
    return lambda samples: (name, samples[name]) if name in samples else None


def quickest(*names):
    """Compare with the peer whose median is the least."""

    def choose(samples):
        known = [name for name in names if name in samples]
        if not known:
            return None
        best = min(known, key=lambda name: spread(samples[name])["median"])
        return best, samples[best]

    return choose


def total(*names):
    """Compare with a sum."""

    def choose(samples):
        if not all(name in samples for name in names):
            return None
        rows = zip(*(samples[name] for name in names), strict=True)
        return " + ".join(names), [sum(row) for row in rows]

    return choose


RUST = quickest("cachebox", "moka-py")
ASYNC = "orc, async"

BARS = [
    Bar("hit.hot", "hit, hot key", "orc", 0.8, RUST),
    Bar("hit.hot", "hit, hot key", "orc", 0.4, peer("cachetools + lock")),
    Bar("hit.hot", "hit, hot key", "orc", 0.05, peer("dogpile.cache")),
    Bar("hit.random", "hit, 1,000 keys", "orc", 0.8, RUST),
    Bar("hit.random", "hit, 1,000 keys", "orc", 0.4, peer("cachetools + lock")),
    Bar("hit.random", "hit, 1,000 keys", "orc", 0.05, peer("dogpile.cache")),
    Bar("hit.three", "hit, three arguments", "orc", 0.8, RUST),
    Bar("hit.three", "hit, three arguments", "orc", 0.4, peer("cachetools + lock")),
    Bar("hit.keywords", "hit, keywords", "orc", 0.8, RUST),
    Bar("hit.keywords", "hit, keywords", "orc", 0.4, peer("cachetools + lock")),
    Bar("hit.async", "async hit", ASYNC, 1.5, total("the bare coroutine", "orc")),
    Bar("hit.async", "async hit", ASYNC, 0.05, peer("aiocache, async")),
    Bar("hit.async", "async hit", ASYNC, 0.05, peer("cashews, async")),
    Bar("mutable.flat", "hit, flat dict", "orc", 0.5, peer("pickle.loads")),
    Bar("mutable.nested", "hit, nested value", "orc", 1.25, peer("pickle.loads")),
    Bar("import.time", "modules of import orc", "import orc, new modules", 5, below=True),
    Bar("import.time", "first cache", "import orc; orc.Cache()", 3, peer("import cachetools")),
    Bar(
        "size.slowdown",
        "slow-down with size",
        "orc, slow-down",
        1.2,
        peer("cachetools + lock, slow-down"),
    ),
    Bar("memory.entry", "bytes of an entry", "orc, tracemalloc", 300),
    Bar("memory.entry", "bytes of an entry", "orc, resident", 300),
]

TIER, BARE = "orc, tier", peer("bare")


def _down(question, budget):
    """Return the bars of a server that is not there: milliseconds at first, then microseconds."""
    for fault in ("closed port", "frozen server", "black hole"):
        yield Bar(question, f"{fault}, first call, ms", f"{fault}: first call, worst, ms", budget)
        yield Bar(question, f"{fault}, open, us", f"{fault}: while open, p99, us", 1000, below=True)


TIER_BARS = [
    Bar("tiers.redis", "Redis hit", TIER, 1.35, BARE),
    Bar("tiers.redis_many", "Redis, 100 hits", TIER, 1.6, BARE),
    Bar("tiers.dynamodb", "DynamoDB hit", TIER, 1.0, peer("boto3.resource")),
    Bar("tiers.dynamodb", "DynamoDB hit", TIER, 1.2, BARE),
    Bar("tiers.disk", "disk hit", TIER, 1.5, BARE),
    *_down("down.redis", 50),
    *_down("down.dynamodb", 200),
]
"""Of ``benchmarks.tiers``. "bare" is the client by itself, and the decoding of what it brings."""
