"""Pictures without a dependency: SVG for light and for dark pages."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable

BAR = 14
"""The height of a bar, in pixels."""

STYLE = """
  svg { --paper: #ffffff; --ink: #1f2328; --faint: #59636e; --rule: #d1d9e0; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #e6edf3; --faint: #9198a1; --rule: #3d444d; }
  }
  text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink); }
  .title { font-size: 18px; font-weight: 600; }
  .panel { font-size: 13px; font-weight: 600; }
  .faint { fill: var(--faint); }
  .end { text-anchor: end; }
  .middle { text-anchor: middle; }
  .paper { fill: var(--paper); }
  .rule { stroke: var(--rule); }
  .mark { stroke: var(--faint); stroke-dasharray: 3 3; }
  .pale { opacity: 0.45; }
"""


def document(
    title: str, described: str, size: tuple[int, int], style: str, shapes: Iterable[str]
) -> str:
    """Return the text of a file; its own `style` comes after the common one."""
    width, height = size
    paper = f'<rect class="paper" width="{width}" height="{height}"/>'
    body = "\n".join(f"  {shape}" for shape in (paper, *shapes))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-labelledby="title desc">\n'
        f'  <title id="title">{escape(title)}</title>\n'
        f'  <desc id="desc">{escape(described)}</desc>\n'
        f"  <style>{STYLE}{style}  </style>\n{body}\n</svg>\n"
    )


def text(x: float, y: float, said: str, names: str = "") -> str:
    """Write something; `names` are classes of the style."""
    kind = f' class="{names}"' if names else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}">{escape(said)}</text>'


def rule(x: float, y: float, to_x: float, to_y: float, names: str) -> str:
    """Draw a line."""
    return f'<line class="{names}" x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}"/>'


def bar(x: float, y: float, length: float, names: str) -> str:
    """Draw a bar from `x` to the right."""
    return f'<rect class="{names}" x="{x:g}" y="{y:g}" width="{length:.1f}" height="{BAR}" rx="2"/>'
