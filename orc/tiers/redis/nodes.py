"""Which servers of a deployment are left alone, and when another is asked which took over.

A cluster or a master with replicas goes on without one of its servers. So each server has a breaker
of its own, by the rules that a guard has for a whole tier (``orc.tiers.health``), and the rest of
the deployment is used meanwhile.
"""

from __future__ import annotations

from orc.errors import TierError, TierRefusedError, TierTimeoutError, TierUnavailableError
from orc.tiers.breaker import Breaker
from orc.tiers.guarded_call import LARGE, NEARLY
from orc.tiers.health import FEW_ROWS, REFUSED_REST, SLOW_CALLS
from orc.tiers.outages import BACK, REPLACED
from orc.tiers.redis.url import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from typing import Any

    from orc.model.row import Budget
    from orc.tiers.outages import Outages
    from orc.tiers.redis.operations import Command
    from orc.tiers.redis.rounds import Sends
    from orc.tiers.redis.url import Node

UNREACHED_REST = 1.0
"""Seconds that a server is left alone which refused a connection: to ask again costs no time."""
ASKED_EVERY = 1.0
"""Seconds between two questions which server has taken over, while one is left alone."""
SILENCES = 3
"""Time-outs of many rows running, with no byte of an answer, that are as one of few rows."""


class Nodes:
    """What is known of the health of a deployment's servers. Safe for threads; it does no I/O.

    `rest` is seconds for which a server is left alone that did not answer, `slow_from` seconds from
    which on the reply to one command counts as slow. `advisers` are asked which server has what,
    in this order; `refused` is their last answer, if it was that the address is wrong.
    """

    __slots__ = (
        "_asked",
        "_breakers",
        "_mistaken",
        "_probes",
        "_silent",
        "_slow",
        "advisers",
        "outages",
        "refused",
        "rest",
        "slow_from",
    )

    def __init__(self, advisers: list[Node]) -> None:
        self.advisers = advisers
        self.outages: Outages | None = None
        self.rest = 5.0
        self.slow_from = float("inf")
        self.forget()

    def forget(self) -> None:
        """Begin anew: in the child of a fork, or in a copy of a snapshot."""
        self._breakers: dict[Node, Breaker] = {}
        self._probes: dict[Node, int] = {}
        self._slow: dict[Node, int] = {}
        self._silent: dict[Node, int] = {}
        self._mistaken: set[Node] = set()
        self._asked: tuple[float, float] | None = None
        self.refused: TierError | None = None

    def refusal(self, node: Node, budget: Budget) -> TierError | None:
        """Return why a server is left alone; ``None`` if it may be asked now, be it as a probe."""
        breaker = self._breakers.get(node)
        if breaker is None:
            return None
        now = budget.now()
        if now is None:
            return None
        probe = breaker.admitted(self.rest, *now)
        if probe is not None:
            self._probes[node] = probe
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

    def keep(self, nodes: Iterable[Node]) -> None:
        """Forget all servers but these: the others are asked for nothing any more."""
        for node in self._breakers.keys() - set(nodes):
            self._breakers.pop(node, None)
            self._over(node, REPLACED)

    def replaced(self, by: list[Node]) -> None:
        """Tell that the outages are over of all servers but these, which have the keys now."""
        for node in self._breakers.keys() - set(by):
            self._over(node, REPLACED)

    def may_ask(self, budget: Budget) -> bool:
        """Tell whether it is time to ask again which server took over, and count it."""
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

    def is_unknown_due(self, budget: Budget) -> bool:
        """Tell whether it is time to ask where nothing is known yet: at once, or once a second."""
        return self.refused is None or self.may_ask(budget)

    def ask_around(
        self,
        commands: list[Command],
        heard: Callable[[Node, Any], TierError | None],
        budget: Budget,
        *,
        halve: bool,
    ) -> Generator[Sends, Any, TierError | None]:
        """Ask one adviser after the other, until `heard` can use a reply; return the error if none.

        Another one comes first the next time: a server that is cut off from the others goes on
        naming itself, or a master of old. With `halve` half of the time is left for what follows.
        """
        error: TierError | None = None
        resting: TierError | None = None
        for adviser in self.sound_first(self.advisers):
            refused = self.refusal(adviser, budget)
            if refused is not None:
                if adviser in self._mistaken:
                    resting = refused
                else:
                    error = _milder(error, refused)
                continue
            self.advisers = last(self.advisers, adviser)
            kept = max(0.0, budget.left() / 2) if halve else 0.0
            budget.extend(-kept)
            for _ in range(2):
                (answer,) = yield [(adviser, commands)]
                if not isinstance(answer, TierUnavailableError):
                    break
            budget.extend(kept)
            self.told(adviser, commands, answer, 0.0, budget)
            if isinstance(answer, TierTimeoutError) and budget.left() <= kept:
                error = answer  # the time that there was has been spent on it
                break
            lacking = answer if isinstance(answer, TierError) else heard(adviser, answer[0])
            if lacking is None:
                self.refused = None
                return None
            error = _milder(error, lacking)
        error = error or self.refused or resting or TierUnavailableError("no server could be asked")
        self.refused = error if isinstance(error, TierRefusedError) else None
        return error

    def told(
        self, node: Node, commands: list[Command], answer: Any, waited: float, budget: Budget
    ) -> None:
        """Learn what came of sending commands to a server, for which it was waited (seconds)."""
        if isinstance(answer, TierTimeoutError):
            if answer.arriving:
                self._answered(node)
            elif rows_of(commands) <= FEW_ROWS or self._count(self._silent, node) >= SILENCES:
                self.leave(node, self.rest, str(answer), budget)
            else:
                self._breakers.setdefault(node, Breaker())
                self.let_go(node)
        elif isinstance(answer, TierUnavailableError):
            self.leave(node, UNREACHED_REST, str(answer), budget, warned=answer.doubtful)
        elif isinstance(answer, TierRefusedError):
            self.leave(node, REFUSED_REST, str(answer), budget, warned=True)
            self._mistaken.add(node)
        elif isinstance(answer, TierError):
            self.let_go(node)
        else:
            self._answered(node)
            if rows_of(commands) == 1 and not _is_large(answer[-1]):
                self._timed(node, waited, budget)

    def _answered(self, node: Node) -> None:
        if node in self._breakers:
            self._breakers.pop(node, None)
            self._silent.pop(node, None)
            self._over(node)

    def _over(self, node: Node, how: str = BACK) -> None:
        if self.outages is not None:
            self.outages.ended(host=shown(node), how=how)

    def _count(self, counts: dict[Node, int], node: Node) -> int:
        """Count what a server has done running; return how often."""
        counts[node] = counts.get(node, 0) + 1
        return counts[node]

    def _timed(self, node: Node, waited: float, budget: Budget) -> None:
        if waited <= self.slow_from * NEARLY or budget.late:
            self._slow.pop(node, None)
            return
        slow = self._count(self._slow, node)
        if slow >= SLOW_CALLS:
            self._slow.pop(node, None)
            reason = f"{slow} replies running took more than {self.slow_from:.3g} s each"
            self.leave(node, self.rest, reason, budget)

    def let_go(self, node: Node) -> None:
        """Let the next call be the probe: this one has ended without a verdict."""
        breaker, probe = self._breakers.get(node), self._probes.pop(node, None)
        if breaker is not None and probe is not None:
            breaker.abandoned(probe)

    def given_up(self, node: Node, commands: list[Command], seconds: float, budget: Budget) -> None:
        """Learn that a cancelled caller had waited so long for a server."""
        if rows_of(commands) <= FEW_ROWS:
            reason = f"{shown(node)} had not answered after {seconds:.3g} s"
            self.leave(node, self.rest, reason, budget)

    def leave(
        self, node: Node, rest: float, reason: str, budget: Budget, *, warned: bool = False
    ) -> None:
        """Leave a server alone for so many seconds; tell the outage, unless it is warned of."""
        self._mistaken.discard(node)
        now = budget.now()
        if now is not None:
            self._breakers.setdefault(node, Breaker()).opened(rest, reason, *now)
            if self.outages is not None and not warned:
                self.outages.began(reason, rest, host=shown(node))


def rows_of(commands: list[Command]) -> int:
    """Return how many keys commands name."""
    rows = 0
    for _, words in commands:
        verb = words[0]
        if verb in {b"EVALSHA", b"EVAL"}:
            rows += int(words[2])
        elif verb in {b"MGET", b"UNLINK"}:
            rows += len(words) - 1
        else:
            rows += 1
    return rows


def _is_large(reply: object) -> bool:
    return type(reply) is bytes and len(reply) > LARGE


def last(nodes: list[Node], node: Node) -> list[Node]:
    """Return servers with one of them at the end."""
    return [*(each for each in nodes if each != node), node]


def _milder(first: TierError | None, second: TierError) -> TierError:
    """Return of two errors the one that may pass by itself, or else the first."""
    if first is None or (
        isinstance(first, TierRefusedError) and not isinstance(second, TierRefusedError)
    ):
        return second
    return first
