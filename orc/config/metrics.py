"""Figures that leave the container: ``ORC_METRICS=emf`` writes them when a request ends."""

from __future__ import annotations

import sys
from _thread import RLock
from _weakref import ref

from orc import notices
from orc.config.settings import process_settings
from orc.lifecycle.clock import SYSTEM
from orc.lifecycle.hooks import on_end
from orc.lifecycle.life import WARM, after_fork_in_child
from orc.stats.emf import Figures, Form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orc.engine.core import Core
    from orc.lifecycle.scope import RequestScope
    from orc.stats.totals import Totals

CHANGE = "change"


class Watched:
    """One cache, and what its counters showed when figures were last written."""

    __slots__ = ("_before", "_begin", "_core", "_seconds")

    def __init__(self, core: Core) -> None:
        self._core = ref(core)
        self._begin: Totals | None = None
        self._before: Totals | None = None
        self._seconds: dict[str, float] = {}

    def add_to(self, figures: Figures, memories: dict[int, int]) -> bool:
        """Add what was counted since the last time; return whether the cache is still there."""
        core = self._core()
        if core is None:
            return False
        now, begin = core.totals(), core.counted_from
        if begin is not self._begin:  # a fork, or a restored snapshot, counts from zero
            self._begin, self._before, self._seconds = begin, None, {}
        seconds = {}
        for name, row in now.tiers.items():
            if any(row):
                took = core.seconds_of(name)
                seconds[name] = took - self._seconds.get(name, 0.0)
                self._seconds[name] = took
        figures.add(now if self._before is None else now.minus(self._before), seconds)
        self._before = now
        memories[id(core.memory)] = core.memory.used_bytes
        return True


class Writer:
    """Writes the figures of all caches of this process, at the ends of its requests."""

    def __init__(self, form: Form, every: int | str, function: str) -> None:
        self._form = form
        self._every = every
        self._function = function
        self._watched: list[Watched] = []
        self.begin()

    def begin(self) -> None:
        """Begin as a new process."""
        self._lock = RLock()
        self._invocations = 0

    def watch(self, core: Core) -> None:
        """Count a cache in from now on."""
        with self._lock:
            self._watched.append(Watched(core))

    def request_ends(self, scope: RequestScope) -> None:
        """Write, if it is time to. A request inside another one is a part of that."""
        if not scope.outermost:
            return
        state = scope.state
        with self._lock:
            self._invocations += 1
            # A line is of one state: the first invocation of a container has one of its own.
            if self._every != CHANGE and state == WARM and self._invocations < int(self._every):
                return
            figures = Figures()
            memories: dict[int, int] = {}
            self._watched = [each for each in self._watched if _added(each, figures, memories)]
            if self._every == CHANGE and not figures:
                return
            invocations, self._invocations = self._invocations, 0
        figures.bytes = sum(memories.values())
        properties: dict[str, object] = {"state": state, "invocations": invocations}
        if self._function:
            properties["function"] = self._function
        if invocations == 1:
            properties["request_id"] = scope.id
        sys.stdout.write(self._form.lines(figures, SYSTEM.wall(), properties))
        sys.stdout.flush()


def _added(watched: Watched, figures: Figures, memories: dict[int, int]) -> bool:
    """Add what one cache did; one that fails, as a tier of a user's may, hides no other."""
    try:
        return watched.add_to(figures, memories)
    except Exception as error:  # noqa: BLE001 - see above
        notices.warn_of_bug("the statistics of a cache", error)
        return True


_made: list[Writer | None] = []
_lock = RLock()


def watch(core: Core) -> None:
    """Have a cache's figures written, if ``ORC_METRICS`` asks for it.

    Raises ``ConfigError`` for a variable whose value is not allowed.
    """
    with _lock:
        if not _made:
            _made.append(_writer())
        writer = _made[0]
    if writer is not None:
        writer.watch(core)


def _writer() -> Writer | None:
    settings = process_settings()
    if not settings["metrics"]:
        return None
    chosen = str(settings["metrics_dimensions"]).split(",")
    if not settings["function"]:  # a dimension that the line does not have would void the metrics
        chosen = [each for each in chosen if each != "function"]
    form = Form(str(settings["metrics_namespace"]), str(settings["metrics_service"]), chosen)
    every = settings["metrics_every"]
    writer = Writer(form, every if isinstance(every, int) else CHANGE, str(settings["function"]))
    on_end(writer.request_ends)
    after_fork_in_child(writer.begin)
    return writer
