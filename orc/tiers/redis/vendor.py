"""redis-py's connections, made to keep to a budget; imported when the tier is first used."""

from __future__ import annotations

from orc.errors import ConfigError
from orc.tiers import names
from orc.tiers.last_look import PARTS, is_punctual
from orc.tiers.redis.replies import server_error
from orc.tiers.redis.url import SENTINEL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from orc.model.row import Budget
    from orc.tiers.redis.operations import Command
    from orc.tiers.redis.url import Node, Target

LAST_LOOK = 0.001
"""Seconds for which a socket is looked into once more, after the time was over."""

IDLE_TIME = 3600.0

MISSING = 'the Redis tier needs redis-py: pip install "orc-cache[redis]"'

_classes: dict[str, type] = {}


def connection_class(target: Target, *, asynchronous: bool) -> type:
    """Return the class of connections for a target. Raises ``ConfigError`` without redis-py."""
    plain = "UnixDomainSocketConnection" if target.kind == "unix" else "Connection"
    name = "SSLConnection" if target.tls else plain
    known = _classes.get(f"{name} {asynchronous}")
    if known is not None:
        return known
    from importlib import import_module

    try:
        module = import_module("redis.asyncio.connection" if asynchronous else "redis.connection")
    except ImportError as error:
        raise ConfigError(MISSING) from error
    base: Any = getattr(module, name)
    base = _addressed(base) if asynchronous else _timed(base)
    _classes[f"{name} {asynchronous}"] = base
    return base  # type: ignore[no-any-return]


def settings(target: Target, node: Node, credentials: object | None) -> dict[str, Any]:
    """Return the keywords for a connection to a server."""
    host, port, role = node
    made: dict[str, Any] = {
        "protocol": 2,  # no greeting, so one round trip less
        **_unnamed(),
    }
    made |= {"host": host, "port": port} if port else {"path": host}
    if role == SENTINEL:
        # A Sentinel has users and a name of its own, and no databases.
        tls = {name: value for name, value in target.options.items() if name.startswith("ssl_")}
        return made | tls | target.sentinel_options
    made |= target.options
    if credentials is not None:
        made["credential_provider"] = credentials
    return made


def _unnamed() -> dict[str, None]:
    """Return what keeps redis-py from telling its name to the server, which is two round trips."""
    try:
        from redis import driver_info  # noqa: F401 - there from 7.1 on
    except ImportError:
        return {"lib_name": None, "lib_version": None}
    return {"driver_info": None}


def pack(commands: Sequence[Command]) -> bytes:
    """Return commands as they are sent (RESP 2, arrays of bulk strings)."""
    parts: list[bytes] = []
    for _, words in commands:
        parts.append(b"*%d\r\n" % len(words))
        for word in words:
            parts += (b"$%d\r\n" % len(word), word, b"\r\n")
    return b"".join(parts)


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
        return self._read(self._receive, size)  # type: ignore[no-any-return]

    def recv_into(self, buffer: bytearray) -> int:
        """Read what is there into a buffer."""
        return self._read(self._receive_into, buffer)  # type: ignore[no-any-return]

    def _read(self, read: Callable[[Any], Any], into: Any) -> Any:
        """Read within the budget; and when it is over look once more, whether an answer is there.

        The budget is charged by parts, as that of a coroutine is: a process that was kept from
        running sees late that a part is over, or that an answer has come. The rest of an answer
        that has come too late may take another budget at most.
        """
        connection = self._connection
        while connection.time_left > LAST_LOOK:
            part = connection.part()
            self._settimeout(part)
            try:
                found = read(into)
            except TimeoutError:
                connection.charge(part, whole=True)
                continue
            connection.charge(part)
            connection.arriving = True
            return found
        if connection.time_left < -connection.seconds:
            raise TimeoutError("no time is left")
        self._settimeout(LAST_LOOK)
        found = read(into)
        connection.charge(LAST_LOOK)
        connection.arriving = connection.late = True
        return found

    def sendall(self, data: bytes) -> None:
        """Send everything; here Python takes the timeout for all of it."""
        self._settimeout(max(self._connection.time_left, LAST_LOOK))
        self._send(data)  # into the kernel's buffer: the server is not waited for

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


def _timed(base: Any) -> type:  # noqa: C901 - one class of small methods
    """Return a class of connections with redis-py's handshake, TLS and parser, but our times."""

    class TimedConnection(*_resolved(base)):  # type: ignore[misc]
        budget: Budget | None = None
        seconds = IDLE_TIME
        """What was left of the budget when this use began; some time outside of any use."""
        time_left = IDLE_TIME
        """What is left of that: only what a socket was waited for is taken from it."""
        arriving = False
        """Whether a part of the answer has come."""
        late = False
        """Whether it was there when the time was over."""
        waited = 0.0
        """Seconds for which there was nothing in the socket, by whole parts."""
        _before = 0.0

        def use(self, budget: Budget) -> None:
            """Begin to be used within a budget."""
            self.budget = budget
            self.waited = 0.0
            self.time_left = budget.left()
            self.seconds = max(self.time_left, LAST_LOOK)
            self.arriving = self.late = False

        def done(self) -> None:
            """End a use: the budget has what it had, less what was waited for."""
            budget, self.budget = self.budget, None
            if budget is not None:
                budget.late |= self.late
                budget.waited += self.waited
                budget.pause(self.time_left)

        def part(self) -> float:
            """Begin to wait; return the seconds of one part of the budget, or what is left."""
            self._before = 0.0 if self.budget is None else self.budget.left()
            return min(self.time_left, max(self.seconds / PARTS, LAST_LOOK))

        def charge(self, part: float, *, whole: bool = False) -> None:
            """Take what was waited, a part at most; a `whole` part where no clock need tell."""
            if whole:
                # An end that was seen late says more of this process than of the server.
                late = 0.0 if self.budget is None else self._before - self.budget.left() - part
                if is_punctual(late, part):
                    self.waited += part
            elif self.budget is not None:
                part = min(part, max(0.0, self._before - self.budget.left()))
            self.time_left -= part

        def _connect(self) -> TimedSocket:
            return TimedSocket(super()._connect(), self)

        @property
        def socket_timeout(self) -> float | None:
            return None if self.budget is None else max(self.time_left, LAST_LOOK)

        @socket_timeout.setter
        def socket_timeout(self, value: float | None) -> None:
            """Leave it: older versions set it in their constructor."""

        @property
        def socket_connect_timeout(self) -> float | None:
            return self.socket_timeout

        @socket_connect_timeout.setter
        def socket_connect_timeout(self, value: float | None) -> None:
            """Leave it, as above."""

        def answer(self) -> Any:
            """Read one reply; the error of a server stands in its place."""
            try:
                return self.read_response(disable_decoding=True)
            except Exception as error:
                if not is_reply(error):
                    raise
                return server_error(error)

    return TimedConnection


def _addressed(base: Any) -> Any:
    """Return a class of ``redis.asyncio``'s connections that connect to addresses found before."""

    class AddressedConnection(base):  # type: ignore[misc]
        addresses: Sequence[str] = ()

        def _connection_arguments(self) -> Any:
            made = dict(super()._connection_arguments())
            if self.addresses:
                if made.get("ssl"):
                    made["server_hostname"] = made["host"]
                made["host"] = self.addresses[0]
            return made

        async def _connect(self) -> Any:
            *others, last = self.addresses or ("",)
            for address in others:
                try:
                    self.addresses = [address]
                    return await super()._connect()
                except OSError:
                    continue
            self.addresses = [last] if last else ()
            return await super()._connect()

    return AddressedConnection if hasattr(base, "_connection_arguments") else base


def _resolved(base: Any) -> tuple[type, ...]:
    """Return the bases of a class whose connections resolve names within their budget."""
    import socket

    from redis.connection import Connection

    if not issubclass(base, Connection):
        return (base,)

    class ResolvedConnection(Connection):  # type: ignore[misc,unused-ignore]
        budget: Any

        def _connect(self) -> Any:
            budget = self.budget
            found = names.resolve(self.host, self.port, budget)
            error: OSError | None = None
            for family, kind, protocol, _, address in found:
                made = socket.socket(family, kind, protocol)
                try:
                    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                    made.settimeout(self.socket_connect_timeout)
                    made.connect(address)
                except OSError as failure:
                    error = failure
                    made.close()
                except BaseException:
                    made.close()
                    raise
                else:
                    return made
            names.forget(self.host, self.port)
            raise error or OSError(f"{self.host} has no address")

    # Between a subclass, which may speak TLS on it, and redis-py's own, which has no limit.
    return (ResolvedConnection,) if base is Connection else (base, ResolvedConnection)


def is_reply(error: Exception) -> bool:
    """Tell whether an exception is what a server answered, and the connection goes on."""
    return any(kind.__name__ == "ResponseError" for kind in type(error).__mro__)
