"""Many threads on one small memory: right values, no errors, exact counts."""

from __future__ import annotations

import random
import sys
import threading

import pytest

import orc

THREADS = 8
KEYS = 24


@pytest.fixture
def restless():
    """Let the interpreter change threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def together(work):
    """Run ``work(number)`` in all threads at once, and raise what any of them raised."""
    errors, ready = [], threading.Barrier(THREADS)

    def run(number):
        try:
            ready.wait(60)
            work(number)
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [
        threading.Thread(target=run, args=(number,), daemon=True) for number in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


def value_of(key, kind):
    """Make a value of which a reader can see whose it is, shared, copied, or thawed from bytes."""
    return [(key, "x" * 40), {"key": key}, [key, [key]]][kind]


def check(value, key):
    assert value in [value_of(key, kind) for kind in range(3)]


@pytest.mark.slow
@pytest.mark.usefixtures("restless")
@pytest.mark.parametrize("policy", ["lru", "s3fifo"])
def test_explicit_keys(audit, policy):
    """Every value belongs to its key, nothing raises, books and counts are exact."""
    memory = orc.Memory(max_items=KEYS // 2, policy=policy)
    cache = orc.Cache(tiers=[memory], ttl=None)
    part = cache.partition("tenant")
    gets, misses, loads = [0] * THREADS, [0] * THREADS, [0] * THREADS

    def work(number):
        rng = random.Random(number)

        def load(key):
            loads[number] += 1
            return value_of(key, rng.randrange(3))

        for _ in range(12_000):
            target = part if rng.random() < 0.2 else cache
            key = f"{'part' if target is part else 'key'} {rng.randrange(KEYS)}"
            what = rng.randrange(100)
            if what < 40:
                gets[number] += 1
                value = target.get(key)
                if value is None:
                    misses[number] += 1
                else:
                    check(value, key)
            elif what < 65:
                gets[number] += 1
                check(target.get_or_set(key, lambda key=key: load(key)), key)
            elif what < 88:
                tags = ["tag"] if what < 70 else ()
                target.set(key, value_of(key, rng.randrange(3)), tags=tags)
            elif what < 97:
                target.delete(key)
            elif what < 99:
                target.invalidate_tags("tag")
            else:
                target.clear()
            if what == 50:
                cache.stats()

    together(work)
    audit(memory, cache._keyspace.space, part._keyspace.space)
    stats = cache.stats()
    assert stats.loads == sum(loads)
    assert stats.stale == 0
    # Each request was answered by memory, by another's load, by its own load, or by nothing.
    assert stats.hits + stats.shared + stats.loads + sum(misses) == sum(gets)
    cache.clear()
    audit(memory, cache._keyspace.space, part._keyspace.space)
    assert memory.items == 0


@pytest.mark.slow
@pytest.mark.usefixtures("restless")
def test_functions(audit):
    """`cache_info()` counts each call once: as a hit or as a load, under any interleaving."""
    memory = orc.Memory(max_items=10)
    cache = orc.Cache(tiers=[memory], ttl=None)
    calls, loads = [[0, 0] for _ in range(THREADS)], []

    def made(part):
        @cache.cached
        def function(key):
            loads.append(part)  # one step, whole under the interpreter's lock
            return value_of((part, key), 1)

        return function

    functions = [made(0), made(1)]

    def work(number):
        rng = random.Random(number)
        for _ in range(15_000):
            part, key = rng.randrange(2), rng.randrange(KEYS)
            what = rng.randrange(50)
            if what == 0:
                functions[part].invalidate(key)
            elif what == 1:
                assert functions[part].refresh(key) == value_of((part, key), 1)
                calls[number][part] += 1
            else:
                assert functions[part](key) == value_of((part, key), 1)
                calls[number][part] += 1
            if what == 2:
                functions[part].cache_info()

    together(work)
    spaces = [function.peek.__self__.keyspace.space for function in functions]
    audit(memory, *spaces)
    for part, function in enumerate(functions):
        info = function.cache_info()
        assert info.misses == loads.count(part)
        assert info.hits + info.misses == sum(each[part] for each in calls)
        assert info.currsize == len(spaces[part].index)
    stats = cache.stats()
    assert stats.hits + stats.shared + stats.loads == sum(map(sum, calls))
    assert sum(space.ledger.evicted for space in spaces) == stats.evicted


@pytest.mark.usefixtures("restless")
def test_spaces_alone(audit, new_ledger, store):
    """Puts, hits, removals and clears of many threads leave ledgers that add up to what was put."""
    memory = orc.Memory(max_items=30, max_bytes=100_000)
    spaces = [memory.space(new_ledger(), lambda: 0.0) for _ in range(3)]
    puts = [0] * THREADS

    def work(number):
        rng = random.Random(number)
        for _ in range(3_000):
            space, key = rng.choice(spaces), rng.randrange(20)
            what = rng.randrange(10)
            if what < 5:
                puts[number] += store(space, key, (key, "x" * rng.randrange(3000)))
            elif what < 8:
                copy = space.index.get(key)
                value = copy and copy.value
                if copy is not None and copy.wall_until > 0:
                    assert value[0] == key
                    memory.record(copy)
            elif what < 9:
                space.remove(key, expired=True)
            elif rng.random() < 0.05:
                space.clear()
            else:
                memory.settle()

    together(work)
    audit(memory, *spaces)
    left = sum(s.ledger.evicted + s.ledger.expired + s.ledger.invalidated for s in spaces)
    assert sum(puts) == left + memory.items
