"""When a file is looked for, given up, and swept; and what is counted."""

from __future__ import annotations

import os
import sqlite3

import pytest

from orc.errors import TierError, TierTimeoutError
from orc.model.row import Claim, Write
from orc.tiers.disk.files import LEFT_BEHIND
from orc.tiers.disk.keeper import LOOK_AGAIN, STUCK


@pytest.fixture
def stolen(new_disk, folder, budget):
    """Return two tiers, the first warm with a row, the second of which has given the file up."""
    one, two = new_disk(), new_disk()
    one.set_many([Write("a", b"old", b"e", 60)], budget())
    for _ in range(3):
        assert one.get_many(["a"], budget())[0].payload == b"old"
    (folder(one).parent / "orc-rows-1").unlink()
    two.delete_many(["a"], budget())
    return one, two


def test_a_read_trusts_its_file_for_a_tenth_of_a_second(stolen, budget, clock):
    """A file that another has given up is answered from for 100 ms at most."""
    clock.advance(wall=LOOK_AGAIN * 0.9)
    assert stolen[0].get_many(["a"], budget())[0].payload == b"old"
    clock.advance(wall=LOOK_AGAIN * 0.2)
    assert stolen[0].get_many(["a"], budget())[0].payload is None


def test_a_clock_set_back_ends_the_trust(stolen, budget, clock):
    """With the clock set back a read looks at once."""
    clock.advance(wall=-1)
    assert stolen[0].get_many(["a"], budget())[0].payload is None


@pytest.mark.parametrize("how", ["consistent", "claim", "fill", "delete"])
def test_all_but_plain_reads_look_first(stolen, budget, how):
    """What is consistent, claims, fills or deletes trusts nothing."""
    one, two = stolen
    if how == "consistent":
        assert one.get_many(["a"], budget(), consistent=True)[0].payload is None
    elif how == "claim":
        assert one.claim_many([Claim("a", b"t", 5)], budget())[0].payload is None
        assert two.claim_many([Claim("a", b"u", 5)], budget())[0].held == 5
    elif how == "fill":
        assert one.set_many([Write("a", b"late", b"f", 60, b"e")], budget()) == [False]
    else:
        two.set_many([Write("a", b"new", b"f", 60)], budget())
        one.delete_many(["a"], budget())
        assert two.get_many(["a"], budget(), consistent=True)[0].payload is None


@pytest.fixture
def blocked(disk, budget, folder):
    """Return a tier whose file another connection has the write lock of, for ever."""
    disk.set_many([Write("a", b"x", b"e", 600)], budget())
    holder = sqlite3.connect(folder(disk), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    yield disk
    holder.close()


def time_out(disk, budget):
    with pytest.raises(TierTimeoutError):
        disk.set_many([Write("a", b"y", b"e", 60)], budget(0.003))


def test_a_file_is_given_up_whose_lock_is_never_free(blocked, budget, clock):
    """After ten seconds and three tries another file is begun, and it can be written."""
    time_out(blocked, budget)
    clock.advance(STUCK / 2)
    time_out(blocked, budget)
    assert blocked.counts()["rebuilt"] == 0
    clock.advance(STUCK / 2)
    time_out(blocked, budget)
    assert blocked.counts()["rebuilt"] == 1
    assert blocked.set_many([Write("a", b"y", b"e", 60)], budget()) == [True]
    assert blocked.counts()["errors_busy"] == 3


def test_two_failures_far_apart_give_no_file_up(blocked, budget, clock):
    """A lock that was met taken twice in a minute is not taken for ever."""
    time_out(blocked, budget)
    clock.advance(6 * STUCK)
    time_out(blocked, budget)
    assert blocked.counts()["rebuilt"] == 0
    assert blocked.get_many(["a"], budget())[0].payload == b"x"


def test_what_was_left_behind_is_removed(disk, budget, folder):
    """Opening removes files of its own kind that no link leads to, once they are old."""
    disk.set_many([Write("a", b"x", b"e", 60)], budget())
    path = folder(disk)
    disk.close()
    names = {"old": 2 * LEFT_BEHIND, "young": LEFT_BEHIND / 2}
    for name, age in names.items():
        for end in ("", "-wal", "-shm"):
            left = path.with_name(f"orc-rows-1-boot-{name}.db{end}")
            left.write_bytes(b"x")
            then = path.stat().st_mtime - age
            os.utime(left, (then, then))
    other = path.with_name("orc-rows-2-boot-other.db")
    other.write_bytes(b"another format's")
    os.utime(other, (1, 1))
    assert disk.get_many(["a"], budget())[0].payload == b"x"
    left = {each.name for each in path.parent.iterdir()}
    assert not any("old" in each for each in left)
    assert {f"orc-rows-1-boot-young.db{end}" for end in ("", "-wal", "-shm")} <= left
    assert other.name in left


def test_each_kind_of_fault_is_counted_once(disk, blocked, budget, folder, monkeypatch):
    """Faults are counted by their kind, once for each call that met them."""
    time_out(disk, budget)
    for code, kind in ((13, "full"), (8, "refused"), (10, "failed"), (11, "broken")):
        error = sqlite3.OperationalError(kind)
        error.sqlite_errorcode = code

        def fail(*_, error=error):
            raise error

        monkeypatch.setattr(type(disk._keeper), "begin", fail)
        monkeypatch.setattr(type(disk._keeper), "give_up", lambda _: None)
        with pytest.raises(TierError, match=kind):
            disk.set_many([Write("b", b"y", b"e", 60)], budget())
    errors = {name: n for name, n in disk.counts().items() if name.startswith("errors_")}
    assert errors == {
        "errors_busy": 1,
        "errors_full": 1,
        "errors_refused": 1,
        "errors_failed": 1,
        "errors_broken": 2,  # once more after the file was begun anew
    }
