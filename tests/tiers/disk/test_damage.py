"""Files that are damaged, byte by byte, with entries in them as a cache would have stored them."""

from __future__ import annotations

import random

import pytest

from orc.codecs.codec import Codec
from orc.model.address import Address
from orc.model.entry import Entry
from orc.model.row import Claim, Write

SUFFIXES = ("", "-wal", "-shm")
ADDRESSES = [Address(b"key %d" % i, "orc1:test:-", None, "v1") for i in range(60)]
TEXTS = [each.text for each in ADDRESSES]
CODEC = Codec()


def value_of(number, version):
    return {"number": number, "version": version, "text": f"{number}-{version} " * 30}


def store(disk, budget, version):
    writes = []
    for number, address in enumerate(ADDRESSES):
        payload = CODEC.seal(Entry(value_of(number, version), 1.0, 2.0), address)
        writes.append(Write(address.text, payload, b"e%d" % version, 60))
    for at in range(0, len(writes), 10):  # transactions of their own, so that a log has several
        assert disk.set_many(writes[at : at + 10], budget()) == [True] * 10


def right(disk, budget, versions):
    """Ask for each entry in every way; return how many there were, all of which were right."""
    number, seen = 0, [*disk.get_many(TEXTS, budget())]
    seen += [disk.get_many([each], budget())[0] for each in TEXTS]
    for at, row in enumerate(seen):
        address = ADDRESSES[at % len(ADDRESSES)]
        entry = None if row.payload is None else CODEC.open(row.payload, address)
        if entry is not None:
            of = at % len(ADDRESSES)
            assert entry.value in [value_of(of, version) for version in versions]
            number += 1
    return number


def torn_off(disk, path):
    """Close a tier, and leave beside its file what a process that is killed leaves there."""
    left = {end: path.with_name(path.name + end).read_bytes() for end in SUFFIXES}
    disk.close()
    for end, data in left.items():
        path.with_name(path.name + end).write_bytes(data)
    return left


def flip(data, seed, number):
    flipped = bytearray(data)
    for _ in range(number):
        flipped[seed.randrange(len(flipped))] ^= 1 << seed.randrange(8)
    return bytes(flipped)


@pytest.mark.parametrize("end", SUFFIXES)
def test_flipped_bits_are_never_a_wrong_value(new_disk, budget, folder, end):
    """With bits flipped in the file, its log or the log's index, a value is right or is missed."""
    seed, disk, answered = random.Random(11), new_disk(), 0
    for version in range(30):
        store(disk, budget, version)
        path = folder(disk)
        left = torn_off(disk, path)
        damaged = flip(left[end], seed, seed.choice([1, 8, 300]))
        path.with_name(path.name + end).write_bytes(damaged)
        answered += right(disk, budget, range(version + 1))
        disk.claim_many([Claim(each, b"t", 1) for each in TEXTS], budget())
        disk.delete_many(TEXTS, budget())
        assert right(disk, budget, ()) == 0
    assert answered > 0


@pytest.mark.parametrize("how", ["gone", "empty", "half", "zeros", "longer", "old"])
@pytest.mark.parametrize("ends", [("-wal",), ("-shm",), ("-wal", "-shm")])
def test_a_damaged_log_is_never_a_wrong_value(new_disk, budget, folder, ends, how):
    """With its log, or the log's index, not as it was left, a file is right or given up."""
    disk = new_disk()
    store(disk, budget, 0)
    path = folder(disk)
    old = {end: path.with_name(path.name + end).read_bytes() for end in SUFFIXES}
    store(disk, budget, 1)
    left = torn_off(disk, path)
    for end in ends:
        damaged = path.with_name(path.name + end)
        if how == "gone":
            damaged.unlink()
        else:
            damaged.write_bytes(
                {
                    "empty": b"",
                    "half": left[end][: len(left[end]) // 2],
                    "zeros": bytes(len(left[end])),
                    "longer": left[end] + b"\xa5" * 5000,
                    "old": old[end],
                }[how]
            )
    right(disk, budget, (0, 1))
    store(disk, budget, 2)
    assert right(disk, budget, (2,)) == 2 * len(ADDRESSES)


@pytest.mark.parametrize("ends", [("-wal",), ("-shm",), ("-wal", "-shm")])
def test_a_log_that_goes_away_while_it_is_open_is_noticed(new_disk, budget, folder, ends):
    """Who has the old log open, and who opens the file without it, agree again at once."""
    one, two, late = new_disk(), new_disk(), new_disk()
    one.set_many([Write("a", b"old", b"e", 60)], budget())
    assert two.get_many(["a"], budget())[0].payload == b"old"
    path = folder(one)
    for end in ends:
        path.with_name(path.name + end).unlink()
    late.delete_many(["a"], budget())
    for each in (one, two, late):
        assert each.get_many(["a"], budget(), consistent=True)[0].payload is None
    one.set_many([Write("a", b"new", b"e", 60)], budget())
    for each in (one, two, late):
        assert each.get_many(["a"], budget(), consistent=True)[0].payload == b"new"
    assert folder(one) == folder(two) == folder(late)


def test_rows_under_each_others_addresses_are_missed(new_disk, budget, folder):
    """A file whose rows were put under other addresses answers no value of another key."""
    disk = new_disk()
    store(disk, budget, 0)
    disk._keeper._file.connection.execute("UPDATE rows SET address = 'x' || address")
    disk._keeper._file.connection.execute(
        "UPDATE rows SET address = (SELECT substr(other.address, 2) FROM rows AS other"
        " WHERE other.id = rows.id % 60 + 1) WHERE id % 2"
    )
    right(disk, budget, (0,))
