"""Prices in a cache of ORC with tiers that outlive the container; ``ORC_TIERS`` names them."""

from __future__ import annotations

import time
from typing import Any

import store  # type: ignore[import-not-found] # beside this file

import orc

cache = orc.Cache()
find = cache.cached(store.load)
cache.prewarm()  # in the init phase: import the clients, and connect


@orc.handler
def handler(event: dict[str, Any], context: object) -> Any:
    """Show the price of an item, and what the cache and its tiers did for all calls so far."""
    began = time.perf_counter()
    price = find(event["item"])
    milliseconds = (time.perf_counter() - began) * 1000
    return {
        "price": price,
        "milliseconds": milliseconds,
        "loads": store.loads,
        "hits": {tier.name: tier.hits for tier in cache.stats().tiers},
        "seconds": {tier.name: tier.counts.get("seconds", 0.0) for tier in cache.stats().tiers},
    }
