"""A directory that is full, or that may only be read: a real one, of a few megabytes."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from orc.errors import TierError, TierRefusedError
from orc.model.row import Claim, Write


@pytest.fixture
def mount():
    """Run the program `mount`, or `umount`; tell whether it did what it was told."""

    def run(*told, program="mount"):
        path = shutil.which(program)
        if path is None or os.geteuid() != 0:
            return False
        return subprocess.run([path, *told], capture_output=True, check=False).returncode == 0

    return run


@pytest.fixture
def small(tmp_path, mount, require):
    """Mount a file system of 3 MiB."""
    path = tmp_path / "small"
    path.mkdir()
    require("tmpfs", mount("-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs", str(path)))
    yield path
    assert mount(str(path), program="umount")


@pytest.fixture
def small_disk(small, new_disk):
    return new_disk(small)


def fill(disk, budget):
    """Store values until the file system is full."""
    stored = {}
    for i in range(200):
        value = os.urandom(50_000)
        try:
            assert disk.set_many([Write(f"k{i}", value, b"e", 60)], budget()) == [True]
        except TierError:
            return stored
        stored[f"k{i}"] = value
    pytest.fail("the file system was never full")


def test_a_full_disk_is_an_error_and_a_count(small_disk, budget):
    """What cannot be stored is a TierError and counted; what was stored is answered as it was."""
    stored = fill(small_disk, budget)
    assert len(stored) > 10
    assert small_disk.counts()["errors_full"] == 1
    for address, row in zip(stored, small_disk.get_many([*stored], budget()), strict=True):
        assert row.payload == stored[address]


def test_a_full_disk_loses_no_delete(small_disk, budget):
    """A delete succeeds with no room left, and the tier can be written again."""
    stored = fill(small_disk, budget)
    small_disk.delete_many(["k0"], budget())
    for address, row in zip(stored, small_disk.get_many([*stored], budget()), strict=True):
        assert row.payload in ({None} if address == "k0" else {None, stored[address]})
    assert small_disk.set_many([Write("new", b"x", b"e", 60)], budget()) == [True]


def test_a_disk_that_others_have_filled_is_a_miss(small, small_disk, budget):
    """With no byte left for a file, all but deletes is a TierError; with room it works."""
    with pytest.raises(OSError, match="No space"):
        (small / "ballast").write_bytes(bytes(4 << 20))
    for call in (
        lambda: small_disk.get_many(["a"], budget()),
        lambda: small_disk.claim_many([Claim("a", b"t", 1)], budget()),
        lambda: small_disk.set_many([Write("a", b"x", b"e", 1)], budget()),
        small_disk.prewarm,
    ):
        with pytest.raises(TierError):
            call()
    small_disk.delete_many(["a"], budget())
    assert small_disk.counts()["errors_full"] == 4
    (small / "ballast").unlink()
    assert small_disk.set_many([Write("a", b"x", b"e", 60)], budget()) == [True]
    link = next(small.glob("orc-disk-*/orc-rows-1"))
    assert [*small.glob("orc-disk-*/*.db")] == [link.parent / link.readlink()]


def test_a_disk_that_may_only_be_read_refuses(small, small_disk, budget, mount):
    """Every call is refused and counted, deletes too; what was stored comes back afterwards."""
    small_disk.set_many([Write("a", b"x", b"e", 60)], budget())
    small_disk.close()
    assert mount("-o", "remount,ro", str(small))
    for call in (
        lambda: small_disk.get_many(["a"], budget()),
        lambda: small_disk.claim_many([Claim("a", b"t", 1)], budget()),
        lambda: small_disk.set_many([Write("a", b"y", b"e", 1)], budget()),
        lambda: small_disk.delete_many(["a"], budget()),
    ):
        with pytest.raises(TierRefusedError):
            call()
    assert small_disk.counts()["errors_refused"] == 4
    assert mount("-o", "remount,rw", str(small))
    assert small_disk.get_many(["a"], budget())[0].payload == b"x"
