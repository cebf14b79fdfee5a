"""Loads that do not end as planned: begun in init and frozen, given up, cut short."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import orc

cache = orc.Cache(ttl=60, jitter=0)
calls = []
begun = threading.Event()


@cache.cached(namespace="times")
def instant() -> float:
    """Take a second to tell what time it was."""
    now = time.time()
    begun.set()
    time.sleep(1.0)
    return now


if os.environ.get("PREFETCH"):
    threading.Thread(target=instant, daemon=True).start()
    begun.wait()


@orc.handler
def age(event, context):
    """Tell how old the value is that this request is given, in seconds."""
    asked = time.time()
    return asked - instant()


@cache.cached(namespace="slow")
async def slow(key: str) -> list:
    """Take long at the first call, and a moment later."""
    calls.append(key)
    await asyncio.sleep(30 if len(calls) == 1 and os.environ.get("SLOW") else 0.001)
    return [os.environ.get("SLOW", ""), key]


@orc.handler
async def patient(event, context):
    """Give the value up after some seconds, and tell how long it took."""
    before = time.monotonic()
    try:
        value = await asyncio.wait_for(slow("k"), event["patience"])
    except TimeoutError:
        value = "gave up"
    return [value, time.monotonic() - before]
