"""The routes to the nodes of a cluster (Redis Cluster Specification, "MOVED" and "ASK")."""

from __future__ import annotations

from orc.errors import TierError, TierRefusedError, TierUnavailableError
from orc.tiers.redis.nodes import Nodes, last
from orc.tiers.redis.replies import ServerError, refusal
from orc.tiers.redis.rounds import drive
from orc.tiers.redis.slots import slot_of
from orc.tiers.redis.url import DATA, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from orc.model.row import Budget
    from orc.tiers.redis.operations import Command
    from orc.tiers.redis.rounds import Begin, Sends, Steps
    from orc.tiers.redis.url import Node, Target


class TryAgainError(Exception):
    """Keys of one command are at several nodes, while their slot moves; nothing was done."""


REDIRECTS = 3
"""Times that a cluster may send a command on."""


class Cluster:
    """The nodes of a cluster. While one does not answer, another tells which has its slots."""

    __slots__ = (
        "_changed",
        "_down",
        "_given",
        "_slots",
        "_starts",
        "nodes",
        "where",
    )
    by_slot = True

    def __init__(self, target: Target) -> None:
        self._given = list(target.nodes)
        self.nodes = Nodes(self._given)
        self.where = "the cluster"
        self.forget()

    def forget(self) -> None:
        """Forget which node has which slot."""
        self._slots: dict[int, Node] = {}
        self._starts: list[tuple[int, int, Node]] = []
        self._changed = self._down = False
        self.nodes.forget()

    def known(self, address: str) -> Node | None:
        """Return the server of an address, if it is known without asking."""
        return self._node(slot_of(address)) if self._starts else None

    def servers(self) -> list[Node]:
        """Return the masters that are known."""
        return list(dict.fromkeys(node for _, _, node in self._starts))

    def steps(self, begin: Begin, budget: Budget) -> Steps:
        """Drive an operation; learn which node has which slot when that has changed."""
        try:
            return (yield from drive(begin(by_slot=True), lambda each: self._round(each, budget)))
        except TryAgainError:
            # Some keys of a slot that moves are at the one node, and some at the other.
            alone = begin(by_slot=True, most=1)
            return (yield from drive(alone, lambda each: self._round(each, budget)))

    def _round(self, commands: list[Command], budget: Budget) -> Generator[Sends, Any, list[Any]]:
        replies: list[Any] = [None] * len(commands)
        asked: dict[int, Node] = {}  # places that are sent elsewhere once, while a slot moves
        todo = list(range(len(commands)))
        probed: set[Node] = set()
        tried_again = False
        error: TierError | None = None
        for _ in range(REDIRECTS + 1):
            if self._is_due(budget):
                error = yield from self._learn(budget)
            if not self._starts:
                error = error or self.nodes.refused
                if error is not None:
                    for place in todo:
                        replies[place] = error
                    return replies
            sends = self._sends(commands, todo, asked)
            self._refuse(sends, replies, probed, budget)
            if not sends:
                return replies
            before = budget.waited
            try:
                answers = yield [
                    (node, self._words(commands, places, asked)) for node, places in sends.items()
                ]
            except GeneratorExit:  # the caller was cancelled
                for node in sends:
                    self.nodes.let_go(node)
                raise
            waited = budget.waited - before if len(sends) == 1 else 0.0
            todo, asked_before, asked = [], asked, {}
            for (node, places), answer in zip(sends.items(), answers, strict=True):
                # What is wrong with a node may be that it is another server's address by now.
                broken = isinstance(answer, TierUnavailableError | TierRefusedError)
                if broken and not tried_again and not self.nodes.hangs(node):
                    todo += places
                    self._changed = True  # another node may have taken over
                else:
                    sent = [commands[place] for place in places]
                    self.nodes.told(node, sent, answer, waited, budget)
            for (node, places), answer in zip(sends.items(), answers, strict=True):
                for place, reply in self._replies(places, answer, asked_before):
                    replies[place] = reply
                    if isinstance(reply, ServerError) and self._moved(place, reply, node, asked):
                        todo.append(place)
            tried_again |= any(
                isinstance(each, TierUnavailableError | TierRefusedError) for each in answers
            )
            if not todo:
                break
        return replies

    def _is_due(self, budget: Budget) -> bool:
        """Tell whether it is time to ask which node has which slot."""
        if not self._starts:
            return self.nodes.is_unknown_due(budget)
        if self._changed:
            return True
        in_doubt = self._down or any(map(self.nodes.hangs, self.servers()))
        return in_doubt and self.nodes.may_ask(budget)

    def _refuse(
        self,
        sends: dict[Node, list[int]],
        replies: list[Any],
        probed: set[Node],
        budget: Budget,
    ) -> None:
        """Take from what is sent that for nodes which are left alone; reply with an error to it."""
        for node in list(sends):
            if node in probed:
                continue
            refused = self.nodes.refusal(node, budget)
            if refused is None:
                probed.add(node)
            else:
                for place in sends.pop(node):
                    replies[place] = refused

    def _sends(
        self, commands: list[Command], todo: list[int], asked: dict[int, Node]
    ) -> dict[Node, list[int]]:
        sends: dict[Node, list[int]] = {}
        for place in todo:
            node = asked.get(place) or self._node(slot_of(commands[place][0]))
            sends.setdefault(node, []).append(place)
        return sends

    def _words(
        self, commands: list[Command], places: list[int], asked: dict[int, Node]
    ) -> list[Command]:
        made: list[Command] = []
        for place in places:
            if place in asked:
                made.append(("", [b"ASKING"]))
            made.append(commands[place])
        return made

    def _replies(
        self, places: list[int], answer: list[Any] | TierError, asked: dict[int, Node]
    ) -> list[tuple[int, Any]]:
        if isinstance(answer, TierError):
            return [(place, answer) for place in places]
        made = []
        replies = iter(answer)
        for place in places:
            if place in asked:
                next(replies)  # to ASKING
            made.append((place, next(replies)))
        return made

    def _moved(self, place: int, reply: ServerError, node: Node, asked: dict[int, Node]) -> bool:
        """Learn from a redirection; tell whether the command is to be sent again."""
        if reply.code == "TRYAGAIN":
            raise TryAgainError
        if reply.code not in {"MOVED", "ASK"}:
            if reply.code == "CLUSTERDOWN":
                self._down = True
            return False
        slot, _, there = reply.text.partition(" ")
        host, _, port = there.rpartition(":")
        # A node that does not know its own address gives no host: it is the one that was asked.
        found = (host or node[0], int(port), DATA)
        if reply.code == "ASK":
            asked[place] = found
        else:
            self._slots[int(slot)] = found
        return True

    def _node(self, slot: int) -> Node:
        known = self._slots.get(slot)
        if known is None:
            for first, last, node in self._starts:
                if first <= slot <= last:
                    known = self._slots[slot] = node
                    break
            else:
                known = self.nodes.advisers[0]  # no node has the slot, and any of them says so
        return known

    def _learn(self, budget: Budget) -> Generator[Sends, Any, TierError | None]:
        """Ask one node after the other for the slots of all."""
        commands = [("", [b"CLUSTER", b"SLOTS"])]
        return self.nodes.ask_around(commands, self._remember, budget, halve=bool(self._starts))

    def _remember(self, seed: Node, found: Any) -> TierError | None:
        if isinstance(found, ServerError):
            return refusal(found, shown(seed))
        if not found:
            return TierUnavailableError(f"the cluster of {shown(seed)} has no slots yet")
        self._starts = [
            (int(first), int(last), ((master[0] or b"").decode() or seed[0], int(master[1]), DATA))
            for first, last, master, *_ in found
        ]
        self._slots = {}
        self._changed = self._down = False
        nodes = list(dict.fromkeys([*self.servers(), *self._given]))
        self.nodes.keep(nodes)
        self.nodes.replaced(self.servers())
        self.nodes.advisers = last(nodes, seed) if seed in nodes else nodes
        return None
