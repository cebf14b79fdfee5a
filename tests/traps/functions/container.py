"""What is told of the container: by a flag, as everybody does it, and by ORC."""

from __future__ import annotations

import os
import signal
import time

import orc

cold = True
calls = 0


def flag(event, context):
    """Tell a cold start by the first call of the process."""
    global cold
    was, cold = cold, False
    _do(event)
    return was


@orc.handler
def state(event, context):
    """Tell what ORC knows."""
    global calls
    calls += 1
    told = orc.container().as_dict() | {"calls": calls, "pid": os.getpid()}
    _do(event)
    return told


def undecorated(event, context):
    """Tell what ORC knows, without ``@orc.handler``."""
    return orc.container().as_dict()


def _do(event):
    if event.get("do") == "exit":
        os._exit(3)
    if event.get("do") == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if event.get("do") == "hang":
        time.sleep(60)
    if event.get("do") == "raise":
        raise ValueError("as told")


mine = []
signal.signal(signal.SIGTERM, lambda *_: mine.append("SIGTERM"))
before = signal.getsignal(signal.SIGTERM)


@orc.handler
def signals(event, context):
    """Tell whether the function's own signal handler is still there."""
    orc.Cache().get("x")
    return signal.getsignal(signal.SIGTERM) is before
