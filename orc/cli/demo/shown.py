"""How the stories are printed: for people in 80 columns, for machines as one JSON object."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orc.cli.demo.secrets import Secrets
from orc.cli.demo.shared import Shared
from orc.cli.demo.speed import Speed
from orc.cli.demo.stage import Skipped
from orc.cli.demo.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orc.cli.demo.shared import Found
    from orc.cli.demo.tally import Tally

WIDTH = 80
MARGIN = 9
LABEL = 32
COLUMN = 13

TITLES = {
    "state": "what a module keeps lives as long as its container",
    "speed": "a slow store, looked up from several containers",
    "secrets": "a credit card, kept in two ways",
    "shared": "what a container has loaded is there for the next",
}


def for_machines(told: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return all that is known, ready for JSON."""
    return {
        "as_told": all(_as_told(story) for story in told.values()),
        "seconds": round(seconds, 3),
        "stories": {
            name: {"as_told": _as_told(story), **asdict(story)} for name, story in told.items()
        },
    }


def for_people(told: Mapping[str, Any], seconds: float) -> list[str]:
    """Return the lines to print."""
    lines = ["Real Lambda runtimes in a local fleet", ""]
    for name, story in told.items():
        left = f"{name:<{MARGIN}}{TITLES[name]}"
        lines += [f"{left}{_verdict(story):>{WIDTH - len(left)}}"]
        lines += [f"{'':<{MARGIN}}{line}".rstrip() for line in _body(story)]
        for difference in story.differs:
            lines += _wrapped(f"expected: {difference}")
        if isinstance(story, Skipped):
            lines += _wrapped(story.skipped)
        lines.append("")
    return [*lines, f"{_sum(told)} {seconds:.1f} s."]


def _as_told(story: Any) -> bool:
    return not story.differs and not isinstance(story, Skipped)


def _verdict(story: Any) -> str:
    if isinstance(story, Skipped):
        return "skipped"
    return "NOT as told" if story.differs else "as told"


def _sum(told: Mapping[str, Any]) -> str:
    bad = ", ".join(name for name, story in told.items() if story.differs)
    skipped = ", ".join(name for name, story in told.items() if isinstance(story, Skipped))
    if not bad and not skipped:
        return "All four as told, in"
    return " ".join(
        f"{what}: {names}." for what, names in (("Not as told", bad), ("Skipped", skipped)) if names
    )


def _body(story: object) -> list[str]:
    if isinstance(story, State):
        return _state(story)
    if isinstance(story, Speed):
        return _speed(story)
    if isinstance(story, Secrets):
        return _secrets(story)
    if isinstance(story, Shared):
        return _shared(story)
    return []


def _state(story: State) -> list[str]:
    return [
        _row("first call", story.first),
        _row("second call", story.second),
        _row("after its container was recycled", story.recycled),
    ]


def _speed(story: Speed) -> list[str]:
    variants = (story.plain, story.dictionary, story.orc)

    def row(label: str, shown: Callable[[Tally], str]) -> str:
        return _row(label, *(shown(each) for each in variants))

    def ratio(state: str) -> Callable[[Tally], str]:
        return lambda each: f"{each.states[state].hit_ratio:.0%}"

    plain, others = story.plain, story.plain.containers - 1
    wait, ttl = f"{story.query_seconds * 1000:g}", f"{story.ttl_seconds:g}"
    return [
        f"{plain.lookups:,} look-ups of {story.items:,} items in SQLite, slowed by {wait} ms each;",
        f"{others} containers, one recycled half-way; prices change; ORC's ttl is {ttl} s;",
        f"every clock is moved on by {story.step_seconds:g} s between two rounds",
        "",
        _row("", "no cache", "dict", "ORC"),
        row("hit ratio, cold container", ratio("cold")),
        row("hit ratio, warm container", ratio("warm")),
        row("loads at the store", lambda each: f"{each.loads:,}"),
        row("p50 of a look-up", lambda each: f"{each.p50:.3f} ms"),
        row("p99 of a look-up", lambda each: f"{each.p99:.3f} ms"),
        row("stale answers: an older price", lambda each: f"{each.stale:,}"),
        row(f"  stale for more than {ttl} s", lambda each: f"{each.beyond_ttl:,}"),
        row("  stale for at most", _oldest),
    ]


def _oldest(variant: Tally) -> str:
    return f"{variant.oldest_seconds:.0f} s" if variant.stale else "-"


def _secrets(story: Secrets) -> list[str]:
    kept, scoped = story.module_global, story.request_var
    rows = [
        ("Ada pays with her card", kept.first, scoped.first),
        ("Ben, next, brings no card", kept.second, scoped.second),
        ("both at once, each a card: Ada", kept.at_once[0], scoped.at_once[0]),
        ("                           Ben", kept.at_once[1], scoped.at_once[1]),
    ]
    return [
        _row("whose card is verified?", "", "global", "RequestVar"),
        *(_row(label, "", *cells) for label, *cells in rows),
    ]


def _shared(story: Shared) -> list[str]:
    other, another = story.others
    total, of_redis = story.resting_milliseconds
    load, later = f"{story.load_seconds * 1000:g} ms", f"{story.later_seconds:g} s"
    kinds = {each.by for each in story.resting}
    by = "several" if len(kinds) > 1 else "".join(kinds)
    rest = f"  other prices, median of {len(story.resting)}"
    return [
        f"memory, Valkey and DynamoDB (moto's server); a load takes {load},",
        f"and what Redis is asked for at most {story.redis_budget_seconds * 1000:g} ms",
        "",
        _row("", "found by", "in all", "in Redis"),
        _found("container 1, cold", story.first),
        _found("  the same price again", story.again),
        _found("container 2, cold", story.second),
        "Redis is killed",
        _found("container 3, cold", story.third),
        _row(rest, by, f"{total:.3f} ms", f"{of_redis:.3f} ms"),
        _found("container 1, another price", other),
        _found("container 2, another price", another),
        _found(f"container 1, {later} later", story.later),
    ]


def _found(label: str, found: Found) -> str:
    redis = "-" if found.by == "memory" else f"{found.redis_milliseconds:.3f} ms"
    return _row(label, found.by, f"{found.milliseconds:.3f} ms", redis)


def _row(label: str, *cells: str) -> str:
    return f"{label:<{LABEL}}" + "".join(f"{cell:>{COLUMN}}" for cell in cells)


def _wrapped(text: str) -> list[str]:
    lines, indent = [""], " " * MARGIN
    for word in text.split():
        if len(indent) + len(lines[-1]) + len(word) + 1 > WIDTH:
            lines.append("  ")
        lines[-1] += f"{' ' if lines[-1].strip() else ''}{word}"
    return [f"{indent}{line}" for line in lines]
