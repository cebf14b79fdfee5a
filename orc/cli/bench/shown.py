"""The results as lines of at most 80 columns."""

from __future__ import annotations

import platform
import textwrap
from typing import TYPE_CHECKING

from orc.cli.bench.start import BARE, in_the_middle
from orc.cli.bench.workload import HIT, LOAD, MEANING, OPERATIONS, SET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from orc.cli.bench.measure import Cell
    from orc.cli.bench.results import Results
    from orc.cli.bench.workload import Size

WIDTH = 80
LABEL, CELL = 14, 8
"""Columns of a row's name, and of each of the two numbers that a tier has in it."""
BESIDE = (WIDTH - LABEL) // (2 * CELL)
"""Tiers in one table; more follow below."""
LEAST_MONEY = 0.001
SIGNIFICANT = 100
"""Calls from which on a p99 is one, and not the slowest."""

Pair = tuple[str, str]


def lines(results: Results) -> list[str]:
    """Return what is printed."""
    said = [f"One caller, {results.seconds:.1f} s of calls, Python {platform.python_version()}"]
    if not results.complete:
        said[0] += "; INTERRUPTED, this is what there is"
    said += _servers(results)
    names = list(results.tiers)
    for size in results.sizes:
        for start in range(0, len(names), BESIDE):
            said += ["", *_table(results, size, names[start : start + BESIDE])]
    return [*said, "", *_starts(results), "", *_legend(results), *_failures(results)]


def _servers(results: Results) -> list[str]:
    said: list[str] = []
    if results.servers:
        said += _wrapped(
            f"{' and '.join(results.servers)} ran on this machine, over the loopback: that is "
            "not AWS, and no network. Measure your own with --tiers, from where your code runs."
        )
    for each in results.left_out:
        said += _wrapped(f"left out: {each}")
    return said


def _table(results: Results, size: Size, names: Sequence[str]) -> list[str]:
    def row(label: str, operation: str, pair: Callable[[Cell], Pair]) -> str:
        cells = [results.cell(name, size, operation) for name in names]
        return _row(label, [pair(each) if each and each.calls else _absent(each) for each in cells])

    def dollars(cell: Cell) -> Pair:
        prices = results.prices
        asking = prices.requests(cell, corrected=results.corrected)
        return _money(asking), _money(prices.waiting(cell))

    return [
        _row(size.name, [("", name[: 2 * CELL - 2]) for name in names]),
        _row("µs, or ms", [("p50", "p99")] * len(names)),
        *(row(each, each, _times) for each in OPERATIONS),
        row("hits a second", HIT, lambda cell: ("", f"{1 / cell.mean:,.0f}")),
        _row("$ a million", [("request", "waiting")] * len(names)),
        *(row(f"{each}s", each, dollars) for each in (HIT, LOAD, SET)),
    ]


def _row(label: str, pairs: Iterable[Pair]) -> str:
    cells = "".join(
        f"{one:>{CELL}}{other:>{CELL}}" if one else f"{other:>{2 * CELL}}" for one, other in pairs
    )
    return f"{label:<{LABEL}}{cells}".rstrip()


def _absent(cell: Cell | None) -> Pair:
    return ("", "failed" if cell is not None and cell.why else "-")


def _times(cell: Cell) -> Pair:
    mark = "" if cell.calls >= SIGNIFICANT else "*"
    return _micro(cell.percentile(50)), mark + _micro(cell.percentile(99))


def _micro(seconds: float) -> str:
    micro = seconds * 1e6
    if micro < 10:  # noqa: PLR2004 - two digits
        return f"{micro:.1f}"
    if micro < 10_000:  # noqa: PLR2004 - what fits
        return f"{micro:,.0f}"
    return f"{micro / 1e3:,.0f} ms"


def _money(dollars: float | None) -> str:
    if dollars is None:
        return "-"
    if dollars < LEAST_MONEY:
        return f"<{LEAST_MONEY:g}"
    return f"{dollars:.3f}" if dollars < 100 else f"{dollars:,.0f}"  # noqa: PLR2004 - what fits


def _starts(results: Results) -> list[str]:
    known = in_the_middle(results.starts)
    said = ["Cold start: a whole process, until its first value is there, in milliseconds"]
    for name in (BARE, *results.tiers):
        if name in known:
            beyond = f"{(known[name] - known[BARE]) * 1e3:+,.0f}" if name != BARE else ""
            said.append(_row(name[: LABEL - 1], [("", f"{known[name] * 1e3:,.0f}"), ("", beyond)]))
        elif name in results.not_started:
            said.append(_row(name, [("", "failed")]))
    return said if len(said) > 1 else ["Cold starts: not measured"]


def _legend(results: Results) -> list[str]:
    said = [f"{each:<{LABEL}}{MEANING[each]}" for each in OPERATIONS]
    prices = results.prices
    said += _wrapped(
        f"request: DynamoDB on demand, ${prices.read:g} a million read and ${prices.write:g} a "
        "million write units; disk and Redis are not paid by request. waiting: what a Lambda "
        f"function of 1 GB costs meanwhile, ${prices.second:.10f} a second. us-east-1."
    )
    if results.corrected:
        said += _wrapped("moto counts units wrong; here they are as DynamoDB has them.")
    if any(0 < cell.calls < SIGNIFICANT for cell in results.cells):
        said += _wrapped(f"*: the slowest of fewer than {SIGNIFICANT} calls")
    return said


def _failures(results: Results) -> list[str]:
    whys: dict[tuple[str, str], list[str]] = {}
    for cell in results.cells:
        if cell.why:
            whys.setdefault((cell.tier, cell.why), []).append(f"{cell.size.name} {cell.operation}")
    said: list[str] = []
    for (tier, why), places in whys.items():
        said += _wrapped(f"failed: {tier}, {', '.join(places)}: {why}")
    for tier, why in results.not_started.items():
        said += _wrapped(f"failed: {tier}, cold start: {why}")
    return ["", *said] if said else []


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ")
