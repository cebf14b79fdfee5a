"""Measure everything, print tables and verdicts: ``python -m benchmarks.run``.

``--quick`` takes a minute or two and is good for a look; ``--only hit,mutable`` takes the
questions whose names begin so; ``--json FILE`` keeps the result; ``--check`` fails if a
bar is missed.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks import (
    arguments,
    explicit,
    hits,
    imports,
    memory,
    misses,
    mutable,
    peers,
    requests,
    size,
    threads,
)
from benchmarks.bars import BARS
from benchmarks.harness import progress, spread
from benchmarks.machine import fingerprint

MODULES = (hits, mutable, arguments, misses, explicit, threads, requests, imports, size, memory)


class Effort:
    """How much is measured."""

    def __init__(self, *, quick):
        self.quick = quick
        self.processes = 2 if quick else 7
        self.rounds = 8 if quick else 20


def measure(only, effort):
    """Return the samples of every question that is asked, by its name."""
    found = {}
    for module in MODULES:
        for name, title in module.TITLES.items():
            if only and not name.startswith(tuple(only)):
                continue
            began = time.monotonic()
            progress(f"{name} ")
            samples = module.measure(name.partition(".")[2], effort)
            progress(f" {time.monotonic() - began:.0f} s\n")
            found[name] = (title, samples)
    return found


def unit_of(name, question):
    """Return what a series is written in: a factor, a unit, and digits."""
    if name.endswith("slow-down"):
        return 1, "x", 2
    if name.endswith("new modules"):
        return 1, "", 0
    if question.startswith("memory"):
        return 1, "B", 0
    if question.startswith("import"):
        return 1e3, "ms", 1
    return 1e9, "ns", 0


def table(question, title, samples):
    """Write the samples of one question."""
    lines = [f"{title}  [{question}]"]
    width = max(map(len, samples))
    stated = [(name, spread(values)) for name, values in samples.items()]
    ours = next((s["median"] for name, s in stated if name in {"orc", "orc, async"}), None)
    # Series of one kind stand together: "import x" and "import x, new modules".
    mixed = question.startswith(("import", "size", "memory"))
    stated.sort(key=lambda row: (_kind(row[0]) if mixed else "", row[1]["median"]))
    for name, found in stated:
        factor, unit, digits = unit_of(name, question)
        middle, low, high = (f"{found[key] * factor:,.{digits}f}" for key in ("median", "q1", "q3"))
        against = ""
        if ours and unit == "ns":
            against = f"{found['median'] / ours:9.2f} x orc"
        lines.append(f"  {name:{width}} {middle:>10} {unit:2}  {low:>9} .. {high:<9}{against}")
    return "\n".join(lines)


def _kind(name):
    """Return what a series measures, where a question measures several things."""
    for kind in ("new modules", "slow-down", "tracemalloc", "resident"):
        if name.endswith(kind):
            return kind
    return f"{len(name.partition(' @')[2]):2}"


def verdict_table(verdicts):
    """Write the verdicts."""
    rows = [("what", "against", "bar", "reached", "quartiles", "")]
    for row in verdicts:
        unit = " x" if row["against"] else ""
        digits = 2 if row["against"] else 0
        sign = "<" if row["strict"] else "<="
        rows.append(
            (
                row["what"],
                row["against"] or "-",
                f"{sign} {row['limit']:g}{unit}",
                f"{row['median']:.{digits}f}{unit}",
                f"{row['q1']:.{digits}f} .. {row['q3']:.{digits}f}",
                row["verdict"],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def document(found, verdicts, machine, effort):
    """Return what is kept: medians and quartiles, in seconds, bytes or modules; and verdicts."""
    return {
        "machine": machine,
        "effort": {"processes": effort.processes, "rounds": effort.rounds, "quick": effort.quick},
        "not_installed": peers.not_installed(),
        "questions": {
            name: {
                "title": title,
                "results": {who: _short(spread(values)) for who, values in samples.items()},
            }
            for name, (title, samples) in found.items()
        },
        "verdicts": [_short(verdict) for verdict in verdicts],
    }


def _short(record):
    return {
        key: float(f"{value:.4g}") if isinstance(value, float) else value
        for key, value in record.items()
    }


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller sizes")
    parser.add_argument("--only", default="", help="names of questions, or how they begin")
    parser.add_argument("--json", type=Path, help="keep the result in this file")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a bar is missed")
    options = parser.parse_args()
    effort = Effort(quick=options.quick)
    machine = fingerprint()
    found = measure([name for name in options.only.split(",") if name], effort)
    judged = [bar.judge(found[bar.question][1]) for bar in BARS if bar.question in found]
    verdicts = [verdict for verdict in judged if verdict is not None]

    print(f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, {machine['python']}")
    print(", ".join(f"{name} {version}" for name, version in machine["versions"].items()))
    print("Medians and quartiles. x orc: how many times the time of orc.\n")
    for name, (title, samples) in found.items():
        print(table(name, title, samples), end="\n\n")
    for name in peers.not_installed():
        print(f"{name}: not installed")
    print(verdict_table(verdicts))
    missed = sum(verdict["verdict"] == "MISSED" for verdict in verdicts)
    print(f"\n{len(verdicts) - missed} of {len(verdicts)} bars met, {missed} missed")
    if len(verdicts) < len(judged):
        print(f"{len(judged) - len(verdicts)} bars not judged: their peers are not installed")
    if options.json:
        kept = document(found, verdicts, machine, effort)
        options.json.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
