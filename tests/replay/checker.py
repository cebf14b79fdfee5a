"""What the replay's logs prove: which answers broke the cache's promise. Pure; times are seconds.

After a write was answered, no read that begins later than `Rules.grace` afterwards is answered with
a version from before that write.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WRITES = frozenset({"delete", "adelete", "set", "aset", "invalidate", "ainvalidate"})
"""Kinds of operation that promise something; all others read."""
LOADING = frozenset({"get_or_set", "aget_or_set", "function", "afunction"})
"""Kinds of read that have a value in any case."""
SETS = frozenset({"set", "aset"})
"""Kinds of write that count a tier which fails, where the others raise."""
ALWAYS, REACHED, NEVER = "always", "reached", "never"
"""When an answered `set` promises something: see `Rules`."""
LOAD = "load"
"""The kind of what a loader did."""
CANCELLED = "cancelled"
"""The error of a read that its worker cancelled itself."""
NOT_ANSWERED = "not answered: "
"""How the error of a write begins that could not reach the server, and said so."""
UNENDED = "unended"
"""The error of an operation that had not ended when its worker gave up waiting."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One key of an operation, with the key and the version of its value; nothing for a miss."""

    key: str
    got: str | None
    version: int


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of the cache, as its worker has logged it."""

    process: int
    kind: str
    begin: float
    end: float
    answers: tuple[Answer, ...]
    error: str = ""
    counted: int = 0
    """The errors of tiers that its process counted during a `set`, whatever they were of."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What was done to the server, the network or one process, and when."""

    name: str
    begin: float
    end: float
    process: int | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What is allowed: `grace` after a write, the ttl of each key, and the time of one call.

    `sets` tells which answered `set` promises something: each, none, or each during which the cache
    of its process counted no error.
    """

    grace: float
    ttls: Mapping[str, float]
    slack: float = 0.05
    slow: float = 15.0
    sets: str = ALWAYS


@dataclass(frozen=True, slots=True)
class Violation:
    """An operation that broke a rule, what it broke it by, and the faults that were under way."""

    operation: Operation
    answer: Answer | None
    excess: float
    why: str
    promise: Operation | None = None
    faults: tuple[Fault, ...] = ()
    sources: tuple[Operation, ...] = ()
    """The loads and writes that the value may come from."""


@dataclass(slots=True)
class Verdict:
    """What was counted, and what was found."""

    operations: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    cancelled: int = 0
    slowest: Operation | None = None
    late: list[Violation] = field(default_factory=list)
    expired: list[Violation] = field(default_factory=list)
    wrong: list[Violation] = field(default_factory=list)
    errors: list[Violation] = field(default_factory=list)
    slow: list[Violation] = field(default_factory=list)

    @property
    def violations(self) -> int:
        """How many there are, of all kinds."""
        found = self.late, self.expired, self.wrong, self.errors, self.slow
        return sum(len(each) for each in found)


class Promises:
    """The answered writes of one key, in the order in which they were answered."""

    def __init__(self, writes: Iterable[tuple[Operation, int]]) -> None:
        ordered = sorted(writes, key=lambda each: each[0].end)
        self._ends = [write.end for write, _ in ordered]
        self._writes = [write for write, _ in ordered]
        # The greatest version that was promised so far: it grows, so it can be searched.
        self._greatest: list[int] = []
        for _, version in ordered:
            self._greatest.append(max(version, self._greatest[-1] if self._greatest else version))

    def broken(self, version: int, begin: float, grace: float) -> Operation | None:
        """Return the first write that a read broke which began then and saw this version."""
        first = bisect_left(self._greatest, version + 1)
        if first < len(self._ends) and self._ends[first] + grace < begin:
            return self._writes[first]
        return None


def judge(
    operations: Sequence[Operation],
    truth: Mapping[str, Sequence[tuple[float, float]]],
    faults: Sequence[Fault],
    rules: Rules,
) -> Verdict:
    """Return what the operations did wrong.

    `truth` has for each key the instants between which each of its versions became true.
    """
    verdict = Verdict()
    writes: dict[str, list[tuple[Operation, int]]] = {key: [] for key in truth}
    for each in operations:
        if each.kind == LOAD:
            continue
        verdict.operations += 1
        verdict.kinds[each.kind] += 1
        if each.kind not in WRITES:
            continue
        (verdict.unanswered if each.error else verdict.answered)[each.kind] += 1
        if _promises(each, rules):
            for answer in each.answers:
                writes[answer.key].append((each, answer.version))
    promises = {key: Promises(of_key) for key, of_key in writes.items()}
    for each in operations:
        if each.kind == LOAD:
            continue
        _judge_call(each, faults, rules, verdict)
        if each.kind not in WRITES and not each.error:
            for answer in each.answers:
                if answer.got is not None or each.kind in LOADING:
                    _judge_answer(each, answer, promises, truth, faults, rules, verdict)
    _trace(verdict, operations)
    return verdict


def _promises(write: Operation, rules: Rules) -> bool:
    """Tell whether a write promises that nothing older is answered any more."""
    if write.error:
        return False
    if write.kind not in SETS or rules.sets == ALWAYS:
        return True
    return rules.sets == REACHED and not write.counted


def _trace(verdict: Verdict, operations: Sequence[Operation]) -> None:
    """Note where the old values came from, as far as the logs tell."""
    old = [*verdict.late, *verdict.expired]
    sources: dict[tuple[str, int], list[Operation]] = {}
    for each in old:
        if each.answer is not None:
            sources[each.answer.key, each.answer.version] = []
    for each in operations:
        if sources and (each.kind == LOAD or each.kind in SETS):
            for answer in each.answers:
                found = sources.get((answer.key, answer.version))
                if found is not None:
                    found.append(each)
    for found in (verdict.late, verdict.expired):
        for number, each in enumerate(found):
            if each.answer is not None:
                possible = sources[each.answer.key, each.answer.version]
                before = (one for one in possible if one.begin < each.operation.end)
                ordered = tuple(sorted(before, key=lambda one: one.begin))
                found[number] = replace(each, sources=ordered)


def _judge_call(
    operation: Operation, faults: Sequence[Fault], rules: Rules, verdict: Verdict
) -> None:
    """Judge how an operation ended, and when."""
    if operation.error == CANCELLED:
        verdict.cancelled += 1
    elif operation.error and operation.error != UNENDED:
        allowed = operation.kind in WRITES and operation.error.startswith(NOT_ANSWERED)
        if not allowed:
            verdict.errors.append(
                Violation(operation, None, 0.0, operation.error, faults=_during(operation, faults))
            )
    seconds = _awake(operation, faults)
    if verdict.slowest is None or seconds > _awake(verdict.slowest, faults):
        verdict.slowest = operation
    if seconds > rules.slow or operation.error == UNENDED:
        excess = seconds - rules.slow
        why = operation.error or "slow"
        verdict.slow.append(
            Violation(operation, None, excess, why, faults=_during(operation, faults))
        )


def _judge_answer(
    operation: Operation,
    answer: Answer,
    promises: Mapping[str, Promises],
    truth: Mapping[str, Sequence[tuple[float, float]]],
    faults: Sequence[Fault],
    rules: Rules,
    verdict: Verdict,
) -> None:
    """Judge the value that a read was answered with."""
    key, version = answer.key, answer.version
    instants = truth[key]
    if answer.got is None:
        why = "no value"
    elif answer.got != key:
        why = f"a value of {answer.got}"
    elif not 0 <= version < len(instants):
        why = "a version that never was"
    elif instants[version][0] > operation.end:
        why = "a version that was not yet"
    else:
        why = ""
    if why:
        verdict.wrong.append(
            Violation(operation, answer, 0.0, why, faults=_during(operation, faults))
        )
        return
    promise = promises[key].broken(version, operation.begin, rules.grace)
    if promise is not None:
        excess = operation.begin - promise.end - rules.grace
        why = f"the {promise.kind} was answered"
        under_way = _during(operation, faults, promise.begin)
        verdict.late.append(Violation(operation, answer, excess, why, promise, under_way))
    if version + 1 < len(instants):
        excess = operation.begin - instants[version + 1][1] - rules.ttls[key] - rules.slack
        if excess > 0:
            why = "older than its ttl"
            under_way = _during(operation, faults, instants[version + 1][1])
            verdict.expired.append(Violation(operation, answer, excess, why, faults=under_way))


def _awake(operation: Operation, faults: Sequence[Fault]) -> float:
    """Return the seconds of an operation without those in which its process was stopped."""
    seconds = operation.end - operation.begin
    if seconds > 1:
        for fault in faults:
            if fault.process == operation.process:
                both = min(fault.end, operation.end) - max(fault.begin, operation.begin)
                seconds -= max(0.0, both)
    return seconds


def _during(
    operation: Operation, faults: Sequence[Fault], since: float | None = None
) -> tuple[Fault, ...]:
    """List the faults from an instant, or the begin of an operation, until that has ended."""
    begin = operation.begin if since is None else since
    return tuple(each for each in faults if each.begin < operation.end and each.end > begin)
