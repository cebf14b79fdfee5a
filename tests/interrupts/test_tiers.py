"""An interrupt at every point of a call that asks a tier behind memory.

Of the points of a miss with a shared tier every second one is tried, from 0 or from 1 by the kind
of the error; of those inside the disk tier none is left out.
"""

from __future__ import annotations

import gc
import os

import pytest
from orc_injector import HOME, Interrupt, Timeout
from orc_invariants import elsewhere, new_cache, nothing_is_left, sweep

from orc.testing.reference_tier import ReferenceTier, Store
from orc.tiers.disk.tier import Disk

IN_DISK = (f"{HOME}{os.sep}tiers{os.sep}disk{os.sep}",)
ERRORS = pytest.mark.parametrize("error", [Interrupt, Timeout])


def _next_callers(cache, tier, key, seconds):
    """Another thread, and then another cache object, get the value in time, and it is stored."""
    elsewhere(lambda: cache.get_or_set(key, lambda: 2), seconds)
    other = new_cache("lru", tier)
    elsewhere(lambda: other.get_or_set(key, lambda: 2), seconds)
    loads = []
    elsewhere(lambda: new_cache("lru", tier).get_or_set(key, lambda: loads.append(1)), seconds)
    assert not loads, "the tier has no value, after two callers"


@ERRORS
@pytest.mark.slow
def test_miss_with_a_shared_tier(error):
    """A miss that is interrupted leaves no claim that keeps the next callers waiting."""

    def scene():
        tier = ReferenceTier(Store(), budget=5.0)
        cache = new_cache("lru", tier)

        def check():
            nothing_is_left(cache)
            _next_callers(cache, tier, "k", 0.3)

        return lambda: cache.get_or_set("k", lambda: 1), check, None

    sweep(scene, error=error, first=int(error is Timeout), every=2)


def collect_connections(number):
    """Now and then have Python close what interrupts have left to its collector.

    A connection that was interrupted while it was made is still open until then, and keeps the log
    of the file from being emptied.
    """
    if number % 16 == 0:
        gc.collect()


OPERATIONS = {
    "get_or_set, a miss": lambda cache, key: cache.get_or_set(key, lambda: 1),
    "get, a hit": lambda cache, key: cache.get("there"),
    "set": lambda cache, key: cache.set(key, 1),
    "delete": lambda cache, key: cache.delete(key),
}


@ERRORS
@pytest.mark.parametrize("name", OPERATIONS)
def test_disk(name, error, tmp_path):
    """A call that is interrupted inside the disk tier leaves its lock and its file free."""
    disk = Disk(tmp_path, max_bytes=1 << 20)
    new_cache("lru", disk).set("there", 1)
    number = 0

    def scene():
        nonlocal number
        number += 1
        collect_connections(number)
        key = f"k{number}"
        cache = new_cache("lru", disk)
        busy = disk.counts()["errors_busy"]

        def check():
            nothing_is_left(cache, disk)
            elsewhere(lambda: cache.set("another", number), 0.5)
            assert elsewhere(lambda: new_cache("lru", disk).get("another"), 0.5) == number
            _next_callers(cache, disk, key, 0.5)
            assert disk.counts()["errors_busy"] == busy, "the next call found the disk tier busy"

        return lambda: OPERATIONS[name](cache, key), check, None

    sweep(scene, error=error, inside=IN_DISK)
    disk.close()


@ERRORS
def test_disk_opens_and_closes(error, tmp_path):
    """Opening and closing the file may be interrupted: the next call opens it anew."""
    disk = Disk(tmp_path, max_bytes=1 << 20)
    number = 0

    def scene():
        nonlocal number
        number += 1
        collect_connections(number)
        cache = new_cache("lru", disk)
        disk.close()

        def run():
            cache.set("k", number)
            disk.close()

        def check():
            nothing_is_left(cache, disk)
            elsewhere(lambda: cache.set("another", number), 0.5)
            assert elsewhere(lambda: new_cache("lru", disk).get("another"), 0.5) == number

        return run, check, None

    sweep(scene, error=error, inside=IN_DISK)
    disk.close()
