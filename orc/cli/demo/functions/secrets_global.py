"""The customer's credit card in a module global. Do not do this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from payment import at_once, verify  # type: ignore[import-not-found] # beside this file

if TYPE_CHECKING:
    from collections.abc import Callable

card: dict[str, str] | None = None


def pay(request: dict[str, Any], others: Callable[[], object] = lambda: None) -> Any:
    """Take the card that the request brings, and verify it."""
    global card
    if "card" in request:
        card = request["card"]
    others()  # the work of a real request; other threads may run
    return verify(card)


def handler(event: dict[str, Any], context: object) -> Any:
    """Serve one request, as Lambda does, or several at once, as a web server does."""
    return at_once(pay, event["at_once"]) if "at_once" in event else pay(event)
