"""The fault proxy does each thing that it says, and nothing once it is healed."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from orc.lifecycle.clock import SYSTEM
from orc.testing.proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOOPBACK = "127.0.0.1"


class Echo:
    """A server that sends back what it is sent, and keeps it."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.news = threading.Condition()
        self.listener = socket.create_server((LOOPBACK, 0))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.serve)]
        self.threads[0].start()

    def serve(self) -> None:
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self.echo, args=(peer,))
            self.threads.append(thread)
            thread.start()

    def echo(self, peer: socket.socket) -> None:
        with peer:
            try:
                while data := peer.recv(65536):
                    with self.news:
                        self.heard += data
                        self.news.notify_all()
                    peer.sendall(data)
            except OSError:
                return

    def has_heard(self, data: bytes) -> bool:
        with self.news:
            return self.news.wait_for(lambda: bytes(self.heard) == data, timeout=5)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(5)


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[FaultProxy]:
    with FaultProxy(LOOPBACK, echo.port, seed=7) as made:
        yield made


@pytest.fixture
def connect(proxy: FaultProxy) -> Iterator[Callable[[], socket.socket]]:
    opened = []

    def make() -> socket.socket:
        opened.append(socket.create_connection((LOOPBACK, proxy.port), timeout=5))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def read(peer: socket.socket, size: int) -> bytes:
    """Read so many bytes, or what comes before the end."""
    data = b""
    while len(data) < size and (more := peer.recv(size - len(data))):
        data += more
    return data


def test_without_a_fault_bytes_and_ends_pass(proxy, connect) -> None:
    """What is sent comes back as it was; the end of what is said is passed on; all is counted."""
    sent = bytes(range(256)) * 4000
    peer = connect()
    thread = threading.Thread(target=peer.sendall, args=(sent,))
    thread.start()
    assert read(peer, len(sent)) == sent
    thread.join()
    peer.shutdown(socket.SHUT_WR)
    assert peer.recv(1) == b""
    assert proxy.connections == 1
    assert proxy.requests.bytes == proxy.replies.bytes == len(sent)


@pytest.mark.parametrize("way", ["requests", "replies"])
def test_delay(proxy, connect, way) -> None:
    """Each way can be late on its own, with a jitter that keeps the order."""
    getattr(proxy, way).delay = 0.05
    getattr(proxy, way).jitter = 0.01
    peer = connect()
    began = SYSTEM.monotonic()
    for each in range(10):
        peer.sendall(bytes([each]))
    assert read(peer, 10) == bytes(range(10))
    assert SYSTEM.monotonic() - began >= 0.05


def test_bandwidth(proxy, connect) -> None:
    """10 kB at 100 kB/s take a tenth of a second."""
    proxy.replies.bandwidth = 100_000
    peer = connect()
    began = SYSTEM.monotonic()
    peer.sendall(b"x" * 10_000)
    assert read(peer, 10_000) == b"x" * 10_000
    assert SYSTEM.monotonic() - began >= 0.1


def test_replies_in_a_black_hole(proxy, connect, echo) -> None:
    """The server does what it was asked, and nobody hears of it."""
    proxy.replies.black_hole = True
    peer = connect()
    peer.sendall(b"write")
    assert echo.has_heard(b"write")
    peer.settimeout(0.03)
    with pytest.raises(TimeoutError):
        peer.recv(1)
    assert proxy.replies.bytes == 0


def test_requests_in_a_black_hole(proxy, connect, echo) -> None:
    """Nothing reaches the server, until it is healed."""
    proxy.requests.black_hole = True
    peer = connect()
    peer.sendall(b"lost")
    peer.settimeout(0.03)
    with pytest.raises(TimeoutError):
        peer.recv(1)
    proxy.heal()
    peer.settimeout(5)
    peer.sendall(b"heard")
    assert read(peer, 5) == b"heard"
    assert bytes(echo.heard) == b"heard"


@pytest.mark.parametrize("count", [0, 3])
def test_reset_before_and_within_a_reply(proxy, connect, echo, count) -> None:
    """The connection is reset when so many bytes of the reply have passed; the next one again."""
    proxy.replies.reset_after = count
    for _ in range(2):
        peer = connect()
        peer.sendall(b"asked")
        got = b""
        try:
            while True:
                got += peer.recv(1)
        except ConnectionResetError:
            pass
        assert got == b"asked"[:count]
    assert bytes(echo.heard) == b"asked" * 2


def test_refused(proxy, connect) -> None:
    """A connection is accepted and reset; or, with the port closed, refused by the system."""
    proxy.refuse = True
    with pytest.raises(ConnectionError):
        read(connect(), 1)
    proxy.close_port()
    with pytest.raises(ConnectionRefusedError):
        connect()
    proxy.heal()
    peer = connect()
    peer.sendall(b"x")
    assert read(peer, 1) == b"x"


@pytest.mark.parametrize("way", ["requests", "replies"])
def test_corruption_is_the_same_for_a_seed(echo, way) -> None:
    """A share of the bytes is another, and the same again for the same seed."""
    seen = []
    for _ in range(2):
        with FaultProxy(LOOPBACK, echo.port, seed=3) as proxy:
            getattr(proxy, way).corrupt = 0.1
            with socket.create_connection((LOOPBACK, proxy.port), timeout=5) as peer:
                peer.sendall(bytes(1000))
                seen.append(read(peer, 1000))
    assert seen[0] == seen[1]
    assert 50 < 1000 - seen[0].count(0) < 200


def test_idle_connections_are_reset(proxy, connect) -> None:
    """All that is open is reset; a new connection works."""
    peers = [connect(), connect()]
    for peer in peers:
        peer.sendall(b"x")
        assert read(peer, 1) == b"x"
    assert proxy.open_connections() == 2
    proxy.reset_all()
    assert proxy.open_connections() == 0
    for peer in peers:
        with pytest.raises(ConnectionResetError):
            peer.recv(1)
    peer = connect()
    peer.sendall(b"x")
    assert read(peer, 1) == b"x"


def test_slices(proxy, connect) -> None:
    """What was said at once comes in pieces, and whole."""
    proxy.replies.slice = 7
    peer = connect()
    sent = bytes(range(256)) * 10
    peer.sendall(sent)
    assert read(peer, len(sent)) == sent


def test_a_server_that_is_not_there() -> None:
    """A target that refuses is a connection that is reset."""
    with socket.create_server((LOOPBACK, 0)) as free:
        port = free.getsockname()[1]
    with (
        FaultProxy(LOOPBACK, port) as proxy,
        pytest.raises(ConnectionError),
        socket.create_connection((LOOPBACK, proxy.port), timeout=5) as peer,
    ):
        read(peer, 1)


def test_it_ends_cleanly(echo) -> None:
    """Closed, it has no thread, no port and no connection, even with bytes that wait."""
    before = set(threading.enumerate())
    proxy = FaultProxy(LOOPBACK, echo.port)
    proxy.replies.delay = 3600
    with socket.create_connection((LOOPBACK, proxy.port), timeout=5) as peer:
        peer.sendall(b"x")
        assert echo.has_heard(b"x")
        proxy.close()
        proxy.close()
        with pytest.raises(ConnectionResetError):
            peer.recv(1)
    left = {each for each in set(threading.enumerate()) - before if each.name == "FaultProxy"}
    assert left == set()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, proxy.port), timeout=5)
