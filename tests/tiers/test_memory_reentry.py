"""A finaliser may run between any two steps of the memory tier, and use it: tried at each of them.

The collector runs finalisers wherever Python calls something. A profile function is called at the
same places; so it stands in for the collector, and does at the n-th step of an operation what a
finaliser might do, for every n.
"""

from __future__ import annotations

import sys

import cachetools
import pytest

import orc
from orc.tiers import eviction, memory, spaces

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*too large for the memory tier:orc.errors.OrcWarning"
)

FILES = {memory.__file__, eviction.__file__, spaces.__file__}
MOST = 4


class Stage:
    """A full memory, with a tagged entry, another tenant's, and hits that are not yet ranked."""

    def __init__(self, policy):
        self.memory = orc.Memory(max_items=MOST, max_bytes=50_000, policy=policy)
        self.cache = orc.Cache(tiers=[self.memory], isolation="share", ttl=None)
        self.part = self.cache.partition("tenant")
        self.spaces = [self.cache._keyspace.space, self.part._keyspace.space]
        self.cache.set("a", "a", tags=["tag"])
        self.cache.set("b", "b")
        self.part.set("c", "c")
        self.cache.set("d", "d")
        for _ in range(3):
            self.cache.get("a")
        self.loaded = False
        self.acted_after_the_load = False

    def load(self):
        self.loaded = True
        return "new"

    def perform(self, operation, action, step):
        """Run an operation, and an action at one of its steps; tell whether it has so many."""

        def act():
            self.acted_after_the_load = self.loaded
            ACTIONS[action](self)

        return run_with(lambda: OPERATIONS[operation](self), act, step)


def many_hits(stage):
    """Note more hits than a queue keeps, and hand them over: the queue is shortened."""
    copy = stage.cache._index["b"]
    stage.memory._log += [copy] * 2200


OPERATIONS = {
    "replace": lambda stage: stage.cache.set("a", "a"),
    "evict": lambda stage: stage.cache.set("new", "new"),
    "oversize": lambda stage: stage.cache.set("a", bytes(10_000)),
    "delete": lambda stage: stage.cache.delete("a"),
    "clear": lambda stage: stage.cache.clear(),
    "load": lambda stage: stage.cache.get_or_set("new", stage.load),
    "settle": lambda stage: stage.memory.settle(),
}
ACTIONS = {
    "replace": lambda stage: stage.cache.set("a", "a, anew"),
    "set": lambda stage: stage.cache.set("late", "late"),
    "set the same": lambda stage: stage.cache.set("new", "new"),
    "get": lambda stage: stage.cache.get("a"),
    "delete": lambda stage: stage.cache.delete("a"),
    "delete the same": lambda stage: stage.cache.delete("new"),
    "clear": lambda stage: stage.cache.clear(),
    "clear the tenant": lambda stage: stage.part.clear(),
    "settle": lambda stage: stage.memory.settle(),
}


def run_with(operation, action, step):
    """Run an operation, and an action at one of its steps; tell whether it has so many steps."""
    steps, done = 0, False

    def profile(frame, event, arg):
        nonlocal steps, done
        if done or frame.f_code.co_filename not in FILES:
            return
        steps += 1
        if steps == step:
            done = True
            sys.setprofile(None)
            action()

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        operation()
    finally:
        sys.setprofile(before)
    return done


@pytest.mark.parametrize("policy", ["lru", "s3fifo", cachetools.LFUCache])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_at_every_step(audit, operation, action, policy):
    """Wherever it happens: books are right, no value is another's, and no entry is stuck."""
    step = 0
    while True:
        step += 1
        stage = Stage(policy)
        if operation == "settle":
            many_hits(stage)
        happened = stage.perform(operation, action, step)
        audit(stage.memory, *stage.spaces)
        for space in stage.spaces:
            for key, copy in space.index.items():
                assert copy.value.startswith(key)
        if action == "delete" and operation not in {"replace", "oversize"} and happened:
            assert "a" not in stage.cache._index
        if action == "replace" and operation not in {"replace", "oversize"} and happened:
            # To store is not owed inside a change; to take the old value away is.
            assert stage.cache.get("a", "a, anew") == "a, anew"
        if action == "delete the same" and stage.acted_after_the_load:
            assert "new" not in stage.cache._index  # it was loaded before the delete
        for number in range(MOST):  # whoever is in there can be evicted, one by one
            stage.cache.set(f"later {number}", f"later {number}")
            audit(stage.memory, *stage.spaces)
        assert set(stage.cache._index) | set(stage.part._index) >= {f"later {MOST - 1}"}
        if policy == "lru":
            assert set(stage.cache._index) == {f"later {number}" for number in range(MOST)}
        if not happened:
            break
    assert step > 10
