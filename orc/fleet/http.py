"""HTTP/1.1, as much of it as a runtime and its extensions speak on loopback."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_LONGEST_HEAD = 1_100_000  # awslambdaric sends a fault for X-Ray of up to 1 MiB in a header


class Malformed(Exception):  # noqa: N818 - says what the request is; never leaves this module
    """What came is no HTTP request."""


class Request:
    """One request. `headers` has names in lower case."""

    __slots__ = ("body", "connection", "headers", "method", "path")

    def __init__(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        connection: Connection | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.connection = connection


class Reply:
    """One reply, whose length and connection headers are the server's business."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self, status: int, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        self.status = status
        self.body = body
        self.headers = headers or {"Content-Type": "application/json"}

    def encode(self) -> bytes:
        """Return the bytes that go over the wire."""
        phrase = HTTPStatus(self.status).phrase
        lines = [f"HTTP/1.1 {self.status} {phrase}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body


class Connection(asyncio.Protocol):
    """One connection, which serves its requests one after the other.

    When the peer goes away the handler is cancelled, so that a poll that nobody waits for any more
    is not given an event; then each of `on_close` is called.
    """

    def __init__(self, handler: Callable[[Request], Awaitable[Reply]]) -> None:
        self.on_close: list[Callable[[], None]] = []
        self._handler = handler
        self._buffer = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._continued = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checker
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take what came, and begin to answer when it is a whole request."""
        self._buffer += data
        if self._task is None:
            self._begin()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Cancel what is being answered."""
        self._transport = None
        if self._task is not None:
            self._task.cancel()
        for callback in self.on_close:
            callback()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()

    def _begin(self) -> None:
        transport = self._transport
        try:
            parsed = parse(self._buffer)
        except (Malformed, ValueError):
            if transport is not None:
                transport.write(Reply(400).encode())
                transport.close()
            return
        if parsed is None:
            if not self._continued and b"100-continue" in self._buffer and transport is not None:
                self._continued = True
                transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return
        request, used = parsed
        del self._buffer[:used]
        self._continued = False
        request.connection = self
        self._task = asyncio.get_running_loop().create_task(self._answer(request))

    async def _answer(self, request: Request) -> None:
        try:
            encoded = (await self._handler(request)).encode()
        except Exception:
            # Whoever asked must not wait for ever; the error itself is the loop's to tell.
            if self._transport is not None:
                self._transport.write(Reply(500).encode())
                self._transport.close()
            raise
        finally:
            self._task = None
        if self._transport is None:
            return
        self._transport.write(encoded)
        if request.headers.get("connection", "").lower() == "close":
            self._transport.close()
        elif self._buffer:
            self._begin()


class Server:
    """A server on a free port of 127.0.0.1."""

    __slots__ = ("_closed", "_connections", "_handler", "_server", "address")

    def __init__(self, handler: Callable[[Request], Awaitable[Reply]]) -> None:
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._closed = False
        self.address = ""

    async def start(self) -> None:
        """Listen; `address` is ``127.0.0.1:port`` from then on."""
        loop = asyncio.get_running_loop()
        # It does not wait once it has a socket: a caller that is cancelled would lose that.
        server = await loop.create_server(self._accept, "127.0.0.1", 0, start_serving=False)
        self._server = server
        host, port = server.sockets[0].getsockname()[:2]
        self.address = f"{host}:{port}"
        if self._closed:
            server.close()
        else:
            await server.start_serving()

    def _accept(self) -> Connection:
        connection = Connection(self._handler)
        self._connections.add(connection)
        connection.on_close.append(lambda: self._connections.discard(connection))
        return connection

    def close(self) -> None:
        """Stop listening, and hang up on everybody. One that starts now ends at once."""
        self._closed = True
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.close()


def parse(data: bytearray) -> tuple[Request, int] | None:
    """Return the first request in `data` and its length in bytes; None while it is incomplete.

    Raises Malformed or ValueError for what is no request.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) > _LONGEST_HEAD:
            raise Malformed
        return None
    first, *rest = bytes(data[:end]).decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):  # noqa: PLR2004 - method, path, version
        raise Malformed
    headers = {}
    for line in rest:
        name, colon, value = line.partition(":")
        if not colon:
            raise Malformed
        headers[name.strip().lower()] = value.strip()
    start = end + 4
    if "chunked" in headers.get("transfer-encoding", "").lower():
        decoded = _chunks(data, start)
        if decoded is None:
            return None
        body, used = decoded
    else:
        length = int(headers.get("content-length") or 0)
        if length < 0:
            raise Malformed
        used = start + length
        if len(data) < used:
            return None
        body = bytes(data[start:used])
    return Request(words[0], words[1].partition("?")[0], headers, body), used


def _chunks(data: bytearray, at: int) -> tuple[bytes, int] | None:
    parts = []
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        size = int(bytes(data[at:end]).partition(b";")[0], 16)
        if size < 0:
            raise Malformed
        at = end + 2
        if size == 0:
            break
        if len(data) < at + size + 2:
            return None
        parts.append(bytes(data[at : at + size]))
        at += size + 2
    while True:  # trailers, to the empty line
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        if end == at:
            return b"".join(parts), end + 2
        at = end + 2
