"""The speed story as a picture: an SVG without a dependency, for light and for dark pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orc.cli.svg import BAR, bar, document, rule, text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orc.cli.demo.speed import Speed
    from orc.cli.demo.tally import Part, Tally

WIDTH, HEIGHT = 800, 690
MARGIN, GUTTER = 32, 48
PANEL = (WIDTH - 2 * MARGIN - GUTTER) // 2
LEFT, RIGHT = MARGIN, MARGIN + PANEL + GUTTER
PITCH = 24
LABEL, VALUE = 104, 112
"""Pixels to the left and to the right of the bars of a panel, for the words."""
AXIS, PLOT = 40, 120
"""Pixels for the numbers of a vertical axis, and the height of a plot."""
TITLE = "A slow store, looked up from several containers"
NAMES = {"plain": "no cache", "dict": "dict", "orc": "ORC"}

STYLE = """
  svg { --plain: #818b98; --dict: #bc4c00; --orc: #0969da; }
  @media (prefers-color-scheme: dark) {
    svg { --plain: #8b949e; --dict: #f0883e; --orc: #58a6ff; }
  }
  .bar-plain { fill: var(--plain); } .bar-dict { fill: var(--dict); } .bar-orc { fill: var(--orc); }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
  .line-plain { stroke: var(--plain); } .line-dict { stroke: var(--dict); }
  .line-orc { stroke: var(--orc); }
"""

Shape = str
Row = tuple[str, "Tally"]


def chart(story: Speed) -> str:
    """Return the text of an SVG file."""
    rows = [("plain", story.plain), ("dict", story.dictionary), ("orc", story.orc)]
    ttl = f"{story.ttl_seconds:g} s"
    shapes = [
        text(LEFT, 40, TITLE, "title"),
        text(
            LEFT,
            62,
            f"{story.plain.lookups:,} look-ups of {story.items:,} items (Zipf), "
            f"{story.query_seconds * 1000:g} ms for each query, "
            f"{story.plain.containers - 1} containers, ttl of ORC {ttl}",
            "faint",
        ),
        *_legend(84),
        *_lines(story, LEFT, 118, "Look-ups without a load, by time", lambda p: p.hit_ratio),
        *_lines(story, RIGHT, 118, "Stale answers, by time", lambda p: p.stale_ratio),
        *_hit_ratios(rows, 338),
        *_times(rows, 338),
        *_loads(rows, 568),
        *_stale(rows, 568, ttl),
    ]
    return document(TITLE, _described(rows), (WIDTH, HEIGHT), STYLE, shapes)


def _legend(y: int) -> list[Shape]:
    shapes, x = [], LEFT
    for kind, name in NAMES.items():
        shapes += [
            f'<rect class="bar-{kind}" x="{x}" y="{y - 9}" width="18" height="9" rx="2"/>',
            text(x + 24, y, name),
        ]
        x += 110
    return shapes


def _lines(story: Speed, x: int, y: int, title: str, ratio: Callable[[Part], float]) -> list[Shape]:
    """Draw a ratio by time, of the two variants that remember anything."""
    left, top, width = x + AXIS, y + 28, PANEL - AXIS
    count = len(story.orc.rounds)

    def across(number: float) -> float:
        return left + width * number / max(1, count - 1)

    shapes = [text(x, y, title, "panel")]
    for percent in (0, 50, 100):
        level = top + PLOT * (100 - percent) / 100
        shapes += [
            rule(left, level, left + width, level, "rule"),
            text(left - 8, level + 4, f"{percent}%", "faint end"),
        ]
    recycled = across(story.recycled_before - 0.5)
    shapes += [
        rule(recycled, top - 6, recycled, top + PLOT, "mark"),
        text(recycled, top - 9, "one container recycled", "faint middle"),
    ]
    for kind, variant in (("dict", story.dictionary), ("orc", story.orc)):
        points = " ".join(
            f"{across(number):.1f},{top + PLOT * (1 - ratio(part)):.1f}"
            for number, part in enumerate(variant.rounds)
        )
        shapes.append(f'<polyline class="line line-{kind}" points="{points}"/>')
    seconds = story.step_seconds * (count - 1)
    shapes += [
        text(left, top + PLOT + 18, "0 s", "faint"),
        text(left + width, top + PLOT + 18, f"{seconds:g} s", "faint end"),
    ]
    return shapes


def _hit_ratios(rows: Sequence[Row], y: int) -> list[Shape]:
    shapes = [text(LEFT, y, "Hit ratio, by state of the container", "panel")]
    for top, state in _halves(y, ("cold", "warm")):
        ratios = [(kind, each.states[state].hit_ratio) for kind, each in rows]
        shapes += _group(
            LEFT, top, state, [(kind, ratio, f"{ratio:.0%}") for kind, ratio in ratios], 1.0
        )
    return shapes


def _times(rows: Sequence[Row], y: int) -> list[Shape]:
    most = max(each.p99 for _, each in rows)
    shapes = [text(RIGHT, y, "Time of a look-up", "panel")]
    for top, name in _halves(y, ("p50", "p99")):
        times = [(kind, each.p50 if name == "p50" else each.p99) for kind, each in rows]
        shapes += _group(
            RIGHT, top, name, [(kind, time, f"{time:.3f} ms") for kind, time in times], most
        )
    return shapes


def _halves(y: int, names: tuple[str, str]) -> list[tuple[int, str]]:
    return [(y + 20, names[0]), (y + 20 + 3 * PITCH + 14, names[1])]


def _loads(rows: Sequence[Row], y: int) -> list[Shape]:
    most = max(each.loads for _, each in rows)
    bars = [(kind, each.loads, f"{each.loads:,}") for kind, each in rows]
    return [
        text(LEFT, y, "Loads at the store", "panel"),
        *_group(LEFT, y + 20, "", bars, most),
    ]


def _stale(rows: Sequence[Row], y: int, ttl: str) -> list[Shape]:
    """Draw stale answers: pale those within the ttl, full those beyond it."""
    most = max(each.stale for _, each in rows)
    shapes = [text(RIGHT, y, "Stale answers", "panel")]
    bars = [
        (kind, each.stale, f"{each.stale:,}" + f", {each.beyond_ttl:,} beyond" * bool(each.stale))
        for kind, each in rows
    ]
    shapes += _group(RIGHT, y + 20, "", bars, most, "pale")
    for number, (kind, each) in enumerate(rows):
        top = y + 20 + number * PITCH
        shapes.append(bar(RIGHT + LABEL, top, _length(each.beyond_ttl, most), f"bar-{kind}"))
    note = f"full colour, beyond: stale for more than {ttl}"
    return [*shapes, text(RIGHT, y + 20 + 3 * PITCH + 14, note, "faint")]


def _group(  # noqa: PLR0913, PLR0917 - what a few bars are made of
    x: int,
    y: int,
    name: str,
    bars: Sequence[tuple[str, float, str]],
    most: float,
    shade: str = "",
) -> list[Shape]:
    """Draw a bar for each variant, with its number at its end, and their common name before."""
    shapes = [text(x, y + BAR - 3, name)] if name else []
    for number, (kind, value, said) in enumerate(bars):
        top = y + number * PITCH
        length = _length(value, most)
        shapes += [
            text(x + LABEL - 8, top + BAR - 3, NAMES[kind], "faint end"),
            bar(x + LABEL, top, length, f"bar-{kind} {shade}".strip()),
            text(x + LABEL + length + 6, top + BAR - 3, said),
        ]
    return shapes


def _length(value: float, most: float) -> float:
    return max(1.0, (PANEL - LABEL - VALUE) * value / most) if most and value else 0.0


def _described(rows: Sequence[Row]) -> str:
    return " ".join(
        f"{NAMES[kind]}: {each.loads:,} loads, {each.stale:,} stale answers of which "
        f"{each.beyond_ttl:,} beyond the ttl, median {each.p50:.3f} ms."
        for kind, each in rows
    )
