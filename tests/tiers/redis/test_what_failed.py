"""What an error says: of this server alone, and nothing of what was kept there."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest

from orc.errors import TierError, TierThrottledError, TierTimeoutError, TierUnavailableError
from orc.lifecycle.clock import SYSTEM
from orc.model.row import Budget
from orc.testing.servers.process import HOST
from orc.tiers.redis.tier import Redis
from orc.tiers.redis.url import DATA
from tests.deployments.servers import served

SECRET = b"\x16\x03 of another customer"


def read(tier, way, seconds=0.1, addresses=("orc1:a",)):
    """Read one row by a thread or a coroutine."""
    budget = Budget(SYSTEM, seconds)
    if way == "thread":
        (answer,) = tier.get_many(list(addresses), budget)
    else:
        (answer,) = asyncio.run(tier.aget_many(list(addresses), budget))
    return answer


@pytest.mark.parametrize("proven", [True, False])
@pytest.mark.parametrize("way", ["thread", "coroutine"])
def test_a_value_that_was_cut_short_is_in_no_error(way, proven):
    """Its first bytes are no word of another kind of server; and they are a customer's secret."""
    replies = [b"$-1\r\n"] if proven else []

    def answer(connection):
        while connection.recv(1000):
            connection.sendall(replies.pop() if replies else b"$100000\r\n" + SECRET)

    with served(answer) as port:
        tier = Redis(f"redis://{HOST}:{port}")
        if proven:
            assert read(tier, way).payload is None
        error = read(tier, way)
        tier.close()
    assert isinstance(error, TierTimeoutError)
    assert error.arriving
    assert "customer" not in str(error)


@pytest.mark.parametrize("way", ["thread", "coroutine"])
def test_what_the_caller_is_handling_is_no_cause(way):
    """A fallback in an `except` says nothing of Redis."""
    above = [
        ssl.SSLCertVerificationError("[SSL: CERTIFICATE_VERIFY_FAILED] verify failed: expired"),
        TierThrottledError("of another tier"),
    ]
    with served(lambda connection: connection.recv(1000) and None) as port:
        tier = Redis(f"redis://{HOST}:{port}")
        for each in above:
            try:
                raise each  # noqa: TRY301 - to be handled here
            except Exception:  # noqa: BLE001 - whatever it is
                error = read(tier, way)
            assert isinstance(error, TierTimeoutError | TierUnavailableError)
            assert "certificate" not in str(error)
        tier.close()


def test_servers_that_hang_share_one_budget():
    """Five that were sent to at once cost as much as one."""
    with served(lambda _: None) as port:
        tier = Redis(f"redis://{HOST}:{port}")
        transport = tier._for_threads()
        sends = [((HOST, port, f"{DATA}{n}"), [("", [b"PING"])]) for n in range(5)]
        began = SYSTEM.monotonic()
        answers = transport.exchange(sends, Budget(SYSTEM, 0.5))
        took = SYSTEM.monotonic() - began
        tier.close()
    assert all(isinstance(each, TierError) for each in answers)
    assert took < 1.5


@pytest.mark.parametrize("way", ["thread", "coroutine"])
def test_a_name_is_resolved_once_for_all_that_is_tried(monkeypatch, way):
    """Also where it is looked once more what the server speaks: the resolver may hang by then."""
    real, asked = socket.getaddrinfo, []

    def counted(host, *args, **kwargs):
        if host == "cache.example":
            asked.append(host)
            host = HOST
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", counted)
    with served(lambda connection: connection.recv(1000) and connection.close()) as port:
        tier = Redis(f"redis://cache.example:{port}")
        error = read(tier, way, 5.0)
        tier.close()
    assert isinstance(error, TierUnavailableError)
    assert len(asked) <= 2  # it was tried again, as an address that has changed


def test_tls_of_a_loop_that_was_closed_leaves_no_socket(monkeypatch):
    """Its sockets are closed by the next loop, though its generators were not closed."""
    from orc.tiers.redis.coroutines import drop

    closed = []

    class Under:
        def _call_connection_lost(self, _):
            closed.append(self)

    class Protocol:
        _transport = Under()

    class Transport:
        _ssl_protocol = Protocol()

        def abort(self):
            raise RuntimeError("Event loop is closed")

    class Connection:
        _reader = None
        _writer = type("Writer", (), {"transport": Transport()})()

    drop(Connection())
    assert len(closed) == 1
