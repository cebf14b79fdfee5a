"""Servers for tests end with whoever started them, and say why they did not start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest

from orc.lifecycle.clock import SYSTEM
from orc.testing.servers.process import ServerProcess, accepts, free_port
from orc.testing.servers.valkey import Valkey, answers


def gone(pid):
    """Tell whether a process has ended, be it that nobody has asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except FileNotFoundError:
        return True


def eventually(true):
    until = SYSTEM.monotonic() + 10
    while not true():
        assert SYSTEM.monotonic() < until
        Event().wait(0.005)


def test_a_server_serves_and_stops():
    """It answers when it is made, and leaves no process, port or folder."""
    with Valkey() as server:
        assert answers(server.port)
        assert server.running
        assert server.folder.is_dir()
        assert str(server.port) in server.url
    assert gone(server.pid)
    assert not accepts(server.port)
    assert not server.folder.exists()
    server.stop()
    with pytest.raises(ChildProcessError, match="stopped"):
        server.kill()


def test_a_killed_server_can_be_restarted():
    """After SIGKILL it starts again on its port."""
    with Valkey() as server:
        first = server.pid
        server.kill()
        assert gone(first)
        assert not server.running
        server.restart()
        assert answers(server.port)
        assert server.pid != first


def test_a_frozen_server_stops():
    """SIGSTOP and SIGCONT are counted on by fault tests; a frozen server can be ended."""
    with Valkey() as server:
        server.freeze()
        assert accepts(server.port)
        with pytest.raises(TimeoutError):
            answers(server.port)
        server.thaw()
        assert answers(server.port)
        server.freeze()
    assert gone(server.pid)


def test_what_it_printed_is_in_the_error():
    """A server that ends at once is an error with its status and its words."""
    with pytest.raises(ChildProcessError, match="maxmemory") as caught:
        Valkey(maxmemory="much")
    assert "ended with 1" in str(caught.value)
    with pytest.raises(ChildProcessError, match="was not ready within"):
        ServerProcess(["sleep", "60"], lambda: False, within=0.05)
    with pytest.raises(ChildProcessError, match="no-such-program"):
        ServerProcess(["./no-such-program"], lambda: True)


def test_it_ends_with_a_parent_that_is_killed():
    """SIGKILL on the process that started it leaves no server and no folder."""
    program = (
        "from orc.testing.servers.valkey import Valkey; import time;"
        "s = Valkey(); print(s.pid, s.folder, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        pid, folder = parent.stdout.readline().split()
        assert not gone(pid)
        os.kill(parent.pid, signal.SIGKILL)
    eventually(lambda: gone(pid) and not Path(folder).exists())


def test_a_free_port_is_free():
    """Nobody accepts connections on it."""
    assert not accepts(free_port())


def test_a_node_of_a_cluster_has_room_for_its_second_port():
    """It listens 10,000 ports higher too, and the machine's own ports end not far below."""
    assert max(free_port() for _ in range(300)) + 10_000 < 65_536
