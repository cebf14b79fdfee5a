"""Files that are broken, gone or somebody else's; processes that are killed or frozen."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import sqlite3

import pytest

from orc.errors import TierError, TierTimeoutError
from orc.lifecycle.clock import SYSTEM
from orc.model.row import Budget, Claim, Write
from orc.tiers.disk.tier import Disk

SPAWN = multiprocessing.get_context("spawn")


def payload_of(address, number):
    return f"{address}={number};".encode() * 40


@pytest.mark.parametrize("how", ["garbage", "empty", "cut", "middle", "foreign", "newer"])
def test_a_broken_file_is_a_miss_and_begun_anew(new_disk, budget, folder, how):
    """Whatever stands in the file, it is read as empty or right, and can be written."""
    disk = new_disk()
    for i in range(200):
        disk.set_many([Write(f"k{i}", payload_of("k", i), b"e", 60)], budget())
    path = folder(disk)
    disk.close()
    if how in {"foreign", "newer"}:
        other = sqlite3.connect(path)
        order = "PRAGMA user_version=9" if how == "newer" else "CREATE TABLE x (y)"
        other.execute(order)
        other.close()
    else:
        data = path.read_bytes()
        half = len(data) // 2
        path.write_bytes(
            {
                "garbage": b"\xa5" * len(data),
                "empty": b"",
                "cut": data[: half + 100],
                "middle": data[:4096] + b"\xa5" * half + data[4096 + half :],
            }[how]
        )
    found = disk.get_many([f"k{i}" for i in range(200)], budget())
    assert all(row.payload in {None, payload_of("k", i)} for i, row in enumerate(found))
    assert disk.set_many([Write("new", b"x", b"e", 60)], budget()) == [True]
    assert disk.get_many(["new"], budget())[0].payload == b"x"


def test_flipped_bits_raise_nothing(new_disk, budget, folder):
    """A file with bits flipped anywhere is answered from, or begun anew; nothing is raised."""
    seed = random.Random(7)
    disk = new_disk()
    names = [f"k{i}" for i in range(60)]
    for _ in range(60):
        disk.set_many([Write(each, payload_of(each, 1), b"e", 60) for each in names], budget())
        path = folder(disk)
        disk.close()
        data = bytearray(path.read_bytes())
        for _ in range(seed.choice([1, 20, 500])):
            data[seed.randrange(len(data))] ^= 1 << seed.randrange(8)
        path.write_bytes(data)
        disk.get_many(names, budget())
        disk.claim_many([Claim(each, b"t", 1) for each in names], budget())
        disk.delete_many(names, budget())
        assert all(row.payload is None for row in disk.get_many(names, budget()))


@pytest.mark.parametrize("how", ["file", "folder", "link", "replaced"])
def test_a_file_that_goes_away_is_noticed_by_all(new_disk, budget, folder, how):
    """Two tiers agree again at once, and no delete is lost."""
    one, two = new_disk(), new_disk()
    one.set_many([Write("a", b"old", b"e", 60)], budget())
    assert two.get_many(["a"], budget())[0].payload == b"old"
    path = folder(one)
    if how == "file":
        path.unlink()
    elif how == "folder":
        shutil.rmtree(path.parent)
    elif how == "link":
        (path.parent / "orc-rows-1").unlink()
    else:
        shutil.copy(path, path.with_suffix(".copy"))
        path.with_suffix(".copy").replace(path)
    two.delete_many(["a"], budget())
    assert one.get_many(["a"], budget())[0].payload is None
    one.set_many([Write("a", b"new", b"e", 60)], budget())
    assert two.get_many(["a"], budget())[0].payload == b"new"


def test_where_no_folder_can_be_an_error_is_a_tier_error(tmp_path, new_disk, budget):
    """A path that is a file refuses every operation with a TierError, and counts it."""
    (tmp_path / "file").write_text("x")
    disk = new_disk(tmp_path / "file")
    for call in (
        lambda: disk.get_many(["a"], budget()),
        lambda: disk.claim_many([Claim("a", b"t", 1)], budget()),
        lambda: disk.set_many([Write("a", b"x", b"e", 1)], budget()),
        disk.prewarm,
    ):
        with pytest.raises(TierError):
            call()
    assert disk.counts()["errors_refused"] == 4


def test_files_stay_within_their_bound(new_disk, budget, folder):
    """Under churn of values of all sizes, all files together never exceed the bound."""
    seed, disk = random.Random(3), new_disk(max_bytes=2 << 20)
    disk.prewarm()
    parent = folder(disk).parent
    for i in range(1500):
        size = seed.choice([10, 1000, 5000, 60_000, disk.max_value_bytes])
        disk.set_many([Write(f"k{i}", b"x" * size, b"e", 60)], budget())
        assert sum(each.stat().st_size for each in parent.glob("*.db*")) <= disk.max_bytes
    assert disk.counts()["evicted"] > 0
    assert disk.entries > 5


def test_an_oversize_value_replaces_by_nothing(new_disk, budget):
    """A value that is too large is not stored, and what it was to replace is gone."""
    disk = new_disk(max_bytes=1 << 20)
    disk.set_many([Write("a", b"old", b"e", 60)], budget())
    assert disk.set_many([Write("a", b"x" * (1 << 20), b"e", 60)], budget()) == [False]
    assert disk.get_many(["a"], budget())[0].payload is None
    assert disk.counts()["oversize"] == 1


def write_for_ever(path, ready):
    disk, number = Disk(path), 0
    while True:
        for each in ("a", "b", "c"):
            disk.set_many([Write(each, payload_of(each, number), b"e", 60)], Budget(SYSTEM, 5))
        number += 1
        ready.set()


def test_kills_at_any_moment_leave_whole_rows(tmp_path, new_disk):
    """After each SIGKILL of a writer every row is whole, and the file can be written at once."""
    disk, seed = new_disk(), random.Random(5)
    context = multiprocessing.get_context("fork")
    disk.close()
    for _ in range(50):
        ready = context.Event()
        child = context.Process(target=write_for_ever, args=(tmp_path, ready))
        child.start()
        assert ready.wait(30)
        child.join(seed.random() / 100)
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        for each, row in zip("abc", disk.get_many(["a", "b", "c"], Budget(SYSTEM, 5)), strict=True):
            number = int(row.payload.split(b";")[0][2:])
            assert row.payload == payload_of(each, number)
        assert disk.set_many([Write("d", b"x", b"e", 60)], Budget(SYSTEM, 5)) == [True]
        disk.close()


def hold(path, ready):
    disk = Disk(path)
    disk.prewarm()
    disk._keeper._file.connection.execute("BEGIN IMMEDIATE")
    ready.set()
    os.kill(os.getpid(), signal.SIGSTOP)


def test_a_frozen_writer_costs_others_their_budget_only(tmp_path, new_disk):
    """With a writer frozen in a transaction reads go on, writes time out, and recover after it."""
    disk = new_disk()
    disk.set_many([Write("a", b"x", b"e", 60)], Budget(SYSTEM, 5))
    ready = SPAWN.Event()
    child = SPAWN.Process(target=hold, args=(tmp_path, ready))
    child.start()
    try:
        assert ready.wait(30)
        assert disk.get_many(["a"], Budget(SYSTEM, 0.05))[0].payload == b"x"
        for call in (
            lambda: disk.delete_many(["a"], Budget(SYSTEM, 0.05)),
            lambda: disk.set_many([Write("a", b"y", b"e", 60)], Budget(SYSTEM, 0.05)),
        ):
            with pytest.raises(TierTimeoutError):
                call()
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.join()
    disk.delete_many(["a"], Budget(SYSTEM, 1))
    assert disk.get_many(["a"], Budget(SYSTEM, 1))[0].payload is None


def claim_once(path, start, number, answers):
    disk, token = Disk(path), b"%d" % number
    start.wait()
    try:
        row = disk.claim_many([Claim("a", token, 60)], Budget(SYSTEM, disk.budget))[0]
        answers.put("granted" if row.etag == token and row.held == 0 else "held")
    except TierError as error:
        answers.put(repr(error))
    disk.close()


def test_one_of_eight_processes_is_granted(tmp_path):
    """Of processes that claim one address at once, in a file yet to be made, one is granted.

    The others are told so, and none runs into an error, with the budget that everybody has.
    """
    start, answers = SPAWN.Barrier(8), SPAWN.Queue()
    children = [
        SPAWN.Process(target=claim_once, args=(tmp_path, start, i, answers)) for i in range(8)
    ]
    for each in children:
        each.start()
    told = sorted(answers.get(timeout=30) for _ in children)
    for each in children:
        each.join()
    assert told == ["granted", *["held"] * 7]


def test_a_fork_shares_no_connection(new_disk, budget):
    """The child of a fork opens the file for itself, and the parent goes on."""
    disk = new_disk()
    disk.set_many([Write("a", b"x", b"e", 60)], budget())
    child = os.fork()
    if child == 0:
        code = 1
        try:
            disk.forked()
            disk.set_many([Write("b", b"y", b"e", 60)], budget())
            code = 0 if disk.get_many(["a"], budget())[0].payload == b"x" else 1
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert [row.payload for row in disk.get_many(["a", "b"], budget())] == [b"x", b"y"]
