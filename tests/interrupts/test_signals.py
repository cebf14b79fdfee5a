"""Real signals, at moments that chance chooses."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

HERE = Path(__file__).parent

PROGRAM = """
    import importlib.util, random, signal, sys, time

    def load(name):
        spec = importlib.util.spec_from_file_location(f"orc_{name}", f"{sys.argv[1]}/{name}.py")
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    interrupt = load("injector").Interrupt
    check = load("invariants")
    chance = random.Random(5)
    cache = check.new_cache()
    empty_bytes = check.memory_of(check.new_cache()).used_bytes
    taken = 0

    def handle(number, frame):
        raise interrupt

    def operate():
        for _ in range(1000):
            key = f"k{chance.randrange(12)}"
            cache.get_or_set(key, lambda: 1, tags="t")
            cache.set(key, 2)
            cache.delete(f"k{chance.randrange(12)}")
            cache.get(key)

    signal.signal(signal.SIGALRM, handle)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        try:
            signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.00005, 0.0005))
            operate()
            signal.setitimer(signal.ITIMER_REAL, 0)
        except interrupt:
            taken += 1
        if not taken % 200:
            check.nothing_is_left(cache)
            check.key_is_usable(cache)
            check.books_are_right(cache)
    check.nothing_is_left(cache)
    check.key_is_usable(cache)
    check.memory_is_sound(cache, empty_bytes)
    print(taken)
"""


@pytest.mark.slow
def test_thousands_of_signals():
    """After thousands of time-outs by ``setitimer`` the cache works and counts as a new one."""
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(HERE)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert int(ended.stdout) > 1000, f"{ended.stdout} interrupts are too few"
