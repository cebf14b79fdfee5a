"""All orders in which a reader, a deleter and a writer of one key can meet.

The plans are driven by hand. An operation has two steps, the tier's answer and its arrival, between
which anything may happen. Every value is the number of the change of the origin that it is from, so
that an old one is known by its number.
"""

from __future__ import annotations

import random
from copy import copy

import pytest

import orc
from orc.engine import write_plan
from orc.engine.drivers import _perform
from orc.engine.operations import Ask, Join
from orc.engine.read_many import read_many
from orc.engine.read_plan import read_through
from orc.engine.write_plan import remove_many, write_many
from orc.tiers.memory import Memory


class Value:
    """A number of the origin, and who brought it into the cache."""

    def __init__(self, number, by):
        self.number = number
        self.by = by

    def __repr__(self):
        return f"{self.number} by {self.by}"

    def __deepcopy__(self, memo):
        return self


class Story:
    """One cache, one key, and several actors that take their steps in a given order."""

    def __init__(self, tiers, clock, actors, begin):
        self.tiers = tiers
        terms = {"clock": clock, "namespace": "test", "jitter": 0, "isolation": "share"}
        here, there = (
            orc.Cache(tiers=[orc.Memory(max_bytes=120_000), *tiers], **terms) for _ in range(2)
        )
        self.keyspace, self.elsewhere = here._keyspace, there._keyspace
        self.origin = 0
        self.completed = []
        self.overwritten = set()
        wire = self.keyspace.address(("key",))
        for tier in tiers if begin == "in the tiers" else tiers[-1:] if begin == "below" else ():
            tier.put(wire, Value(0, "an earlier load"), clock.wall() - 1)
        self.actors = {actor: getattr(self, actor)() for actor in actors}

    def _load(self):
        return Value(self.origin, "the reader")

    def _plan(self, plan, keyspace=None):
        """Yield before each step of a plan; what is an operation's answer waits for its arrival."""
        flights = (keyspace or self.keyspace).core.flights
        try:
            operation = next(plan)
            while True:
                if not isinstance(operation, Join):
                    yield
                answer = _perform(operation, flights)
                if not isinstance(operation, Join):
                    yield
                operation = plan.send(answer)
        except StopIteration:
            return

    def reader(self):
        """``get_or_set``."""
        yield
        yield from self._plan(read_through(self.keyspace, Ask("key", ("key",), self._load)))

    def stranger(self):
        """``get_or_set`` in another container, in front of the same tiers."""
        yield
        ask = Ask("key", ("key",), self._load)
        yield from self._plan(read_through(self.elsewhere, ask), self.elsewhere)

    def getter(self):
        """``get``."""
        yield
        yield from self._plan(read_many(self.keyspace, ["key"]))

    def deleter(self):
        """Somebody who changes the origin and then deletes the key."""
        yield
        self.origin += 1
        number = self.origin
        earlier = set(self.completed)
        yield from self._plan(remove_many(self.keyspace, ["key"], [("key",)]))
        self.completed.append(number)
        self.overwritten |= earlier

    def writer(self):
        """Somebody who changes the origin and then stores the new value."""
        yield
        self.origin += 1
        number = self.origin
        earlier = set(self.completed)
        values = {"key": Value(number, "the writer")}
        yield from self._plan(write_many(self.keyspace, values, None))
        self.completed.append(number)
        self.overwritten |= earlier

    def run(self, choose):
        """Let the actors take their steps in the order in which `choose` picks them."""
        for actor in self.actors.values():
            next(actor)
        path = []
        while self.actors:
            names = sorted(self.actors)
            name = choose(len(path), names)
            path.append((name, names))
            if next(self.actors[name], "end") == "end":
                del self.actors[name]
        return path

    def check(self):
        """Tell what is older than it may be, in memory and in the tiers."""
        copies = self.keyspace.space.index.get("key")
        held = {} if copies is None else {"memory": copies.value}
        for tier in self.tiers:
            if tier.value is not orc.MISSING:
                held[tier.name] = tier.value
        wrong = []
        for where, value in held.items():
            # Two changes that overlap may have happened in either order, so what the writer stores
            # is old when a change has ended that began after it; what others bring must be from
            # after every change that has ended.
            if value.by == "the writer":
                if value.number in self.overwritten:
                    wrong.append((where, value))
            elif self.completed and value.number < max(self.completed):
                wrong.append((where, value))
        return wrong


def all_orders(make):
    """Tell every story; yield what was wrong with each, and its order."""
    prefix = []
    while True:
        story = make()
        path = story.run(lambda step, names: prefix[step] if step < len(prefix) else names[0])  # noqa: B023
        yield story.check(), [name for name, _ in path]
        while path and path[-1][0] == path[-1][1][-1]:
            path.pop()
        if not path:
            return
        name, names = path.pop()
        prefix = [name for name, _ in path] + [names[names.index(name) + 1]]


def first_wrong(make):
    """Tell stories until one goes wrong; return how many went right before, and that one."""
    right = 0
    for wrong, order in all_orders(make):
        if wrong:
            return right, (wrong, order)
        right += 1
    return right, None


@pytest.fixture
def story(clock, fake_tier):
    """Return a maker of makers of stories."""

    def maker(tiers, actors, begin):
        def make():
            names = ("near", "deep")[:tiers]
            return Story([fake_tier(name) for name in names], copy(clock), actors, begin)

        return make

    return maker


BEGINNINGS = ["cold", "in the tiers", "below"]


@pytest.mark.parametrize("begin", ["cold", "in the tiers"])
@pytest.mark.parametrize("reads", ["reader", "getter", "stranger"])
def test_no_order_of_three_leaves_an_old_value_with_one_tier(story, reads, begin):
    """A reader, a deleter and a writer, in front of one shared tier."""
    right, wrong = first_wrong(story(1, (reads, "deleter", "writer"), begin))
    assert wrong is None
    assert right > 300


@pytest.mark.parametrize("begin", BEGINNINGS)
@pytest.mark.parametrize("changes", ["deleter", "writer"])
@pytest.mark.parametrize("reads", ["reader", "getter", "stranger"])
def test_no_order_of_two_leaves_an_old_value_with_two_tiers(story, reads, changes, begin):
    """A reader, and a deleter or a writer, in front of two shared tiers."""
    right, wrong = first_wrong(story(2, (reads, changes), begin))
    assert wrong is None
    assert right > 50


@pytest.mark.parametrize("actors", [("reader", "deleter"), ("reader", "writer")])
def test_no_order_leaves_an_old_value_in_memory_alone(story, actors):
    """Without a shared tier."""
    right, wrong = first_wrong(story(0, actors, "cold"))
    assert wrong is None
    assert right >= 4


@pytest.mark.parametrize("begin", BEGINNINGS)
def test_no_order_of_five_leaves_an_old_value_that_chance_would_find(story, begin):
    """Three readers, a deleter and a writer before two tiers: too many orders to try all."""
    chance = random.Random(begin)
    make = story(2, ("reader", "getter", "stranger", "deleter", "writer"), begin)
    for _ in range(3000):
        told = make()
        path = told.run(lambda step, names: chance.choice(names))
        assert told.check() == [], [name for name, _ in path]


# -- the check itself: it catches what is known to be bad --------------------------------------


def test_the_check_catches_a_memory_that_admits_what_is_void(story, monkeypatch):
    """Without the void, a slow loader stores a value from before a delete."""
    admit = Memory.admit
    monkeypatch.setattr(Memory, "admit", lambda self, copy, flight=None: admit(self, copy))
    for tiers, reads, begin in (
        (0, "reader", "cold"),
        (1, "reader", "cold"),
        (1, "getter", "below"),
    ):
        assert first_wrong(story(tiers, (reads, "deleter"), begin))[1], (tiers, reads)


def test_the_check_catches_a_write_that_voids_once(story, monkeypatch):
    """A load that begins while tiers are changed still sees the old value in one of them."""
    real = write_plan._void
    seen = set()

    def only_at_first(keyspace, keys):
        if keyspace not in seen:
            seen.add(keyspace)
            real(keyspace, keys)

    monkeypatch.setattr(write_plan, "_void", only_at_first)
    for tiers, reads in ((1, "reader"), (2, "reader"), (1, "getter")):
        assert first_wrong(story(tiers, (reads, "deleter"), "in the tiers"))[1], (tiers, reads)


def test_the_check_catches_a_tier_that_takes_any_token(clock, fake_tier):
    """Without tokens, a fill may be under way to the tier when the key is deleted."""

    def make():
        tier = fake_tier("near")
        tier.tokens = False
        return Story([tier], copy(clock), ("reader", "deleter"), "cold")

    _, (wrong, _) = first_wrong(make)
    assert [where for where, _ in wrong] == ["near"]
