"""The floors of orc/ hold: import-linter keeps every contract of pyproject.toml."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orc

ROOT = Path(__file__).parents[2]
PACKAGE_PARENT = Path(orc.__file__).parents[1]


def test_every_contract_of_the_floors_is_kept() -> None:
    """No import of orc/ breaks a contract, in the checkout and in an installed wheel alike."""
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--no-logo"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(PACKAGE_PARENT), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    assert " 0 broken" in result.stdout
