"""One short replay, as the command line runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_replay():
    """Six processes break no promise in eight seconds of faults."""
    line = [sys.executable, "-m", "tests.replay", "--seconds", "8", "--seed", "7"]
    line += ["--sets", "reached"]  # a set that does not reach a tier is counted, and promises less
    done = subprocess.run(
        line, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
