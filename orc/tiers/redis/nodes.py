"""Which servers of a deployment are left alone, and when another is asked who took over.

A cluster or a master with replicas goes on without one of its servers. So each server has a breaker
of its own (``orc.tiers.breaker``), and the rest of the deployment is used meanwhile.
"""

from __future__ import annotations

from orc.errors import TierRefusedError, TierTimeoutError, TierUnavailableError
from orc.tiers.breaker import Breaker
from orc.tiers.redis.url import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from orc.errors import TierError
    from orc.model.row import Budget
    from orc.tiers.redis.operations import Command
    from orc.tiers.redis.url import Node

UNREACHED_REST = 1.0
"""Seconds that a server is left alone which refused a connection: to ask again costs no time."""
REFUSED_REST = 60.0
"""Seconds that a server is left alone which will not do as it is set up: its certificate, say."""
ASKED_EVERY = 1.0
"""Seconds between two questions who has taken over, while a server is left alone."""
FEW_COMMANDS = 10
"""Commands whose time-out says something of the server, and not of their number."""
LARGE = 64 * 1024
"""Bytes of a reply that may take longer than another."""
SLOW_REPLIES = 5
"""Slow replies running after which a server is left alone."""


class Nodes:
    """What is known of the health of a deployment's servers. Safe for threads; it does no I/O.

    `rest` is seconds for which a server is left alone that did not answer, `slow_from` seconds from
    which on the reply to one command counts as slow.
    """

    __slots__ = ("_asked", "_breakers", "_slow", "rest", "slow_from")

    def __init__(self) -> None:
        self.rest = 5.0
        self.slow_from = float("inf")
        self.forget()

    def forget(self) -> None:
        """Begin anew: in the child of a fork, or in a copy of a snapshot."""
        self._breakers: dict[Node, Breaker] = {}
        self._slow: dict[Node, int] = {}
        self._asked: tuple[float, float] | None = None

    def refusal(self, node: Node, budget: Budget) -> TierError | None:
        """Return why a server is left alone; ``None`` if it may be asked now, be it as a probe."""
        breaker = self._breakers.get(node)
        if breaker is None:
            return None
        now = budget.now()
        if now is None or breaker.admitted(self.rest, *now) is not None:
            return None
        left = breaker.left(*now)
        return TierUnavailableError(
            f"{shown(node)} is left alone for {left:.3g} s more: {breaker.reason}"
        )

    def hangs(self, node: Node) -> bool:
        """Tell whether a server did not answer, and has not been heard of since."""
        return node in self._breakers

    def sound_first(self, nodes: Iterable[Node]) -> list[Node]:
        """Return servers in their order, but those last that have not answered."""
        return sorted(nodes, key=self.hangs)

    def may_ask(self, budget: Budget, *, down: bool = False) -> bool:
        """Tell whether it is time to ask who has taken over, and count it as asked.

        That is while a server is left alone, or the deployment is `down` by its own word.
        """
        if not self._breakers and not down:
            return False
        now = budget.now()
        if now is None:
            return False
        asked = self._asked
        if asked is not None and all(
            abs(new - old) < ASKED_EVERY for new, old in zip(now, asked, strict=True)
        ):
            return False
        self._asked = now
        return True

    def told(
        self, node: Node, commands: list[Command], answer: Any, waited: float, budget: Budget
    ) -> None:
        """Learn what came of sending commands to a server, for which it was waited (seconds)."""
        if isinstance(answer, TierTimeoutError):
            if answer.arriving:
                return  # it is there
            if len(commands) <= FEW_COMMANDS:
                self.leave(node, self.rest, str(answer), budget)
            else:
                self._breakers.setdefault(node, Breaker())
        elif isinstance(answer, TierUnavailableError):
            self.leave(node, UNREACHED_REST, str(answer), budget)
        elif isinstance(answer, TierRefusedError):
            self.leave(node, REFUSED_REST, str(answer), budget)
        elif type(answer) is list:
            self._answered(node, answer, waited, budget)

    def _answered(self, node: Node, answer: list[Any], waited: float, budget: Budget) -> None:
        if node in self._breakers:
            self._breakers.pop(node, None)
        if len(answer) != 1 or _is_large(answer[0]):
            return
        if waited <= self.slow_from or budget.late:
            self._slow.pop(node, None)
            return
        slow = self._slow[node] = self._slow.get(node, 0) + 1
        if slow >= SLOW_REPLIES:
            self._slow.pop(node, None)
            reason = f"{slow} replies running took more than {self.slow_from:.3g} s each"
            self.leave(node, self.rest, reason, budget)

    def given_up(self, node: Node, seconds: float, budget: Budget) -> None:
        """Learn that a caller was cancelled who had waited so long for a server."""
        self.leave(node, self.rest, f"{shown(node)} had not answered after {seconds:.3g} s", budget)

    def leave(self, node: Node, rest: float, reason: str, budget: Budget) -> None:
        """Leave a server alone for so many seconds."""
        now = budget.now()
        if now is not None:
            self._breakers.setdefault(node, Breaker()).opened(rest, reason, *now)


def _is_large(reply: object) -> bool:
    return type(reply) is bytes and len(reply) > LARGE


def last(nodes: list[Node], node: Node) -> list[Node]:
    """Return servers with one of them at the end."""
    return [*(each for each in nodes if each != node), node]
