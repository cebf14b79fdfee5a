"""What belongs to one request: kept as everybody keeps it, and in its scope."""

from __future__ import annotations

import contextvars
import os
import threading
from pathlib import Path

import orc

plain = contextvars.ContextVar("plain", default=None)
of_thread = threading.local()
card = orc.RequestVar("card")
latest = None
go_on = threading.Event()
working = []


def context_variable(event, context):
    """Keep the card in a context variable, which is thought to be the request's."""
    if event.get("card"):
        plain.set(event["card"])
    return plain.get()


def thread_local(event, context):
    """Keep the card in a thread-local."""
    if event.get("card"):
        of_thread.card = event["card"]
    return getattr(of_thread, "card", None)


@orc.handler
def request_var(event, context):
    """Keep the card in a request variable."""
    if event.get("card"):
        card.set(event["card"])
    return card.get(None)


@orc.handler
def context_variable_of_a_handler(event, context):
    """Keep the card in a context variable, in a decorated handler."""
    return context_variable(event, context)


def deep_without_a_context(event, context):
    """Ask for the request where no handler was decorated."""
    try:
        card.get(None)
    except orc.errors.NoRequestError as error:
        return {"error": str(error), "state": orc.container().state}
    return {}


@orc.handler
def deep(event, context):
    """Ask for the request far below the handler, without its context."""
    request = orc.current_request()
    return {"same": request.id == context.aws_request_id, "remaining": request.remaining()}


def _late_global(value):
    go_on.wait(10)
    global latest
    latest = value


def _late_request_var(value):
    go_on.wait(10)
    card.set(value)


def leftover_thread(event, context):
    """Have a thread write into a global after the response has left."""
    global latest
    return _with_late_thread(event, _late_global, lambda: latest)


@orc.handler
def leftover_carried(event, context):
    """Have a thread write into its request after the response has left."""
    answer = _with_late_thread(event, orc.carry(_late_request_var), lambda: card.get(None))
    return [answer, orc.container().late_writes]


def _with_late_thread(event, late, read):
    if event.get("card"):
        working.append(threading.Thread(target=late, args=[event["card"]]))
        working[-1].start()
        return None
    go_on.set()
    working[-1].join(10)
    return read()


def cleans_up_at_the_end(event, context):
    """Leave the handler by SystemExit, with the cleaning behind the work."""
    _leave(event)
    _cleaned()


@orc.handler
def closes(event, context):
    """Leave the handler by SystemExit, with the cleaning at the close of the request."""
    orc.current_request().on_close(_cleaned)
    _leave(event)


def _leave(event):
    if event.get("exit"):
        raise SystemExit(3)


def _cleaned():
    Path(os.environ["TMPDIR"], "cleaned").write_text("yes")


@orc.handler
def goes_on_after_the_deadline(event, context):
    """Tell in a file what is left of the time, after somebody has opened a pipe."""
    if event.get("pipe"):
        card.set(event["pipe"])
        with Path(event["pipe"]).open() as pipe:
            pipe.read()
        remaining = [orc.current_request().remaining(), card.get()]
        with Path(event["told"]).open("w") as told:
            told.write(repr(remaining))
    return card.get(None)
