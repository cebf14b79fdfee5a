"""The customer's credit card in a variable of the request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from payment import at_once, verify  # type: ignore[import-not-found] # beside this file

import orc

if TYPE_CHECKING:
    from collections.abc import Callable

card = orc.RequestVar[dict[str, str]]("card")


def pay(request: dict[str, Any], others: Callable[[], object] = lambda: None) -> Any:
    """Take the card that the request brings, and verify it."""
    with orc.request_scope():  # a new one on a thread of a web server; Lambda's has one already
        if "card" in request:
            card.set(request["card"])
        others()  # the work of a real request; other threads may run
        return verify(card.get(None))


@orc.handler
def handler(event: dict[str, Any], context: object) -> Any:
    """Serve one request, as Lambda does, or several at once, as a web server does."""
    return at_once(pay, event["at_once"]) if "at_once" in event else pay(event)
