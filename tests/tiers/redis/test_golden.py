"""Rows as earlier releases wrote them, which every later one must read."""

from __future__ import annotations

from pathlib import Path

import pytest

from orc.tiers.redis.layout import pack, unpack

GOLDEN = Path(__file__).parent / "golden"
ETAG = b"0123456789ab"


@pytest.mark.parametrize(
    ("name", "wall", "row"),
    [
        ("plain", 0.0, (b"payload", ETAG, False)),
        ("claimed", 0.0, (None, ETAG, False)),
        ("failed", 0.0, (b"payload", ETAG, True)),
        ("stretched", 1_790_000_000.0, (b"payload", ETAG, False)),
        ("stretched", 1_790_000_000.5, (None, ETAG, False)),
    ],
)
def test_golden_rows_are_read(name, wall, row):
    """Every golden row is what it was."""
    stored = bytes.fromhex((GOLDEN / f"{name}.hex").read_text())
    found = unpack(stored, wall, held=1.0)
    assert (found.payload, found.etag, found.failed) == row


def test_the_layout_is_written_as_it_was():
    """A plain row is byte for byte the golden one."""
    assert pack(ETAG, b"payload").hex() == (GOLDEN / "plain.hex").read_text().strip()
