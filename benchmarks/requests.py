"""What does a request cost: its scope, its variables, and the loop of an ``async def`` handler?

Beside what one would write instead: a bare handler, a context variable, ``asyncio.run``.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import orc
from benchmarks import loops
from benchmarks.harness import Contender, together


class Context:
    """What Lambda's runtime hands to a handler, as far as it is looked at."""

    aws_request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    tenant_id = None

    def get_remaining_time_in_millis(self):
        return 2999


CONTEXT = Context()
plain = ContextVar("plain", default=None)
card = orc.RequestVar("card", default=None)


def bare(event):
    return event


@orc.handler
def decorated(event, context=CONTEXT):
    return event


async def coroutine(event):
    return event


@orc.handler
async def decorated_coroutine(event, context=CONTEXT):
    return event


def scopes():
    """A handler with a scope, beside one without; and the same for coroutines."""
    batch = loops.same("event")
    return [
        Contender("the bare handler", loops.calling(bare), batch),
        Contender("orc", loops.calling(decorated), batch),
        Contender("orc, async def", loops.calling(decorated_coroutine), batch),
        Contender("asyncio.run", loops.calling(lambda event: asyncio.run(coroutine(event))), batch),
    ]


def variables():
    """A read of a variable, inside of a request."""
    orc.request_scope(id="benchmark").__enter__()
    plain.set("value")
    card.set("value")
    batch = loops.same(None)
    return [
        Contender("ContextVar.get", loops.calling(plain.get), batch),
        Contender("orc", loops.calling(card.get), batch),
    ]


SCENES = {"scope": scopes, "variable": variables}
TITLES = {
    "request.scope": "one call of a handler",
    "request.variable": "one read of a variable of the request",
}


def measure(name, effort):
    return together(__name__, name, processes=effort.processes, count=effort.rounds)
