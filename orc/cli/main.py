"""The command ``orc``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line, that of the process by default, and return its exit status."""
    try:
        return _run(arguments)
    except KeyboardInterrupt:  # before a command has begun, and knows better
        print("orc: interrupted", file=sys.stderr)
        return INTERRUPTED


def _run(arguments: Sequence[str] | None) -> int:
    from orc.cli.bench import command as bench
    from orc.cli.demo import command
    from orc.cli.dynamodb import command as dynamodb

    parser = argparse.ArgumentParser(
        prog="orc", description="ORC: a tiered cache for functions whose process may live on."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command.add(commands)
    bench.add(commands)
    dynamodb.add(commands)
    parsed = parser.parse_args(arguments)
    status: int = parsed.run(parsed)
    return status
