"""redis-py's connections, made to keep to a budget; imported when the tier is first used."""

from __future__ import annotations

from orc.errors import ConfigError
from orc.tiers import names
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

PARTS = 5
"""Parts that a budget is charged by; see ``orc.tiers.last_look``."""

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
        left = connection.time_left()
        for _ in range(PARTS):  # whatever the clock of the budget says: it may stand still
            if left <= LAST_LOOK:
                break
            part = min(left, max(connection.budget_seconds / PARTS, LAST_LOOK))
            self._settimeout(part)
            try:
                found = read(into)
            except TimeoutError:
                left = connection.charge(left, part)
                continue
            connection.charge(left, part)
            connection.arriving = True
            return found
        if left < -connection.budget_seconds:
            raise TimeoutError("no time is left")
        self._settimeout(LAST_LOOK)
        found = read(into)
        connection.arriving = True
        if connection.budget is not None:
            connection.budget.late = True
        return found

    def sendall(self, data: bytes) -> None:
        """Send everything; here Python takes the timeout for all of it."""
        self._settimeout(self._connection.socket_timeout)
        self._send(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


def _timed(base: Any) -> type:
    """Return a class of connections with redis-py's handshake, TLS and parser, but our times."""

    class TimedConnection(*_resolved(base)):  # type: ignore[misc]
        budget: Budget | None = None
        budget_seconds = 0.0
        """What was left of the budget when this use began."""
        arriving = False
        """Whether a part of the answer has come."""

        def use(self, budget: Budget) -> None:
            """Begin to be used within a budget."""
            self.budget = budget
            self.budget_seconds = max(0.0, budget.left())
            self.arriving = False

        def time_left(self) -> float:
            """Seconds that are left; some hours outside of any use."""
            return IDLE_TIME if self.budget is None else self.budget.left()

        def charge(self, before: float, part: float) -> float:
            """Take a part from what was left, at most; return what is left then."""
            left = self.time_left()
            over = before - left - part
            if over > 0 and self.budget is not None:
                self.budget.extend(over)
                left += over
            return left

        def _connect(self) -> TimedSocket:
            return TimedSocket(super()._connect(), self)

        @property
        def socket_timeout(self) -> float | None:
            if self.budget is None:
                return None
            left = self.budget.left()
            if left <= 0:
                raise TimeoutError("no time is left")
            return left

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
