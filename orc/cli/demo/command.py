"""The command ``orc demo``: its arguments, its stories in turn, and its exit status."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orc.errors import ConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable

    from orc.cli.progress import Progress

MODULE = "awslambdaric"
REMEDY = 'awslambdaric is missing: pip install "orc-cache[demo]"'
LIMIT = 40.0
"""Seconds after which the demo gives up, whatever it waits for."""

FAILED, CANNOT, INTERRUPTED = 1, 2, 130


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="four stories of caches and containers, told by real Lambda runtimes",
        description="State, speed and secrets in containers that are reused, and a cache that "
        "they share; told in seconds by real processes of AWS Lambda's Python runtime on this "
        "machine.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for machines")
    parser.add_argument(
        "--chart", type=Path, metavar="FILE", help="write the speed story to an SVG file, too"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo and print it.

    The exit status is 0 if every story came out as told, 1 if one did not, 2 where the demo or one
    of its stories cannot run, and 130 after Ctrl-C.
    """
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return _complain("interrupted; nothing is left running", INTERRUPTED)
    except ConfigError as error:
        return _complain(str(error), CANNOT)


def _run(arguments: argparse.Namespace) -> int:
    chart: Path | None = arguments.chart
    if chart is not None and (chart.is_dir() or not chart.resolve().parent.is_dir()):
        why = "it is a folder" if chart.is_dir() else "there is no such folder"
        return _complain(f"cannot write {chart}: {why}", CANNOT)
    if importlib.util.find_spec(MODULE) is None:
        return _complain(REMEDY, CANNOT)

    from orc.cli.demo.stage import Skipped
    from orc.cli.progress import Progress

    progress = Progress()
    began = time.perf_counter()
    told = asyncio.run(_tell(progress))
    seconds = time.perf_counter() - began
    progress.clear()
    _print(told, seconds, as_json=arguments.json)
    if chart is not None and not _draw(told, chart):
        return CANNOT
    if any(story.differs for story in told.values()):
        return FAILED
    return CANNOT if any(isinstance(story, Skipped) for story in told.values()) else 0


async def _tell(progress: Progress) -> dict[str, Any]:
    from orc.cli.demo import secrets, shared, speed, state

    end = asyncio.get_running_loop().time() + LIMIT
    stories = (
        ("state", state.tell),
        ("speed", speed.tell),
        ("secrets", secrets.tell),
        ("shared", shared.tell),
    )
    return {name: await _story(tell, progress, end) for name, tell in stories}


async def _story(tell: Callable[[Progress], Awaitable[Any]], progress: Progress, end: float) -> Any:
    from orc.cli.demo.stage import BrokenStoryError, Skipped, SkippedStoryError, Untold

    try:
        async with asyncio.timeout_at(end):
            return await tell(progress)
    except SkippedStoryError as error:
        return Skipped(str(error))
    except BrokenStoryError as error:
        return Untold((str(error),))
    except TimeoutError:
        return Untold((f"it was not over when the demo's {LIMIT:.0f} s were",))


def _print(told: dict[str, Any], seconds: float, *, as_json: bool) -> None:
    from orc.cli.demo import shown

    if as_json:
        print(json.dumps(shown.for_machines(told, seconds), indent=2))
    else:
        print("\n".join(shown.for_people(told, seconds)))


def _draw(told: dict[str, Any], file: Path) -> bool:
    from orc.cli.demo.chart import chart
    from orc.cli.demo.speed import Speed

    story = told["speed"]
    if not isinstance(story, Speed):
        print(f"orc demo: {file} is not written: the speed story broke off", file=sys.stderr)
        return True
    try:
        file.write_text(chart(story), "utf-8")
    except OSError as error:
        _complain(f"cannot write {file}: {error.strerror}", CANNOT)
        return False
    return True


def _complain(line: str, status: int) -> int:
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""  # progress may stand there
    print(f"{clear}orc demo: {line}", file=sys.stderr)
    return status
