"""What the contract in orc.model.ports says, before every deployment, sync and async."""

from __future__ import annotations

import os

from orc.lifecycle.clock import SYSTEM
from orc.model.row import Budget, Claim, Write


def draw():
    return os.urandom(12)


def test_nothing_is_there_at_first(rows, address):
    """A row that nobody wrote has no payload and no etag."""
    (row,) = rows.get([address])
    assert (row.payload, row.etag, row.held, row.failed) == (None, None, 0.0, False)


def test_what_is_written_is_read(rows, address):
    """A row comes back with its bytes and its etag, whatever the bytes."""
    etag, payload = draw(), bytes(range(256)) * 8
    assert list(rows.set([Write(address, payload, etag, 60)])) == [True]
    (row,) = rows.get([address])
    assert (row.payload, row.etag, row.held) == (payload, etag, 0.0)


def test_many_rows_come_in_order(rows, address):
    """Answers stand in the order of the addresses, with holes where there is nothing."""
    several = [f"{address}{n}" for n in range(150)]
    assert all(rows.set([Write(each, each.encode(), draw(), 60) for each in several[::2]]))
    found = [row.payload for row in rows.get(several)]
    assert found == [each.encode() if n % 2 == 0 else None for n, each in enumerate(several)]
    rows.delete(several)
    assert [row.etag for row in rows.get(several)] == [None] * 150


def test_nothing_is_asked_for_nothing(rows):
    """Empty calls are answered without a row."""
    assert list(rows.get([])) == list(rows.set([])) == list(rows.claim([])) == []
    rows.delete([])


def test_a_claim_keeps_others_out_until_it_is_filled(rows, address):
    """One claimer is granted the row, others are told for how long it is held; a fill frees it."""
    token, other, etag = draw(), draw(), draw()
    (row,) = rows.claim([Claim(address, token, 5.0)])
    assert (row.payload, row.etag, row.held) == (None, token, 0.0)
    (row,) = rows.claim([Claim(address, other, 5.0)])
    assert row.etag == token
    assert 0 < row.held <= 5
    fill = Write(address, b"value", etag, 60, token)
    assert list(rows.set([fill])) == [True]
    (row,) = rows.claim([Claim(address, other, 5.0)])
    assert (row.payload, row.etag, row.held) == (b"value", etag, 0.0)


def test_a_claim_and_a_fill_can_be_repeated(rows, address):
    """The same claim is granted again and the same fill accepted: a reply may have been lost."""
    token, fill = draw(), Write(address, b"value", draw(), 60)
    fill.token = token
    for _ in range(2):
        (row,) = rows.claim([Claim(address, token, 5.0)])
        assert (row.etag, row.held) == (token, 0.0)
    assert [list(rows.set([fill])) for _ in range(2)] == [[True], [True]]


def test_a_lease_of_nothing_keeps_nobody_out(rows, address):
    """The second claim with a lease of 0 takes the token from the first."""
    first, second = draw(), draw()
    rows.claim([Claim(address, first, 0.0)])
    (row,) = rows.claim([Claim(address, second, 0.0)])
    assert (row.etag, row.held) == (second, 0.0)
    fills = [Write(address, b"1", draw(), 60, first), Write(address, b"2", draw(), 60, second)]
    assert [list(rows.set([fill])) for fill in fills] == [[False], [True]]


def test_what_was_seen_can_be_claimed_and_stays(rows, address):
    """A claim is granted over the payload that was seen, which others still read."""
    etag, token = draw(), draw()
    rows.set([Write(address, b"stale", etag, 60)])
    (row,) = rows.claim([Claim(address, token, 5.0, draw())])
    assert (row.payload, row.etag) == (b"stale", etag)
    (row,) = rows.claim([Claim(address, token, 5.0, etag)])
    assert (row.payload, row.etag, row.held) == (b"stale", token, 0.0)
    (row,) = rows.get([address])
    assert (row.payload, row.etag) == (b"stale", token)


def test_a_set_and_a_delete_take_the_token_away(rows, address):
    """No fill is accepted after somebody replaced or removed the row."""
    for meanwhile in (
        lambda: rows.set([Write(address, b"new", draw(), 60)]),
        lambda: rows.delete([address]),
    ):
        rows.delete([address])
        token = draw()
        rows.claim([Claim(address, token, 5.0)])
        meanwhile()
        assert list(rows.set([Write(address, b"old", draw(), 60, token)])) == [False]
        (row,) = rows.get([address])
        assert row.payload != b"old"


def test_a_failed_load_rests(rows, address):
    """Giving a claim back with a rest keeps claims out for that long, and says why."""
    etag, token, given = draw(), draw(), draw()
    rows.set([Write(address, b"stale", etag, 60)])
    rows.claim([Claim(address, token, 5.0, etag)])
    assert list(rows.set([Write(address, None, given, 0.0, token, rest=4.0)])) == [True]
    (row,) = rows.claim([Claim(address, draw(), 5.0, given)])
    assert (row.payload, row.etag, row.failed) == (b"stale", given, True)
    assert 0 < row.held <= 4


def test_a_claim_that_is_given_back_is_free(rows, address):
    """Without a rest the next claim is granted at once, payload or not."""
    token, other = draw(), draw()
    rows.claim([Claim(address, token, 5.0)])
    rows.set([Write(address, None, draw(), 0.0, token)])
    (row,) = rows.claim([Claim(address, other, 5.0)])
    assert (row.payload, row.etag, row.held) == (None, other, 0.0)


def test_what_is_past_its_keep_is_not_written(rows, address):
    """A row that may be kept for no time is not there, and neither is what it replaces."""
    rows.set([Write(address, b"old", draw(), 60)])
    assert list(rows.set([Write(address, b"new", draw(), 0.0)])) == [True]
    (row,) = rows.get([address])
    assert row.payload is None


def test_plain_writes_and_fills_share_a_call(rows, address):
    """Answers of a mixed call stand in the order of the writes."""
    token = draw()
    several = [f"{address}{n}" for n in range(4)]
    rows.claim([Claim(several[1], token, 5.0)])
    writes = [
        Write(several[0], b"0", draw(), 60),
        Write(several[1], b"1", draw(), 60, token),
        Write(several[2], b"2", draw(), 60, token),
        Write(several[3], b"3", draw(), 60),
    ]
    assert list(rows.set(writes)) == [True, True, False, True]
    assert [row.payload for row in rows.get(several)] == [b"0", b"1", None, b"3"]


def test_a_stretched_key_does_not_answer_for_longer(valkey, budget):
    """A claim keeps the key alive for its fill, and the payload still ends when it was to end."""
    import redis

    from orc.tiers.redis.tier import Redis

    tier, etag, token = Redis(valkey.url), draw(), draw()
    address = "orc1:stretched"
    tier.set_many([Write(address, b"stale", etag, 0.5)], budget())
    (row,) = tier.claim_many([Claim(address, token, 5.0, etag)], budget())
    assert (row.payload, row.etag) == (b"stale", token)
    with redis.Redis.from_url(valkey.url) as client:
        assert 60_000 < client.pttl(address) <= 65_000
        (end,) = [int.from_bytes(client.get(address)[19:25], "big")]

    class Later(Budget):
        def wall(self):
            return end / 1000 + 0.01

    (row,) = tier.get_many([address], Later(SYSTEM, 5.0))
    assert (row.payload, row.etag) == (None, token)
    assert list(tier.set_many([Write(address, b"new", draw(), 60, token)], budget())) == [True]
    tier.close()


def test_a_free_row_keeps_its_time(valkey, budget):
    """A claim over a payload that lives long enough leaves the key's time as it is."""
    import redis

    from orc.tiers.redis.tier import Redis

    tier, etag = Redis(valkey.url), draw()
    tier.set_many([Write("orc1:long", b"stale", etag, 1000)], budget())
    tier.claim_many([Claim("orc1:long", draw(), 5.0, etag)], budget())
    with redis.Redis.from_url(valkey.url) as client:
        assert 999_000 < client.pttl("orc1:long") <= 1_000_000
        assert client.get("orc1:long")[19:25] == bytes(6)
    tier.close()
