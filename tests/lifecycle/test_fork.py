"""What a fork takes along, and what it does not."""

from __future__ import annotations

import os

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

HEAD = """
import asyncio, os, signal, sys, threading
import orc
signal.alarm(10)

def fork(child):
    # Runs the child, and tells how it ended.
    sys.stdout.flush()
    process = os.fork()
    if not process:
        signal.alarm(8)
        try:
            child()
            sys.stdout.flush()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(process, 0)[1] == 0

def elsewhere(function):
    # Runs a function in another thread, up to where it says that it is there.
    there, go_on = threading.Event(), threading.Event()
    thread = threading.Thread(target=function, args=(there, go_on))
    thread.start()
    assert there.wait(5)
    def end():
        go_on.set()
        thread.join(5)
        assert not thread.is_alive()
    return end

cache = orc.Cache(tiers=[orc.Memory()], jitter=0)
"""


def test_the_child_is_a_process_of_its_own(run_program) -> None:
    """It has an id of its own, and counts from zero; values are there, and the parent goes on."""
    run_program(
        HEAD
        + """
@cache.cached(ttl=60)
def find(key):
    return [key]
with orc.request_scope():
    find(1), find(1), cache.set("k", "v")
mine = orc.container()
ids = []
def child():
    here = orc.container()
    assert here.process_id != mine.process_id and here.process_id.startswith(f"{os.getpid()}-")
    assert (here.environment_id, here.generation) == (mine.environment_id, mine.generation)
    assert (here.invocations, here.late_writes, here.state) == (0, 0, "warm")
    assert here.age < mine.age
    assert cache.stats().requests == cache.stats().loads == 0
    assert cache.stats().functions == {}
    assert find(1) == [1] and cache.get("k") == "v"
    assert (cache.stats().hits, cache.stats().loads) == (2, 0)
    cache.set("k", "child's")
    fork(grandchild)
def grandchild():
    assert cache.stats().hits == 0
    assert cache.get("k") == "child's"
for _ in range(2):
    fork(child)
assert orc.container().process_id == mine.process_id
assert cache.get("k") == "v"
assert (cache.stats().hits, cache.stats().loads) == (2, 1)
"""
    )


def test_a_load_of_another_thread_does_not_hang_the_child(run_program) -> None:
    """It loads for itself; the parent's load lands as if nothing were."""
    run_program(
        HEAD
        + """
@cache.cached(ttl=60)
def find(key):
    if threading.current_thread() is not threading.main_thread():
        there.set()
        go_on.wait(5)
    return os.getpid()
def load(*events):
    global there, go_on
    there, go_on = events
    found.append(find("a"))
found = []
end = elsewhere(load)
def child():
    assert find("a") == os.getpid()
    assert find("b") == os.getpid()
fork(child)
end()
assert found == [os.getpid()] == [find("a")]
"""
    )


def test_a_call_that_is_remembered_for_the_request_does_not_hang_the_child(run_program) -> None:
    """The child is in the parent's request, while another thread of that is asking."""
    run_program(
        HEAD
        + """
@orc.request_cached
def find(key):
    if threading.current_thread() is not threading.main_thread():
        there.set()
        go_on.wait(5)
    return os.getpid()
def load(*events):
    global there, go_on
    there, go_on = events
    find("a")
with orc.request_scope():
    end = elsewhere(orc.carry(load))
    def child():
        assert find("a") == os.getpid()
    fork(child)
    end()
"""
    )


def test_a_load_that_this_thread_leads_goes_on_in_the_child(run_program) -> None:
    """A fork inside a loader: both land, each for itself."""
    run_program(
        HEAD
        + """
@cache.cached(ttl=60)
def find(key):
    global process
    sys.stdout.flush()
    process = os.fork()
    return os.getpid()
found = find("a")
assert found == os.getpid() == find("a")
if not process:
    os._exit(0)
assert os.waitpid(process, 0)[1] == 0
"""
    )


@pytest.mark.parametrize(
    "lock",
    [
        "cache._keyspace.core.memory._lock",
        "cache._keyspace.core.lock",
        "cache._keyspace.core.gate._lock",
        "cache._keyspace.core.explicit._lock",
        "cache._keyspace.core.explicit.hits._lock",
        "cache._keyspace.core._gone['gone']._lock",
        "cache._keyspace.core._gone['gone'].hits._lock",
        "orc.lifecycle.life.life()._lock",
        "orc.lifecycle.life._making",
        "orc.stampede.single_flight._lock",
    ],
)
def test_a_lock_that_another_thread_holds_does_not_hang_the_child(run_program, lock) -> None:
    """Whoever would give it back has not come along; the parent has it as before."""
    run_program(
        HEAD
        + f"""
def make():
    def gone():
        pass
    gone.__qualname__ = "gone"
    cache.cached(ttl=60)(gone)()
make()
import gc
gc.collect()
list(cache.stats().functions)
gone = cache._keyspace.core._gone
gone["gone"] = gone.pop(next(iter(gone)))
def hold(there, go_on):
    with {lock}:
        there.set()
        go_on.wait(5)
end = elsewhere(hold)
def child():
    found = []
    def work():
        with orc.request_scope(), cache.bypass():
            cache.set("k", 1)
        cache.get("k")
        cache.get_or_set("l", lambda: 2)
        cache.cached(lambda: 3)()
        cache.stats()
        found.append(orc.container().state)
    for target in (work, work):
        thread = threading.Thread(target=target, daemon=True)
        thread.start()
        thread.join(3)
    assert found == ["warm", "warm"], found
fork(child)
end()
cache.set("k", 1)
assert cache.get("k") == 1
"""
    )


def test_forks_of_two_threads_at_once_leave_no_lock_behind(run_program) -> None:
    """Neither in the parent nor in either child, where any thread may write afterwards."""
    run_program(
        HEAD
        + """
start = threading.Barrier(4)
def forks():
    start.wait(5)
    for _ in range(5):
        process = os.fork()
        if not process:
            thread = threading.Thread(target=cache.set, args=("k", 1), daemon=True)
            thread.start()
            thread.join(3)
            os._exit(thread.is_alive())
        failed.append(os.waitpid(process, 0)[1])
failed = []
threads = [threading.Thread(target=forks) for _ in range(4)]
for each in threads:
    each.start()
for each in threads:
    each.join(8)
cache.set("k", 2)
assert failed == [0] * 20, failed
assert cache._keyspace.core.memory._held == []
"""
    )


@pytest.mark.parametrize("leave", ["os._exit(0)", "sys.exit(0)"])
def test_the_loop_of_async_handlers_is_not_shared(run_program, leave) -> None:
    """The child makes one of its own, and does not break its parent's, be it at its exit."""
    told = run_program(
        HEAD
        + f"""
@orc.handler
async def handler(event, context):
    return await asyncio.to_thread(id, asyncio.get_running_loop())
first = handler(1, None)
sys.stdout.flush()
process = os.fork()
if not process:
    second = handler(1, None)
    assert second == handler(1, None) != first
    print("child", flush=True)
    {leave}
assert os.waitpid(process, 0)[1] == 0
assert handler(1, None) == first
print("parent")
"""
    )
    assert told == ["child", "parent"]


def test_a_child_may_serve_where_its_parent_never_did(run_program) -> None:
    """A server forks its workers before the first request: each of them is cold."""
    run_program(
        HEAD
        + """
handler = orc.handler(lambda event, context: orc.container().state)
def child():
    assert [handler(1, None) for _ in range(3)] == ["cold", "warm", "warm"]
    cache.get("k")
    assert orc.container().invocations == 3
    assert list(cache.stats().states) == ["warm"]
for _ in range(2):
    fork(child)
assert handler(1, None) == "cold"
"""
    )


def test_a_request_that_is_open_at_the_fork_is_the_childs_too(run_program) -> None:
    """Its values are copies: neither sees what the other sets."""
    run_program(
        HEAD
        + """
var = orc.RequestVar("var")
with orc.request_scope(id="r") as scope:
    var.set("before")
    def child():
        assert orc.current_request().id == "r" and var.get() == "before"
        var.set("child's")
    fork(child)
    assert var.get() == "before" and not scope.closed
"""
    )
