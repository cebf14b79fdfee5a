"""What `import orc` and a first cache cost at a cold start, counted in modules.

Modules, not milliseconds: a count is the same on every machine, and each module has its price.
Each program runs in a fresh interpreter that has loaded nothing but its own start-up, without
`site`, whose .pth files would load modules on the quiet and make ours look free.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys

HEAVY = frozenset(
    {
        "asyncio",
        "boto3",
        "botocore",
        "concurrent.futures",
        "dataclasses",
        "importlib.metadata",
        "inspect",
        "logging",
        "msgpack",
        "pickle",
        "random",
        "redis",
        "sqlite3",
        "ssl",
        "typing",
    }
)
"""None of these is on the way to a memory hit."""

FIRST_CACHE = """
import orc

cache = orc.Cache()

@cache.cached(ttl=60)
def find(item):
    return item

assert find(1) == find(1) == 1
"""


@functools.cache
def new_modules(program: str) -> frozenset[str]:
    """Run `program` in a fresh interpreter; return the names of the modules that it loaded."""
    path = [entry for entry in sys.path if entry]
    source = (
        f"import sys; sys.path[:] = {path!r}; before = set(sys.modules)\n{program}\n"
        "new = sorted(set(sys.modules) - before)\n"
        "import json; print(json.dumps(new))"
    )
    result = subprocess.run(
        [sys.executable, "-I", "-S", "-c", source],
        env={},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return frozenset(json.loads(result.stdout.splitlines()[-1]))


def test_the_counter_sees_what_a_program_loads() -> None:
    """The measuring itself works: a heavy module is seen, with those it brings."""
    assert {"logging", "string"} <= new_modules("import logging")


def test_importing_orc_loads_almost_nothing() -> None:
    """`import orc` loads fewer than 5 new modules."""
    new = new_modules("import orc")
    assert "orc" in new
    assert len(new) < 5, sorted(new)


def test_a_first_cache_stays_light() -> None:
    """A memory cache and its first decorated calls load fewer than 85 new modules."""
    new = new_modules(FIRST_CACHE)
    assert len(new) < 85, f"{len(new)}: {sorted(new)}"


def test_a_first_cache_loads_no_heavy_module() -> None:
    """Neither a vendor's client nor a slow module of the standard library is loaded for a hit."""
    new = new_modules(FIRST_CACHE)
    assert sorted(new & HEAVY) == []
