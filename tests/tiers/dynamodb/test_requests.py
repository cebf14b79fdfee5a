"""Rows as items: golden ones, odd ones, and what is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orc.model.row import Claim, Write
from orc.tiers.dynamodb import requests as word

NOW = 1_790_000_000.25

GOLDEN = {
    "pk": {"S": "orc1:shop:app.find:abc"},
    "v": {"B": b"payload"},
    "t": {"B": b"etag"},
    "e": {"N": "1790000060250"},
    "x": {"N": "1790003661"},
}
GOLDEN_CLAIM = {
    "pk": {"S": "orc1:shop:app.find:abc"},
    "t": {"B": b"token"},
    "l": {"N": "1790000005250"},
    "e": {"N": "1790000065250"},
    "x": {"N": "1790003666"},
}
GOLDEN_REST = {**GOLDEN, "l": {"N": "1790000003250"}, "f": {"BOOL": True}}


def seen(item, now=NOW):
    row = word.row_of(item, now)
    return row.payload, row.etag, row.held, row.failed


def test_a_write_makes_the_golden_item():
    """The layout that tables out there have."""
    write = Write("orc1:shop:app.find:abc", b"payload", b"etag", 60)
    assert word.item_of(write, NOW) == GOLDEN


def test_the_golden_items_are_read():
    """A payload, a claim, and a payload whose reload has failed."""
    assert seen(GOLDEN) == (b"payload", b"etag", 0, False)
    assert seen(GOLDEN_CLAIM) == (None, b"token", 5, False)
    assert seen(GOLDEN_REST) == (b"payload", b"etag", 3, True)


def test_a_claim_of_nothing_sets_the_golden_fields():
    """It takes away whatever payload is dead there, and leaves a token and its lease."""
    asked = word.claim("t", Claim("orc1:shop:app.find:abc", b"token", 5), NOW, of_nothing=True)
    values = asked["ExpressionAttributeValues"]
    assert asked["UpdateExpression"] == "SET t = :t, l = :l, e = :e, x = :x REMOVE v, f"
    assert {n: values[f":{n}"] for n in "tlex"} == {n: GOLDEN_CLAIM[n] for n in "tlex"}


@given(
    st.dictionaries(
        st.sampled_from(["pk", "v", "t", "l", "f", "e", "x", "other"]),
        st.one_of(
            st.none(),
            st.builds(lambda n: {"N": n}, st.text(max_size=5) | st.sampled_from(["NaN", "1e400"])),
            st.builds(lambda n: {"N": str(n)}, st.integers()),
            st.builds(lambda b: {"B": b}, st.binary(max_size=3)),
            st.builds(lambda s: {"S": s}, st.text(max_size=3)),
            st.builds(lambda s: {"BOOL": s}, st.booleans()),
            st.just({}),
            st.just({"L": [1]}),
        ),
    )
)
def test_an_odd_item_is_a_row_that_is_not_there_or_a_sound_one(item):
    """Foreign fields, types and numbers raise nothing."""
    payload, etag, held, failed = seen(item)
    assert payload is None or type(payload) is bytes
    assert etag is None or type(etag) is bytes
    assert 0 <= held <= word.LONGEST_LEASE
    assert not failed or held


@pytest.mark.parametrize("keep", [0.001, 1, 3600.5, 86_400 * 365])
def test_the_sweeper_comes_later_than_the_end(keep):
    """Seconds rounded up, and an hour of slack for clocks and for a claim at the row's end."""
    item = word.item_of(Write("a", b"", b"e", keep), NOW)
    end = int(item["e"]["N"]) / 1000
    assert end + word.SWEEP_AFTER <= int(item["x"]["N"]) <= end + word.SWEEP_AFTER + 1.01


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "", "x"])
def test_what_is_no_instant_is_none(number):
    """A row without an end is not there; a lease without one is none."""
    assert seen({**GOLDEN, "e": {"N": number}}) == (None, None, 0, False)
    assert seen({**GOLDEN, "l": {"N": number}}) == (b"payload", b"etag", 0, False)
