"""``orc demo``: a slow function with and without a cache, in one process."""

from __future__ import annotations

import hashlib
import json
import random
import sys
from time import perf_counter
from typing import TYPE_CHECKING

from orc.config.cache import Cache
from orc.lifecycle.clock import SYSTEM, Clock

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    Story = tuple[str, str, str, bool]
    """What is told, what was seen without the cache and with it, and whether it came out so."""

REQUESTS = 400
PRODUCTS = 60
SEED = 2015


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("demo", help="show a cache and its statistics, in seconds")
    parser.add_argument("--json", action="store_true", help="print for machines")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; the exit status is 0 if every story came out as told."""
    frozen_for = [0.0]
    clock = Clock(wall=lambda: SYSTEM.wall() + frozen_for[0])
    cache = Cache(clock=clock, ttl=60, namespace="demo")
    stories = [_speed(cache), _expiry(cache, frozen_for), _isolation(cache)]
    _progress("")
    if arguments.json:
        keys = ("story", "without", "with", "as_told")
        told = [dict(zip(keys, story, strict=True)) for story in stories]
        print(json.dumps({"stories": told, "hit_ratio": cache.stats().hit_ratio}, indent=2))
    else:
        _print(stories, cache)
    return 0 if all(as_told for *_, as_told in stories) else 1


def slow_price(product: int) -> dict[str, object]:
    """Compute for some milliseconds, as a query or a call of another service would take them."""
    digest = hashlib.pbkdf2_hmac("sha256", b"price", product.to_bytes(4, "big"), 5_000)
    return {"product": product, "cents": int.from_bytes(digest[:2], "big"), "tags": []}


def _speed(cache: Cache) -> Story:
    chance = random.Random(SEED)  # noqa: S311 - a workload, not a secret
    products = chance.choices(
        range(PRODUCTS), weights=[1 / rank for rank in range(1, PRODUCTS + 1)], k=REQUESTS
    )
    price = cache.cached(slow_price)
    without = _time("without a cache", slow_price, products)
    with_cache = _time("with ORC", price, products)
    loads = price.cache_info().misses
    return (
        f"{REQUESTS} look-ups of {PRODUCTS} products",
        f"{without * 1000:,.0f} ms",
        f"{with_cache * 1000:,.0f} ms, {loads} loads",
        loads == len(set(products)) and with_cache < without,
    )


def _expiry(cache: Cache, frozen_for: list[float]) -> Story:
    price = {"apple": 1}
    current = cache.cached(lambda fruit: price[fruit])
    before = current("apple")
    price["apple"] = 2
    soon = current("apple")
    # Frozen for an hour, with a monotonic clock that stood still: the wall clock tells.
    frozen_for[0] = 3600.0
    late = current("apple")
    return (
        "a new price: seen at once, and after an hour's freeze",
        "2, then 2",
        f"{soon}, then {late}",
        (before, soon, late) == (1, 1, 2),
    )


def _isolation(cache: Cache) -> Story:
    everyones: dict[str, list[str]] = {}

    def cart_in_a_global() -> list[str]:
        return everyones.setdefault("cart", [])

    @cache.cached
    def empty_cart() -> list[str]:
        return []

    cart_in_a_global().append("A's secret")
    empty_cart().append("A's secret")
    leaked, kept = cart_in_a_global(), empty_cart()
    return (
        "what B finds after A changed a cached list",
        f"{leaked}",
        f"{kept}",
        leaked == ["A's secret"] and kept == [],
    )


def _time(what: str, function: Callable[[int], object], products: list[int]) -> float:
    began = perf_counter()
    for done, product in enumerate(products, 1):
        function(product)
        if done % 50 == 0:
            _progress(f"{what}: {done} of {len(products)} look-ups")
    return perf_counter() - began


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _print(stories: list[Story], cache: Cache) -> None:
    print("ORC, one process: a cache in the memory that outlives a request\n")
    print(f"  {'':<54}{'without':<16}with ORC")
    for told, without, with_cache, as_told in stories:
        mark = " " if as_told else "!"
        print(f"{mark} {told:<54}{without:<16}{with_cache}")
    print("\nprint(cache.stats())\n")
    print("\n".join(f"  {line}".rstrip() for line in str(cache.stats()).splitlines()))
    if not all(as_told for *_, as_told in stories):
        print("\nA line marked ! did not come out as told.", file=sys.stderr)
