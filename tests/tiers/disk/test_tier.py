"""What a disk tier answers while nothing is wrong."""

from __future__ import annotations

import asyncio
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orc.errors import ConfigError
from orc.model.row import Budget, Claim, Row, Write
from orc.testing import ManualClock
from orc.tiers.disk.tier import Disk


def shown(row):
    return row.payload, row.etag, round(row.held, 3), row.failed


def test_a_row_comes_back_until_its_end(disk, budget, clock):
    """A payload is answered with its etag, and from its `keep` on no more."""
    assert disk.set_many([Write("a", b"one", b"e1", 60)], budget()) == [True]
    assert shown(disk.get_many(["a"], budget())[0]) == (b"one", b"e1", 0, False)
    clock.advance(60)
    assert shown(disk.get_many(["a"], budget())[0]) == (None, None, 0, False)


def test_many_addresses_are_answered_in_order(disk, budget):
    """Any number of addresses is answered in their order, those that are not there too."""
    disk.set_many([Write(f"k{i}", b"%d" % i, b"e", 60) for i in range(1300)], budget())
    asked = [f"k{i}" for i in range(1400, -1, -1)]
    found = [row.payload for row in disk.get_many(asked, budget())]
    assert found == [None] * 101 + [b"%d" % i for i in range(1299, -1, -1)]


def test_a_claim_keeps_others_out_for_its_lease(new_disk, budget, clock):
    """The first claim is granted, the second held, and after the lease another is granted."""
    one, two = new_disk(), new_disk()
    assert shown(one.claim_many([Claim("a", b"t1", 5)], budget())[0]) == (None, b"t1", 0, False)
    clock.advance(1)
    assert shown(two.claim_many([Claim("a", b"t2", 5)], budget())[0]) == (None, b"t1", 4, False)
    clock.advance(4)
    assert shown(two.claim_many([Claim("a", b"t2", 5)], budget())[0]) == (None, b"t2", 0, False)
    assert one.set_many([Write("a", b"x", b"e", 60, b"t1")], budget()) == [False]
    assert two.set_many([Write("a", b"y", b"e", 60, b"t2")], budget()) == [True]


def test_a_slow_load_is_stored_a_minute_after_its_lease(disk, budget, clock):
    """A claim without a payload stays for a minute beyond its lease."""
    disk.claim_many([Claim("a", b"t", 5)], budget())
    clock.advance(64)
    assert disk.set_many([Write("a", b"x", b"e", 60, b"t")], budget()) == [True]


def test_a_claim_on_a_payload_outlives_it_without_serving_it(disk, budget, clock):
    """The claim of a row whose payload ends is still good for a fill."""
    disk.set_many([Write("a", b"old", b"e", 2)], budget())
    assert disk.claim_many([Claim("a", b"t", 5, b"e")], budget())[0].payload == b"old"
    clock.advance(4)
    assert shown(disk.get_many(["a"], budget())[0]) == (None, b"t", 1, False)
    assert disk.set_many([Write("a", b"new", b"e2", 60, b"t")], budget()) == [True]


@pytest.mark.parametrize("end", ["delete", "set"])
def test_a_write_takes_the_token_away(new_disk, budget, end):
    """A fill is dropped if the row was deleted or set after the claim."""
    one, two = new_disk(), new_disk()
    one.claim_many([Claim("a", b"t", 5)], budget())
    if end == "delete":
        two.delete_many(["a"], budget())
    else:
        two.set_many([Write("a", b"set", b"e", 60)], budget())
    assert one.set_many([Write("a", b"late", b"f", 60, b"t")], budget()) == [False]
    assert one.get_many(["a"], budget())[0].payload == (None if end == "delete" else b"set")


def test_a_failed_load_rests(disk, budget, clock):
    """A claim that is given back with a rest is held as failed, and its old payload stays."""
    disk.set_many([Write("a", b"old", b"e", 60)], budget())
    disk.claim_many([Claim("a", b"t", 5, b"e")], budget())
    assert disk.set_many([Write("a", None, b"f", 60, b"t", rest=3)], budget()) == [True]
    assert shown(disk.claim_many([Claim("a", b"u", 5, b"f")], budget())[0]) == (
        b"old",
        b"f",
        3,
        True,
    )
    clock.advance(3)
    assert shown(disk.claim_many([Claim("a", b"u", 5, b"f")], budget())[0]) == (
        b"old",
        b"u",
        0,
        False,
    )


def test_no_lease_is_longer_than_it_was_given(disk, budget, clock):
    """A clock that is set back leaves neither a long lease nor a row from the future."""
    clock.advance(wall=3600)
    disk.claim_many([Claim("a", b"t", 5)], budget())
    disk.set_many([Write("b", b"x", b"e", 60)], budget())
    clock.advance(wall=-1)
    assert 0 < disk.get_many(["a"], budget())[0].held <= 5
    clock.advance(wall=-3599)
    assert shown(disk.get_many(["b"], budget())[0]) == (None, None, 0, False)
    assert disk.claim_many([Claim("a", b"u", 5)], budget())[0].etag == b"u"


def test_coroutines_are_answered_alike(disk, budget):
    """The twins for coroutines do the same."""

    async def story():
        claimed = await disk.aclaim_many([Claim("a", b"t", 5)], budget())
        assert claimed[0].etag == b"t"
        assert await disk.aset_many([Write("a", b"x", b"e", 60, b"t")], budget()) == [True]
        assert (await disk.aget_many(["a"], budget()))[0].payload == b"x"
        await disk.adelete_many(["a"], budget())
        assert (await disk.aget_many(["a"], budget()))[0].payload is None

    asyncio.run(story())


def test_rows_outlive_the_tier(new_disk, budget):
    """What one instance stored, the next one of the same directory finds."""
    one = new_disk()
    one.set_many([Write("a", b"x", b"e", 60)], budget())
    one.close()
    assert new_disk().get_many(["a"], budget())[0].payload == b"x"
    assert one.get_many(["a"], budget())[0].payload == b"x"


def test_files_are_private(disk, budget, folder):
    """The folder is 0700 and every file in it 0600, also where the folder was open before."""
    disk.set_many([Write("a", b"x", b"e", 60)], budget())
    private = folder(disk).parent
    private.chmod(0o755)
    disk.close()
    disk.get_many(["a"], budget())
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    modes = {stat.S_IMODE(each.lstat().st_mode) for each in private.glob("*.db*")}
    assert modes == {0o600}


@pytest.mark.parametrize("bad", [0, -1, True, 1.5, "1", 1024, None])
def test_a_bound_that_makes_no_sense_is_refused(tmp_path, bad):
    """The bound is an int of at least a mebibyte."""
    with pytest.raises(ConfigError, match="max_bytes"):
        Disk(tmp_path, max_bytes=bad)


@pytest.mark.parametrize("bad", ["", b"/x", 7, "a\0b"])
def test_a_path_that_is_none_is_refused(bad):
    """The path is the text of one, and not empty."""
    with pytest.raises(ConfigError, match="path"):
        Disk(bad)


def test_the_directory_is_given_later(tmp_path, budget):
    """`default_to` sets the directory of a tier that was given none, and no other's."""
    disk, own = Disk(), Disk(tmp_path / "own")
    for each in (disk, own):
        each.default_to(lambda: str(tmp_path / "default"))
        each.set_many([Write("a", b"x", b"e", 60)], budget())
        assert each.used_bytes > 0
        assert each.entries == 1
        each.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["default", "own"]


def test_the_directory_is_looked_for_again_after_a_restore(tmp_path, budget):
    """A directory that was given stays; that of temporary files may be another in a clone."""
    directory = [tmp_path / "template"]
    disk, own = Disk(), Disk(tmp_path / "own")
    for each in (disk, own):
        each.default_to(lambda: str(directory[0]))
        each.set_many([Write("a", b"x", b"e", 60)], budget())
    directory[0] = tmp_path / "clone"
    for each, payload in ((disk, None), (own, b"x")):
        each.restored()
        (row,) = each.get_many(["a"], budget())
        assert row.payload == payload
        each.close()
    assert disk.store == f"disk {tmp_path / 'clone'}"


class Model:
    """The contract, on a dictionary."""

    def __init__(self, clock):
        self.rows = {}
        self.clock = clock

    def row(self, address):
        now = self.clock.wall()
        payload, keep, etag, lease, failed, dead = self.rows.get(
            address, (None, 0, None, 0, False, 0)
        )
        if now >= dead:
            return Row()
        held = max(lease - now, 0.0)
        return Row(payload if now < keep else None, etag, held, failed=failed and held > 0)

    def claim(self, claim):
        row, now = self.row(claim.address), self.clock.wall()
        if row.held > 0 or (row.payload is not None and row.etag != claim.seen):
            return row
        keep = self.rows[claim.address][1] if row.payload is not None else 0
        lease = now + claim.lease
        dead = max(keep, lease + 60)
        self.rows[claim.address] = (row.payload, keep, claim.token, lease, False, dead)
        return Row(row.payload, claim.token)

    def write(self, write):
        row, now = self.row(write.address), self.clock.wall()
        if write.token is not None and row.etag != write.token:
            return False
        keep, lease, payload = now + write.keep, 0.0, write.payload
        if payload is None:
            payload = row.payload
            keep = self.rows[write.address][1] if payload is not None else 0
            lease = now + write.rest
        self.rows[write.address] = (
            payload,
            keep,
            write.etag,
            lease,
            write.rest > 0,
            max(keep, lease),
        )
        return True


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["get", "claim", "claim", "set", "fill", "fill", "back", "delete", "wait"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from([0.5, 2.0, 30.0]),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_a_story_is_the_same_as_on_a_dictionary(tmp_path_factory, steps):
    """Whatever is done in whichever order, the file answers as a dictionary of rows would."""
    clock = ManualClock()
    model, disk = Model(clock), Disk(tmp_path_factory.mktemp("disk"))
    last = {"a": b"t0", "b": b"t0"}
    try:
        for number, (what, address, seconds) in enumerate(steps):
            mark, budget = b"m%d" % number, Budget(clock, 1)
            if what == "wait":
                clock.advance(seconds)
            elif what == "claim":
                claim = Claim(address, mark, seconds, model.row(address).etag)
                assert shown(disk.claim_many([claim], budget)[0]) == shown(model.claim(claim))
                last[address] = mark
            elif what == "delete":
                disk.delete_many([address], budget)
                model.rows.pop(address, None)
            elif what != "get":
                rest = seconds if what == "back" else 0.0
                payload = None if what == "back" else mark
                token = None if what == "set" else last[address]
                write = Write(address, payload, mark, seconds, token, rest=rest)
                assert disk.set_many([write], budget) == [model.write(write)]
            both = disk.get_many(["a", "b"], Budget(clock, 1))
            assert [shown(row) for row in both] == [shown(model.row(each)) for each in "ab"]
    finally:
        disk.close()
