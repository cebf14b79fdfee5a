"""A server on the loopback, as a process that ends with whoever started it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from threading import Event, RLock

from orc.errors import ConfigError
from orc.lifecycle.clock import SYSTEM
from orc.testing.servers import guardian

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

HOST = "127.0.0.1"
PAUSE = 0.002
"""Seconds between two looks at a server that is starting."""
TAIL = 2_000
"""Characters of what a server printed that an error shows."""
HIGHEST = 55_535
"""A node of a Redis cluster listens 10,000 ports above its own too."""


def free_port() -> int:
    """Return a port of 127.0.0.1, ``HIGHEST`` at most, that nobody listened on a moment ago."""
    while True:
        with socket.socket() as bound:
            bound.bind((HOST, 0))
            port = int(bound.getsockname()[1])
        if port <= HIGHEST:
            return port


def accepts(port: int) -> bool:
    """Tell whether somebody accepts connections on a port of 127.0.0.1."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


class ServerProcess:
    """A server that runs from now on until :meth:`stop`, or until this process is gone.

    `command` is run in a temporary folder of its own, where `files` are written first; it ends with
    this process even where that is killed. `ready` tells whether it serves: it is asked again and
    again for `within` seconds, and may raise OSError for no. Raises ``ChildProcessError``, with the
    end of what the server printed, where it does not start, and ``ConfigError`` on a system that is
    not POSIX. For use from one thread or several.
    """

    command: list[str]

    def __init__(
        self,
        command: Sequence[str],
        ready: Callable[[], bool],
        *,
        within: float = 10.0,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        if not hasattr(os, "killpg"):
            raise ConfigError(
                "test servers cannot be started here: this Python lacks os.killpg. They need a "
                "POSIX system, such as Linux or macOS: run these tests there"
            )
        self.command = list(command)
        self._ready = ready
        self._within = within
        self._files = dict(files or {})
        self._lock = RLock()
        self._guardian: subprocess.Popen[str] | None = None
        self._folder = Path()
        self._pid = 0
        self.start()

    def __repr__(self) -> str:
        state = f"process {self._pid}" if self._guardian else "stopped"
        return f"<{type(self).__name__} {Path(self.command[0]).name}, {state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The id of the server's process, or of what it was the last time."""
        return self._pid

    @property
    def folder(self) -> Path:
        """The folder that the server runs in; gone when it is stopped."""
        return self._folder

    @property
    def running(self) -> bool:
        """Whether the server's process is there, be it frozen."""
        with self._lock:
            return self._guardian is not None and self._ask("poll") == "-"

    def output(self) -> str:
        """Return what the server has printed since it was started."""
        try:
            return (self._folder / guardian.OUTPUT).read_text("utf-8", "replace")
        except OSError:
            return ""

    def start(self) -> None:
        """Start the server, if need be again, and return when it is ready."""
        with self._lock:
            self.stop()
            try:
                self._begin()
            except BaseException:
                self.stop()
                raise

    def stop(self, within: float = 5.0) -> None:
        """End the server by SIGTERM, or after so many seconds by SIGKILL; and remove its folder."""
        with self._lock:
            if self._guardian is None:
                return
            try:
                if self._pid:
                    self._ask(f"end {within}")
            except ChildProcessError:
                pass  # without its guardian it has ended too
            process, self._guardian = self._guardian, None
            assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018
            try:
                process.stdin.close()
            except OSError:
                pass
            process.stdout.close()
            process.wait()

    def kill(self) -> None:
        """End the server by SIGKILL; it is gone when this returns."""
        self._ask("end 0")

    def freeze(self) -> None:
        """Keep the server from running (SIGSTOP); the kernel still accepts connections for it."""
        self._ask(f"signal {signal.SIGSTOP:d}")

    def thaw(self) -> None:
        """Let a frozen server run on (SIGCONT)."""
        self._ask(f"signal {signal.SIGCONT:d}")

    def _begin(self) -> None:
        self._pid = 0
        self._guardian = subprocess.Popen(  # noqa: S603 - a program of ours
            [sys.executable, "-I", "-S", guardian.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for this process, which then ends both
        )
        self._folder = Path(self._line())
        for name, content in self._files.items():
            path = self._folder / name
            path.touch(0o600)
            path.write_bytes(content)
        self._pid = int(self._ask(f"start {json.dumps(self.command)}"))
        until = SYSTEM.monotonic() + self._within
        pause = Event()
        while not self._is_ready():
            status = self._ask("poll")
            if status != "-":
                raise ChildProcessError(f"{self._name()} ended with {status}{self._tail()}")
            if SYSTEM.monotonic() > until:
                raise ChildProcessError(
                    f"{self._name()} was not ready within {self._within:g} s{self._tail()}"
                )
            pause.wait(PAUSE)

    def _is_ready(self) -> bool:
        try:
            return self._ready()
        except OSError:
            return False

    def _ask(self, line: str) -> str:
        with self._lock:
            process = self._guardian
            if process is None or process.stdin is None:
                raise ChildProcessError(f"{self._name()} is stopped")
            try:
                process.stdin.write(line + "\n")
                process.stdin.flush()
            except OSError as error:
                raise ChildProcessError(f"the guardian of {self._name()} has ended") from error
            answer = self._line()
        if answer.startswith("! "):
            raise ChildProcessError(f"{self._name()}: {answer[2:]}")
        return answer

    def _line(self) -> str:
        assert self._guardian is not None and self._guardian.stdout is not None  # noqa: S101, PT018
        line = self._guardian.stdout.readline()
        if not line:
            raise ChildProcessError(f"the guardian of {self._name()} has ended")
        return line.removesuffix("\n")

    def _name(self) -> str:
        return Path(self.command[0]).name

    def _tail(self) -> str:
        printed = self.output().strip()
        return f"; it printed:\n{printed[-TAIL:]}" if printed else " and printed nothing"
