"""What does an import cost, and a first cache, at a cold start?

Each in a fresh interpreter which has loaded nothing but its own start-up, without `site`, whose
.pth files would load modules on the quiet and make ours look free. The time is taken inside.
"""

from __future__ import annotations

import sys

from benchmarks import peers
from benchmarks.harness import apart

PROGRAMS = {
    "import orc": (peers.Orc, "import orc"),
    "import orc; orc.Cache()": (peers.Orc, "import orc; orc.Cache()"),
    "orc, a first decorated hit": (
        peers.Orc,
        "import orc; f = orc.Cache().cached(lambda a: a); f(1); f(1)",
    ),
    "import functools": (peers.LruCache, "import functools"),
    **{
        f"import {peer.module}": (peer, f"import {peer.module}")
        for peer in peers.ALL
        if peer.name not in {"orc", "functools.lru_cache"}
    },
}
TIMED = """
import sys, time
sys.path[:] = {path!r}
before = set(sys.modules)
began = time.process_time()
{program}
took = time.process_time() - began
new = len(set(sys.modules) - before)
print('{{"": %r, ", new modules": %r}}' % (took, new))
"""


def command(name):
    path = [entry for entry in sys.path if entry]
    return ["-I", "-S", "-c", TIMED.format(path=path, program=PROGRAMS[name][1])]


TITLES = {"import.time": "import in a fresh process"}


def measure(name, effort):
    names = [name for name, (peer, _) in PROGRAMS.items() if peer.installed()]
    apart(names, 1, command)  # writes the .pyc files
    return apart(names, 4 * effort.processes, command)
