"""Processes, threads and coroutines that use one file at the same time."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import sqlite3
import threading

import pytest

from orc.errors import TierTimeoutError
from orc.lifecycle.clock import SYSTEM
from orc.model.row import Budget, Claim, Write
from orc.tiers.disk.tier import Disk

SPAWN = multiprocessing.get_context("spawn")
NAMES = [f"k{i}" for i in range(20)]


def hammer(disk, who, seconds):
    """Do everything to a few rows for a while; return how many answers were compared."""
    seed, compared, number = random.Random(who), 0, 0
    until = Budget(SYSTEM, seconds)
    while until.left() > 0:
        number += 1
        name, mark = seed.choice(NAMES), b"%d-%d" % (who, number)
        payload = f"{name}={who}:{number};".encode() * seed.choice([1, 40, 400])
        budget = Budget(SYSTEM, 5)
        what = seed.randrange(5)
        if what == 0:
            assert disk.set_many([Write(name, payload, mark, 60)], budget) == [True]
        elif what == 1:
            disk.delete_many([name], budget)
        elif what == 2:
            row = disk.claim_many([Claim(name, mark, 0.01)], budget)[0]
            if row.etag == mark:
                disk.set_many([Write(name, payload, mark + b"f", 60, mark)], budget)
        else:
            asked = [name] if what == 3 else NAMES
            for each, row in zip(asked, disk.get_many(asked, budget), strict=True):
                if row.payload is not None:
                    text = row.payload.decode()
                    first = text[: text.index(";") + 1]
                    assert first.startswith(f"{each}=")
                    assert text == first * (len(text) // len(first))
                    compared += 1
    return compared


def hammer_alone(path, who, answers):
    disk = Disk(path, max_bytes=1 << 20)
    try:
        compared = hammer(disk, who, 1.5)
        answers.put((compared, dict(disk.counts())))
    finally:
        disk.close()


def test_two_processes_read_nothing_but_what_was_stored(tmp_path):
    """Two processes at one file, both with everything: each answer is whole, and of its address."""
    answers = SPAWN.Queue()
    both = [SPAWN.Process(target=hammer_alone, args=(tmp_path, who, answers)) for who in (1, 2)]
    for each in both:
        each.start()
    told = [answers.get(timeout=30) for _ in both]
    for each in both:
        each.join()
    for compared, counts in told:
        assert compared > 100
        assert not any(count for name, count in counts.items() if name.startswith("errors_"))


def test_eight_threads_read_nothing_but_what_was_stored(new_disk):
    """Eight threads at one tier, each with everything: each answer is whole, and of its address."""
    disk, compared = new_disk(), []
    threads = [
        threading.Thread(target=lambda who=who: compared.append(hammer(disk, who, 0.7)))
        for who in range(8)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(compared) == 8
    assert all(compared)
    assert disk.counts()["errors_busy"] == 0


@pytest.fixture
def other(new_disk, folder):
    """Open a connection of somebody else to the file of a tier, and close it after the test."""
    made = []

    def connect(disk):
        made.append(sqlite3.connect(folder(disk), isolation_level=None))
        return made[-1]

    yield connect
    for each in made:
        each.close()


def test_coroutines_wait_without_blocking_their_loop(disk, other):
    """Under another's write lock a coroutine gives up within its budget, and others run on."""
    disk.set_many([Write("a", b"x", b"e", 60)], Budget(SYSTEM, 5))
    other(disk).execute("BEGIN IMMEDIATE")

    async def story():
        turns = 0
        call = asyncio.ensure_future(
            disk.aset_many([Write("a", b"y", b"e", 60)], Budget(SYSTEM, 0.05))
        )
        while not call.done():
            turns += 1
            await asyncio.sleep(0)
        with pytest.raises(TierTimeoutError):
            call.result()
        assert (await disk.aget_many(["a"], Budget(SYSTEM, 0.05)))[0].payload == b"x"
        return turns

    whole = Budget(SYSTEM, 0)
    assert asyncio.run(story()) > 20
    assert whole.left() > -1
    assert disk.counts()["errors_busy"] == 1


def test_a_coroutine_goes_on_when_the_lock_is_free(disk, other):
    """A coroutine that has waited for another's transaction does its own afterwards."""
    disk.prewarm()
    holder = other(disk)
    holder.execute("BEGIN IMMEDIATE")

    async def story():
        call = asyncio.ensure_future(
            disk.aset_many([Write("a", b"y", b"e", 60)], Budget(SYSTEM, 5))
        )
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not call.done()
        holder.execute("COMMIT")
        return await call

    assert asyncio.run(story()) == [True]
    assert disk.counts()["errors_busy"] == 0


def test_a_read_leaves_no_transaction_open(disk, other, budget):
    """After reads of single rows, found or not, the log can be emptied by somebody else."""
    disk.set_many([Write("a", b"x", b"e", 60)], budget())
    for name in ("a", "b", "a"):
        disk.get_many([name], budget())
        told = other(disk).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert told == (0, 0, 0)
        disk.set_many([Write("c", b"x", b"e", 60)], budget())
