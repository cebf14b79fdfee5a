"""A process that is a copy of a snapshot."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

import orc
from orc.lifecycle.life import life

SNAP = {
    "AWS_LAMBDA_FUNCTION_NAME": "f",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
    "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/23/[1]abc",
}


@pytest.fixture
def hooks(monkeypatch):
    """Return what was registered with a runtime that takes snapshots."""
    registered = []
    module = ModuleType("snapshot_restore_py")
    module.register_after_restore = registered.append
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", module)
    return registered


@pytest.fixture
def restore(hooks):
    """Return what restores a snapshot, as the runtime does it."""

    def run():
        (hook,) = hooks
        hook()

    return run


def test_one_hook_is_registered_however_many_ask(live, hooks, clock) -> None:
    """By caches and handlers alike."""
    live(SNAP)
    kept = [orc.Cache(clock=clock) for _ in range(3)]
    for _ in range(2):
        orc.handler(lambda event, context: None)
    assert len(hooks) == 1
    assert kept


@pytest.mark.parametrize("variables", [{}, {"AWS_LAMBDA_FUNCTION_NAME": "f"}])
def test_none_is_registered_where_nothing_is_restored(live, hooks, cache, variables) -> None:
    """The module may be there for another reason."""
    live(variables)
    orc.handler(lambda event, context: None)
    assert hooks == []


def test_a_runtime_without_hooks_is_no_harm(live, monkeypatch) -> None:
    """A container image may lack the module."""
    live(SNAP)
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", None)
    orc.handler(lambda event, context: None)
    assert orc.container().state == "snapshot"


def test_init_is_a_snapshot_and_the_first_request_is_restored(live, restore, clock) -> None:
    """Nobody waits for the init; the caller waits for the restore. Then it is warm."""
    live(SNAP)
    handler = orc.handler(lambda event, context: orc.container().state)
    assert orc.container().state == "snapshot"
    clock.advance(86_400)
    restore()
    assert orc.container().state == "restored"
    assert orc.container().caller_waited is None
    assert [handler(1, None) for _ in range(3)] == ["restored", "warm", "warm"]
    assert orc.container().caller_waited is True


def test_a_copy_has_new_ids_and_counts(live, restore, clock) -> None:
    """All copies of one snapshot would be alike else."""
    live(SNAP)
    orc.handler(lambda event, context: None)(1, None)
    life().late_writes = life().tasks_cancelled = 3
    before = orc.container()
    seen = []
    for _ in range(3):
        clock.advance(3600)
        restore()
        seen.append(orc.container())
    assert len({each.process_id for each in [before, *seen]}) == 4
    assert len({each.environment_id for each in [before, *seen]}) == 4
    assert all(each.environment_id for each in seen)
    assert {(each.invocations, each.age, each.frozen, each.generation) for each in seen} == {
        (0, 0, 0, 1)
    }
    assert {(each.late_writes, each.tasks_cancelled) for each in seen} == {(0, 0)}


def test_a_function_that_only_asks_is_told_of_the_restore(live, restore) -> None:
    """Without a handler or a cache, the hook is registered all the same."""
    live(SNAP)
    before = orc.container()
    restore()
    assert (before.state, orc.container().state) == ("snapshot", "restored")
    assert before.process_id != orc.container().process_id


def test_memory_is_dropped(live, restore, clock) -> None:
    """Values of the init may be weeks old, and clocks may have stood still."""
    live(SNAP)
    cache = orc.Cache(tiers=[orc.Memory()], clock=clock, jitter=0)
    loads = []
    find = cache.cached(ttl=3600)(lambda key: loads.append(key) or key)
    find("a")
    cache.set("b", 1)
    restore()
    assert cache.get("b") is None
    find("a")
    assert loads == ["a", "a"]


def test_statistics_begin_anew(live, restore, clock) -> None:
    """What was counted during init is every copy's, so it is nobody's."""
    live(SNAP)
    cache = orc.Cache(tiers=[orc.Memory()], clock=clock, jitter=0)
    cache.get_or_set("a", lambda: 1)
    cache.get("a")
    restore()
    stats = cache.stats()
    assert (stats.requests, stats.loads, stats.invalidated, dict(stats.states)) == (0, 0, 0, {})
    with orc.request_scope():
        cache.get_or_set("a", lambda: 1)
    with orc.request_scope():
        cache.get("a")
    assert {state: part.requests for state, part in cache.stats().states.items()} == {
        "restored": 1,
        "warm": 1,
    }


def test_no_error_escapes_the_hook(live, restore, clock, monkeypatch) -> None:
    """The runtime would end the environment; all caches are told, and the error is counted."""
    live(SNAP)
    caches = [orc.Cache(tiers=[orc.Memory()], clock=clock) for _ in range(2)]
    for cache in caches:
        cache.set("a", 1)
    first = life().living()[0]
    real = type(first)._forget

    def clear(core, partition):
        if core is first:
            raise RuntimeError
        real(core, partition)

    monkeypatch.setattr(type(first), "_forget", clear)
    restore()
    assert orc.container().hook_errors == 1
    assert caches[1].get("a") is None
    assert orc.container().state == "restored"


def test_what_a_request_noticed_before_is_forgotten(live, restore, invocation) -> None:
    """A request of the same id after the restore is a new one."""
    live(SNAP).expect_requests()
    invocation("a")
    assert orc.container().invocations == 1
    restore()
    assert orc.container().invocations == 1
    assert orc.container().state == "restored"
