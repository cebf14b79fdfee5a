"""The fleet: starts containers, routes invocations, and closes."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orc.errors import ConfigError, ThrottledError
from orc.fleet import grace
from orc.fleet.answer import Answer, Call
from orc.fleet.changes import Changes
from orc.fleet.container import Container
from orc.fleet.host import Host, check_shift, shifted
from orc.fleet.processes import Guardian
from orc.fleet.router import candidates, chosen_route
from orc.fleet.settings import Settings
from orc.fleet.template import Template

if TYPE_CHECKING:
    import os
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from orc.fleet.router import Route

_SOON = 0.05  # seconds
_VISIBLE = frozenset(map(chr, range(0x21, 0x7F)))


class Fleet:
    """A Lambda function on this machine: real runtimes behind a Runtime API of ours.

    Use it with ``async with``. `code` is the function's folder: its current folder, its
    ``LAMBDA_TASK_ROOT``, and on its import path. `timeout` and `init_timeout` are seconds, `memory`
    is megabytes, which the function is told and nobody enforces. `env` is added to Lambda's
    variables; nothing else of this process's environment reaches the function.

    `mode` is "on-demand", "provisioned" (for what ``start()`` makes; the rest spills over),
    "snap-start" (containers are clones of one that has run its init; they do not have its threads)
    or "managed" (Lambda Managed Instances: `concurrency` worker processes in each container, no
    freeze). With `tenants` every invocation names a tenant, and a container never changes its own.
    `extensions` are external ones: a name, and the argument list of its process.
    `max_containers` bounds those that exist at a time. `route` chooses among idle containers, which
    are ordered by their last use. `freeze` stops a container between invocations (SIGSTOP: children
    that left the process group run on until it ends). `shift_clocks` makes ``advance()`` possible.

    Raises ConfigError for what cannot be, and where awslambdaric, Linux or /proc is missing. When
    it is closed, or this process dies in whatever way, no process and no folder is left behind.
    """

    def __init__(  # noqa: PLR0913 - each is a property of the function, by keyword
        self,
        handler: str,
        *,
        code: str | os.PathLike[str],
        timeout: float = 3.0,
        memory: int = 128,
        env: Mapping[str, str] | None = None,
        init_timeout: float = 10.0,
        mode: str = "on-demand",
        concurrency: int = 1,
        tenants: bool = False,
        extensions: Mapping[str, Sequence[str]] | None = None,
        max_containers: int | None = None,
        route: str | Route = "most-recent",
        freeze: bool = True,
        shift_clocks: bool = True,
        python: str = sys.executable,
    ) -> None:
        self._route = chosen_route(route)
        self._settings = Settings(
            handler=handler,
            code=Path(code).resolve(),
            timeout=timeout,
            memory=memory,
            env=dict(env or {}),
            init_timeout=init_timeout,
            mode=mode,
            concurrency=concurrency,
            tenants=tenants,
            extensions=dict(extensions or {}),
            max_containers=max_containers,
            freeze=freeze,
            shift_clocks=shift_clocks,
            python=python,
        )
        self._guardian = Guardian()
        self._changed = Changes()
        self._host: Host | None = None
        self._containers: list[Container] = []  # the one that was used last is at the end

    async def __aenter__(self) -> Self:
        if self._host is not None:
            raise ConfigError("the fleet is open already")
        try:
            await self._guardian.start()
            template = None
            if self._settings.mode == "snap-start":
                template = Template(self._settings, self._guardian)
                await template.start()  # its failure is told to who needs a clone
        except BaseException:
            await self._guardian.close()
            raise
        self._host = Host(self._settings, self._guardian, template, self._changed.notify)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def containers(self) -> list[Container]:
        """The containers that are alive, the one that was used last at the end."""
        return [each for each in self._containers if each.state != "gone"]

    async def invoke(  # noqa: PLR0913 - Lambda's own
        self,
        event: Any = None,
        *,
        tenant: str | None = None,
        request_id: str | None = None,
        client_context: Any = None,
        cognito_identity: Any = None,
        container: Container | None = None,
    ) -> Answer:
        """Invoke the function and wait for its answer, which tells failures as well.

        `event`, `client_context` and `cognito_identity` are made JSON. The answer comes when the
        runtime has posted it, though extensions may still work. An invocation goes to an idle
        container, or to `container`; else a new one is started, and the caller waits for its init.
        In the mode "managed" as many callers wait for one container as it will have workers.

        Raises ThrottledError when none is idle and no other may be started, or `container` is busy;
        ConfigError when `tenant` is not what the fleet's tenancy asks for, or `container` is gone
        or another tenant's. Cancelling it leaves the function running, as on Lambda.
        """
        self._open()
        if self._settings.tenants != (tenant is not None):
            needs = "a tenant" if self._settings.tenants else "no tenant: it has tenants=False"
            raise ConfigError(f"an invocation of this fleet needs {needs}")
        for name, text, characters in (
            ("tenant", tenant, _VISIBLE),
            ("request_id", request_id, _VISIBLE - {"/", "?"}),
        ):
            # They travel in a header, and the second one in a path.
            if text is not None and (not text or not characters.issuperset(text)):
                raise ConfigError(f"{name}={text!r}: give visible ASCII, not empty")
        call = Call(
            json.dumps(event).encode(),
            request_id or str(uuid.uuid4()),
            tenant=tenant,
            client_context=None if client_context is None else json.dumps(client_context),
            cognito_identity=None if cognito_identity is None else json.dumps(cognito_identity),
        )
        loop = asyncio.get_running_loop()
        began = loop.time()
        server = await self._find(tenant, container)
        server.serve(call)
        self._containers.remove(server)
        self._containers.append(server)
        init = await asyncio.shield(call.answered)
        return Answer(
            value=call.value if call.error is None else None,
            error=call.error,
            container=server,
            request_id=call.id,
            seconds=loop.time() - began,
            init=init,
            settled=call.settled,
        )

    async def start(self, count: int = 1) -> list[Container]:
        """Start containers ahead of any request, and wait until each asks for an event.

        They are provisioned, or restored clones, where the mode says so. One whose init fails
        tries it again, and tells, in its first invocation. Raises ThrottledError when there would
        be more than `max_containers`, and ConfigError for a `count` below 1.
        """
        self._open()
        if count < 1:
            raise ConfigError(f"start({count}): start at least one container")
        most = self._settings.max_containers
        if most is not None and len(self.containers) + count > most:
            raise ThrottledError(f"max_containers={most}")
        started = [self._new(None, ahead=True) for _ in range(count)]
        await asyncio.gather(*(each.start() for each in started))
        return started

    def advance(self, both: float = 0.0, /, *, wall: float = 0.0, monotonic: float = 0.0) -> None:
        """Move the clocks of every container, and of those started later, by so many seconds.

        What a SnapStart template did is by then so much older.
        """
        host = self._open()
        if not self._settings.shift_clocks:
            raise ConfigError("advance() needs shift_clocks=True")
        check_shift(both + wall, both + monotonic)
        host.clock = shifted(host.clock, both + wall, both + monotonic)
        for each in self.containers:
            each.advance(both, wall=wall, monotonic=monotonic)

    async def close(self) -> None:
        """Kill every process and remove every folder. Again is harmless."""
        host, self._host = self._host, None
        if host is None:
            return
        for each in self._containers:
            each._leave()  # noqa: SLF001 - the fleet's own
        try:
            await self._guardian.close()
        finally:
            if host.template is not None:
                await host.template.close()
            for each in self._containers:
                await each.close()

    def _open(self) -> Host:
        if self._host is None:
            raise ConfigError("the fleet is not open: use it in a `with` or an `async with`")
        return self._host

    def _new(self, tenant: str | None, *, ahead: bool) -> Container:
        container = Container(self._open(), tenant=tenant, ahead=ahead)
        self._containers.append(container)
        return container

    async def _find(self, tenant: str | None, wanted: Container | None) -> Container:
        while True:
            self._open()
            if wanted is not None and (wanted.state == "gone" or wanted not in self._containers):
                raise ConfigError("the container is gone")
            alive = candidates(self.containers if wanted is None else [wanted], tenant)
            if wanted is not None and not alive:
                raise ConfigError("the container is another tenant's")
            # A runtime that has answered asks for the next event at once: no time on Lambda, where
            # the next caller is further away. So wait for it; not long, where another is idle.
            settling = [each for each in alive if each.settling]
            if settling and any(each.available for each in alive):
                processes = [process for each in settling for process in each.processes]
                await grace.wait(self._settles(settling), _SOON, processes)
            idle = [each for each in alive if each.available]
            if idle:
                return self._route(idle)
            if settling:
                await self._changed.until(_settled(settling))
                continue
            starting = [each for each in alive if each.joinable]
            if starting:
                return self._route(starting)
            if wanted is not None:
                raise ThrottledError("the container is busy")
            most = self._settings.max_containers
            if most is not None and len(self.containers) >= most:
                raise ThrottledError(f"max_containers={most}, and all are busy")
            return self._new(tenant, ahead=False)

    def _settles(self, containers: list[Container]) -> Callable[[float], Awaitable[bool]]:
        async def within(seconds: float) -> bool:
            deadline = asyncio.get_running_loop().time() + seconds
            return await self._changed.until(_settled(containers), deadline)

        return within


def _settled(containers: list[Container]) -> Callable[[], bool]:
    """Return the condition that one of them can be had, or that none is about to."""

    def condition() -> bool:
        return any(each.available for each in containers) or not any(
            each.settling for each in containers
        )

    return condition
