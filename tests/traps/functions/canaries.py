"""A handler that tells what it finds of other requests."""

from __future__ import annotations

import os

import orc

canary = orc.RequestVar("canary")
current = {}


@orc.request_cached
def memo():
    """Return the number of the request that asked first."""
    return current["number"]


@orc.handler
def handler(event, context):
    """Tell what is there before and after this request sets its own."""
    before = canary.get(None)
    if event["canary"]:
        canary.set(event["canary"])
    current["number"] = event["number"]
    memos = [memo()]
    current["number"] = None
    memos.append(memo())
    if event["do"] == "raise":
        raise ValueError(event["canary"])
    if event["do"] == "exit":
        os._exit(3)
    request = orc.current_request()
    return {
        "before": before,
        "after": canary.get(None),
        "memo": memos,
        "tenant": request.tenant,
        "id": request.id,
        "state": orc.container().state,
    }
