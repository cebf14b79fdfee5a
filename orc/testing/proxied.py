"""The connections of a :class:`~orc.testing.proxy.FaultProxy`: two ways, and bytes that wait."""

from __future__ import annotations

import selectors
import socket
import struct
from collections import deque

from orc.lifecycle.clock import SYSTEM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orc.testing.proxy import FaultProxy, Way

CHUNK = 1 << 16
"""Bytes that are read at a time."""
MOST_WAITING = 1 << 20
"""Bytes that wait for their time on one way; more are left with whoever sends them."""
RESET = struct.pack("ii", 1, 0)
"""``SO_LINGER`` with a time of zero: closing sends RST, and drops what was not sent."""


class Pump:
    """One direction of one connection: bytes that wait for their time."""

    changes: int
    due: float
    ended: bool
    link: Link
    passed: int
    shut: bool
    sink: socket.socket
    size: int
    source: socket.socket
    way: Way

    def __init__(self, link: Link, way: Way, source: socket.socket, sink: socket.socket) -> None:
        self.link, self.way, self.source, self.sink = link, way, source, sink
        self.waiting: deque[tuple[float, bytes]] = deque()  # due, bytes; none of them are the end
        self.size = 0
        self.due = 0.0
        self.ended = False  # the source says no more
        self.shut = False  # and the sink was told
        self.changes = way.changes
        self.passed = 0
        self.alarm: float | None = None  # when the proxy calls `wake`

    def wake(self) -> None:
        """Look again at what waits: something is due."""
        self.alarm = None
        self.flush()

    def read(self) -> None:
        """Take what the source has, and do to it what the way says."""
        while not self.ended and self.size < MOST_WAITING:
            try:
                data = self.source.recv(CHUNK)
            except OSError as error:
                if _would_block(error):
                    break
                self.link.reset()
                return
            self.ended = not data
            if not self.way.black_hole and not self._take(data):
                return
        self.flush()

    def _take(self, data: bytes) -> bool:
        """Queue bytes, or the end; tell whether the connection lives on."""
        way, proxy = self.way, self.link.proxy
        if self.changes != way.changes:
            self.changes, self.passed = way.changes, 0
        limit = way.reset_after
        is_last = limit is not None and data != b"" and self.passed + len(data) >= limit
        if limit is not None:
            data = data[: limit - self.passed] if is_last else data
            self.passed += len(data)
        if way.corrupt:
            data = proxy.spoilt(data, way.corrupt)
        now = SYSTEM.monotonic()
        step = way.slice or CHUNK
        pieces = [data[at : at + step] for at in range(0, len(data), step)]
        for piece in pieces or ([] if is_last else [b""]):
            late = way.delay + (proxy.jitter(way.jitter) if way.jitter else 0.0)
            self.due = max(now + late, self.due)
            if way.bandwidth is not None:
                self.due += len(piece) / way.bandwidth
            self.waiting.append((self.due, piece))
            self.size += len(piece)
        if is_last:
            self.flush(whole=True)
            self.link.reset()
        return not is_last

    def flush(self, *, whole: bool = False) -> None:
        """Pass on what is due; all of it, if it is the last."""
        if self.link.over:
            return
        now = SYSTEM.monotonic()
        while self.waiting and (whole or self.waiting[0][0] <= now):
            due, piece = self.waiting.popleft()
            try:
                sent = self._send(piece)
            except OSError:
                self.link.reset()
                return
            self.size -= sent
            self.way.bytes += sent
            if sent < len(piece):
                self.waiting.appendleft((due, piece[sent:]))
                break
        if self.waiting and self.waiting[0][0] > now and self.alarm is None:
            self.alarm = self.waiting[0][0]
            self.link.proxy.later(self.alarm, self)
        self.link.watch()

    def _send(self, piece: bytes) -> int:
        try:
            if piece:
                return self.sink.send(piece)
            self.shut = True
            self.sink.shutdown(socket.SHUT_WR)
        except OSError as error:
            if not _would_block(error):
                raise
        return 0

    def stuck(self) -> bool:
        """Tell whether bytes are due that the sink would not take."""
        return bool(self.waiting) and self.waiting[0][0] <= SYSTEM.monotonic()


class Link:
    """One connection: a client, a server, and the two ways between them."""

    client: socket.socket
    down: Pump
    over: bool
    shaking: bool
    up: Pump

    def __init__(self, proxy: FaultProxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy = proxy
        self.over = False
        for each in (client, server):
            each.setblocking(False)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client = proxy.wrapped(client)
        self.server = server
        self.shaking = self.client is not client
        self.up = Pump(self, proxy.requests, self.client, server)
        self.down = Pump(self, proxy.replies, server, self.client)
        self.watch()

    def on(self, sock: object, events: int) -> None:
        """Take what came, and send what could not be sent."""
        if self.over:
            return
        if self.shaking and not self._shaken():
            return
        if events & selectors.EVENT_READ:
            (self.up if sock is self.client else self.down).read()
        if events & selectors.EVENT_WRITE and not self.over:
            (self.down if sock is self.client else self.up).flush()

    def _shaken(self) -> bool:
        try:
            self.client.do_handshake()  # type: ignore[attr-defined]
        except OSError as error:
            if not _would_block(error):
                self.reset()
            return False
        self.shaking = False
        self.watch()
        return True

    def watch(self) -> None:
        """Listen to whom there is room for, and to whom something must be sent."""
        if self.over:
            return
        if self.up.shut and self.down.shut:
            self._end()
            return
        for sock, source, sink in (
            (self.client, self.up, self.down),
            (self.server, self.down, self.up),
        ):
            events = 0
            if self.shaking and sock is self.server:
                pass  # nobody could be given what it says
            elif not source.ended and source.size < MOST_WAITING:
                events |= selectors.EVENT_READ
            if sink.stuck():
                events |= selectors.EVENT_WRITE
            self.proxy.watch(sock, events, self)

    def reset(self) -> None:
        """End both sides with RST."""
        if not self.over:
            self._end(hard=True)

    def _end(self, *, hard: bool = False) -> None:
        self.over = True
        self.proxy.forget(self)
        for each in (self.client, self.server):
            self.proxy.watch(each, 0, None)
            if hard:
                reset(each)
            else:
                each.close()


def reset(sock: socket.socket) -> None:
    """Close a socket with RST."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    except OSError:
        pass
    sock.close()


def _would_block(error: OSError) -> bool:
    if isinstance(error, BlockingIOError):
        return True
    from ssl import SSLWantReadError, SSLWantWriteError

    return isinstance(error, SSLWantReadError | SSLWantWriteError)
