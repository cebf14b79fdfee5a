"""One short replay, as the command line runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("seed", [7, 11])
def test_no_promise_is_broken(seed):
    """Six processes see nothing late, wrong or twice in twelve seconds of faults."""
    line = [sys.executable, "-m", "tests.replay", "--seconds", "12", "--seed", str(seed)]
    done = subprocess.run(
        line, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.once
def test_what_breaks_a_promise_is_caught():
    """Without the rules that bound a deletion, late reads are told of within fifteen seconds."""
    line = [sys.executable, "-m", "tests.replay", "--seconds", "15", "--seed", "3"]
    line += ["--broken", "trust", "--broken", "follow"]
    done = subprocess.run(
        line, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=90
    )
    assert done.returncode == 1, done.stdout + done.stderr
    late = next(each for each in done.stdout.splitlines() if each.startswith("late reads"))
    assert int(late.split()[2].replace(",", "")) > 0, done.stdout
