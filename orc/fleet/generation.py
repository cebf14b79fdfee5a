"""One generation of an environment: its processes, from their start to their end."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

from orc.fleet import launch, rules
from orc.fleet.extensions_api import PREFIX as EXTENSIONS
from orc.fleet.extensions_api import ExtensionsApi
from orc.fleet.grace import LONGEST
from orc.fleet.guardian import MOST_PASSES, kill_marked
from orc.fleet.http import Server
from orc.fleet.processes import Child
from orc.fleet.runtime_api import PREFIX as RUNTIME
from orc.fleet.runtime_api import RuntimeApi, refusal
from orc.fleet.variables import ARN, FUNCTION, VERSION, container_mark, variables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orc.fleet.changes import Changes
    from orc.fleet.http import Reply, Request
    from orc.fleet.processes import Guardian, Process
    from orc.fleet.settings import Settings
    from orc.fleet.template import Template


_SOON = 0.0005  # seconds


class Generation:
    """The runtime, the external extensions, and the APIs that they speak to.

    `folder` is the environment's, with ``tmp`` and ``clock`` in it.
    """

    def __init__(  # noqa: PLR0913 - what an environment gives to its processes
        self,
        settings: Settings,
        guardian: Guardian,
        template: Template | None,
        *,
        folder: Path,
        log: Path,
        init_type: str,
        log_stream: str,
        changed: Changes,
    ) -> None:
        self._settings = settings
        self._guardian = guardian
        self._template = template
        self._folder = folder
        self._clock = folder / "clock"
        self._log = log
        self._init_type = init_type
        self._log_stream = log_stream
        self._changed = changed
        self._notify = changed.notify
        self._server = Server(self._handle)
        self.abandoned = False
        """Whether its environment is gone, so that nothing more is to be started."""
        self.api = RuntimeApi(ARN, settings.workers, self._notify)
        self.extensions = ExtensionsApi(
            {
                "functionName": FUNCTION,
                "functionVersion": VERSION,
                "handler": settings.handler,
            },
            settings.extensions,
            managed=settings.mode == "managed",
            changed=self._notify,
        )
        self.runtime: Process | None = None
        self._external: dict[str, Process] = {}

    @property
    def runs(self) -> bool:
        """Whether the runtime is there."""
        return self.runtime is not None and self.runtime.status is None

    @property
    def processes(self) -> list[Process]:
        """The runtime and the external extensions, as far as they were started."""
        runtime = [] if self.runtime is None else [self.runtime]
        return [*runtime, *self._external.values()]

    async def start(self, deadline: float, request_id: str) -> dict[str, Any] | None:
        """Start everything and wait until all ask for an event.

        Returns None, or the error; {} when the time is over.
        """
        settings, until = self._settings, self._changed.until
        await self._server.start()
        if self.abandoned:
            self.close()
            return rules.exit_error(request_id, -signal.SIGKILL)
        env = variables(
            settings,
            init_type=self._init_type,
            log_stream=self._log_stream,
            address=self._server.address,
            tmp=self._folder / "tmp",
            mark=self._guardian.mark,
        )
        for name, argv in settings.extensions.items():
            self._external[name] = Child(
                argv,
                env=env,
                cwd=str(settings.code),
                log=self._log,
                guardian=self._guardian,
                on_exit=self._notify,
            )
        if await until(
            lambda: self.extensions.registered() or self.failure(request_id), deadline
        ) and not self.failure(request_id):
            error = await self._start_runtime(env, request_id)
            if error is not None:
                return error
            await until(lambda: self._is_ready() or self.failure(request_id), deadline)
        if self.abandoned:
            return rules.exit_error(request_id, -signal.SIGKILL)
        failure = self.failure(request_id)
        if failure is None and not self._is_ready():
            return {}
        self.extensions.close_registration()
        return failure

    async def _start_runtime(self, env: dict[str, str], request_id: str) -> dict[str, Any] | None:
        if self._template is None:
            self.runtime = launch.runtime(
                self._settings,
                env=env,
                clock=self._clock,
                log=self._log,
                guardian=self._guardian,
                on_exit=self._notify,
            )
            return None
        error = await self._template.start(request_id)
        if error is not None:
            return error
        self.extensions.close_registration()
        self.runtime = await self._template.clone(
            address=env["AWS_LAMBDA_RUNTIME_API"],
            folder=self._folder,
            log=self._log,
            clock=self._clock,
            on_exit=self._notify,
        )
        return None

    def _is_ready(self) -> bool:
        return self.runtime is not None and self.api.ready and self.extensions.ready

    def failure(self, request_id: str) -> dict[str, Any] | None:
        """Return the error that ends an init or an invocation, if there is one."""
        if self.api.init_error is not None:
            return self.api.init_error
        if self.extensions.error is not None:
            return self.extensions.error
        for name, process in self._external.items():
            if process.status is not None:
                return rules.extension_exit_error(request_id, name, process.status)
        if self.runtime is not None and self.runtime.status is not None:
            return rules.exit_error(request_id, self.runtime.status)
        if self.abandoned:
            return rules.exit_error(request_id, -signal.SIGKILL)
        return None

    async def _handle(self, request: Request) -> Reply:
        if request.path.startswith(RUNTIME):
            return await self.api.handle(request)
        if request.path.startswith(EXTENSIONS):
            return await self.extensions.handle(request)
        return refusal(404, "NotFound", f"no such endpoint: {request.path}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all."""
        for process in self.processes:
            process.signal(number)

    async def stopped(self, wanted: Callable[[], bool]) -> None:
        """Wait until the kernel has stopped all processes, for as long as that is `wanted`."""
        for process in self.processes:
            while wanted() and process.state() not in "TtZX":  # noqa: ASYNC110 - the kernel sends no event
                await asyncio.sleep(0)

    async def awake(self) -> None:
        """Wait until the main threads run, which alone run Python's signal handlers.

        The kernel hands a signal to another thread while the main one is stopped, and also while
        it only waits for a processor to go on. It has gone on where it sleeps, or has run.
        """
        end = asyncio.get_running_loop().time() + LONGEST
        for process in self.processes:
            ran = process.main_thread_time()
            while (  # noqa: ASYNC110 - as above
                process.status is None
                and (process.state() in "Tt" or not process.has_gone_on(ran))
                and asyncio.get_running_loop().time() < end
            ):
                await asyncio.sleep(_SOON)

    def close(self) -> None:
        """Hang up."""
        self._server.close()

    async def shut_down(self, reason: str, wall: float) -> None:
        """End all, with the grace that extensions earn; `wall` is the container's time."""
        plan = rules.shutdown_plan(
            internal=self.extensions.has_internal, external=bool(self._external)
        )
        left = plan.total
        wall += plan.total
        runtime = self.runtime
        if runtime is not None:
            if plan.runtime:
                runtime.signal(signal.SIGTERM)
                left -= plan.runtime - await runtime.wait(plan.runtime)
            runtime.signal(signal.SIGKILL)
            await runtime.exited.wait()
        if self._external:
            self.extensions.shut_down(reason, int(wall * 1000))
            expected = self.extensions.expects_shutdown
            told = [each for name, each in self._external.items() if expected(name)]
            await asyncio.gather(*(each.wait(left) for each in told))
            for process in self._external.values():
                process.signal(signal.SIGKILL)
                await process.exited.wait()
        # Children that have left their group: an environment ends with all that runs in it.
        mark = container_mark(self._guardian.mark, self._folder.name)
        for _ in range(MOST_PASSES):
            if not await asyncio.to_thread(kill_marked, mark.encode()):
                break  # the kernel has none of them any more
