"""A row as one string in Redis: a header of 25 bytes, then the payload.

===== ===== ====================================================================================
from  bytes what
===== ===== ====================================================================================
0     1     the layout (high half, 1) and marks: 1 there is a payload, 2 the last load failed
1     12    the etag
13    6     until when the row may not be claimed: milliseconds since the epoch, big endian
19    6     until when the payload may be answered, if the key itself lives longer; else 0
===== ===== ====================================================================================

The key expires with the row. Only where a claim had to keep the key alive for the claimer's sake is
the end of the payload written down. Both instants are of the server's clock.
"""

from __future__ import annotations

from orc.model.row import ETAG_BYTES, Row

LAYOUT = 0x10
HAS_PAYLOAD = 0x01
FAILED = 0x02

HEADER = 25
_LEASE, _END = 13, 19
_NEVER = bytes(12)
_MARKS = LAYOUT | HAS_PAYLOAD
_PLAIN = bytes([_MARKS])


FOREIGN = Row()
"""What is answered for what is somebody else's: a row that is not there."""


def pack(etag: bytes, payload: bytes) -> bytes:
    """Return the string for a row that nobody has claimed."""
    assert len(etag) == ETAG_BYTES  # noqa: S101 - the contract's; scripts find fields by it
    return b"".join((_PLAIN, etag, _NEVER, payload))


def unpack(stored: object, wall: float, held: float = 0.0) -> Row:
    """Return the row in what a key holds; a row that is not there for anything foreign.

    `wall` is now in seconds since the epoch, `held` the seconds that a script answered with.
    """
    if type(stored) is not bytes or len(stored) < HEADER or stored[0] & 0xF0 != LAYOUT:
        return FOREIGN if stored else Row()
    marks = stored[0]
    payload = None
    if marks & HAS_PAYLOAD:
        end = int.from_bytes(stored[_END:HEADER], "big")
        if not end or wall * 1000 < end:
            payload = stored[HEADER:]
    return Row(payload, stored[1:_LEASE], held, failed=held > 0 and bool(marks & FAILED))
