"""orc.cached and the cache behind it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

import orc
from orc.config import default
from orc.errors import ConfigError


def test_the_default_cache_is_made_by_the_first_who_decorates() -> None:
    """Not before, and once: all functions of orc.cached are of one cache."""
    assert default._made == []

    @orc.cached
    def f(x: int) -> int:
        return x

    assert len(default._made) == 1

    @orc.cached(ttl=60)
    def g(x: int) -> int:
        return -x

    assert [f(1), f(1), g(1), g(1)] == [1, 1, -1, -1]
    assert len(default._made) == 1
    assert orc.default_cache() is default._made[0]
    assert orc.default_cache().stats().requests == 4


def test_terms_are_passed_on() -> None:
    """orc.cached takes what Cache.cached takes, and refuses the same."""
    f = orc.cached(ttl=7, key="{x}", tags="t:{x}", version="2")(lambda x, y: (x, y))
    assert f.cache_parameters()["ttl"] == 7.0
    assert f(1, 2) == f(1, 3) == (1, 2)
    orc.default_cache().invalidate_tags("t:1")
    assert f(1, 3) == (1, 3)
    with pytest.raises(ConfigError):
        orc.cached(ttl=-1)
    with pytest.raises(TypeError, match="no_such_term"):
        orc.cached(no_such_term=1)


def test_a_bad_variable_fails_the_decoration(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a deployment fails at import of the user's module, not at its first request."""
    monkeypatch.setenv("ORC_TTL", "soon")
    with pytest.raises(ConfigError, match="ORC_TTL='soon'"):
        orc.cached(lambda: 1)
    assert default._made == []
    monkeypatch.setenv("ORC_TTL", "5")
    assert orc.cached(lambda: 1).cache_parameters()["ttl"] == 5.0


def test_a_bad_variable_does_not_fail_the_import() -> None:
    """`import orc`, even of all its names, reads no variable."""
    program = "import orc; [getattr(orc, name) for name in orc.__all__]; print('imported')"
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={"ORC_TTL": "soon", "PYTHONPATH": str(Path(orc.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.stdout.strip() == "imported", result.stderr


def test_many_threads_make_one_default_cache() -> None:
    """Whoever asks at the same time gets the same cache."""
    ready = threading.Barrier(16)
    made: list[object] = []

    def ask() -> None:
        ready.wait(30)
        made.append(orc.default_cache())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(made) == 16
    assert len({id(cache) for cache in made}) == 1
