"""redis-py's connections, made to keep to a budget; imported when the tier is first used."""

from __future__ import annotations

from orc.errors import ConfigError
from orc.tiers.last_look import PARTS, is_punctual
from orc.tiers.redis.replies import server_error
from orc.tiers.redis.sockets import HEARD, LAST_LOOK, TimedSocket, dial
from orc.tiers.redis.url import SENTINEL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from ssl import SSLContext
    from typing import Any

    from orc.model.row import Budget
    from orc.tiers.redis.operations import Command
    from orc.tiers.redis.url import Node, Target

IDLE_TIME = 3600.0

MISSING = 'the Redis tier needs redis-py: pip install "orc-cache[redis]"'

_classes: dict[str, type] = {}


def connection_class(target: Target, *, asynchronous: bool) -> type:
    """Return the class of connections for a target. Raises ``ConfigError`` without redis-py.

    TLS is not redis-py's, which makes a context for each connection, within the budget.
    """
    name = "UnixDomainSocketConnection" if target.kind == "unix" else "Connection"
    known = _classes.get(f"{name} {asynchronous}")
    if known is not None:
        return known
    from importlib import import_module

    try:
        module = import_module("redis.asyncio.connection" if asynchronous else "redis.connection")
    except ImportError as error:
        raise ConfigError(MISSING) from error
    base: Any = getattr(module, name)
    if target.kind != "unix":
        base = _addressed(base) if asynchronous else _dialled(base)
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
        return made | target.sentinel_options
    made |= {name: each for name, each in target.options.items() if not name.startswith("ssl_")}
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


def _timed(base: Any) -> type:  # noqa: C901 - one class of small methods
    """Return a class of connections with redis-py's handshake, TLS and parser, but our times."""

    class TimedConnection(base):  # type: ignore[misc]
        budget: Budget | None = None
        seconds = IDLE_TIME
        """What was left of the budget when this use began; some time outside of any use."""
        time_left = IDLE_TIME
        """What is left of that: only what a socket was waited for is taken from it."""
        arriving = False
        """Whether a part of the answer has come."""
        late = False
        """Whether it was there when the time was over."""
        heard = b""
        """The first bytes that came on this connection."""
        proven = True
        """Whether the server has answered before."""
        waited = 0.0
        """Seconds for which there was nothing in the socket, by whole parts."""
        _before = 0.0

        def use(self, budget: Budget, left: float | None = None) -> None:
            """Begin to be used within a budget, of which so many seconds are left."""
            self.budget = budget
            self.waited = 0.0
            self.time_left = budget.left() if left is None else left
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
            return max(LAST_LOOK, min(self.time_left, self.seconds / PARTS))

        def charge(self, part: float, *, whole: bool = False) -> None:
            """Take what was waited, a part at most; a `whole` part where no clock need tell."""
            if whole:
                # An end that was seen late says more of this process than of the server.
                late = 0.0 if self.budget is None else self._before - self.budget.left() - part
                if is_punctual(late, part):
                    self.waited += part
                else:
                    part /= 2
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
    from asyncio import timeout

    class AddressedConnection(base):  # type: ignore[misc]
        addresses: Sequence[str] = ()
        tls: SSLContext | None = None
        each = 0.0
        """Seconds that each address has to accept a connection, but the last of them."""
        proven = True
        """Whether the server has answered before; if not, what it says first is of interest."""
        heard = b""
        """That."""

        def _connection_arguments(self) -> Any:
            made = dict(super()._connection_arguments())
            if self.tls is not None:
                made["ssl"] = self.tls
                made["server_hostname"] = made["host"]
            if self.addresses:
                made["host"] = self.addresses[0]
            return made

        async def _connect(self) -> None:
            *others, last = self.addresses or ("",)
            for address in others:
                self.addresses = [address]
                try:
                    async with timeout(self.each):
                        await super()._connect()
                        break
                except OSError:
                    continue
            else:
                self.addresses = [last] if last else ()
                await super()._connect()
            if not self.proven:
                self._listen()

        def _listen(self) -> None:
            """Keep the first bytes that come, of which redis-py's parser takes the first line."""
            reader = self._reader
            feed = reader.feed_data
            self.heard = bytes(reader._buffer[:HEARD])  # noqa: SLF001 - as far as asyncio shows it

            def first(data: bytes) -> None:
                del reader.feed_data
                self.heard = self.heard or bytes(data[:HEARD])
                feed(data)

            reader.feed_data = first

    return AddressedConnection


def _dialled(base: Any) -> Any:
    """Return a class of connections that resolve, connect and shake hands within their budget."""

    class DialledConnection(base):  # type: ignore[misc]
        tls: SSLContext | None = None

        def _connect(self) -> Any:
            return dial(self, self.host, self.port, self.tls)

    return DialledConnection


def is_reply(error: Exception) -> bool:
    """Tell whether an exception is what a server answered, and the connection goes on."""
    return any(kind.__name__ == "ResponseError" for kind in type(error).__mro__)
