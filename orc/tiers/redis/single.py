"""The route to one server, or to an address that a service answers for."""

from __future__ import annotations

from orc import notices
from orc.errors import TierRefusedError, TierUnavailableError
from orc.tiers.redis.replies import ServerError
from orc.tiers.redis.rounds import drive, replies_of
from orc.tiers.redis.url import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from orc.model.row import Budget
    from orc.tiers.redis.operations import Command
    from orc.tiers.redis.rounds import Begin, Sends, Steps
    from orc.tiers.redis.url import Node, Target


class CrossSlotError(Exception):
    """Keys of one command belong to several slots: it is a cluster, and nothing was done."""


class Single:
    """One server, or an address that a service answers for.

    Where that is a cluster behind one endpoint, as a serverless cache is, keys are asked for one by
    one from the first CROSSSLOT on.
    """

    __slots__ = ("_node", "_remedy", "by_slot", "where")
    nodes = None
    tries = 2
    """How often a command is sent whose connection breaks."""

    def __init__(self, target: Target) -> None:
        self._node = target.nodes[0]
        self.by_slot = False
        self.where = shown(self._node)
        self._remedy = f"write {'rediss' if target.tls else 'redis'}+cluster://{self.where}"

    def steps(self, begin: Begin, _budget: Budget) -> Steps:
        """Drive an operation."""
        try:
            return (yield from drive(begin(by_slot=self.by_slot), self._ask))
        except CrossSlotError:
            self.by_slot = True
            found = yield from drive(begin(by_slot=True), self._ask)
            self._warn()
            return found

    def forget(self) -> None:
        """Have nothing to forget."""

    def servers(self) -> list[Node]:
        """Return the servers that are known to be used."""
        return [self._node]

    def known(self, _address: str) -> Node | None:
        """Return the server of an address, if it is known without asking."""
        return self._node

    def _ask(self, commands: list[Command]) -> Generator[Sends, Any, list[Any]]:
        for _ in range(self.tries):
            (answer,) = yield [(self._node, commands)]
            if not isinstance(answer, TierUnavailableError):
                break
        replies = replies_of(answer, commands)
        for each in replies:
            if isinstance(each, ServerError):
                if each.code == "CROSSSLOT" and not self.by_slot:
                    raise CrossSlotError
                if each.code in {"MOVED", "ASK"}:
                    raise TierRefusedError(
                        f"{self.where} is a node of a cluster and has a part of the keys only: "
                        + self._remedy
                    )
        return replies

    def _warn(self) -> None:
        notices.warn(
            f"{self.where} is a cluster behind one address, which takes no command for several "
            f"keys: they are asked for one by one, in one go. To ask each node for its own keys, "
            f"{self._remedy}"
        )
