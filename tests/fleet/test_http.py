"""The fleet's HTTP, as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orc.fleet.http import Malformed, Reply, parse

CHUNKED = (
    b"POST /p?q HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;ext=1\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
)
COUNTED = b"POST /p HTTP/1.1\r\nContent-Length: 3\r\nX-Name:  v \r\n\r\nabc"


@given(st.integers(0, 200), st.sampled_from([CHUNKED, COUNTED]))
def test_a_request_is_taken_when_it_is_whole(cut, wire):
    """Every proper beginning waits for more; the whole leaves what comes after it alone."""
    assert parse(bytearray(wire[: min(cut, len(wire) - 1)])) is None
    request, used = parse(bytearray(wire + b"GET /next"))
    assert used == len(wire)
    assert (request.method, request.path) == ("POST", "/p")
    assert request.body in {b"abc0123456789", b"abc"}


@pytest.mark.parametrize(
    "wire",
    [
        b"nonsense\r\n\r\n",
        b"GET / SPDY/1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_request_is_refused(wire):
    """Malformed heads, lengths and chunks raise."""
    with pytest.raises((Malformed, ValueError)):
        parse(bytearray(wire))


def test_a_reply_tells_its_length():
    """A body is counted, also an empty one."""
    assert Reply(200).encode().endswith(b"Content-Length: 0\r\n\r\n")
    assert Reply(202, b"ok").encode().startswith(b"HTTP/1.1 202 Accepted\r\n")
