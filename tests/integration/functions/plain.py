"""A function that knows nothing of ORC: what the emulator itself does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextvars import ContextVar
from typing import Any

calls = 0
variable: ContextVar[str] = ContextVar("variable", default="none")


def handler(event: Any, context: Any) -> dict[str, object]:
    """Do what the event says, and tell what the runtime knows."""
    global calls
    calls += 1
    found = variable.get()
    match event:
        case {"note": note}:
            variable.set(note)
        case {"do": "hang"}:
            signal.pause()
        case {"do": "leave a child"}:
            child = subprocess.Popen(
                [sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True
            )
            return {"pid": os.getpid(), "child": child.pid}
    return {
        "pid": os.getpid(),
        "calls": calls,
        "variable": found,
        "environment": dict(os.environ),
        "request": context.aws_request_id,
        "tenant": context.tenant_id,
        "remaining": context.get_remaining_time_in_millis() / 1000,
    }
