"""redis-py's connections, made to keep to a budget; imported when the tier is first used."""

from __future__ import annotations

from orc.errors import ConfigError
from orc.tiers.redis.replies import server_error
from orc.tiers.redis.url import SENTINEL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from orc.model.row import Budget
    from orc.tiers.redis.operations import Command
    from orc.tiers.redis.url import Node, Target

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
    if not asynchronous:
        base = _timed(base)
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
        self._settimeout(self._connection.socket_timeout)
        return self._receive(size)  # type: ignore[no-any-return]

    def recv_into(self, buffer: bytearray) -> int:
        """Read what is there into a buffer."""
        self._settimeout(self._connection.socket_timeout)
        return self._receive_into(buffer)  # type: ignore[no-any-return]

    def sendall(self, data: bytes) -> None:
        """Send everything; here Python takes the timeout for all of it."""
        self._settimeout(self._connection.socket_timeout)
        self._send(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


def _timed(base: Any) -> type:
    """Return a class of connections with redis-py's handshake, TLS and parser, but our times."""

    class TimedConnection(base):  # type: ignore[misc]
        budget: Budget | None = None

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


def is_reply(error: Exception) -> bool:
    """Tell whether an exception is what a server answered, and the connection goes on."""
    return any(kind.__name__ == "ResponseError" for kind in type(error).__mro__)
