"""Whatever a store hands back is the entry that was sealed for this address, or a miss."""

from __future__ import annotations

import random
import tracemalloc
import zlib

import pytest

from orc.codecs import compression, envelope
from orc.codecs.codec import Codec
from orc.codecs.encryption import KeyRing
from orc.codecs.values import PLAIN, RICH
from orc.model.address import Address
from orc.model.entry import Entry

MINE = Address(b"my key", "orc1:n:f", None, "1")
OTHERS = [
    Address(b"another key", "orc1:n:f", None, "1"),
    Address(b"my key", "orc1:n:f", "", "1"),
    Address(b"my key", "orc1:n:f", "tenant", "1"),
    Address(b"my key", "orc1:n:f", None, "2"),
]
VALUES = [
    None,
    {"id": 7, "tags": ["a", "b"], "price": 19.5},
    ({1, 2}, b"\xff\xd6\xff", 2**80),
    "again " * 400,
]


def entry(value: object) -> Entry:
    return Entry(value, 1000.0, 1300.0, 0.5, (("tag", b"version"),), checked_at=1001.0)


def same(found: Entry, value: object) -> bool:
    expected = entry(value)
    return all(getattr(found, name) == getattr(expected, name) for name in Entry.__slots__)


def mutated(rng: random.Random, good: list[bytes]) -> bytes:
    data = bytearray(rng.choice(good))
    other = rng.choice(good)
    how = rng.randrange(7)
    at = rng.randrange(len(data))
    if how == 0:
        data[at] ^= 1 << rng.randrange(8)
    elif how == 1:
        del data[at:]
    elif how == 2:
        data[at:at] = data[at : at + rng.randrange(1, 40)]
    elif how == 3:
        data[at:] = other[min(at, len(other)) :]
    elif how == 4:
        data[at : at + 8] = rng.randbytes(8)
    elif how == 5:
        data += rng.randbytes(rng.randrange(1, 9))
    else:
        data[3] = rng.choice([0, 2, 255])
    return bytes(data)


def wrong_answers(codec: Codec, seed: int, rounds: int) -> int:
    """Count mutated payloads that were opened as something that was not sealed for MINE."""
    rng = random.Random(seed)
    sealed = {codec.seal(entry(value), MINE): value for value in VALUES}
    foreign = [codec.seal(entry(value), each) for each in OTHERS for value in VALUES]
    good = [*sealed, *foreign]
    wrong = 0
    for payload in [*foreign, *(mutated(rng, good) for _ in range(rounds))]:
        found = codec.open(payload, MINE)
        if found is not None and not (payload in sealed and same(found, sealed[payload])):
            wrong += 1
    return wrong


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("ring", [None, KeyRing({"k": b"k" * 32})], ids=["plain", "encrypted"])
def test_no_mutated_payload_is_taken_for_an_entry(ring: KeyRing | None) -> None:
    """Of 100,000 payloads no one raises, none is a wrong value, and memory stays bounded."""
    codec = Codec(ring=ring)
    assert wrong_answers(codec, 1, 48_000) == 0
    tracemalloc.start()
    try:
        assert wrong_answers(codec, 2, 2_000) == 0
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_the_mutations_catch_a_codec_without_a_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check can fail: where every checksum is right, damage passes."""
    codec = Codec()
    sealed = codec.seal(entry("some text"), MINE)
    monkeypatch.setattr(envelope, "checksum", lambda _: AnyChecksum(8))
    assert codec.open(sealed, MINE) is not None
    assert wrong_answers(codec, 1, 2_000) > 0


def test_the_mutations_catch_a_codec_without_a_key_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check can fail: where nobody compares the key, other keys' payloads pass."""

    def after(body: bytes, start: int, _: Address) -> int:
        _, key, partition, version = envelope._BINDING.unpack_from(body, start)
        return start + envelope._BINDING.size + key + partition + version

    monkeypatch.setattr(envelope, "after_binding", after)
    assert wrong_answers(Codec(), 1, 0) > 0


class AnyChecksum(bytes):
    """Equal to every other."""

    __slots__ = ()
    __hash__ = bytes.__hash__

    def __ne__(self, _: object) -> bool:
        return False


def test_the_ring_decides_what_can_be_read() -> None:
    """Another ring's envelope, a plain one with a ring, and a secret one without are misses."""
    ring = KeyRing({"k": b"k" * 32})
    plain, secret = Codec(), Codec(ring=ring)
    other = Codec(ring=KeyRing({"k": b"x" * 32}))
    unknown = Codec(ring=KeyRing({"z": b"k" * 32}))
    for writer in (plain, secret):
        for reader in (plain, secret, other, unknown):
            found = reader.open(writer.seal(entry(1), MINE), MINE)
            assert (found is not None) == (writer is reader)


def test_keys_rotate_without_a_flush() -> None:
    """A ring with a new first key reads what the old one wrote, and writes with the new one."""
    old, new = b"o" * 32, b"n" * 32
    before = Codec(ring=KeyRing({"old": old}))
    after = Codec(ring=KeyRing({"new": new, "old": old}))
    found = after.open(before.seal(entry("v"), MINE), MINE)
    assert found is not None
    assert found.value == "v"
    assert before.open(after.seal(entry("v"), MINE), MINE) is None


def forged(kind: int, packed: bytes, compressed: int = 0, **changed: float) -> bytes:
    """Return an envelope with a right checksum, which only an attacker would write."""
    made = entry(None)
    for name, value in changed.items():
        setattr(made, name, value)
    sealed = envelope.header(made, kind, compressed, 0)
    sealed += envelope.binding(MINE, full=False) + envelope.pack_tags(()) + packed
    return sealed + envelope.checksum(sealed)


FORGERIES = {
    "unknown extension": (RICH, b"\xd4\x7fx"),
    "extension in plain": (PLAIN, b"\xc7\x00\x20"),
    "timestamp": (PLAIN, b"\x91\xd6\xff\0\0\0\1"),
    "timestamp in rich": (RICH, b"\x91\xd7\xff\0\0\0\1\0\0\0\1"),
    "head alone": (RICH, b"\xc7\x00\x20"),
    "head in the middle": (RICH, b"\x92\x01\xc7\x00\x20"),
    "two heads": (RICH, b"\x92\xc7\x00\x20\xc7\x00\x20"),
    "unknown class": (RICH, b"\x92\xc7\x00\x25\xa4none"),
    "unhashable key": (PLAIN, b"\x81\x90\x01"),
    "trailing bytes": (PLAIN, b"\x01\x01"),
    "nothing": (PLAIN, b""),
    "huge list": (PLAIN, b"\xdd\xff\xff\xff\xff"),
    "huge bytes": (PLAIN, b"\xc6\xff\xff\xff\xff"),
    "huge lists in lists": (PLAIN, b"\xdd\x00\x10\x00\x00" * 1000 + b"\x01" * 20_000),
    "nesting": (PLAIN, b"\x91" * 100_000 + b"\x01"),
    "another codec": (9, b"\x01"),
    "reducible fraction": (RICH, b"\x93\xc7\x00\x24\x02\x04"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_value_is_a_miss(name: str) -> None:
    """Even under a right checksum: what ORC does not write, it does not read."""
    payload = forged(*FORGERIES[name])
    Codec().open(payload, MINE)  # imports what it needs
    tracemalloc.start()
    try:
        assert Codec().open(payload, MINE) is None
        assert tracemalloc.get_traced_memory()[1] < 70_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    "name",
    ["created_at", "fresh_until", "checked_at", "load_time", "stale_if_error"],
)
def test_times_that_are_none_are_a_miss(name: str, value: float) -> None:
    """NaN and infinity never reach the rules of freshness."""
    assert Codec().open(forged(PLAIN, b"\x01"), MINE) is not None
    assert Codec().open(forged(PLAIN, b"\x01", **{name: value}), MINE) is None


@pytest.mark.parametrize("zstd", [False, True])
def test_a_bomb_is_a_miss_and_takes_no_memory(zstd: bool) -> None:
    """Fifty megabytes of zeros in a small payload: not more than the cap is ever inflated."""
    cap = 1_000_000
    squeeze, _ = compression.zstandard()
    zeros = bytes(50_000_000)
    small = squeeze(zeros) if zstd else zlib.compress(zeros, 9)
    del zeros
    payload = forged(PLAIN, small, compression.ZSTD if zstd else compression.ZLIB)
    codec = Codec(cap=cap, zstd=zstd)
    tracemalloc.start()
    try:
        assert codec.open(payload, MINE) is None
        assert tracemalloc.get_traced_memory()[1] < 3 * cap
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("cut", [1, 5, -1])
def test_compressed_data_is_whole_or_a_miss(cut: int) -> None:
    """Cut off, or with something behind it: unreadable."""
    data = zlib.compress(b"\xc4\xff" + bytes(255))
    bad = data + b"x" if cut < 0 else data[:-cut]
    assert Codec().open(forged(PLAIN, data, compression.ZLIB), MINE) is not None
    assert Codec().open(forged(PLAIN, bad, compression.ZLIB), MINE) is None


@pytest.mark.parametrize("payload", [b"", b"O", b"ORC\x01", bytes(1000), None, 7, "text"])
def test_what_is_no_envelope_is_a_miss(payload: object) -> None:
    """Foreign bytes, and what is no bytes at all."""
    assert Codec().open(payload, MINE) is None  # type: ignore[arg-type]
