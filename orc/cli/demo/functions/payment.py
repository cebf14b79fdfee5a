"""A toy of a payment service, and of a web server that serves requests at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Card = dict[str, str]
    Request = dict[str, Any]


def verify(card: Card | None) -> str:
    """Say whose card has been verified: the holder, and the last digits."""
    if card is None:
        return "refused"
    digits = [int(digit) for digit in card["number"]]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    if (sum(digits[-1::-2]) + sum(doubled)) % 10:
        return "refused"
    return f"{card['holder']} ..{card['number'][-4:]}"


def at_once(
    pay: Callable[[Request, Callable[[], object]], str], requests: list[Request]
) -> list[str]:
    """Serve requests on a thread each, none of which goes on before all have brought their card."""
    all_here = Barrier(len(requests), timeout=5)
    with ThreadPoolExecutor(len(requests)) as threads:
        return list(threads.map(lambda request: pay(request, all_here.wait), requests))
