"""The route to the master that Sentinels name (Redis, "Guidelines for Redis clients")."""

from __future__ import annotations

from orc.errors import TierError, TierRefusedError, TierTimeoutError, TierUnavailableError
from orc.tiers.redis.nodes import Nodes, last
from orc.tiers.redis.replies import ServerError, refusal
from orc.tiers.redis.rounds import drive, replies_of
from orc.tiers.redis.url import DATA, shown

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

    __slots__ = ("_master", "_sentinels", "_service", "nodes", "where")
    by_slot = False

    def __init__(self, target: Target) -> None:
        self._sentinels = list(target.nodes)
        self._service = target.service
        self._master: Node | None = None
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
        replies = yield from self._ask(commands, budget, final=False)
        if _is_lost(replies):
            self._master = None
            replies = yield from self._ask(commands, budget, final=True)
            if _is_lost(replies) and not (self._master and self.nodes.hangs(self._master)):
                self._master = None
        return replies

    def _ask(
        self, commands: list[Command], budget: Budget, *, final: bool
    ) -> Generator[Sends, Any, list[Any]]:
        master = self._master
        if master is None or (self.nodes.hangs(master) and self.nodes.may_ask(budget)):
            found = yield from self._find(budget)
            if not isinstance(found, TierError):
                master = self._master = found
            elif master is None:
                return [found] * len(commands)
        refused = self.nodes.refusal(master, budget)
        if refused is not None:
            # No news of the server: to ask a Sentinel at once would be to ask it each time.
            return [TierError(str(refused))] * len(commands)
        before = budget.waited
        (answer,) = yield [(master, commands)]
        if final or not isinstance(answer, TierUnavailableError):
            self.nodes.told(master, commands, answer, budget.waited - before, budget)
        return replies_of(answer, commands)

    def _find(self, budget: Budget) -> Generator[Sends, Any, Node | TierError]:
        """Ask one Sentinel after the other; another one first the next time.

        A Sentinel that is cut off from the others goes on naming the old master.
        """
        commands = [("", [b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", self._service.encode()])]
        error: TierError | None = None
        for sentinel in self.nodes.sound_first(self._sentinels):
            refused = self.nodes.refusal(sentinel, budget)
            if refused is not None:
                error = error or refused
                continue
            self._sentinels = last(self._sentinels, sentinel)
            for _ in range(2):
                (answer,) = yield [(sentinel, commands)]
                if not isinstance(answer, TierUnavailableError):
                    break
            self.nodes.told(sentinel, commands, answer, 0.0, budget)
            if isinstance(answer, TierTimeoutError) and budget.left() <= 0:
                return answer  # the time that there was has been spent on it
            if isinstance(answer, TierError):
                error = answer
                continue
            found = answer[0]
            if isinstance(found, list) and len(found) == 2:  # noqa: PLR2004 - host and port
                return (found[0].decode(), int(found[1]), DATA)
            error = self._unnamed(found, sentinel)
        return error or TierUnavailableError("no Sentinel answered")

    def _unnamed(self, found: object, sentinel: Node) -> TierError:
        if isinstance(found, ServerError):
            return refusal(found, f"the Sentinel {shown(sentinel)}")
        return TierRefusedError(
            f"the Sentinel {shown(sentinel)} knows no master of the name {self._service!r}: write "
            "the name that `sentinel monitor` has, as in redis+sentinel://host:26379/name"
        )


def _is_lost(replies: Iterable[Any]) -> bool:
    return any(
        isinstance(reply, TierUnavailableError)
        or (isinstance(reply, ServerError) and reply.code in {"READONLY", "MASTERDOWN"})
        for reply in replies
    )
