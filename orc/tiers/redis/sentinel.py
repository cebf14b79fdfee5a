"""The route to the master that Sentinels name (Redis, "Guidelines for Redis clients")."""

from __future__ import annotations

from orc.errors import TierError, TierRefusedError, TierUnavailableError
from orc.tiers.redis.nodes import Nodes
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

    __slots__ = ("_master", "_service", "nodes", "where")
    by_slot = False

    def __init__(self, target: Target) -> None:
        self._service = target.service
        self._master: Node | None = None
        self.nodes = Nodes(list(target.nodes))
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
        error: TierError | None = None
        if self._is_due(budget):
            error = yield from self._find(budget)
        master = self._master
        if master is None:
            return [error or self.nodes.refused] * len(commands)
        refused = None if master in probed else self.nodes.refusal(master, budget)
        if refused is not None:
            # No news of the server: to ask a Sentinel at once would be to ask it each time.
            error = TierError(str(refused))
            error.repeated = True
            return [error] * len(commands)
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
            return self.nodes.is_unknown_due(budget)
        return self.nodes.hangs(self._master) and self.nodes.may_ask(budget)

    def _find(self, budget: Budget) -> Generator[Sends, Any, TierError | None]:
        """Ask one Sentinel after the other for the master."""
        commands = [("", [b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", self._service.encode()])]
        return self.nodes.ask_around(commands, self._remember, budget, halve=bool(self._master))

    def _remember(self, sentinel: Node, found: Any) -> TierError | None:
        if isinstance(found, ServerError):
            return refusal(found, named(sentinel))
        if not isinstance(found, list):
            return TierRefusedError(
                f"{named(sentinel)} knows no master of the name {self._service!r}: write the name "
                "that `sentinel monitor` has, as in redis+sentinel://host:26379/name"
            )
        host, port = found
        self._master = (host.decode(), int(port), DATA)
        self.nodes.keep([self._master, *self.nodes.advisers])
        return None


def _is_lost(replies: Iterable[Any]) -> bool:
    """Tell whether another server may be master by now, or another one have its address."""
    return any(
        isinstance(reply, TierUnavailableError | TierRefusedError)
        or (isinstance(reply, ServerError) and reply.code in {"READONLY", "MASTERDOWN"})
        for reply in replies
    )
