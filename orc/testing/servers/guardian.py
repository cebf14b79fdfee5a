"""The program that runs one server, and ends it when whoever asked for the server is gone.

Run as ``python -I -S guardian.py``. It makes a folder, says its path, and answers one line on
stdout for each line on stdin: ``start <JSON list>`` with the server's process id, ``signal <n>``,
``poll`` and ``end <seconds>`` with the server's exit status, or ``-`` while it runs. Where stdin
ends, the server is killed with its process group, and the folder is removed: a pipe ends with its
last writer, even when that was killed, and whichever of its threads had started the server.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

Server = subprocess.Popen[bytes]

OUTPUT = "output.log"
"""What the server printed, in the folder."""


def start(command: list[str], folder: str) -> Server:
    """Start the server in the folder, in a session of its own."""
    with (Path(folder) / OUTPUT).open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - what its parent says
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def send(server: Server, number: int) -> None:
    """Send a signal to the server's process group, unless the server has ended."""
    if server.poll() is None:
        try:
            os.killpg(server.pid, number)
        except ProcessLookupError:
            pass


def end(server: Server, seconds: float) -> None:
    """Ask the server to end, and after so many seconds make it."""
    if seconds > 0:
        send(server, signal.SIGTERM)
        send(server, signal.SIGCONT)  # a frozen one would not hear it
        try:
            server.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
    send(server, signal.SIGKILL)
    server.wait()


def answer(line: str, server: Server | None, folder: str) -> tuple[str, Server | None]:
    """Do what a line says; return the answer, and the server that there is from now on."""
    word, _, rest = line.rstrip("\n").partition(" ")
    if word == "start":
        try:
            server = start(json.loads(rest), folder)
        except OSError as error:
            return f"! {error}", None
        return str(server.pid), server
    if server is None:
        return "! no server was started", None
    if word == "signal":
        send(server, int(rest))
    elif word == "end":
        end(server, float(rest))
    status = server.poll()
    return "-" if status is None else str(status), server


def main() -> None:
    """Answer until stdin ends, then leave nothing behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A handler and not SIG_IGN, which the server would inherit.
        signal.signal(number, lambda _number, _frame: None)
    folder = tempfile.mkdtemp(prefix="orc-server-")
    server = None
    try:
        print(folder, flush=True)  # noqa: T201 - the protocol
        for line in sys.stdin:
            said, server = answer(line, server, folder)
            print(said, flush=True)  # noqa: T201 - the protocol
    except BrokenPipeError:
        pass
    finally:
        if server is not None:
            end(server, 0)
        shutil.rmtree(folder, ignore_errors=True)
        # What is in the buffer has no reader, and the interpreter would complain.
        os.close(sys.stdout.fileno())
        os._exit(0)


if __name__ == "__main__":
    main()
