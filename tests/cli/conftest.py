"""The demo as its user runs it: a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import orc

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job would ignore it
from orc.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


class Told(NamedTuple):
    """What a run of the demo left."""

    status: int
    stdout: str
    stderr: str
    chart: str

    @property
    def stories(self) -> dict[str, Any]:
        return json.loads(self.stdout)["stories"]


@pytest.fixture(scope="session")
def start() -> Callable[..., subprocess.Popen[str]]:
    """Return what starts `orc` with some arguments."""

    def run(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=Path(orc.__file__).parents[1],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


@pytest.fixture(scope="session")
def told(
    start: Callable[..., subprocess.Popen[str]], tmp_path_factory: pytest.TempPathFactory
) -> Told:
    """Return what the whole demo told, in one run for all tests."""
    file = tmp_path_factory.mktemp("demo") / "speed.svg"
    process = start("demo", "--json", "--chart", str(file))
    stdout, stderr = process.communicate(timeout=60)
    return Told(process.returncode, stdout, stderr, file.read_text("utf-8"))
