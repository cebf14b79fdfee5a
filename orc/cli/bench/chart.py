"""The results as a picture: times by operation on a logarithmic scale, cold starts, and dollars."""

from __future__ import annotations

from math import ceil, floor, log10
from typing import TYPE_CHECKING

from orc.cli.bench.start import BARE, in_the_middle
from orc.cli.bench.workload import HIT, OPERATIONS
from orc.cli.svg import BAR, bar, document, rule, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orc.cli.bench.results import Results
    from orc.cli.bench.workload import Size

WIDTH, MARGIN, GUTTER = 800, 32, 36
NAMES = 84
"""Pixels for the names of the operations, to the left of the first panel of a row."""
BESIDE = 3
PITCH, BETWEEN = 11, 12
"""Pixels from one tier to the next, and from one operation to the next, more."""
TOP, AXIS = 118, 46
LEAST_TICK = 50
"""Pixels between two times at an axis, or their words would touch."""
HALF = (WIDTH - 2 * MARGIN - GUTTER) // 2
LABEL, VALUE = 96, 92
"""Pixels to the left and to the right of bars, for the words."""
STEP = BAR + 10

LIGHT = ("#0969da", "#1a7f37", "#bc4c00", "#8250df", "#bf3989", "#818b98")
DARK = ("#58a6ff", "#3fb950", "#f0883e", "#a371f7", "#f778ba", "#8b949e")
"""Colours of tiers in their order; further ones begin again."""

MILLI, WHOLE = 1e-3, 1.0

Shape = str
Scale = tuple[float, float]


def chart(results: Results) -> str:
    """Return the text of an SVG file."""
    names = list(results.tiers)
    title = "What each tier costs"
    scale = _scale(results)
    shapes = [text(MARGIN, 40, title, "title"), text(MARGIN, 62, _note(results), "faint")]
    shapes += _legend(names)
    y, across = TOP, min(BESIDE, len(results.sizes))
    panel_height = len(OPERATIONS) * (len(names) * PITCH + BETWEEN)
    for start in range(0, len(results.sizes), BESIDE):
        row = results.sizes[start : start + BESIDE]
        shapes += _operations(y + 14, names)
        for number, size in enumerate(row):
            width = (WIDTH - 2 * MARGIN - NAMES - (across - 1) * GUTTER) / across
            x = MARGIN + NAMES + number * (width + GUTTER)
            shapes += _panel(results, size, (x, y, width, panel_height), scale)
        y += panel_height + 14 + AXIS
    y += 10
    middle = results.sizes[len(results.sizes) // 2]
    shapes += _starts(results, MARGIN, y)
    shapes += _money(results, middle, MARGIN + HALF + GUTTER, y)
    height = y + 20 + (len(names) + 1) * STEP + 34
    return document(title, _described(results), (WIDTH, height), _style(), shapes)


def _style() -> str:
    light, dark = (
        "".join(f".t{number} {{ --of: {colour}; }} " for number, colour in enumerate(colours))
        for colours in (LIGHT, DARK)
    )
    return (
        f"  {light}\n  @media (prefers-color-scheme: dark) {{ {dark} }}\n"
        "  .dot, .bar { fill: var(--of); } .bare { fill: var(--faint); }\n"
        "  .reach { stroke: var(--of); stroke-width: 2; opacity: 0.55; }\n"
    )


def _colour(number: int) -> str:
    return f"t{number % len(LIGHT)}"


def _note(results: Results) -> str:
    if results.servers:
        return f"{', '.join(results.servers)} on this machine: loopback, not AWS. One caller."
    return "One caller, from where this ran."


def _legend(names: Sequence[str]) -> list[Shape]:
    shapes, x = [], float(MARGIN)
    for number, name in enumerate(names):
        shapes += [
            f'<circle class="dot {_colour(number)}" cx="{x + 5:.1f}" cy="84" r="5"/>',
            text(x + 16, 88, name),
        ]
        x += 36 + 7.5 * len(name)
    key = "dot: median, line: to the 99th percentile"
    return [*shapes, text(WIDTH - MARGIN, 88, key, "faint end")]


def _scale(results: Results) -> Scale:
    """Return the decades that all times are in, as powers of ten of seconds."""
    times = [cell.percentile(each) for cell in results.cells if cell.calls for each in (50, 99)]
    low, high = floor(log10(min(times, default=1e-6))), ceil(log10(max(times, default=1e-2)))
    return low, max(high, low + 1)


def _operations(y: float, names: Sequence[str]) -> list[Shape]:
    tall = len(names) * PITCH
    return [
        text(MARGIN, y + number * (tall + BETWEEN) + tall / 2 + 4, operation)
        for number, operation in enumerate(OPERATIONS)
    ]


def _panel(
    results: Results, size: Size, box: tuple[float, float, float, float], scale: Scale
) -> list[Shape]:
    """Draw the times of one size of values."""
    x, y, width, height = box
    low, high = scale
    top, bottom = y + 14, y + 14 + height - BETWEEN

    def across(seconds: float) -> float:
        return x + width * (log10(seconds) - low) / (high - low)

    shapes = [text(x, y, f"values of {size.name}", "panel")]
    every = ceil((high - low) * LEAST_TICK / width)
    for power in range(int(low), int(high) + 1):
        at = across(10.0**power)
        shapes.append(rule(at, top, at, bottom + 4, "rule"))
        if (power - low) % every == 0:
            shapes.append(text(at, bottom + 18, _time(10.0**power), "faint middle"))
    for row, operation in enumerate(OPERATIONS):
        for number, name in enumerate(results.tiers):
            cell = results.cell(name, size, operation)
            if cell is None or not cell.calls:
                continue
            level = top + row * (len(results.tiers) * PITCH + BETWEEN) + (number + 0.5) * PITCH
            middle, far = (across(cell.percentile(each)) for each in (50, 99))
            kind = _colour(number)
            shapes += [
                rule(middle, level, far, level, f"reach {kind}"),
                f'<circle class="dot {kind}" cx="{middle:.1f}" cy="{level:.1f}" r="4"/>',
            ]
    return shapes


def _time(seconds: float) -> str:
    for least, factor, unit in ((WHOLE, 1, "s"), (MILLI, 1e3, "ms"), (0, 1e6, "µs")):
        if seconds >= least * 0.999:
            return f"{seconds * factor:.3g} {unit}"
    return ""


def _starts(results: Results, x: int, y: int) -> list[Shape]:
    known = in_the_middle(results.starts)
    rows = [(BARE, "bare", known.get(BARE))]
    rows += [(n, f"bar {_colour(i)}", known.get(n)) for i, n in enumerate(results.tiers)]
    shapes = [text(x, y, "Cold start to the first hit, whole process", "panel")]
    most = max((seconds for _, _, seconds in rows if seconds), default=1.0)
    for number, (name, names, seconds) in enumerate(rows):
        said = f"{seconds * 1e3:,.0f} ms" if seconds else "not measured"
        parts = [(seconds / most, names)] if seconds else []
        shapes += _bars(x, y + 20 + number * STEP, name, parts, said)
    return shapes


def _money(results: Results, size: Size, x: int, y: int) -> list[Shape]:
    """Draw what hits cost: pale for the time that is waited, full for what is paid by request."""
    rows = []
    for number, name in enumerate(results.tiers):
        cell = results.cell(name, size, HIT)
        if cell is not None and cell.calls:
            asking = results.prices.requests(cell, corrected=results.corrected) or 0.0
            rows.append((name, _colour(number), asking, results.prices.waiting(cell) or 0.0))
    most = max((asking + waiting for *_, asking, waiting in rows), default=0.0) or 1.0
    shapes = [text(x, y, f"US$ for a million hits of {size.name}", "panel")]
    for number, (name, colour, asking, waiting) in enumerate(rows):
        parts = [(asking / most, f"bar {colour}"), (waiting / most, f"bar {colour} pale")]
        shapes += _bars(x, y + 20 + number * STEP, name, parts, f"${asking + waiting:.4f}")
    note = "full: requests; pale: 1 GB of Lambda, waiting"
    return [*shapes, text(x, y + 20 + len(rows) * STEP + 12, note, "faint")]


def _bars(
    x: float, y: float, name: str, parts: Sequence[tuple[float, str]], said: str
) -> list[Shape]:
    """Draw one bar of several parts, each a share of the longest, and what it says at its end."""
    shapes = [text(x, y + BAR - 3, name)]
    at = x + LABEL
    for share, names in parts:
        length = (HALF - LABEL - VALUE) * share
        if length:
            shapes.append(bar(at, y, max(1.0, length), names))
            at += max(1.0, length)
    return [*shapes, text(at + 6, y + BAR - 3, said)]


def _described(results: Results) -> str:
    said = []
    for size in results.sizes:
        for name in results.tiers:
            cell = results.cell(name, size, HIT)
            if cell is not None and cell.calls:
                said.append(f"{name}, {size.name}: a hit takes {_time(cell.percentile(50))}.")
    return " ".join(said)
