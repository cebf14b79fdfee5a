"""A function that tells what ORC knows of its container and request, and ends as it is told to."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import orc

if TYPE_CHECKING:
    from collections.abc import Callable

note = orc.RequestVar[str]("note")
variable: ContextVar[str] = ContextVar("variable", default="none")
kept: list[Callable[[str], object]] = []


def told(context: Any) -> dict[str, object]:
    """Return what is known, before anything is changed."""
    container, request = orc.container(), orc.current_request()
    before = context.get_remaining_time_in_millis() / 1000
    remaining = request.remaining()
    after = context.get_remaining_time_in_millis() / 1000
    return {
        "pid": os.getpid(),
        "state": container.state,
        "environment": container.environment_id,
        "process": container.process_id,
        "generation": container.generation,
        "invocations": container.invocations,
        "leftovers": container.leftovers,
        "late_writes": container.late_writes,
        "request": request.id,
        "tenant": request.tenant,
        "remaining": [before, remaining, after],
        "runtime": {"request": context.aws_request_id, "tenant": context.tenant_id},
        "note": note.get("none"),
        "variable": variable.get(),
    }


def do(event: dict[str, Any]) -> None:
    """Do what can be done without waiting."""
    if "note" in event:
        note.set(event["note"])
        variable.set(event["note"])
    if event.get("keep"):
        kept.append(orc.carry(note.set))
    match event.get("do"):
        case "write late":
            kept[0]("late")
            assert note.get("none") == "none"
        case "raise":
            raise ValueError("as told")
        case "os._exit":
            os._exit(3)
        case "sys.exit":
            sys.exit(3)
        case "SIGKILL":
            os.kill(os.getpid(), signal.SIGKILL)


@orc.handler
def handler(event: dict[str, Any], context: Any) -> dict[str, object]:
    """Tell, then do."""
    found = told(context)
    do(event)
    if event.get("do") == "hang":
        signal.pause()
    return {**found, "late_writes": orc.container().late_writes}


@orc.handler
async def async_handler(event: dict[str, Any], context: Any) -> dict[str, object]:
    """Tell, then do, in a task."""
    found = told(context)
    await asyncio.sleep(0)
    do(event)
    if event.get("do") == "hang":
        await asyncio.Event().wait()
    return {**found, "late_writes": orc.container().late_writes}
