"""The route to the master that Sentinels name (Redis, "Guidelines for Redis clients")."""

from __future__ import annotations

from orc.errors import TierError, TierRefusedError, TierTimeoutError, TierUnavailableError
from orc.tiers.redis.nodes import Nodes, last, milder
from orc.tiers.redis.replies import ServerError, refusal
from orc.tiers.redis.rounds import drive, replies_of
from orc.tiers.redis.url import DATA, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from typing import Any

    from orc.model.row import Budget
    from orc.tiers.redis.operations import Command
    from orc.tiers.redis.rounds import Begin, Sends, Steps
    from orc.tiers.redis.url import Node, Target


class Master:
    """The master of a service. While it does not answer, a Sentinel is asked for another."""

    __slots__ = ("_master", "_refused", "_sentinels", "_service", "nodes", "where")
    by_slot = False

    def __init__(self, target: Target) -> None:
        self._sentinels = list(target.nodes)
        self._service = target.service
        self._master: Node | None = None
        self._refused: TierError | None = None
        self.nodes = Nodes()
        self.where = f"the master of {target.service}"

    def steps(self, begin: Begin, budget: Budget) -> Steps:
        """Drive an operation; ask for the master when it is not known, or is one no more."""
        return drive(begin(by_slot=False), lambda commands: self._round(commands, budget))

    def forget(self) -> None:
        """Forget which server is the master."""
        self._master = None
        self.nodes.forget()

    def servers(self) -> list[Node]:
        """Return the servers that are known to be used."""
        return [self._master] if self._master else []

    def known(self, _address: str) -> Node | None:
        """Return the server of an address, if it is known without asking."""
        return self._master

    def _round(self, commands: list[Command], budget: Budget) -> Generator[Sends, Any, list[Any]]:
        probed: set[Node] = set()
        replies = yield from self._ask(commands, probed, budget, final=False)
        if _is_lost(replies) and self._master is not None:
            self._master = None
            replies = yield from self._ask(commands, probed, budget, final=True)
            if _is_lost(replies) and not (self._master and self.nodes.hangs(self._master)):
                self._master = None
        return replies

    def _ask(
        self, commands: list[Command], probed: set[Node], budget: Budget, *, final: bool
    ) -> Generator[Sends, Any, list[Any]]:
        found: Node | TierError | None = self._master
        if self._is_due(budget):
            found = yield from self._find(budget)
            self._refused = found if isinstance(found, TierRefusedError) else None
        master = self._master
        if master is None:
            return [found or self._refused] * len(commands)
        refused = None if master in probed else self.nodes.refusal(master, budget)
        if refused is not None:
            # No news of the server: to ask a Sentinel at once would be to ask it each time.
            return [TierError(str(refused))] * len(commands)
        probed.add(master)
        before = budget.waited
        try:
            (answer,) = yield [(master, commands)]
        except GeneratorExit:  # the caller was cancelled
            self.nodes.let_go(master)
            raise
        if final or not isinstance(answer, TierUnavailableError | TierRefusedError):
            self.nodes.told(master, commands, answer, budget.waited - before, budget)
        return replies_of(answer, commands)

    def _is_due(self, budget: Budget) -> bool:
        """Tell whether it is time to ask a Sentinel."""
        if self._master is None:
            return self._refused is None or self.nodes.may_ask(budget)
        return self.nodes.hangs(self._master) and self.nodes.may_ask(budget)

    def _find(self, budget: Budget) -> Generator[Sends, Any, Node | TierError]:
        """Ask one Sentinel after the other; another one first the next time.

        A Sentinel that is cut off from the others goes on naming the old master.
        """
        commands = [("", [b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", self._service.encode()])]
        error: TierError | None = None
        resting: TierError | None = None
        for sentinel in self.nodes.sound_first(self._sentinels):
            refused = self.nodes.refusal(sentinel, budget)
            if refused is not None:
                if self.nodes.is_mistaken(sentinel):
                    resting = refused
                else:
                    error = milder(error, refused)
                continue
            self._sentinels = last(self._sentinels, sentinel)
            # Where a master is known, half of the time is for it.
            kept = max(0.0, budget.left() / 2) if self._master else 0.0
            budget.extend(-kept)
            for _ in range(2):
                (answer,) = yield [(sentinel, commands)]
                if not isinstance(answer, TierUnavailableError):
                    break
            budget.extend(kept)
            self.nodes.told(sentinel, commands, answer, 0.0, budget)
            if isinstance(answer, TierTimeoutError) and budget.left() <= kept:
                return answer  # the time that there was has been spent on it
            if isinstance(answer, TierError):
                error = milder(error, answer)
                continue
            found = answer[0]
            if isinstance(found, list) and len(found) == 2:  # noqa: PLR2004 - host and port
                self._master = (found[0].decode(), int(found[1]), DATA)
                self.nodes.keep([self._master, *self._sentinels])
                return self._master
            error = milder(error, self._unnamed(found, sentinel))
        unasked = self._refused or resting
        return error or unasked or TierUnavailableError("no Sentinel answered")

    def _unnamed(self, found: object, sentinel: Node) -> TierError:
        if isinstance(found, ServerError):
            return refusal(found, named(sentinel))
        return TierRefusedError(
            f"{named(sentinel)} knows no master of the name {self._service!r}: write "
            "the name that `sentinel monitor` has, as in redis+sentinel://host:26379/name"
        )


def _is_lost(replies: Iterable[Any]) -> bool:
    """Tell whether another server may be master by now, or another one have its address."""
    return any(
        isinstance(reply, TierUnavailableError | TierRefusedError)
        or (isinstance(reply, ServerError) and reply.code in {"READONLY", "MASTERDOWN"})
        for reply in replies
    )
