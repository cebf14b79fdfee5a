"""Prices in a cache of ORC; ``ORC_TTL`` says for how long."""

from __future__ import annotations

from typing import Any

import store  # type: ignore[import-not-found] # beside this file

import orc

cache = orc.Cache()
find = cache.cached(store.load)


@orc.handler
def handler(event: dict[str, Any], context: object) -> Any:
    """Show a page of items with their prices, and the cache's own statistics."""
    page = store.page(find, event["items"])
    states = cache.stats().states
    page["states"] = {state: [part.requests, part.loads] for state, part in states.items()}
    return page
