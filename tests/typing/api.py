"""What type checkers know of the public names. Never run: mypy and pyright judge it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, assert_type

import orc
from orc.errors import ConfigError, OrcError
from orc.model.entry import Missing

# -- caches -------------------------------------------------------------------------------------

cache = orc.Cache(
    tiers=[orc.Memory(max_items=100, max_bytes=1_000_000, max_value_bytes=10_000, policy="lru")],
    ttl=timedelta(minutes=5),
    memory_ttl=60,
    jitter=0.1,
    stale_if_error=None,
    stale_while_revalidate=1.5,
    stale_on=(OSError, orc.SourceUnavailable),
    backoff=5,
    namespace="shop",
    version="1",
    isolation="auto",
    strict=False,
    disabled=False,
    clock=orc.testing.ManualClock(),
)
orc.Cache(ttl=lambda value: 60 if value else None, stale_on=lambda error: True)
orc.Cache(ttl=None, stale_on=OSError)
orc.Cache(stale_on=lambda error: orc.is_unavailable(error) or isinstance(error, KeyError))
assert_type(cache, orc.Cache)
assert_type(orc.default_cache(), orc.Cache)
assert_type(cache.partition("acme"), orc.Cache)

# -- explicit keys ------------------------------------------------------------------------------


def load() -> list[int]:
    return [1]


async def aload() -> list[int]:
    return [1]


assert_type(cache.get_or_set("k", load), list[int])
assert_type(cache.get_or_set("k", load, ttl=5, tags="t"), list[int])
assert_type(cache.get_or_set("k", lambda: "text", ttl=None, tags=["a", "b"]), str)
assert_type(cache.get_many(["a", "b"]), dict[str, Any])
assert_type(cache.delete("k"), bool)
assert_type(cache.delete_many({"a", "b"}), int)
cache.get("k")
cache.get("k", default=5)
cache.set("k", 1, ttl=timedelta(seconds=5), tags=("t",))
cache.set_many({"a": 1, "b": "two"}, ttl=None)
cache.invalidate_tags("a", "b")
cache.clear()

with cache.bypass(), cache.disabled():
    pass


async def coroutines() -> None:
    assert_type(await cache.aget_or_set("k", load), list[int])
    assert_type(await cache.aget_or_set("k", aload), list[int])
    assert_type(await cache.aget_many(["a"]), dict[str, Any])
    assert_type(await cache.adelete("k"), bool)
    assert_type(await cache.adelete_many(["k"]), int)
    await cache.aget("k", "default")
    await cache.aset("k", 1)
    await cache.aset_many({"k": 1})
    await cache.ainvalidate_tags("t")
    await cache.aclear()


# -- functions ----------------------------------------------------------------------------------


@cache.cached
def bare(item: int, *, lang: str = "en") -> str:
    return f"{item} {lang}"


@cache.cached()
def called(item: int) -> str:
    return f"{item}"


@cache.cached(
    ttl=lambda result: 60 if result else None,
    key="item:{item}",
    tags=("item:{item}", "items"),
    cache_if=bool,
    stale_if_error=600,
    stale_while_revalidate=timedelta(seconds=1),
    stale_on=OSError,
    isolation="share",
    namespace="n",
    version="v",
)
def with_terms(item: int, connection: object = None) -> dict[str, int]:
    return {"item": item}


def item_alone(item: int, connection: object) -> int:
    return item


@cache.cached(key=item_alone, ttl=None)
def by_callable(item: int, connection: object) -> None: ...


@orc.cached
def of_default(item: int) -> bytes:
    return bytes(item)


@orc.cached(ttl=60, ignore="connection")
def of_default_called(item: int, connection: object) -> bytes:
    return bytes(item)


assert_type(bare(1), str)
assert_type(bare(1, lang="de"), str)
assert_type(bare.__wrapped__(1, lang="de"), str)
assert_type(bare.refresh(1, lang="de"), str)
assert_type(bare.peek(1), str | Missing)
bare.invalidate(item=1)
bare.cache_clear()
assert_type(bare.cache_parameters(), dict[str, Any])
assert_type(bare.__name__, str)
assert_type(called(1), str)
assert_type(with_terms(1), dict[str, int])
assert_type(with_terms.peek(1, None), dict[str, int] | Missing)
assert_type(of_default(1), bytes)
assert_type(of_default_called(1, object()), bytes)
assert_type(cache.cached(load)(), list[int])
assert_type(list(map(bare, [1, 2])), list[str])
by_callable(1, None)

if (seen := bare.peek(1)) is not orc.MISSING:
    assert_type(seen, str)
if (seen_or_none := bare.peek(1, default=None)) is not None:
    assert_type(seen_or_none, str)

hits, misses, maxsize, currsize = bare.cache_info()
assert_type(hits, int)
assert_type(misses, int)
assert_type(maxsize, int | None)
assert_type(currsize, int)
info = bare.cache_info()
assert_type(info.hits, int)
assert_type(info.stale, int)
assert_type(info.shared, int)
assert_type(info.load_errors, int)
assert_type(info.load_seconds, float)
assert_type(info.uncopyable, int)
assert_type(info.oversize, int)
assert_type(info.evicted, int)


@cache.cached
async def fetch(item: int) -> str:
    return f"{item}"


@cache.cached(ttl=60)
async def fetch_called(item: int, *more: int, **options: str) -> str:
    return f"{item}"


async def async_functions() -> None:
    assert_type(await fetch(1), str)
    assert_type(await fetch.refresh(item=1), str)
    assert_type(await fetch.__wrapped__(1), str)
    assert_type(fetch.peek(1), str | Missing)
    fetch.invalidate(1)
    assert_type(fetch.cache_info().hits, int)
    assert_type(await fetch_called(1, 2, 3, a="b"), str)


# -- methods; @classmethod and @staticmethod stand above @cached -------------------------------


class Shop:
    def __orc_key__(self) -> str:
        return "shop"

    @cache.cached
    def price(self, item: str, *, currency: str = "EUR") -> int:
        return len(item)

    @cache.cached(ttl=60, ignore="self")
    async def stock(self, item: str) -> list[int]:
        return [len(item)]

    @classmethod
    @cache.cached
    def below(cls, item: str) -> int:
        return len(item)

    @staticmethod
    @cache.cached(ttl=5)
    def static_below(item: str) -> int:
        return len(item)

    @property
    @cache.cached
    def label(self) -> str:
        return "shop"


shop = Shop()
assert_type(shop.price("apple"), int)
assert_type(shop.price("apple", currency="USD"), int)
assert_type(Shop.price(shop, "apple"), int)
assert_type(shop.price.peek("apple"), int | Missing)
assert_type(shop.price.refresh("apple"), int)
assert_type(shop.price.cache_info().misses, int)
shop.price.invalidate("apple", currency="USD")
Shop.price.invalidate(shop, "apple", currency="USD")
shop.price.cache_clear()
assert_type(Shop.below("apple"), int)
assert_type(shop.below("apple"), int)
assert_type(Shop.static_below("apple"), int)
assert_type(shop.static_below("apple"), int)
assert_type(shop.label, str)


async def async_methods() -> None:
    assert_type(await shop.stock("apple"), list[int])
    assert_type(await Shop.stock(shop, "apple"), list[int])
    assert_type(await shop.stock.refresh("apple"), list[int])
    assert_type(shop.stock.peek("apple"), list[int] | Missing)
    assert_type(Shop.stock.peek(shop, "apple"), list[int] | Missing)


# -- statistics and errors ----------------------------------------------------------------------

stats = cache.stats()
assert_type(stats, orc.Report)
assert_type(stats.requests, int)
assert_type(stats.hits, int)
assert_type(stats.misses, int)
assert_type(stats.hit_ratio, float)
assert_type(stats.load_seconds, float)
assert_type(stats.causes, Mapping[str, int])
assert_type(stats.functions, Mapping[str, tuple[int, int]])
assert_type(stats.tiers[0].name, str)
assert_type(stats.tiers[0].ratio, float)
assert_type(stats.tiers[0].entries, int | None)
assert_type(orc.__version__, str)
missing: Missing = orc.MISSING

clock = orc.testing.ManualClock(wall=1.0, monotonic=2.0)
clock.advance(timedelta(hours=1))
clock.advance(wall=5.0, monotonic=1.0)
assert_type(clock.wall(), float)

caught: type[OrcError] = ConfigError
also: type[ValueError] = orc.errors.ConfigError


# -- requests and containers ----------------------------------------------------------------------


class Card:
    number: str


card = orc.RequestVar[Card]("card")
count = orc.RequestVar[int]("count", default=0)


@orc.handler
def bare_handler(event: dict[str, str], context: object) -> list[int]:
    card.set(Card())
    card.set("4111")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(card.get(), Card)
    assert_type(card.get(None), Card | None)
    assert_type(count.get(), int)
    assert_type(orc.current_request().remaining(), float | None)
    assert_type(orc.current_request().tenant, str | None)
    return [1]


@orc.handler()
def called_handler(event: dict[str, str], context: object) -> list[int]:
    return [1]


@orc.handler
async def async_handler(event: dict[str, str], context: object) -> list[int]:
    return [1]


assert_type(bare_handler({}, None), list[int])
assert_type(called_handler({}, None), list[int])
assert_type(async_handler({}, None), list[int])  # Lambda calls it without await
bare_handler(1, None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@orc.request_cached
def memo(user: str) -> dict[str, int]:
    return {}


@orc.request_cached()
async def async_memo(user: str) -> dict[str, int]:
    return {}


def work(item: int) -> str:
    return str(item)


async def requests() -> None:
    with orc.request_scope(id="1", tenant="blue", deadline=2e9) as request:
        assert_type(request, orc.RequestScope)
        assert_type(memo("ada"), dict[str, int])
        assert_type(await async_memo("ada"), dict[str, int])
        assert_type(orc.carry(work)(1), str)
    async with orc.request_scope() as request:
        assert_type(request.id, str)


assert_type(orc.container(), orc.Container)
assert_type(orc.container().caller_waited, bool | None)
assert_type(cache.stats().states["cold"].loads, int)
