"""A judge of the cache's promise: ``python -m tests.replay --seconds 60 --seed 1``.

Six processes read and write through one server that fails in every way; then their logs are judged.
With ``--checkout PATH`` they import ORC from there. Ends with 1 if the promise was broken.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.replay.broken import BROKEN
from tests.replay.checker import ALWAYS, LOAD, NEVER, REACHED, WRITES
from tests.replay.drive import GRACE, ROOT, Outcome, Replay

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.replay.checker import Violation

EXAMPLES = 5
WIDTH = 22


def say(line: str = "") -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201 - a program's output


def row(name: str, text: object) -> None:
    """Print one aligned line of the summary."""
    say(f"{name:<{WIDTH}}{text}")


def listed(counted: Counter[str]) -> str:
    """Return counts by name, the greatest first."""
    return ", ".join(f"{name} {count:,}" for name, count in counted.most_common()) or "none"


def example(found: Violation, began: float) -> str:
    """Return what is to be known of one violation, in two lines or three."""
    operation, answer = found.operation, found.answer
    seen = f" of {answer.key}, version {answer.version}" if answer is not None else ""
    if answer is None and operation.answers:
        seen = f" of {operation.answers[0].key}"
    text = (
        f"  worker {operation.process}: {operation.kind}{seen}, begun at "
        f"{operation.begin - began:.3f} s, took {operation.end - operation.begin:.3f} s\n"
    )
    promise = found.promise
    if promise is None:
        text += f"    {found.why}"
        text += f", by {found.excess:.3f} s" if found.excess > 0 else ""
    else:
        text += (
            f"    {found.excess:.3f} s late: worker {promise.process}'s {promise.kind} of version "
            f"{promise.answers[0].version}, {promise.begin - began:.3f} to "
            f"{promise.end - began:.3f} s"
        )
    for source in found.sources[-3:]:
        verb = "loaded" if source.kind == LOAD else "written"
        text += (
            f"\n    {verb} by worker {source.process}, {source.begin - began:.3f} to "
            f"{source.end - began:.3f} s"
        )
    for fault in found.faults:
        where = "" if fault.process is None else f" (worker {fault.process})"
        span = f"{fault.begin - began:.2f} to {fault.end - began:.2f} s"
        text += f"\n    under way: {fault.name}{where}, {span}"
    return text


def examples(found: Iterable[Violation], began: float) -> None:
    """Print the worst few, one for each key first."""
    ordered = sorted(found, key=lambda each: -each.excess)
    firsts: dict[object, Violation] = {}
    for each in ordered:
        firsts.setdefault(each.answer and (each.answer.key, each.answer.version), each)
    for each in list(firsts.values())[:EXAMPLES]:
        say(example(each, began))


def summary(outcome: Outcome) -> None:
    """Print what a run has found."""
    verdict, began = outcome.verdict, outcome.began
    say()
    rate = verdict.operations / max(outcome.seconds, 1e-9)
    row("operations", f"{verdict.operations:,} in {outcome.seconds:.1f} s: {rate:,.0f} a second")
    reads = Counter({k: n for k, n in verdict.kinds.items() if k not in WRITES})
    row("reads", listed(reads))
    row("cancelled", f"{verdict.cancelled:,}")
    row("writes answered", listed(verdict.answered))
    row("writes not answered", listed(verdict.unanswered))
    row("faults", listed(Counter(each.name for each in outcome.faults)))
    if verdict.slowest is not None:
        slowest = verdict.slowest
        took = slowest.end - slowest.begin
        row("slowest", f"{took:.2f} s: {slowest.kind} by worker {slowest.process}")
    say()
    worst = max((each.excess for each in verdict.late), default=0.0)
    late = f"{len(verdict.late):,}"
    if verdict.late:
        of_values = {
            each.answer and (each.answer.key, each.answer.version) for each in verdict.late
        }
        late += f" of {len(of_values)} values, the worst by {worst:.3f} s more than {GRACE:.2f} s"
    row("late reads", late)
    if verdict.late:
        promised = Counter(each.promise.kind for each in verdict.late if each.promise)
        row("  after", listed(promised))
        row("  by", listed(Counter(each.operation.kind for each in verdict.late)))
        examples(verdict.late, began)
    for name, found in (
        ("past their ttl", verdict.expired),
        ("wrong values", verdict.wrong),
        ("errors", verdict.errors),
        ("slow", verdict.slow),
    ):
        row(name, f"{len(found):,}")
        examples(found, began)
    for trouble in outcome.troubles:
        row("trouble", trouble)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a replay as the command line says, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.replay", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: 60)")
    parser.add_argument("--seed", type=int, default=1, help="what the faults are drawn from")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="where workers import ORC from")
    parser.add_argument("--operations", type=int, help="end after so many, if that is sooner")
    parser.add_argument(
        "--sets",
        choices=(ALWAYS, REACHED, NEVER),
        default=REACHED,
        help="which answered sets promise; reached: unless an error was counted meanwhile",
    )
    parser.add_argument(
        "--broken", action="append", choices=BROKEN, default=[], help="take a rule away"
    )
    given = parser.parse_args(arguments)
    # As if asked to end: what was started is ended, and the folder removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    say(f"seed {given.seed}, {given.seconds:g} s, ORC of {given.checkout.resolve()}")
    replay = Replay(
        given.seconds,
        given.seed,
        checkout=given.checkout.resolve(),
        operations=given.operations,
        sets=given.sets,
        broken=given.broken,
    )
    outcome = replay.run(say)
    summary(outcome)
    return 1 if outcome.verdict.violations or outcome.troubles else 0


if __name__ == "__main__":
    sys.exit(main())
