"""SnapStart: every container is a clone of one that has run its init."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FUNCTION = """
    import os, pathlib, random, tempfile, time, uuid
    from snapshot_restore_py import register_after_restore, register_before_snapshot
    drawn, began, token = random.random(), time.time(), uuid.uuid4().hex
    forked = hooks = 0
    said = []
    pathlib.Path(tempfile.gettempdir(), "from-init").write_text("x")
    def fork_hook():
        global forked
        forked += 1
    os.register_at_fork(after_in_child=fork_hook)
    register_before_snapshot(said.append, "before")
    def restored():
        said.append("after")
        if "FAIL" in os.environ:
            raise LookupError("no secret")
    register_after_restore(restored)
    count = 0
    def handler(event, context):
        global count
        count += 1
        return {
            "drawn": drawn, "next": random.random(), "token": token, "pid": os.getpid(),
            "real": int(os.readlink("/proc/self")), "forked": forked, "said": said,
            "tmp": tempfile.gettempdir(), "files": os.listdir(os.environ["TMPDIR"]),
            "age": time.time() - began, "count": count, "stream": context.log_stream_name,
            "left": context.get_remaining_time_in_millis(),
            "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
        }
"""


def test_clones_have_the_memory_of_the_snapshot(fleet):
    """What was drawn at init, random's state and os.getpid() are equal; no at-fork hook ran."""
    function = fleet(FUNCTION, mode="snap-start")
    containers = function.start(3)
    seen = [function.invoke(container=each).value for each in containers]
    for name in ("drawn", "next", "token", "pid"):
        assert len({each[name] for each in seen}) == 1
    assert [each["real"] for each in seen] == [each.pid for each in containers]
    assert len({each["real"] for each in seen}) == 3
    for each, container in zip(seen, containers, strict=True):
        assert each["said"] == ["before", "after"]
        assert each["files"] == ["from-init"]
        assert (container.tmp / "from-init").exists()
        assert (each["forked"], each["count"], each["stream"]) == (0, 1, None)
        assert each["type"] == "snap-start"
    assert function.invoke(container=containers[0]).value["count"] == 2


def test_a_caller_waits_for_the_restore(fleet):
    """A clone made for an invocation is restored while the caller waits; the next is warm."""
    function = fleet(FUNCTION, mode="snap-start")
    first, second = function.invoke(), function.invoke()
    assert (first.init, second.init) == ("restored", None)
    assert first.container == second.container


def test_a_snapshot_may_be_old(fleet):
    """Time that passed since the snapshot shows in the clones, and remaining time is right."""
    function = fleet(FUNCTION, mode="snap-start")
    function.advance(14 * 86_400)
    seen = function.invoke().value
    assert 14 * 86_400 <= seen["age"] < 14 * 86_400 + 60
    assert 0 < seen["left"] <= 3_000


def test_a_failing_hook_is_the_answer(fleet):
    """What a hook after the restore raises is posted by the runtime, and answers the caller."""
    answer = fleet(FUNCTION, mode="snap-start", env={"FAIL": "1"}).invoke()
    assert answer.error["errorType"] == "LookupError"
    assert answer.error["errorMessage"] == "no secret"
    assert answer.container.pid is None


def test_a_failing_init_is_the_answer(fleet):
    """Without a snapshot every invocation fails with the error of the init."""
    function = fleet("raise ZeroDivisionError('at init')", mode="snap-start")
    assert function.invoke().error["errorType"] == "ZeroDivisionError"
    assert function.invoke().error["errorType"] == "ZeroDivisionError"


def test_a_clone_that_times_out_is_restored_again(fleet):
    """After a timeout the environment is restored from the snapshot, with its temp folder."""
    function = fleet(
        """
        import os, threading
        def handler(event, context):
            if event:
                threading.Event().wait()
            return os.getpid()
        """,
        mode="snap-start",
        timeout=1.0,
    )
    late = function.invoke("hang")
    assert late.error["errorType"] == "Sandbox.Timedout"
    after = function.invoke()
    assert (after.init, after.container) == ("restored", late.container)


def test_clones_are_frozen_and_end_on_their_own(fleet):
    """Each clone is its own process group: one is recycled, the other still serves."""
    function = fleet(FUNCTION, mode="snap-start")
    with ThreadPoolExecutor() as pool:
        containers = list(pool.map(lambda _: function.start(1)[0], range(2)))
    one, other = containers
    assert one.state == other.state == "frozen"
    pid = one.pid
    one.recycle()
    assert not Path(f"/proc/{pid}").exists()
    assert function.invoke().container == other
