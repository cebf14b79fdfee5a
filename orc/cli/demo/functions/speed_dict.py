"""Prices in the module-level dictionary that everyone writes."""

from __future__ import annotations

from typing import Any

import store  # type: ignore[import-not-found] # beside this file

prices: dict[int, dict[str, Any]] = {}


def find(item: int) -> dict[str, Any]:
    """Return a price: what it was when this container first asked."""
    if item not in prices:
        prices[item] = store.load(item)
    return prices[item]


def handler(event: dict[str, Any], context: object) -> Any:
    """Show a page of items with their prices."""
    return store.page(find, event["items"])
