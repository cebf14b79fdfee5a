"""What is known of this container: ``orc.container()``."""

from __future__ import annotations

from orc.lifecycle.life import life
from orc.lifecycle.platforms import LAMBDA, MANAGED
from orc.lifecycle.scope import current_scope
from orc.model.frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FIELDS = (
    "state",
    "start",
    "caller_waited",
    "platform",
    "init_type",
    "function",
    "version",
    "environment_id",
    "process_id",
    "generation",
    "invocations",
    "workers",
    "age",
    "frozen",
    "idle",
    "late_writes",
    "leftovers",
    "tasks_cancelled",
    "hook_errors",
)


class Container(Frozen):
    """What is known of the execution environment and this process, at one moment. Immutable.

    Times are seconds. What a platform does not tell is ``None``; nothing is guessed.
    """

    __slots__ = _FIELDS

    state: str
    """``cold``, ``provisioned``, ``proactive``, ``restored`` or ``reset`` during the first request
    of this process, and before it; ``warm`` from then on. During a SnapStart init, which nobody
    waits for and a snapshot is taken of: ``snapshot``.

    - ``cold``: a caller waits for this init. Off Lambda it says no more than "the first request".
    - ``provisioned``: begun ahead, by provisioned concurrency or Managed Instances.
    - ``proactive``: begun ahead by Lambda on its own, and asked more than 10 s later.
    - ``restored``: a copy of a SnapStart snapshot.
    - ``reset``: a new process where the one before was killed, by a timeout or a crash. A caller
      waits, but the temporary directory is as it was.
    """
    start: str
    """How this process began: the state of its first request."""
    caller_waited: bool | None
    """Whether a caller waited for this process to begin; ``None`` off Lambda, where none can tell,
    and before the first request."""
    platform: str
    """``aws-lambda``, ``aws-lambda-managed-instances``, ``google-cloud-run``, ``azure-functions``,
    ``vercel`` or ``other``."""
    init_type: str | None
    """Lambda's own word for it: ``on-demand``, ``provisioned-concurrency``, ``snap-start``, ..."""
    function: str | None
    version: str | None
    environment_id: str | None
    """Names the execution environment: kept by a reset, shared by the workers of a Managed
    Instance, and drawn anew when a snapshot is restored."""
    process_id: str
    """Names this process, and no other ever: new after a reset, in a fork, in a restored copy."""
    generation: int
    """The how manieth process of its environment this is: 2 after one reset."""
    invocations: int
    """Requests that this process has begun."""
    workers: int
    """Processes that the environment runs side by side."""
    age: float
    """Since this process began: since ORC was first imported, or the snapshot restored."""
    frozen: float
    """Between requests in all, where the platform freezes the process then; else 0."""
    idle: float
    """Between the end of the last request but one and the begin of the last."""
    late_writes: int
    """Writes into requests that were over; they were dropped."""
    leftovers: int
    """Requests that were never closed; a later one did it."""
    tasks_cancelled: int
    """Tasks that ``async def`` handlers left behind; they were cancelled."""
    hook_errors: int
    """Errors of what runs at the begin and end of requests; none reached a handler."""

    def as_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON."""
        return {name: getattr(self, name) for name in _FIELDS}

    def __repr__(self) -> str:
        return f"<orc.Container {self.state}: {self.invocations} requests, {self.process_id}>"

    def __str__(self) -> str:
        return "\n".join(
            f"{name:<16}{'unknown' if value is None else _shown(value)}"
            for name, value in self.as_dict().items()
        )


def _shown(value: object) -> str:
    return f"{value:,.3f} s" if isinstance(value, float) else str(value)


def container() -> Container:
    """Return what is known of this container now. Call it anywhere; it raises nothing.

    Without ``@orc.handler``, the invocations of Lambda's Python runtime are counted only where this
    is called in each of them.
    """
    here = life()
    scope = current_scope()
    if scope is None:
        here.notice()
    mark, platform = here.mark(), here.platform
    start = here.known_start()
    waited: bool | None = None
    if here.invocations and platform.name in {LAMBDA, MANAGED}:
        waited = start in {"cold", "reset", "restored"}
    return Container(
        state=here.state if scope is None else scope.state,
        start=start,
        caller_waited=waited,
        platform=platform.name,
        init_type=platform.init_type,
        function=platform.function,
        version=platform.version,
        environment_id=mark.id,
        process_id=here.process_id,
        generation=mark.generation,
        invocations=here.invocations,
        workers=platform.workers,
        age=here.age(),
        frozen=here.frozen,
        idle=here.idle,
        late_writes=here.late_writes,
        leftovers=here.leftovers,
        tasks_cancelled=here.tasks_cancelled,
        hook_errors=here.hook_errors,
    )
