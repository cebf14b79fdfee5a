"""A connection that an ``async def`` handler keeps: with a loop for each call, and with ORC's."""

from __future__ import annotations

import asyncio
import os

import orc

kept = {}


async def _ask():
    """Ask the Runtime API for something it does not have, on a connection that is kept."""
    if "connection" not in kept:
        host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].partition(":")
        kept["connection"] = await asyncio.open_connection(host, int(port))
    reader, writer = kept["connection"]
    writer.write(b"GET /nothing HTTP/1.1\r\nHost: here\r\n\r\n")
    await writer.drain()
    status = await reader.readline()
    length = 0
    while line := (await reader.readline()).strip():
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    await reader.readexactly(length)
    return status.decode().split()[1]


def loop_for_each_call(event, context):
    """Run a new loop in each invocation, as most handlers do."""
    return asyncio.run(_ask())


@orc.handler
async def one_loop(event, context):
    """Let ORC run the handler."""
    return await _ask()


async def _for_ever():
    await asyncio.Event().wait()


@orc.handler
async def leaves_tasks(event, context):
    """Leave a task behind, and tell how many there are."""
    kept["task"] = asyncio.ensure_future(_for_ever())
    return [len(asyncio.all_tasks()), orc.container().tasks_cancelled]


async def _leave_a_task():
    # All are kept: a loop has weak references only, and the garbage collector would take a task.
    kept.setdefault("tasks", []).append(asyncio.ensure_future(_for_ever()))
    await asyncio.sleep(0)
    return len(asyncio.all_tasks())


def own_loop(event, context):
    """Leave a task behind on a loop of one's own."""
    loop = kept.setdefault("loop", asyncio.new_event_loop())
    return loop.run_until_complete(_leave_a_task())
