"""Keys encrypt and rotate, and are shown nowhere."""

from __future__ import annotations

import base64
import copy
import pickle
import traceback
from itertools import pairwise

import pytest

from orc.codecs.codec import Codec
from orc.codecs.encryption import KeyRing, parse_keys
from orc.errors import ConfigError
from orc.model.address import Address
from orc.model.entry import Entry

KEY = bytes(range(100, 132))
OTHER = bytes(range(32))
TEXT = base64.b64encode(KEY).decode()
HERE = Address(b"a full key", "orc1:n:f", "tenant", "1")


def sealed(ring: KeyRing | None, value: object = "a secret value") -> bytes:
    tags = (("a-tag", b"version"),)
    return Codec(ring=ring, compress_from=None).seal(Entry(value, 1.0, 2.0, 0.0, tags), HERE)


def value_of(ring: KeyRing | None, payload: bytes, address: Address = HERE) -> object:
    found = Codec(ring=ring).open(payload, address)
    return found and found.value


@pytest.mark.parametrize("size", [16, 24, 32])
def test_every_size_of_key_encrypts(size: int) -> None:
    """AES of 128, 192 and 256 bits."""
    ring = KeyRing({"k": b"x" * size})
    assert value_of(ring, sealed(ring)) == "a secret value"


def test_nothing_of_the_body_can_be_read() -> None:
    """Value, tags and partition are ciphertext; the id of the key is not."""
    payload = sealed(KeyRing({"id-of-key": KEY}))
    assert b"id-of-key" in payload
    for hidden in (b"secret", b"a-tag", b"tenant"):
        assert hidden in sealed(None)
        assert hidden not in payload


def test_an_envelope_is_bound_to_its_address_and_its_clear_part() -> None:
    """Another key, partition or version, or another time in clear, is a miss."""
    ring = KeyRing({"k": KEY})
    payload = sealed(ring)
    for other in (
        Address(b"another key", "orc1:n:f", "tenant", "1"),
        Address(b"a full key", "orc1:n:f", "nobody", "1"),
        Address(b"a full key", "orc1:n:f", None, "1"),
        Address(b"a full key", "orc1:n:f", "tenant", "2"),
    ):
        assert value_of(ring, payload, other) is None
    for at in range(len(payload)):
        changed = bytearray(payload)
        changed[at] ^= 1
        assert value_of(ring, bytes(changed)) is None


def test_no_two_envelopes_are_alike() -> None:
    """Each has a nonce of its own."""
    ring = KeyRing({"k": KEY})
    assert len({sealed(ring) for _ in range(100)}) == 100


def test_keys_rotate_in_three_steps_and_without_a_flush() -> None:
    """Read by all, then written by all, then forgotten: no step meets a key that it lacks."""
    before = KeyRing({"old": OTHER})
    announced = KeyRing({"old": OTHER, "new": KEY})
    first = KeyRing({"new": KEY, "old": OTHER})
    after = KeyRing({"new": KEY})
    steps = [before, announced, first, after]
    for earlier, later in pairwise(steps):
        assert value_of(earlier, sealed(later)) == "a secret value"
        assert value_of(later, sealed(earlier)) == "a secret value"
    assert value_of(first, sealed(before)) == "a secret value"
    assert value_of(after, sealed(first)) == "a secret value"
    assert value_of(after, sealed(before)) is None


def test_a_plain_envelope_is_refused_with_a_ring() -> None:
    """Or else whoever can write to the store could say anything."""
    assert value_of(None, sealed(None)) == "a secret value"
    assert value_of(KeyRing({"k": KEY}), sealed(None)) is None
    assert value_of(None, sealed(KeyRing({"k": KEY}))) is None


def test_the_same_id_with_another_key_is_a_miss() -> None:
    """A key that was replaced under its old id reads nothing, and raises nothing."""
    assert value_of(KeyRing({"k": OTHER}), sealed(KeyRing({"k": KEY}))) is None


@pytest.mark.parametrize(
    "text",
    [
        f"k:{TEXT}",
        f" k:{TEXT} ",
        f"k:{TEXT.rstrip('=')}",
        f"k:{base64.urlsafe_b64encode(KEY).decode()}",
        f"k:{TEXT},old:{base64.b64encode(OTHER).decode()}",
    ],
)
def test_the_text_form_is_read(text: str) -> None:
    """Either alphabet, with padding or without, blanks round a part; the first key encrypts."""
    assert value_of(parse_keys(text), sealed(KeyRing({"k": KEY}))) == "a secret value"
    assert value_of(KeyRing({"k": KEY}), sealed(parse_keys(text))) == "a secret value"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "part 1 .* is to be id:base64"),
        (TEXT, "part 1 .* is to be id:base64"),
        (f"k:{TEXT},", "part 2 .* is to be id:base64"),
        (f"k:{TEXT},{TEXT}:k", "part 2"),
        (f":{TEXT}", "part 1 .*the id"),
        (f"k k:{TEXT}", "part 1 .*the id"),
        (f"\u00e9:{TEXT}", "part 1 .*the id"),
        (f"{'k' * 256}:{TEXT}", "part 1 .*the id"),
        (f"k:{TEXT},x:{TEXT[:12]}!{TEXT[12:]}", "part 2 .*no base64"),
        (f"k:{TEXT[:20]}", "part 1 .*has 15 bytes"),
        ("k:", "part 1 .*has 0 bytes"),
        (f"k:{TEXT},k:{TEXT}", "part 2 .*there already"),
        (f"k:{TEXT}\u00e9", "part 1 .*no base64"),
    ],
)
def test_a_bad_part_is_named_and_no_key_is_shown(text: str, words: str) -> None:
    """Neither in the message, nor in what else a traceback prints."""
    with pytest.raises(ConfigError, match=words) as caught:
        parse_keys(text)
    shown = "".join(traceback.format_exception(caught.value))
    assert TEXT[:10] not in shown
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "keys",
    [{}, {"k": b"short"}, {"k": "x" * 32}, {"k": bytearray(32)}, {"a:b": KEY}, {7: KEY}, {"": KEY}],
)
def test_a_bad_ring_is_a_configuration_error(keys: dict[str, bytes]) -> None:
    """No keys, keys of another size or type, and ids that would not be stored as they are."""
    with pytest.raises(ConfigError):
        KeyRing(keys)


def test_a_key_in_the_place_of_its_id_is_not_shown() -> None:
    """Whoever swaps the two does not find the key in a log."""
    with pytest.raises(ConfigError) as caught:
        KeyRing({TEXT: b"my-key"})
    assert TEXT not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        KeyRing({"k": b"hidden bytes"})
    assert "hidden" not in str(caught.value)


def test_a_ring_is_neither_shown_nor_pickled_nor_copied() -> None:
    """Its repr has the ids."""
    ring = KeyRing({"new": KEY, "old": OTHER})
    assert repr(ring) == "<KeyRing new, old>"
    assert repr(Codec(ring=ring)) == "<Codec AES-GCM>"
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="holds keys"):
            attempt(ring)
    assert not hasattr(ring, "__dict__")
