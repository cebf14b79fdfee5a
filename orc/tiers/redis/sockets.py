"""Sockets for threads that keep to the budget of an operation, from the first packet on."""

from __future__ import annotations

import socket

from orc.tiers import names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from ssl import SSLContext
    from typing import Any, Protocol, TypeVar

    from orc.model.row import Budget

    T = TypeVar("T")

    class Times(Protocol):
        """What is left of a budget, measured by parts; see ``TimedConnection``."""

        budget: Budget | None
        seconds: float
        time_left: float
        late: bool
        proven: bool

        def part(self) -> float:
            """Begin to wait; return the seconds of one part."""

        def charge(self, part: float, *, whole: bool = False) -> None:
            """Take what was waited."""


PLENTY = 0.2
"""Seconds of which some can be spared to find out why there is no answer."""
LAST_LOOK = 0.001
"""Seconds for which a socket is looked into once more, after the time was over."""


HEARD = 32
"""Bytes of the first answer on a connection that are kept, to tell what has answered."""


def wait(
    times: Times, settimeout: Callable[[float], object], work: Callable[[], T], keep: float = 0.0
) -> T:
    """Do what waits for a server, until it is done or no more than `keep` seconds are left.

    `work` raises ``TimeoutError`` when it was not done within the time that was set, and can be
    done again. The budget is charged by parts, as that of a coroutine is: a process that was kept
    from running sees late that a part is over, or that an answer has come. When the time is over it
    looks once more. The rest of what has come too late may take another budget at most.
    """
    while times.time_left > max(keep, LAST_LOOK):
        part = times.part()
        settimeout(part)
        try:
            found = work()
        except TimeoutError:
            times.charge(part, whole=True)
            continue
        times.charge(part)
        return found
    if times.time_left < -times.seconds:
        raise TimeoutError("no time is left")
    settimeout(LAST_LOOK)
    found = work()
    times.charge(LAST_LOOK)
    times.late = True
    return found


def dial(times: Times, host: str, port: int, tls: SSLContext | None) -> Any:
    """Return a socket that is connected, and has shaken hands. Raises ``OSError``, ``TierError``.

    Of several addresses each but the last has half of the time that is left.
    """
    found = _resolve(times, host, port)
    error: OSError | None = None
    for number, (family, kind, protocol, _, address) in enumerate(found, start=1):
        made = socket.socket(family, kind, protocol)
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            _connect(times, made, address, times.time_left / 2 if number < len(found) else 0.0)
            if tls is not None:
                made = tls.wrap_socket(made, server_hostname=host, do_handshake_on_connect=False)
                # Of a server that never answered, half: it may speak no TLS, which is asked then.
                keep = 0.0 if times.proven or times.time_left < PLENTY else times.time_left / 2
                wait(times, made.settimeout, made.do_handshake, keep)
        except OSError as failure:
            error = failure
            made.close()
        except BaseException:
            made.close()
            raise
        else:
            return made
    names.forget(host, port)
    raise error or OSError(f"{host} has no address")


def _resolve(times: Times, host: str, port: int) -> names.Found:
    budget = times.budget
    assert budget is not None  # noqa: S101 - a connection is in use while it connects
    found = names.known(host, port, budget.wall())
    if found is not None:
        return found
    before = budget.left()
    try:
        return names.resolve(host, port, budget)
    finally:
        times.time_left = max(0.0, times.time_left - max(0.0, before - budget.left()))


def _connect(times: Times, made: socket.socket, address: Any, keep: float) -> None:
    import os
    from errno import EINPROGRESS

    made.setblocking(False)
    code = made.connect_ex(address)
    if code == EINPROGRESS:
        from select import POLLOUT, poll

        poller = poll()
        poller.register(made, POLLOUT)
        timeout = 0.0

        def set_timeout(seconds: float) -> None:
            nonlocal timeout
            timeout = seconds * 1000

        def look() -> int:
            if not poller.poll(timeout):
                raise TimeoutError("no connection in time")
            return made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

        code = wait(times, set_timeout, look, keep)
    if code:
        raise OSError(code, os.strerror(code))


class TimedSocket:
    """A socket of which each read and write ends with the budget of the operation that it is for.

    The timeout of a socket is for each ``recv``, so that a server which sends a byte now and then
    would hold a reader for ever.
    """

    __slots__ = ("_connection", "_receive", "_receive_into", "_send", "_settimeout", "_socket")

    def __init__(self, socket: Any, connection: Any) -> None:
        self._socket = socket
        self._connection = connection
        self._settimeout = socket.settimeout
        self._receive = socket.recv
        self._receive_into = socket.recv_into
        self._send = socket.sendall

    def recv(self, size: int) -> bytes:
        """Read what is there, up to so many bytes."""
        found: bytes = self._read(lambda: self._receive(size))
        if not self._connection.heard:
            self._connection.heard = found[:HEARD]
        return found

    def recv_into(self, buffer: bytearray) -> int:
        """Read what is there into a buffer."""
        size: int = self._read(lambda: self._receive_into(buffer))
        if not self._connection.heard:
            self._connection.heard = bytes(buffer[: min(size, HEARD)])
        return size

    def _read(self, read: Callable[[], Any]) -> Any:
        connection = self._connection
        found = wait(connection, self._settimeout, read)
        connection.arriving = True
        return found

    def sendall(self, data: bytes) -> None:
        """Send everything; here Python takes the timeout for all of it."""
        self._settimeout(max(self._connection.time_left, LAST_LOOK))
        self._send(data)  # into the kernel's buffer: the server is not waited for

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)
