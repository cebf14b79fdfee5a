"""The command ``orc``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import orc.cli.demo.command

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, that of the process by default, and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="orc", description="ORC: a tiered cache for functions whose process may live on."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    orc.cli.demo.command.add(commands)
    parsed = parser.parse_args(arguments)
    status: int = parsed.run(parsed)
    return status
