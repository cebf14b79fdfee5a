"""Processes that lead a group each, and the guardian that outlives their parent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from orc.errors import ConfigError
from orc.fleet import grace
from orc.fleet.host import NANOSECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GUARDIAN = str(Path(__file__).with_name("guardian.py"))
_STATE = 0  # of the fields behind the name in /proc/pid/stat


class Process:
    """A process that leads its own group. Its end reaches it by `ended`.

    When the leader ends, the rest of its group is killed: an environment does not outlive its
    runtime.
    """

    __slots__ = ("_guardian", "_on_exit", "exited", "pid", "status")

    def __init__(self, pid: int, guardian: Guardian, on_exit: Callable[[], None]) -> None:
        self.pid: int = pid
        self.status: int | None = None
        """None while it runs, then as in subprocess: below 0 is the signal that killed it."""
        self.exited: asyncio.Event = asyncio.Event()
        self._guardian = guardian
        self._on_exit = on_exit
        guardian.watch(pid)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group, if the process runs."""
        if self.status is None:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                pass

    def kill_leader(self) -> None:
        """Send SIGKILL to the process itself."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)

    def ended(self, status: int) -> None:
        """Take note of the exit status."""
        self.status = status
        self._guardian.unwatch(self.pid)
        self.exited.set()
        self._on_exit()

    async def wait(self, seconds: float) -> float:
        """Wait for the end, for so many seconds of its grace; return how many are left."""
        return await grace.wait(self._ends_within, seconds, [self])

    async def _ends_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.exited.wait()
        except TimeoutError:
            return self.exited.is_set()
        return True

    def processor_time(self) -> float | None:
        """Return the seconds for which its threads have run; None where the kernel does not say."""
        try:
            told = [each.read_text().split() for each in self._threads("schedstat")]
            return sum(int(ran) for ran, *_ in told) / NANOSECOND
        except (OSError, ValueError):
            return None

    def main_thread_time(self) -> int:
        """Return the nanoseconds for which its main thread has run; -1 where that is not known."""
        try:
            return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return -1

    def has_gone_on(self, ran: int) -> bool:
        """Tell whether its main thread sleeps, or has run for more than `ran` nanoseconds."""
        return ran < 0 or self.state() != "R" or self.main_thread_time() != ran

    def wants_processor(self) -> bool:
        """Whether a thread of it runs, or would, or waits for a disk: not all of them sleep."""
        try:
            return any(_state(each) in "RD" for each in self._threads("stat"))
        except OSError:
            return False

    def _threads(self, name: str) -> list[Path]:
        return [each / name for each in Path(f"/proc/{self.pid}/task").iterdir()]

    def state(self) -> str:
        """Return the kernel's letter for its main thread; "X" when it is gone."""
        try:
            return _state(Path(f"/proc/{self.pid}/stat"))
        except OSError:
            return "X"


def _state(path: Path) -> str:
    return path.read_text().rpartition(")")[2].split()[_STATE]


class Child(Process):
    """A child of this process."""

    __slots__ = ("_pidfd", "_popen")

    def __init__(  # noqa: PLR0913 - what a process is made of
        self,
        argv: Sequence[str],
        *,
        env: dict[str, str],
        cwd: str,
        log: Path,
        guardian: Guardian,
        on_exit: Callable[[], None],
        pass_fds: Sequence[int] = (),
    ) -> None:
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                argv,
                env=env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
                pass_fds=pass_fds,
            )
        super().__init__(self._popen.pid, guardian, on_exit)
        self._pidfd = os.pidfd_open(self.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self.reap)

    def reap(self) -> None:
        """Take the exit status of a process that has ended."""
        if self.status is not None:
            return
        # The process is a zombie now, so its id still is its group's and no other's.
        self.signal(signal.SIGKILL)
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.ended(self._popen.wait())


class Guardian:
    """The fleet's end of the guardian program. Its pipe is the fleet's life line."""

    __slots__ = ("_popen", "folder", "mark")

    def __init__(self) -> None:
        self.mark: str = f"_ORC_FLEET_MARK={uuid.uuid4().hex}"
        self.folder: Path = Path()
        self._popen: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, and learn which folder is the fleet's."""
        self._popen = subprocess.Popen(  # noqa: ASYNC220 - done before it returns, in a millisecond
            [sys.executable, "-I", "-S", GUARDIAN, self.mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            bufsize=0,
        )
        assert self._popen.stdout is not None  # noqa: S101 - for the type checker
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._popen.stdout
        )
        try:
            said = (await reader.readline()).decode().rstrip("\n")
        finally:
            transport.close()
        if not said:  # and not the current folder, which that would be as a path
            raise ConfigError(
                "the fleet's guardian did not start: is there a temporary folder to write to?"
            )
        self.folder = Path(said)

    def watch(self, group: int) -> None:
        """Let `group` be killed at the end."""
        self._tell(f"+{group}\n")

    def unwatch(self, group: int) -> None:
        """Leave `group` alone from now on: the number may become another's."""
        self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        if self._popen is None or self._popen.stdin is None or self._popen.stdin.closed:
            return
        try:
            self._popen.stdin.write(line.encode())
        except BrokenPipeError:
            pass  # somebody killed it; what it would have killed is ours to kill in close()

    async def close(self) -> None:
        """Let it kill and remove everything, and wait for that."""
        if self._popen is None:
            return
        # Said, and not by hanging up alone: a fork of this process has the pipe, too.
        self._tell("end\n")
        popen, self._popen = self._popen, None
        assert popen.stdin is not None  # noqa: S101 - for the type checker
        popen.stdin.close()
        await asyncio.to_thread(popen.wait)
        assert popen.stdout is not None  # noqa: S101 - for the type checker
        popen.stdout.close()
