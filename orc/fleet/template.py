"""The process that every SnapStart container is a clone of."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import stat
from typing import TYPE_CHECKING, Any

from orc.fleet import launch, rules
from orc.fleet.changes import Changes
from orc.fleet.extensions_api import PREFIX as EXTENSIONS
from orc.fleet.http import Server
from orc.fleet.processes import Child, Process
from orc.fleet.runtime_api import PREFIX as RUNTIME
from orc.fleet.runtime_api import RuntimeApi, refusal
from orc.fleet.variables import ARN, variables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orc.fleet.http import Reply, Request
    from orc.fleet.processes import Guardian
    from orc.fleet.settings import Settings


class Template:
    """Runs the init once, up to the runtime's restore/next, and forks there for each clone.

    A clone has what the snapshot has: memory, ``random``'s state, what was drawn at init, even the
    process id that ``os.getpid()`` tells. It has no threads but the main one: a real snapshot keeps
    them, a fork cannot. Extensions are threads or processes, so they are refused.
    """

    def __init__(self, settings: Settings, guardian: Guardian) -> None:
        self._settings = settings
        self._guardian = guardian
        self._folder = guardian.folder / "template"
        self._changed = Changes()
        self._api = RuntimeApi(ARN, 1, self._changed.notify)
        self._server = Server(self._handle)
        self._process: Child | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._ready = False
        self._cloned: list[asyncio.Future[int]] = []
        self._clones: dict[int, Process] = {}
        self._early: dict[int, int] = {}
        self._starting = asyncio.Lock()

    async def start(self, request_id: str = "") -> dict[str, Any] | None:
        """Run the init, if that has not been done; return its error, or None."""
        async with self._starting:
            if self._ready and self._process is not None and self._process.status is None:
                return None
            return await self._start(request_id)

    async def _start(self, request_id: str) -> dict[str, Any] | None:
        settings = self._settings
        self._ready = False
        self._server.close()
        await self._hang_up()
        self._api = RuntimeApi(ARN, 1, self._changed.notify)
        self._server = Server(self._handle)
        await self._server.start()
        shutil.rmtree(self._folder, ignore_errors=True)
        tmp = self._folder / "tmp"
        tmp.mkdir(parents=True)
        clock = launch.clock_file(self._folder, (0, 0))
        env = variables(
            settings,
            init_type="snap-start",
            log_stream="",
            address=self._server.address,
            tmp=tmp,
            mark=self._guardian.mark,
        )
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            process = self._process = launch.runtime(
                settings,
                env=env,
                clock=clock,
                log=self._folder / "log",
                guardian=self._guardian,
                on_exit=self._changed.notify,
                control=theirs.fileno(),
            )
        reader, self._writer = await asyncio.open_unix_connection(sock=ours)
        self._listening = asyncio.get_running_loop().create_task(self._listen(reader))
        await self._changed.until(
            lambda: self._ready or self._api.init_error or process.status is not None,
            asyncio.get_running_loop().time() + settings.init_timeout,
        )
        if self._ready:
            # Clones have copies of this one, since they may reach the template's by its path.
            await asyncio.to_thread(_copy, tmp, self._folder / "snapshot")
            return None
        process.kill_leader()
        if self._api.init_error is not None:
            return self._api.init_error
        if process.status is not None:
            return rules.exit_error(request_id, process.status)
        return rules.timeout_error(request_id, settings.init_timeout)

    async def clone(
        self, *, address: str, folder: Path, log: Path, clock: Path, on_exit: Callable[[], None]
    ) -> Process:
        """Make a process that goes on from the snapshot, with an API and a folder of its own.

        Its temp folder is a copy of the template's at the snapshot, unless there is something in
        it already.
        """
        tmp = folder / "tmp"
        if not any(tmp.iterdir()):
            await asyncio.to_thread(_copy, self._folder / "snapshot", tmp)
        order = {
            "env": {"AWS_LAMBDA_RUNTIME_API": address, "TMPDIR": str(tmp)},
            "log": str(log),
            "clock": str(clock),
        }
        assert self._writer is not None  # noqa: S101 - start() came first
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._cloned.append(future)
        self._writer.write(json.dumps(order).encode() + b"\n")
        pid = await future
        process = Process(pid, self._guardian, on_exit)
        self._clones[pid] = process
        if pid in self._early:
            self._clones.pop(pid).ended(self._early.pop(pid))
        return process

    def log(self) -> str:
        """Return what it printed."""
        return launch.read_log(self._folder / "log")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            message = json.loads(line)
            if "ready" in message:
                self._ready = True
                self._changed.notify()
            elif "cloned" in message:
                self._take(message["cloned"])
            else:
                pid, status = message["exited"], message["status"]
                if pid in self._clones:
                    self._clones.pop(pid).ended(status)
                else:
                    self._early[pid] = status  # its number is still on the way to clone()
        for future in [each for each in self._cloned if not each.done()]:
            future.set_exception(RuntimeError("the template of the snapshot has ended"))
        self._cloned.clear()

    def _take(self, pid: int) -> None:
        """Hand a new clone to who ordered it; kill it if he has gone."""
        future = self._cloned.pop(0)
        if not future.done():
            future.set_result(pid)
            return
        # It waits to be killed like any other, so that its number is not taken for another's.
        Process(pid, self._guardian, lambda: None).signal(signal.SIGKILL)

    async def _handle(self, request: Request) -> Reply:
        if request.path.startswith(RUNTIME):
            return await self._api.handle(request)
        if request.path.startswith(EXTENSIONS):
            return refusal(403, "Extension.RegistrationClosed", "no extensions in a clone")
        return refusal(404, "NotFound", f"no such endpoint: {request.path}")

    async def close(self) -> None:
        """Let go of it: the guardian has killed it."""
        self._server.close()
        if self._process is not None:
            self._process.reap()
        await self._hang_up()

    async def _hang_up(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
            await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a folder: its files, folders and links. No snapshot brings pipes and sockets to life."""

    def special(folder: str, names: list[str]) -> list[str]:
        paths = {name: os.path.join(folder, name) for name in names}  # noqa: PTH118 - many files
        kinds = {name: stat.S_IFMT(os.lstat(path).st_mode) for name, path in paths.items()}
        return [name for name, kind in kinds.items() if kind not in _COPIED]

    shutil.copytree(source, target, symlinks=True, ignore=special, dirs_exist_ok=True)


_COPIED = frozenset({stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK})
