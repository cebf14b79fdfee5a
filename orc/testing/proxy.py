"""A TCP proxy that does to a connection what networks do to it.

::

    with FaultProxy("127.0.0.1", server_port) as proxy:
        client = connect("127.0.0.1", proxy.port)
        proxy.replies.black_hole = True  # the server does what it is asked; nobody hears of it
        ...
        proxy.heal()

It runs in a thread of its own, so clients of the same process may block. Nothing but the standard
library is needed.
"""

from __future__ import annotations

import heapq
import selectors
import socket
import threading
from collections import deque
from random import Random

from orc.lifecycle.clock import SYSTEM
from orc.testing.proxied import CHUNK, Link, Pump, reset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from ssl import SSLContext
    from types import TracebackType
    from typing import Self

LOOPBACK = "127.0.0.1"
CONNECT_WITHIN = 2.0
"""Seconds to connect to the target."""


class Way:
    """What is done to the bytes of one direction. Set it at any time: it counts from then on."""

    changes: int
    corrupt: float
    delay: float
    jitter: float

    def __init__(self) -> None:
        self.bytes = 0
        """Bytes that were passed on."""
        self.changes = 0
        self.heal()

    def heal(self) -> None:
        """Pass everything on as it comes."""
        self.delay = 0.0
        """Seconds that each piece is late."""
        self.jitter = 0.0
        """Seconds that it may be later still, drawn for each piece; the order is kept."""
        self.bandwidth: float | None = None
        """Bytes in a second."""
        self.black_hole = False
        """Take everything, the end of the connection included, and pass nothing on."""
        self.corrupt = 0.0
        """The share of bytes that are changed to another: 0 to 1."""
        self.slice: int | None = None
        """Bytes in one piece at most, each sent on its own."""
        self.reset_after = None

    @property
    def reset_after(self) -> int | None:
        """Bytes that each connection still passes this way before it is reset.

        0 resets it in place of the first byte; more, in the middle of what is said.
        """
        return self._reset_after

    @reset_after.setter
    def reset_after(self, count: int | None) -> None:
        self._reset_after = count
        self.changes += 1


class FaultProxy:
    """Pass connections on to a server, with faults. A context manager; also :meth:`close`.

    `requests` is the way from client to server, `replies` the way back. `refuse`: connections are
    accepted and reset at once. `tls`: a server's context; the clients speak TLS to the proxy, and
    the proxy plain TCP to the server. Chance comes from `seed`.
    """

    connections: int
    port: int
    refuse: bool
    replies: Way
    requests: Way

    def __init__(
        self,
        host: str,
        port: int,
        *,
        seed: int = 0,
        tls: SSLContext | None = None,
    ) -> None:
        self.requests = Way()
        self.replies = Way()
        self.refuse = False
        self.connections = 0
        """Connections that were accepted, those included that were reset at once."""
        self._target = (host, port)
        self._tls = tls
        self._random = Random(seed)  # noqa: S311 - to be drawn again
        self._selector = selectors.DefaultSelector()
        self._links: set[Link] = set()
        self._timers: list[tuple[float, int, Pump]] = []
        self._order = 0
        self._asked: deque[Callable[[], None]] = deque()
        self._ending = False
        self._listener: socket.socket | None = None
        self.port = 0
        """Where it listens, on the loopback."""
        self._listen()
        self._waker, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, name="FaultProxy", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- what a test does -------------------------------------------------------------------------

    def heal(self) -> None:
        """End every fault; open the port if it is closed. Connections that are cut stay so."""
        self.requests.heal()
        self.replies.heal()
        self.refuse = False
        self.open_port()

    def reset_all(self) -> None:
        """Reset every connection that is open now, whether it is used or idle."""
        self._ask(self._reset_links)

    def close_port(self) -> None:
        """Listen no more: new connections are refused. Those that are open stay."""
        self._ask(self._unlisten)

    def open_port(self) -> None:
        """Listen again, at the same port."""
        self._ask(self._listen)

    def open_connections(self) -> int:
        """Return how many connections are open now."""
        found: list[int] = []
        self._ask(lambda: found.append(len(self._links)))
        return found[0] if found else 0

    def close(self) -> None:
        """Reset what is open, stop listening, and end the thread. Calling it again is allowed."""
        if self._ending:
            return
        self._ending = True
        try:
            self._waker.send(b"\0")
        except OSError:
            pass  # the thread has seen it already
        self._thread.join()

    # -- the thread -------------------------------------------------------------------------------

    def _ask(self, work: Callable[[], object]) -> None:
        """Have something done by the thread, and wait until it is."""
        done = threading.Event()

        def run() -> None:
            try:
                work()
            finally:
                done.set()

        if self._ending:
            return
        self._asked.append(run)
        self._waker.send(b"\0")
        while not done.wait(0.1) and self._thread.is_alive():
            pass

    def _run(self) -> None:
        try:
            while not self._ending:
                wait = max(0.0, self._timers[0][0] - SYSTEM.monotonic()) if self._timers else None
                for key, events in self._selector.select(wait):
                    self._on(key, events)
                while self._asked:
                    self._asked.popleft()()
                now = SYSTEM.monotonic()
                while self._timers and self._timers[0][0] <= now:
                    heapq.heappop(self._timers)[2].wake()
        finally:
            self._reset_links()
            self._unlisten()
            self._selector.close()
            self._woken.close()
            self._waker.close()

    def _on(self, key: selectors.SelectorKey, events: int) -> None:
        if isinstance(key.data, Link):
            key.data.on(key.fileobj, events)
        elif key.fileobj is self._woken:
            self._woken.recv(CHUNK)
        else:
            self._accept()

    def _reset_links(self) -> None:
        for link in list(self._links):
            link.reset()

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server((LOOPBACK, self.port), backlog=128)
            self._listener.setblocking(False)
            self.port = self._listener.getsockname()[1]
            self._selector.register(self._listener, selectors.EVENT_READ, None)

    def _unlisten(self) -> None:
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            client, _ = self._listener.accept()
        except OSError:  # it went away again
            return
        self.connections += 1
        if self.refuse:
            reset(client)
            return
        try:
            server = socket.create_connection(self._target, CONNECT_WITHIN)
        except OSError:
            reset(client)
            return
        try:
            self._links.add(Link(self, client, server))
        except OSError:
            reset(client)
            reset(server)

    # -- what a connection asks of the thread -----------------------------------------------------

    def later(self, when: float, pump: Pump) -> None:
        """Have a pump look again at that instant of the monotonic clock."""
        self._order += 1
        heapq.heappush(self._timers, (when, self._order, pump))

    def spoilt(self, data: bytes, share: float) -> bytes:
        """Return bytes of which a share is changed, each to another byte."""
        chance = self._random
        return bytes(
            each ^ chance.randrange(1, 256) if chance.random() < share else each for each in data
        )

    def jitter(self, most: float) -> float:
        """Draw seconds."""
        return self._random.uniform(0, most)

    def wrapped(self, client: socket.socket) -> socket.socket:
        """Return the client's socket, behind TLS if the proxy ends it."""
        if self._tls is None:
            return client
        return self._tls.wrap_socket(client, server_side=True, do_handshake_on_connect=False)

    def watch(self, sock: socket.socket, events: int, link: Link | None) -> None:
        """Ask to be told of events of a socket; no events, or no link: of none."""
        known = sock in self._selector.get_map() if sock.fileno() >= 0 else False
        if events and link is not None:
            (self._selector.modify if known else self._selector.register)(sock, events, link)
        elif known:
            self._selector.unregister(sock)

    def forget(self, link: Link) -> None:
        """Forget a connection that has ended."""
        self._links.discard(link)
