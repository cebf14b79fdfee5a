"""How many calls of one tier run at once; the others wait, outside of any budget.

A budget is the time of the server. What a process makes its own calls wait for, since it has more
of them than connections, workers or processor time, is waited for here, before the budget begins:
so it opens no breaker. Reads of coroutines that wait are gathered into one.
"""

from __future__ import annotations

from _thread import RLock, allocate_lock
from collections import deque

from orc.errors import TierError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Sequence
    from typing import Any

MOST_GATHERED = 100
"""Rows of one gathered read: what one BatchGetItem takes, and an MGET answers in no time."""

LOOK_AGAIN = 0.05
"""Seconds between two looks for a place, should the word that one is free be lost."""


class ThreadPlaces:
    """Places for calls of threads, in the order in which they come.

    A call is any object; to leave twice does no harm.
    """

    __slots__ = ("_lock", "_queue", "_running", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = RLock()
        self._running: dict[object, None] = {}
        self._queue: deque[tuple[object, Any]] = deque()

    def take(self, call: object) -> bool:
        """Take a place, if one is free. Inside of a ``try`` that leaves it."""
        with self._lock:
            if len(self._running) < self.most and not self._queue:
                self._running[call] = None
                return True
            return False

    def wait(self, call: object, seconds: float) -> None:
        """Wait for a place, which is taken then. Raises ``TierError`` if none is free for so long.

        It looks for itself now and then, should an interrupt have come before it was woken.
        """
        woken = allocate_lock()
        woken.acquire()
        mine = (call, woken)
        waited = 0.0
        try:
            with self._lock:
                self._queue.append(mine)
            while waited < seconds:
                with self._lock:
                    self._hand_on()
                    if call in self._running:
                        return
                pause = min(LOOK_AGAIN, seconds - waited)
                if not woken.acquire(timeout=pause):
                    waited += pause
            raise TierError(f"all {self.most} calls at once were taken for {seconds:.3g} s")
        finally:
            with self._lock:
                if mine in self._queue:
                    self._queue.remove(mine)

    def leave(self, call: object) -> None:
        """Leave a place, and give it to the next call that waits for one."""
        with self._lock:
            self._running.pop(call, None)
            self._hand_on()

    def _hand_on(self) -> None:
        while self._queue and len(self._running) < self.most:
            call, woken = self._queue[0]
            self._running[call] = None
            self._queue.popleft()
            try:
                woken.release()
            except RuntimeError:  # woken before
                pass


class Waiting:
    """A call of a coroutine that waits for a place; a read can be done by another one's."""

    __slots__ = ("addresses", "consistent", "woken")

    def __init__(
        self,
        woken: Future[Any],
        addresses: Sequence[str] | None = None,
        *,
        consistent: bool = False,
    ) -> None:
        self.woken = woken
        """Done with ``LEAD`` when it has a place, ``AGAIN`` when it has to wait anew; or with its
        rows, or the error of the read that they were asked for in."""
        self.addresses = addresses
        self.consistent = consistent


LEAD, AGAIN = "lead", "again"


class LoopPlaces:
    """Places for calls of the coroutines of one loop."""

    __slots__ = ("loop", "most", "queue", "running")

    def __init__(self, loop: AbstractEventLoop, most: int) -> None:
        self.loop = loop
        self.most = most
        self.running: dict[object, None] = {}
        self.queue: deque[Waiting] = deque()

    @property
    def crowded(self) -> bool:
        """Whether a call that comes now has to wait."""
        return len(self.running) >= self.most or bool(self.queue)

    async def wait(self, waiting: Waiting, seconds: float) -> Any:
        """Wait for a place, or for what another call has brought.

        Raises ``TierError`` if nothing comes for so long.
        """
        from asyncio import wait

        self.queue.append(waiting)
        self._hand_on()  # the last call may have ended since
        try:
            await wait([waiting.woken], timeout=seconds)
            if waiting.woken.done():
                return waiting.woken.result()
        finally:
            waiting.woken.cancel()  # a call that has given up is passed over
        raise TierError(f"all {self.most} calls at once were taken for {seconds:.3g} s")

    def gather(self, leader: Waiting) -> list[Waiting]:
        """Take those out of the queue whose rows are read by the leader along with its own."""
        batch = [leader]
        size = len(leader.addresses or ())
        rest: deque[Waiting] = deque()
        while self.queue:
            each = self.queue.popleft()
            if each.woken.done():
                continue
            more = len(each.addresses or ())
            if more and each.consistent == leader.consistent and size + more <= MOST_GATHERED:
                batch.append(each)
                size += more
            else:
                rest.append(each)
        self.queue = rest
        return batch

    def leave(self, call: object) -> None:
        """Leave a place, and give it to the next call that waits for one."""
        self.running.pop(call, None)
        self._hand_on()

    def _hand_on(self) -> None:
        while self.queue and len(self.running) < self.most:
            each = self.queue.popleft()
            if not each.woken.done():
                self.running[each] = None
                each.woken.set_result(LEAD)
