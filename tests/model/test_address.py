"""Addresses of rows: the full key, and a text of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orc.model.address import LAYOUT, addresses
from orc.model.key import compose, encode

TEXTS = st.text(max_size=80)


@given(TEXTS, TEXTS, st.none() | TEXTS, st.none() | TEXTS, st.lists(TEXTS | st.integers()))
def test_the_full_key_is_the_composed_one(namespace, version, partition, name, parts):
    """Whatever is made once for all keys of a function, the result is ``compose``'s."""
    address = addresses(namespace, version, partition, name)(parts)
    expected = compose(namespace, version, partition, name, encode(tuple(parts)))
    assert address.full == expected
    assert (address.partition, address.version) == (partition, version)


@given(TEXTS, st.none() | TEXTS, st.lists(TEXTS))
def test_the_text_is_short_and_plain(namespace, name, parts):
    """Every store can take it as a key, and no part of it decides a cluster's slot."""
    text = addresses(namespace, "", None, name)(parts).text
    assert len(text) <= 200
    assert text.isascii()
    assert text.isprintable()
    assert not set(" {}*?[]\\") & set(text)
    assert text.startswith(f"{LAYOUT}:")
    assert text.count(":") == 3


def test_arguments_cannot_be_read_in_it():
    """A card's number is in the hash only."""
    address = addresses("shop", "", "tenant-7", "app.charge")(("4111 1111 1111 1111",))
    assert address.text.startswith("orc1:shop:app.charge:")
    assert "4111" not in repr(address)
    assert "tenant" not in address.text


@pytest.mark.parametrize(
    "other",
    [("n2", "v", None, "f"), ("n", "v2", None, "f"), ("n", "v", "", "f"), ("n", "v", None, None)],
)
def test_each_part_tells_addresses_apart(other):
    """Namespace, version, partition and name."""
    one, two = addresses("n", "v", None, "f")((1,)), addresses(*other)((1,))
    assert one != two
    assert one.text != two.text
    assert one == addresses("n", "v", None, "f")((1,))
    assert len({one, two}) == 2


def test_names_that_look_alike_when_shortened_are_apart():
    """The readable part is cut and replaced; the hash is of all of it."""
    long = "x" * 100
    one, two = addresses(long + "a", "", None, None)(()), addresses(long + "b", "", None, None)(())
    assert one.text[:70] == two.text[:70]
    assert one.text != two.text
