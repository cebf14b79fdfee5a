"""One execution environment: its processes from init to shutdown."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import signal
import time
from typing import TYPE_CHECKING, Any

from orc.errors import ConfigError
from orc.fleet import launch, rules
from orc.fleet.changes import Changes
from orc.fleet.generation import Generation
from orc.fleet.host import NANOSECOND, Host, check_shift, shifted
from orc.fleet.processes import Child
from orc.fleet.shared_init import SharedInit
from orc.fleet.variables import ARN, VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from orc.fleet.answer import Call
    from orc.fleet.processes import Process


class Container:
    """One execution environment. Made by a fleet; for callers to look at and to mistreat."""

    def __init__(self, host: Host, *, tenant: str | None, ahead: bool) -> None:
        self._host = host
        self._settings = host.settings
        self.id: str = secrets.token_hex(16)
        """The environment's id, which is also in its log stream."""
        today = time.strftime("%Y/%m/%d", time.gmtime(time.time() + host.clock[0] / NANOSECOND))
        self.log_stream: str = f"{today}/[{VERSION}]{self.id}"
        """Kept over resets. Under SnapStart the function is not told."""
        self.tenant: str | None = tenant
        """The only tenant it serves, once it has served one."""
        self.generation: int = 0
        """1 for its first runtime, 2 after a reset, and so on."""
        self.invocations: int = 0
        """How many invocations were given to it."""
        self._init_type = rules.init_type(host.settings.mode, ahead=ahead)
        self._folder = host.guardian.folder / self.id
        self.tmp: Path = self._folder / "tmp"
        """Its private temp folder, which its processes find in ``TMPDIR``; gone when it is."""
        self._log = host.guardian.folder / f"{self.id}.log"
        self._log_text: str | None = None
        self.tmp.mkdir(parents=True)
        self._offsets = host.clock
        self._clock = launch.clock_file(self._folder, self._offsets)
        self._changed = Changes()
        self._gone = False
        self._now = self._new_generation()
        self._needs_init = True
        self._initialised_once = False
        self._starting = False
        self._init = SharedInit()
        self._frozen = False
        self._resetting = False
        self._reserved = 0
        self._calls: set[Call] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------------------- to be looked at

    @property
    def state(self) -> str:
        """What it does: "starting", "idle", "frozen", "busy" or "gone"."""
        if self._gone:
            return "gone"
        if self._starting:
            return "starting"
        if self._calls or self._reserved or self._resetting:
            return "busy"
        return "frozen" if self._frozen else "idle"

    @property
    def pid(self) -> int | None:
        """The runtime's process id; None before the first init and between a reset and the next.

        A SnapStart function is told its template's, as on Lambda.
        """
        runtime = self._now.runtime
        return None if runtime is None or self._needs_init else runtime.pid

    @property
    def available(self) -> bool:
        """Whether it could take an invocation now."""
        if self._gone or self._starting or self._resetting:
            return False
        if self._settings.mode == "managed" and self._now.runs and not self._needs_init:
            return self._now.api.polls > self._reserved
        return not self._calls and not self._reserved

    @property
    def processes(self) -> list[Process]:
        """The runtime and the external extensions, as far as they were started."""
        return self._now.processes

    @property
    def joinable(self) -> bool:
        """Whether it is starting, and will have a worker for one more invocation than wait."""
        waits = self._starting and not self._gone and not self._resetting
        return (
            self._settings.mode == "managed" and waits and self._reserved < self._settings.workers
        )

    @property
    def settling(self) -> bool:
        """Whether it has answered, and only its runtime's next poll is missing."""
        if self._gone or not self._now.runs:
            return False
        return self._now.extensions.idle and any(
            each.responded and not each.over for each in self._calls
        )

    def log(self) -> str:
        """Return what its processes printed so far, also when it is gone.

        Under SnapStart that begins with what the template printed before the snapshot.
        """
        return self._log_text if self._log_text is not None else self._read_log()

    def _read_log(self) -> str:
        template = self._host.template
        before = "" if template is None else template.log()
        return before + launch.read_log(self._log)

    def __repr__(self) -> str:
        return f"<Container {self.id[:8]} {self.state} generation={self.generation} pid={self.pid}>"

    # -------------------------------------------------------------------------- to be mistreated

    def advance(self, both: float = 0.0, /, *, wall: float = 0.0, monotonic: float = 0.0) -> None:
        """Move the clocks that its processes see, by so many seconds; meant for a frozen container.

        ``advance(60)`` is a minute, ``advance(wall=3600)`` an hour in which the monotonic clock
        stood still. Waiting (sleep, timeouts of locks) stays on the kernel's clock. Raises
        ConfigError for a fleet with ``shift_clocks=False``, for more than a hundred years, and for
        a monotonic clock that would go back.
        """
        if not self._settings.shift_clocks:
            raise ConfigError("advance() needs shift_clocks=True")
        check_shift(both + wall, both + monotonic)
        self._offsets = shifted(self._offsets, both + wall, both + monotonic)
        if not self._gone:
            launch.move_clock(self._clock, self._offsets)

    async def crash(self) -> None:
        """Kill the runtime by SIGKILL, as an empty memory would between invocations.

        The next invocation fails with ``Runtime.ExitError``, the one after it initialises again.
        """
        await self._changed.until(lambda: not self.settling)
        runtime = self._now.runtime
        if runtime is not None:
            runtime.signal(signal.SIGKILL)
            await runtime.exited.wait()

    async def recycle(self) -> None:
        """Shut the environment down as Lambda does, and remove its temp folder.

        What it is doing is lost. Without an extension that is SIGKILL; an internal one earns
        SIGTERM and 500 ms; an external one SHUTDOWN, within 2 seconds in all.
        """
        if self._gone:
            return
        self._gone = self._now.abandoned = True
        self._host.changed()
        await self._shut_down("spindown")
        self._leave()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def _leave(self) -> None:
        if self._log_text is None:
            self._log_text = self._read_log()
        self._gone = self._now.abandoned = True
        self._now.close()
        self._notify()
        self._host.changed()

    # --------------------------------------------------------------------------- for the fleet

    async def close(self) -> None:
        """Let go of it: the guardian has killed its processes."""
        for task in self._tasks:
            task.cancel()
        for process in self._now.processes:
            if isinstance(process, Child):
                process.reap()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def start(self) -> None:
        """Initialise it ahead of any request. A failure shows in its first invocation."""
        self._starting = True
        try:
            await self._init.run(self._start)
        finally:
            self._starting = False
        await self._freeze()
        self._host.changed()

    async def _start(self) -> None:
        async with self._host.starts:
            await self._initialise(self._init_deadline(), "", self._settings.init_timeout)

    def serve(self, call: Call) -> None:
        """Take an invocation; what comes of it is in the futures of `call`."""
        self._reserved += 1
        self.tenant = call.tenant or self.tenant
        self._starting = self._starting or self._needs_init
        task = asyncio.get_running_loop().create_task(self._serve(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ------------------------------------------------------------------------------ invocation

    async def _serve(self, call: Call) -> None:
        kind = None
        try:
            try:
                again = self._initialised_once
                while call.error is None and (self._needs_init or self._init.under_way):
                    kind = rules.init_kind(self._settings.mode, again=again)
                    await self._init.wait(call, self._init_for)
            finally:
                self._reserved -= 1
            if call.error is None:
                self._calls.add(call)
                await self._give(call, kind)
        except Exception as error:
            if call.answered.done():
                raise
            call.answered.set_exception(error)
        finally:
            self._calls.discard(call)
            if not call.answered.done():
                if call.error is None:
                    call.fail(rules.exit_error(call.id, -signal.SIGKILL))
                call.answered.set_result(kind)
            if not call.settled.done():
                call.settled.set_result(None)
            self._notify()
            self._host.changed()

    async def _init_for(self, call: Call) -> dict[str, Any] | None:
        """Initialise while the caller waits; try a first init that failed again, in his time."""
        settings = self._settings
        error: dict[str, Any] | None = {}
        if self.generation == 0:
            async with self._host.starts:
                error = await self._initialise(
                    self._init_deadline(), call.id, settings.init_timeout
                )
        retry = settings.mode != "snap-start" or self.generation > 1
        if error is not None and (not error or retry):
            self._begin(call)
            error = await self._initialise(call.deadline, call.id, settings.timeout)
        return error

    async def _give(self, call: Call, kind: str | None) -> None:
        self._thaw()
        if not call.deadline:
            self._begin(call)
        self.invocations += 1
        if self._now.api.give(call):
            self._now.extensions.invoke(
                {
                    "deadlineMs": call.deadline_ms,
                    "requestId": call.id,
                    "invokedFunctionArn": ARN,
                    "tracing": {"type": "X-Amzn-Trace-Id", "value": call.trace},
                }
            )
        until = self._changed.until
        in_time = await until(lambda: call.responded or self._now.failure(call.id), call.deadline)
        if call.responded:
            call.answered.set_result(kind)
            self._host.changed()
            in_time = await until(
                lambda: (call.polled and self._now.extensions.idle) or self._now.failure(call.id),
                call.deadline,
            )
        failure = self._now.failure(call.id)
        if self._gone:
            return
        if failure is not None and not (
            call.responded and call.polled and self._now.extensions.idle
        ):
            if not call.responded:
                call.fail(failure)
            await self._reset("failure")
        elif not in_time:
            await self._time_out(call, kind)
        elif failure is None:
            self._calls.discard(call)  # it may be had from here on, also before it stands still
            await self._freeze()

    async def _time_out(self, call: Call, kind: str | None) -> None:
        if not call.responded:
            call.fail(rules.timeout_error(call.id, self._settings.timeout))
        if self._settings.mode != "managed":
            await self._reset("timeout")
            return
        # Here nobody is killed: the worker goes on, and what it posts at last is refused.
        call.over = True
        if not call.answered.done():
            call.answered.set_result(kind)
        await self._changed.until(lambda: call.polled or self._gone or self._now.failure(""))

    def _begin(self, call: Call) -> None:
        call.deadline = asyncio.get_running_loop().time() + self._settings.timeout
        wall = time.time() + self._offsets[0] / NANOSECOND
        call.deadline_ms = int((wall + self._settings.timeout) * 1000)

    # ------------------------------------------------------------------------------------ init

    def _init_deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._settings.init_timeout

    async def _initialise(
        self, deadline: float, request_id: str, seconds: float
    ) -> dict[str, Any] | None:
        """Start the processes and wait until all ask for an event; return the error, or None."""
        self._starting, self._needs_init = True, False
        self.generation += 1
        try:
            self._now.close()
            self._now = self._new_generation()
            error = await self._now.start(deadline, request_id)
            if error == {}:
                error = rules.timeout_error(request_id, seconds)
            if error is not None:
                await self._reset(
                    "failure" if error["errorType"] != "Sandbox.Timedout" else "timeout"
                )
            self._initialised_once = self._initialised_once or error is None
        except BaseException:  # cancelled, or a program that cannot be run
            self._now.signal(signal.SIGKILL)
            self._needs_init = True
            raise
        else:
            return error
        finally:
            self._starting = False
            self._notify()
            self._host.changed()

    def _new_generation(self) -> Generation:
        host = self._host
        generation = Generation(
            self._settings,
            host.guardian,
            host.template,
            folder=self._folder,
            log=self._log,
            init_type=self._init_type,
            log_stream=self.log_stream,
            changed=self._changed,
        )
        generation.abandoned = self._gone
        return generation

    # -------------------------------------------------------------------- freeze, reset, the end

    def _thaw(self) -> None:
        if self._frozen:
            self._frozen = False
            self._now.signal(signal.SIGCONT)

    async def _freeze(self) -> None:
        if not self._settings.freezes or self._needs_init or self._gone:
            return
        self._frozen = True
        self._now.signal(signal.SIGSTOP)
        self._host.changed()
        await self._now.stopped(lambda: self._frozen)

    async def _reset(self, reason: str) -> None:
        """End the processes. Folder, log stream and id stay; the next invocation initialises."""
        self._resetting = True
        try:
            await self._shut_down(reason)
        finally:
            self._resetting = False
            self._needs_init = True

    async def _shut_down(self, reason: str) -> None:
        self._thaw()
        await self._now.awake()
        await self._now.shut_down(reason, time.time() + self._offsets[0] / NANOSECOND)

    def _notify(self) -> None:
        self._changed.notify()
