"""The command ``orc bench``: its arguments, its stages in turn, and its exit status."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from orc.errors import ConfigError, TierError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from orc.cli.bench.results import Results
    from orc.cli.progress import Progress
    from orc.config.tier_urls import TierUrl

CANNOT, INTERRUPTED = 2, 130
MEMORY = "memory"
SECONDS = 7.0
SIZES = "100b,1kb,50kb"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "bench",
        help="what each tier costs, side by side: time, and dollars",
        description="Hit, miss, load, set and a batch of 100 for memory, disk, Redis and DynamoDB, "
        "one caller; and cold starts as whole processes. Without --tiers on servers that it starts "
        "on this machine and ends again.",
    )
    parser.add_argument(
        "--tiers",
        metavar="ADDRESSES",
        help="measure these, as ORC_TIERS has them, such as redis://host,dynamodb://table",
    )
    parser.add_argument("--sizes", default=SIZES, help=f"sizes of values (default {SIZES})")
    parser.add_argument(
        "--seconds",
        type=float,
        default=SECONDS,
        metavar="N",
        help=f"how long calls are timed, all in all (default {SECONDS:g})",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was measured")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="also draw it, as an SVG")
    parser.add_argument(
        "--prices",
        metavar="NAME=DOLLARS,...",
        help="other prices: read=, write= (a million units of DynamoDB), second= (a GB-second)",
    )
    parser.add_argument(
        "--dynamodb-local",
        metavar="FOLDER",
        help="use the DynamoDB Local in this folder, and not moto's server",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print.

    The exit status is 0, 2 where nothing can be measured, and 130 after Ctrl-C, which prints what
    was measured until then.
    """
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        return _complain("interrupted; nothing was measured", INTERRUPTED)
    except (ConfigError, TierError) as error:
        return _complain(str(error), CANNOT)


def _run(arguments: argparse.Namespace) -> int:
    from orc.cli.bench.prices import prices_of
    from orc.cli.bench.results import Results
    from orc.cli.bench.workload import sizes_of
    from orc.cli.progress import Progress
    from orc.config import tier_urls

    sizes, prices = sizes_of(arguments.sizes), prices_of(arguments.prices)
    if not 0 < arguments.seconds <= 3600:  # noqa: PLR2004 - an hour
        return _complain(f"--seconds {arguments.seconds:g}: more than 0, at most 3600", CANNOT)
    if arguments.tiers is not None and arguments.dynamodb_local is not None:
        return _complain("--dynamodb-local is for servers that this starts: leave --tiers", CANNOT)
    for file in (arguments.json, arguments.chart):
        if file is not None and (file.is_dir() or not file.resolve().parent.is_dir()):
            why = "it is a folder" if file.is_dir() else "there is no such folder"
            return _complain(f"cannot write {file}: {why}", CANNOT)
    results = Results(sizes, prices)
    progress = Progress()
    if arguments.tiers is not None:
        urls = tier_urls.read(arguments.tiers)
        if urls[0].scheme != MEMORY:
            urls.insert(0, tier_urls.TierUrl(f"{MEMORY}://"))
        _measure(urls, arguments.seconds, results, progress)
    else:
        from orc.cli.bench.stand import Stand

        with Stand() as stand:
            results.own_servers = True
            progress.stage("starting servers")
            stand.start(arguments.dynamodb_local)
            results.servers, results.left_out = stand.servers, stand.left_out
            results.corrected = stand.corrected
            _measure(stand.urls, arguments.seconds, results, progress)
    progress.clear()
    return _tell(results, arguments)


def _measure(urls: Sequence[TierUrl], seconds: float, results: Results, progress: Progress) -> None:
    """Fill the results; after Ctrl-C with what there is, if there is anything."""
    from orc.cli.bench.measure import Bench, Subject
    from orc.cli.bench.start import cold_starts
    from orc.lifecycle.chance import token

    namespace = f"orc-bench-{token().hex()[:12]}"
    subjects: list[Subject] = []
    bench = Bench(subjects, results.sizes)
    try:
        progress.stage("connecting")
        for url in urls:
            try:
                subjects.append(Subject(url, namespace))
            except (ConfigError, TierError) as error:
                if not results.own_servers:
                    raise type(error)(f"{url.scheme}: {error}") from None
                results.left_out.append(f"{url.scheme}: {error}")
        results.name(subjects)
        progress.stage("storing values")
        bench.seed(progress.done)
        results.cells = list(bench.cells.values())
        progress.stage("timing calls")
        bench.run(seconds, progress.done)
        progress.stage("cold starts")
        results.not_started = cold_starts(subjects, results.starts, progress.done)
        results.complete = True
    except KeyboardInterrupt:
        if not any(cell.calls for cell in results.cells):
            raise
    finally:
        results.seconds = bench.seconds
        progress.stage("cleaning up")
        if not results.own_servers:
            bench.clean()
        for subject in subjects:
            subject.close()


def _tell(results: Results, arguments: argparse.Namespace) -> int:
    from orc.cli.bench import shown

    print("\n".join(shown.lines(results)))
    status = 0 if results.complete else INTERRUPTED
    for file, made in ((arguments.json, _document), (arguments.chart, _chart)):
        if file is not None:
            try:
                file.write_text(made(results), "utf-8")
            except OSError as error:
                status = _complain(f"cannot write {file}: {error.strerror}", CANNOT)
    return status


def _document(results: Results) -> str:
    return json.dumps(results.for_machines(), indent=1) + "\n"


def _chart(results: Results) -> str:
    from orc.cli.bench.chart import chart

    return chart(results)


def _complain(line: str, status: int) -> int:
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""  # progress may stand there
    print(f"{clear}orc bench: {line}", file=sys.stderr)
    return status
