"""The life of this process: how it began, its requests, and what becomes of it.

One :class:`Life` is kept for the process. Requests tell it of their begin and end; caches ask it in
which state the container is, and are told when that changes, so that they count by state.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock
from _weakref import ref

from orc.lifecycle import environment
from orc.lifecycle.chance import token
from orc.lifecycle.clock import SYSTEM
from orc.lifecycle.marker import Mark, leave, temporary_directory
from orc.lifecycle.platforms import MANAGED, PROVISIONED, SNAP_START, Platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    from orc.model.ports import ClockLike

    class Dweller(Protocol):
        """What lives in the container and outlasts its requests: the core of a cache."""

        def stage_ended(self, state: str) -> None:
            """Note that what was counted since the last call belongs to `state`."""

        def before_fork(self) -> None:
            """Prepare to be copied, with whatever other threads are at."""

        def after_fork(self) -> None:
            """Go on in the parent."""

        def forked(self) -> None:
            """Go on in the child, where no other thread has come along."""

        def restored(self) -> None:
            """Go on in a copy of a snapshot, which may be weeks old."""


COLD = "cold"
PROACTIVE = "proactive"
PROVISIONED_STATE = "provisioned"
RESET = "reset"
RESTORED = "restored"
SNAPSHOT = "snapshot"
WARM = "warm"

LONGEST_INIT = 10.0
"""Seconds that Lambda gives the init phase on demand. Who is first asked later than that was begun
ahead of its caller ("proactive initialization" in AWS's lifecycle page)."""


class Life:
    """How this process began, and what it went through. Safe for threads.

    `variables` are those of its environment, `clock` is asked for both times. Nothing is looked up
    on disk before the state is asked for, or a request begins.
    """

    def __init__(self, variables: Mapping[str, str], clock: ClockLike = SYSTEM) -> None:
        self.platform = Platform(variables)
        self.clock = clock
        self._variables = variables
        self._lock = RLock()
        self._mark: Mark | None = None
        self._dwellers: list[ref[Dweller]] = []
        self._copied: list[Dweller] = []
        self._seen: str | None = None
        """The last invocation of the runtime that was counted."""
        self._noticed: str | None = None
        """That one, if no request was opened for it."""
        self.start = self._tentative_start()
        self._warm = False
        self._begin()
        facade = sys.modules.get("orc")
        if clock is SYSTEM and facade is not None:
            self.born = self._rested = facade._imported  # noqa: SLF001 - its first line is earlier than any of ours
        if self.platform.init_type == SNAP_START:
            self.expect_restore()

    def _begin(self, requests: int = 0) -> None:
        """Begin as a process of its own, in which so many requests are open."""
        self.process_id = f"{os.getpid()}-{token().hex()}"
        self.born = self._now()
        self.invocations = self._open = requests
        self.frozen = 0.0
        """Seconds between requests in all, where the platform freezes the process then."""
        self.idle = 0.0
        """Seconds between the last two requests, or from the start to the first."""
        self._rested = self.born
        self.late_writes = 0
        """Writes into a request that had ended, which were dropped."""
        self.leftovers = 0
        """Requests found open by a later one, and closed."""
        self.tasks_cancelled = 0
        """Tasks that an ``async def`` handler left running when it returned."""
        self.hook_errors = 0

    def _tentative_start(self) -> str:
        kind = self.platform.init_type
        if kind == SNAP_START:
            return SNAPSHOT
        # Under Managed Instances no caller waits for a worker's init: workers are begun ahead.
        if kind == PROVISIONED or self.platform.name == MANAGED:
            return PROVISIONED_STATE
        return COLD

    # -- what is known ----------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """The state of the container now: how it began, until its first request has ended."""
        return WARM if self._warm else self.known_start()

    def known_start(self) -> str:
        """Return how this process began, looking for the marker of one before it."""
        return RESET if self.mark().generation > 1 else self.start

    def mark(self) -> Mark:
        """Return the id of the environment and this process's generation in it."""
        # Without the lock, if it is known: who asks may have a cache's lock, and whoever has this
        # one may be waiting for that, to tell the cache of the end of a stage.
        known = self._mark
        if known is not None:
            return known
        with self._lock:
            if self._mark is None:
                platform = self.platform
                if platform.resets:
                    directory = temporary_directory(self._variables)
                    address = self._variables.get("AWS_LAMBDA_RUNTIME_API", "")
                    self._mark = leave(
                        platform.instance, str(platform.init_type), directory, address
                    )
                else:
                    drawn = token().hex() if platform.init_type == SNAP_START else None
                    self._mark = Mark(platform.instance or drawn, 1)
            return self._mark

    def age(self) -> float:
        """Return the seconds since this process began, or was restored."""
        return self._since(self.born)

    def _now(self) -> tuple[float, float]:
        return self.clock.wall(), self.clock.monotonic()

    def _since(self, then: tuple[float, float]) -> float:
        # The later of both clocks: one may have stood still, or have been set back.
        return max(0.0, self.clock.wall() - then[0], self.clock.monotonic() - then[1])

    def expect_requests(self) -> None:
        """Do during init what each process does once: Lambda gives init more of a processor."""
        if self.platform.resets:
            self.mark()

    # -- requests ---------------------------------------------------------------------------------

    def request_begins(self) -> str:
        """Count a request that begins, and return the state in which it finds the container."""
        with self._lock:
            self._seen = runtime_invocation()
            noticed, self._noticed = self._noticed, None
            if noticed is not None and noticed == self._seen:
                self._open += 1
                return self.state
            return self._count_one()

    def request_ends(self) -> None:
        """Note that a request is over."""
        with self._lock:
            self._open = max(0, self._open - 1)
            self._rested = self._now()
            self._turn_warm()

    def notice(self) -> None:
        """Count an invocation that the runtime has begun, and nobody has opened a request for."""
        invocation = runtime_invocation()
        if invocation is None or invocation == self._seen:
            return
        with self._lock:
            if invocation != self._seen:
                self._seen = self._noticed = invocation
                self._count_one()
                self._open -= 1  # nobody will say that it has ended
                self._rested = self._now()  # the best that is known: else idle times would add up

    def _count_one(self) -> str:
        self.idle = self._since(self._rested)
        if self.platform.freezes and not self._open and self.invocations:
            self.frozen += self.idle
        self.invocations += 1
        self._open += 1
        if self._warm or self.invocations > 1:
            self._turn_warm()
            return WARM
        start = self.known_start()
        if start == COLD and self.platform.freezes and self.idle > LONGEST_INIT:
            self.start = start = PROACTIVE
        return start

    def _turn_warm(self) -> None:
        if not self._warm:
            ended = self.known_start()
            self._warm = True
            for dweller in self.living():
                dweller.stage_ended(ended)

    # -- dwellers ---------------------------------------------------------------------------------

    def move_in(self, dweller: Dweller) -> None:
        """Tell `dweller` of what happens to this process, for as long as somebody else has it."""
        with self._lock:
            self._dwellers = [each for each in self._dwellers if each() is not None]
            self._dwellers.append(ref(dweller))

    def living(self) -> list[Dweller]:
        """Return the caches' cores that are still there."""
        return [each for each in (reference() for reference in self._dwellers) if each is not None]

    # -- forks and snapshots ----------------------------------------------------------------------

    def before_fork(self) -> None:
        """Prepare all dwellers to be copied, the same ones who are told afterwards."""
        self._copied = self.living()
        for dweller in self._copied:
            dweller.before_fork()

    def after_fork(self) -> None:
        """Go on as the parent."""
        copied, self._copied = self._copied, []
        for dweller in copied:
            dweller.after_fork()

    def forked(self, requests: int) -> None:
        """Go on as the child: a process of its own, in the same environment.

        As warm as its parent, whose memory it has; inside of so many `requests`, one or none.
        """
        self._lock = RLock()  # another thread of the parent may have held it
        self._begin(requests)
        copied, self._copied = self._copied, []
        for dweller in copied:
            dweller.forked()

    def expect_restore(self) -> None:
        """Have :meth:`restored` called when a snapshot of this process is restored."""
        if SNAP_START in _expecting:
            return
        try:
            from snapshot_restore_py import register_after_restore
        except ImportError:
            return  # not Lambda's own runtime: nobody restores
        _expecting.append(SNAP_START)
        register_after_restore(_restored)

    def restored(self) -> None:
        """Begin a new life as a copy of a snapshot: new ids, new counts, no old values.

        Raises nothing: an error in a hook would end the environment (the runtime exits with 65).
        """
        with self._lock:
            self._begin()
            self.start, self._warm = RESTORED, False
            self._mark = self._seen = self._noticed = None
        for dweller in self.living():
            try:
                dweller.restored()
            except Exception:  # noqa: BLE001 - see above
                self.hook_errors += 1


_expecting: list[str] = []
_lives: list[Life] = []
_making = RLock()
_renewed: list[Callable[[], object]] = []
_forking = RLock()
"""Held through a fork: what is prepared for one is not for the fork of another thread."""


def life() -> Life:
    """Return the life of this process, making it if need be."""
    if not _lives:
        with _making:
            if not _lives:
                _lives.append(Life(environment.read()))
    return _lives[0]


def runtime_invocation() -> str | None:
    """Return what tells the runtime's present invocation from the one before; ``None`` off Lambda.

    The request's id as awslambdaric has it (a private name, hence the care), else the trace's,
    which the runtime sets for each invocation; only where a process serves one at a time.
    """
    bootstrap = sys.modules.get("awslambdaric.bootstrap")
    found = getattr(bootstrap, "_GLOBAL_AWS_REQUEST_ID", None)
    if isinstance(found, str):
        return found
    return environment.trace_id() if life().platform.freezes else None


def _restored() -> None:
    life().restored()


def after_fork_in_child(renew: Callable[[], object]) -> None:
    """Have `renew` called in the child of every fork, as for a lock that a thread may have had."""
    _renewed.append(renew)


def _request_open() -> bool:
    """Tell whether the fork was made inside of a request, which the child goes on with."""
    scope = sys.modules.get("orc.lifecycle.scope")
    return scope is not None and scope.current_scope() is not None


def _before_fork() -> None:
    _forking.acquire()
    for each in _lives:
        each.before_fork()


def _after_fork() -> None:
    try:
        for each in _lives:
            each.after_fork()
    finally:
        _forking.release()


def _in_child() -> None:
    global _forking, _making
    _forking, _making = RLock(), RLock()  # other threads of the parent may have had them
    requests = int(_request_open())
    for each in _lives:
        each.forked(requests)
    for renew in _renewed:
        renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
