"""Which server a command is for: one server, the master that Sentinels name, or a cluster's nodes.

A route drives an operation: it takes the operation's rounds, and yields what is to be sent to which
server; it is sent the replies of each, or the error that stands in their place. A connection that
broke is tried once more, at once: after a freeze it is a dead one that fails first. To do so is
harmless though the first try may have been carried out: an etag that is already there is recognised
by the scripts, and a plain write or delete that is repeated is a slower one.
"""

from __future__ import annotations

from orc.errors import TierError, TierTimeoutError, TierUnavailableError
from orc.tiers.redis.replies import ServerError, refusal
from orc.tiers.redis.slots import slot_of
from orc.tiers.redis.url import DATA, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from typing import Any

    from orc.tiers.redis.operations import Command, Operation
    from orc.tiers.redis.url import Node, Target

    Sends = list[tuple[Node, list[Command]]]
    Steps = Generator[Sends, list[list[Any] | TierError], Any]
    """What is sent to which server, and what each answered."""

REDIRECTS = 3
"""Times that a cluster may send a command on."""


class Single:
    """One server, or an address that a service answers for."""

    __slots__ = ("_node", "where")
    by_slot = False

    def __init__(self, target: Target) -> None:
        self._node = target.nodes[0]
        self.where = shown(self._node)

    def steps(self, operation: Operation) -> Steps:
        """Drive an operation."""
        node = self._node
        try:
            commands = next(operation)
            while True:
                if not commands:
                    commands = operation.send([])
                    continue
                (answer,) = yield [(node, commands)]
                if isinstance(answer, TierUnavailableError):
                    (answer,) = yield [(node, commands)]
                commands = operation.send(_each(answer, commands))
        except StopIteration as end:
            return end.value

    def forget(self) -> None:
        """Have nothing to forget."""

    def known(self, _address: str) -> Node | None:
        """Return the server of an address, if it is known without asking."""
        return self._node


class Master:
    """The master that Sentinels name (Redis, "Guidelines for Redis clients with Sentinel")."""

    __slots__ = ("_master", "_sentinels", "_service", "where")
    by_slot = False

    def __init__(self, target: Target) -> None:
        self._sentinels = list(target.nodes)
        self._service = target.service
        self._master: Node | None = None
        self.where = f"the master of {target.service}"

    def steps(self, operation: Operation) -> Steps:
        """Drive an operation; ask for the master when it is not known, or is one no more."""
        try:
            commands = next(operation)
            while True:
                if not commands:
                    commands = operation.send([])
                    continue
                replies = yield from self._ask(commands)
                if self._lost(replies):
                    self._master = None
                    replies = yield from self._ask(commands)
                    if self._lost(replies):
                        self._master = None
                commands = operation.send(replies)
        except StopIteration as end:
            return end.value

    def forget(self) -> None:
        """Forget which server is the master."""
        self._master = None

    def known(self, _address: str) -> Node | None:
        """Return the server of an address, if it is known without asking."""
        return self._master

    def _ask(self, commands: list[Command]) -> Generator[Sends, Any, list[Any]]:
        master = self._master
        if master is None:
            found = yield from self._find()
            if isinstance(found, TierError):
                return [found] * len(commands)
            master = found
        (answer,) = yield [(master, commands)]
        return _each(answer, commands)

    def _lost(self, replies: Iterable[Any]) -> bool:
        return any(
            isinstance(reply, TierUnavailableError)
            or (isinstance(reply, ServerError) and reply.code in {"READONLY", "MASTERDOWN"})
            for reply in replies
        )

    def _find(self) -> Generator[Sends, Any, Node | TierError]:
        """Ask one Sentinel after the other; begin next time with the one that knew."""
        words = [b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", self._service.encode()]
        error: TierError | None = None
        for sentinel in list(self._sentinels):
            for _ in range(2):
                (answer,) = yield [(sentinel, [("", words)])]
                if not isinstance(answer, TierUnavailableError):
                    break
            if isinstance(answer, TierTimeoutError):
                return answer  # the time that there was has been spent on it
            if isinstance(answer, TierError):
                error = answer
                continue
            found = answer[0]
            if isinstance(found, list) and len(found) == 2:  # noqa: PLR2004 - host and port
                self._sentinels.sort(key=lambda each: each != sentinel)
                self._master = (found[0].decode(), int(found[1]), DATA)
                return self._master
            if isinstance(found, ServerError):
                error = refusal(found, f"the Sentinel {shown(sentinel)}")
            else:
                error = TierUnavailableError(
                    f"the Sentinel {shown(sentinel)} knows no master of {self._service!r}"
                )
        return error or TierUnavailableError("no Sentinel answered")


class Cluster:
    """The nodes of a Redis Cluster (Redis Cluster Specification, "MOVED" and "ASK" redirection)."""

    __slots__ = ("_seeds", "_slots", "_starts", "where")
    by_slot = True

    def __init__(self, target: Target) -> None:
        self._seeds = list(target.nodes)
        self._slots: dict[int, Node] = {}
        self._starts: list[tuple[int, int, Node]] = []
        self.where = "the cluster"

    def forget(self) -> None:
        """Forget which node has which slot."""
        self._slots = {}
        self._starts = []

    def known(self, address: str) -> Node | None:
        """Return the server of an address, if it is known without asking."""
        return self._node(slot_of(address)) if self._starts else None

    def nodes(self) -> list[Node]:
        """Return the masters that are known."""
        return list(dict.fromkeys(node for _, _, node in self._starts))

    def steps(self, operation: Operation) -> Steps:
        """Drive an operation; learn which node has which slot when that has changed."""
        try:
            commands = next(operation)
            while True:
                replies = yield from self._round(commands)
                commands = operation.send(replies)
        except StopIteration as end:
            return end.value

    def _round(self, commands: list[Command]) -> Generator[Sends, Any, list[Any]]:
        replies: list[Any] = [None] * len(commands)
        asked: dict[int, Node] = {}  # places that are sent elsewhere once, while a slot moves
        todo = list(range(len(commands)))
        tried_again = False
        for _ in range(REDIRECTS + 1):
            if not self._starts and todo:
                error = yield from self._learn()
                if error is not None:
                    for place in todo:
                        replies[place] = error
                    return replies
            sends = self._sends(commands, todo, asked)
            if not sends:
                return replies
            answers = yield [
                (node, self._words(commands, places, asked)) for node, places in sends.items()
            ]
            todo, asked_before, asked = [], asked, {}
            for (node, places), answer in zip(sends.items(), answers, strict=True):
                if isinstance(answer, TierUnavailableError) and not tried_again:
                    todo += places
                    self._starts = []  # another node may have taken over
                for place, reply in self._replies(places, answer, asked_before):
                    replies[place] = reply
                    if isinstance(reply, ServerError) and self._moved(place, reply, node, asked):
                        todo.append(place)
            if any(isinstance(answer, TierUnavailableError) for answer in answers):
                tried_again = True
            if not todo:
                break
        return replies

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
        if reply.code not in {"MOVED", "ASK"}:
            if reply.code == "CLUSTERDOWN":
                self._starts = []
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
                known = self._seeds[0]  # nobody has the slot: any node says so
        return known

    def _learn(self) -> Generator[Sends, Any, TierError | None]:
        """Ask one node after the other for the slots of all."""
        error: TierError | None = None
        for seed in list(self._seeds):
            for _ in range(2):
                (answer,) = yield [(seed, [("", [b"CLUSTER", b"SLOTS"])])]
                if not isinstance(answer, TierUnavailableError):
                    break
            if isinstance(answer, TierTimeoutError):
                # Its turn comes last from now on.
                self._seeds.sort(key=lambda each: each == seed)
                return answer
            if isinstance(answer, TierError):
                error = answer
                continue
            (found,) = answer
            if isinstance(found, ServerError):
                error = refusal(found, shown(seed))
                continue
            self._starts = [
                (
                    int(first),
                    int(last),
                    ((master[0] or b"").decode() or seed[0], int(master[1]), DATA),
                )
                for first, last, master, *_ in found
            ]
            self._slots = {}
            if self._starts:
                known = self.nodes()
                self._seeds = known + [each for each in self._seeds if each not in known]
                return None
            error = TierUnavailableError(f"the cluster of {shown(seed)} has no slots yet")
        return error or TierUnavailableError("no node of the cluster answered")


def _each(answer: list[Any] | TierError, commands: list[Command]) -> list[Any]:
    return [answer] * len(commands) if isinstance(answer, TierError) else answer


def route_for(target: Target) -> Single | Master | Cluster:
    """Return the route to a target."""
    if target.kind == "cluster":
        return Cluster(target)
    return Master(target) if target.kind == "sentinel" else Single(target)
