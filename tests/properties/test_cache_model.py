"""A cache against a plain dictionary, under a clock that jumps."""

import random
from copy import deepcopy

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import orc
from orc.testing import ManualClock

KEYS = ["a", "b", "c", "d", "\x00", "a:b"]
TAGS = ["red", "blue"]
ARGUMENTS = [1, "1", 1.0, True, (1,), (True,), 0.0, -0.0]
VALUES = [
    None,
    0,
    "",
    "text",
    1.5,
    b"bytes",
    (1, "two"),
    {"flat": 1},
    [1, 2],
    {"deep": {"list": [1, [2]]}},
]
TTL = 60.0
STALE = 40.0


class Model:
    """What a cache must answer: values with their ends on two clocks."""

    def __init__(self):
        self.clock = ManualClock()
        self.cache = orc.Cache(
            tiers=[orc.Memory(max_bytes=4_000_000)],
            clock=self.clock,
            ttl=TTL,
            jitter=0,
            stale_if_error=STALE,
            backoff=0,
        )
        self.loads = 0
        self.origin = None
        self.failing = False
        self.entries = {}
        self.results = {}
        self.function = self.cache.cached(tags="red")(self._load_for)

    # -- the model --

    def age(self, entry):
        return max(self.clock.wall() - entry["wall"], self.clock.monotonic() - entry["mono"])

    def fresh(self, entry, ttl=None):
        life = entry["ttl"] if ttl is None else min(ttl, entry["ttl"])
        return entry["valid"] and self.age(entry) < life

    def entry(self, value, ttl, tags=()):
        return {
            "value": deepcopy(value),
            "wall": self.clock.wall(),
            "mono": self.clock.monotonic(),
            "ttl": ttl,
            "tags": tags,
            "valid": True,
        }

    def stale_for_error(self, entry, ttl=None):
        life = entry["ttl"] if ttl is None else min(ttl, entry["ttl"])
        return entry["valid"] and self.age(entry) < life + STALE

    def look(self, entries, key):
        """Find an entry; one that is seen when it is of no more use is gone for good."""
        entry = entries.get(key)
        if entry and not self.stale_for_error(entry):
            del entries[key]
            return None
        return entry

    # -- operations, each on both --

    def _load(self):
        self.loads += 1
        if self.failing:
            raise ConnectionError("down")
        return deepcopy(self.origin)

    def _load_for(self, argument):
        return self._load()

    def spoil(self, value):
        """Change what was handed out: nobody else may see it."""
        if isinstance(value, dict):
            value["spoilt"] = True
            deep = value.get("deep")
            if isinstance(deep, dict):
                deep["list"].append("spoilt")
        elif isinstance(value, list):
            value.append("spoilt")

    def set(self, key, value, ttl, tags):
        given = deepcopy(value)
        self.cache.set(key, given, ttl=ttl, tags=tags)
        self.spoil(given)
        if ttl == 0:
            self.entries.pop(key, None)
        else:
            self.entries[key] = self.entry(value, 1e9 if ttl is None else ttl, tags)

    def get(self, key):
        found = self.cache.get(key, "absent")
        entry = self.look(self.entries, key)
        assert found == (entry["value"] if entry and self.fresh(entry) else "absent")
        self.spoil(found)

    def get_many(self):
        found = self.cache.get_many(KEYS)
        for key in KEYS:
            self.look(self.entries, key)
        assert found == {k: e["value"] for k, e in self.entries.items() if self.fresh(e)}

    def delete(self, key):
        self.cache.delete(key)
        self.entries.pop(key, None)

    def invalidate_tag(self, tag):
        self.cache.invalidate_tags(tag)
        for entry in (*self.entries.values(), *self.results.values()):
            if tag in entry["tags"]:
                entry["valid"] = False

    def clear(self):
        self.cache.clear()
        self.entries.clear()
        self.results.clear()

    def _reads_through(self, entries, key, ttl, read, *, tags):
        before = self.loads
        entry = self.look(entries, key)
        try:
            found = read()
        except ConnectionError:
            assert self.failing
            assert not (entry and self.stale_for_error(entry, ttl))
            assert self.loads == before + 1
            return
        if entry and self.fresh(entry, ttl):
            assert self.loads == before
            assert found == entry["value"]
        elif self.failing:
            assert entry
            assert self.stale_for_error(entry, ttl)
            assert found == entry["value"]
            assert self.loads == before + 1
        else:
            assert self.loads == before + 1
            assert found == self.origin
            entries[key] = self.entry(self.origin, TTL if ttl is None else ttl, tags)
        self.spoil(found)

    def get_or_set(self, key, ttl):
        terms = {} if ttl is None else {"ttl": ttl}
        self._reads_through(
            self.entries,
            key,
            ttl,
            lambda: self.cache.get_or_set(key, self._load, **terms),
            tags=(),
        )

    def call(self, argument):
        self._reads_through(
            self.results, repr(argument), None, lambda: self.function(argument), tags=("red",)
        )

    def invalidate(self, argument):
        self.function.invalidate(argument)
        self.results.pop(repr(argument), None)

    def peek(self, argument):
        entry = self.look(self.results, repr(argument))
        expected = entry["value"] if entry and self.fresh(entry) else orc.MISSING
        assert self.function.peek(argument) == expected

    def account(self):
        memory = self.cache.stats().tiers[0]
        assert memory.bytes <= memory.max_bytes


KEY = st.sampled_from(KEYS)
SECONDS = st.sampled_from([0, 0.5, 10, 30, 59.5, 60, 100, 3600])


class Machine(RuleBasedStateMachine):
    """The model's operations as rules."""

    def __init__(self):
        super().__init__()
        self.model = Model()

    @rule(
        key=KEY,
        value=st.sampled_from(VALUES),
        ttl=st.sampled_from([None, 0, 5, 60]),
        tags=st.sampled_from([(), ("red",), ("red", "blue")]),
    )
    def set(self, key, value, ttl, tags):
        self.model.set(key, value, ttl, tags)

    @rule(key=KEY)
    def get(self, key):
        self.model.get(key)

    @rule()
    def get_many(self):
        self.model.get_many()

    @rule(key=KEY)
    def delete(self, key):
        self.model.delete(key)

    @rule(key=KEY, ttl=st.sampled_from([None, 5.0, 60.0]))
    def get_or_set(self, key, ttl):
        self.model.get_or_set(key, ttl)

    @rule(argument=st.sampled_from(ARGUMENTS))
    def call(self, argument):
        self.model.call(argument)

    @rule(argument=st.sampled_from(ARGUMENTS))
    def invalidate(self, argument):
        self.model.invalidate(argument)

    @rule(argument=st.sampled_from(ARGUMENTS))
    def peek(self, argument):
        self.model.peek(argument)

    @rule(tag=st.sampled_from(TAGS))
    def invalidate_tag(self, tag):
        self.model.invalidate_tag(tag)

    @rule(seconds=SECONDS)
    def advance(self, seconds):
        self.model.clock.advance(seconds)

    @rule(seconds=SECONDS, sign=st.sampled_from([1, -1]))
    def set_the_wall_clock(self, seconds, sign):
        self.model.clock.advance(wall=sign * seconds)

    @rule(seconds=SECONDS)
    def let_only_the_monotonic_clock_go(self, seconds):
        self.model.clock.advance(monotonic=seconds)

    @rule(value=st.sampled_from(VALUES), failing=st.booleans())
    def change_the_origin(self, value, failing):
        self.model.origin, self.model.failing = value, failing

    @rule()
    def clear(self):
        self.model.clear()

    @invariant()
    def account(self):
        self.model.account()


TestCache = Machine.TestCase
TestCache.settings = settings(
    max_examples=60, stateful_step_count=80, deadline=None, derandomize=True
)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_cache_agrees_with_a_dictionary_over_many_operations(seed):
    """Over 4 x 25,000 random operations each answer is the one that a plain dictionary gives."""
    chance = random.Random(seed)
    model = Model()
    pick = chance.choice
    operations = [
        lambda: model.set(
            pick(KEYS), pick(VALUES), pick([None, 0, 5, 60]), pick([(), ("red",), ("red", "blue")])
        ),
        lambda: model.get(pick(KEYS)),
        model.get_many,
        lambda: model.delete(pick(KEYS)),
        lambda: model.get_or_set(pick(KEYS), pick([None, 5.0, 60.0])),
        lambda: model.call(pick(ARGUMENTS)),
        lambda: model.call(pick(ARGUMENTS)),
        lambda: model.invalidate(pick(ARGUMENTS)),
        lambda: model.peek(pick(ARGUMENTS)),
        lambda: model.invalidate_tag(pick(TAGS)),
        lambda: model.clock.advance(pick([0, 0.5, 10, 30, 60])),
        lambda: model.clock.advance(wall=pick([-3600, -1, 1, 30, 3600])),
        lambda: model.clock.advance(monotonic=pick([1, 30, 60])),
        lambda: setattr(model, "origin", pick(VALUES)),
        lambda: setattr(model, "failing", pick([True, False, False])),
    ]
    for step in range(25_000):
        pick(operations)()
        if step % 1000 == 0:
            model.clear()
        model.account()
