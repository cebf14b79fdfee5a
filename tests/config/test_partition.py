"""Partitions: what belongs to one tenant is never another's."""

from __future__ import annotations

import asyncio
import gc
import weakref
from enum import StrEnum
from itertools import combinations, product

import pytest

import orc
from orc.errors import PartitionError
from orc.tiers.memory import Memory

TENANTS = [
    "acme",
    "acme ",
    "ACME",
    "acme:x",
    "acme\0",
    "acme\0x",
    "a",
    "None",
    "é",
    "e\u0301",
    "\ud800",
    "acme/x",
    "x" * 1000,
]
KEYS = ["k", "acme:k", "x:k", ":k", "\0k", "", "me", "k\0"]


def test_a_key_is_of_its_partition_only(cache: orc.Cache) -> None:
    """One key in two partitions, and in none, is three entries."""
    cache.set("k", "nobody's")
    cache.partition("acme").set("k", "acme's")
    assert cache.get("k") == "nobody's"
    assert cache.partition("acme").get("k") == "acme's"
    assert cache.partition("globex").get("k") is None


def test_hostile_tenants_and_keys_are_apart(cache: orc.Cache) -> None:
    """Separators, NUL, case and look-alikes: no tenant and key together make another's."""
    for tenant, key in product(TENANTS, KEYS):
        cache.partition(tenant).set(key, (tenant, key))
    for tenant, key in product(TENANTS, KEYS):
        assert cache.partition(tenant).get(key) == (tenant, key)
    assert cache.get_many(KEYS) == {}


def test_wire_keys_of_partitions_are_apart(cache: orc.Cache) -> None:
    """What shared tiers will see differs for every two pairs of tenant and key."""
    wires = {
        (tenant, key): cache.partition(tenant)._keyspace.address((key,))
        for tenant, key in product(TENANTS, KEYS)
    }
    wires |= {(None, key): cache._keyspace.address((key,)) for key in KEYS}
    assert len(set(wires.values())) == len(wires)
    for one, other in combinations(sorted(wire.full for wire in wires.values()), 2):
        assert not other.startswith(one)


@pytest.mark.parametrize("tenant", ["", None, 5, 0, b"acme", ["acme"], orc.MISSING, True])
def test_a_partition_needs_a_tenant(cache: orc.Cache, tenant: object) -> None:
    """Without a tenant, or with one that is no string, PartitionError: entries never mix."""
    with pytest.raises(PartitionError, match="a tenant is a string"):
        cache.partition(tenant)


def test_a_partition_has_no_partitions(cache: orc.Cache) -> None:
    """partition() of a partition would leave the tenant, and is refused."""
    with pytest.raises(PartitionError, match="'acme'"):
        cache.partition("acme").partition("user 1")


def test_a_tenant_of_another_string_type_counts_as_its_text(cache: orc.Cache) -> None:
    """A StrEnum member names the tenant that its text does."""

    class Tenant(StrEnum):
        ACME = "acme"

    cache.partition(Tenant.ACME).set("k", 1)
    assert cache.partition("acme").get("k") == 1


def test_functions_of_a_partition_are_of_it(cache: orc.Cache) -> None:
    """A function decorated for two tenants has two sets of results."""

    def whose(tenant: str) -> list[str]:
        @cache.partition(tenant).cached
        def owner(item: int) -> str:
            return tenant

        cached[tenant] = owner
        return [owner(1), owner(1)]

    cached: dict[str, object] = {}
    assert whose("acme") == ["acme", "acme"]
    assert whose("globex") == ["globex", "globex"]
    assert cached["acme"].cache_parameters()["partition"] == "acme"


def test_clear_of_a_partition_leaves_the_others(cache: orc.Cache) -> None:
    """clear() empties the tenant's keys and functions, and nobody else's."""
    acme, globex = cache.partition("acme"), cache.partition("globex")
    functions = [each.cached(lambda: 1) for each in (acme, globex, cache)]
    for each, function in zip((acme, globex, cache), functions, strict=True):
        each.set("k", 1)
        function()
    cache.partition("acme").clear()
    assert [each.get("k") for each in (acme, globex, cache)] == [None, 1, 1]
    assert [function.peek() for function in functions] == [orc.MISSING, 1, 1]
    cache.clear()
    assert [each.get("k") for each in (acme, globex, cache)] == [None] * 3
    assert [function.peek() for function in functions] == [orc.MISSING] * 3


def test_tags_of_partitions_are_apart(cache: orc.Cache) -> None:
    """To invalidate a tag of one tenant leaves the same tag of another."""
    acme, globex = cache.partition("acme"), cache.partition("globex")
    for each in (acme, globex, cache):
        each.set("k", 1, tags="prices")
    acme.invalidate_tags("prices")
    assert [each.get("k") for each in (acme, globex, cache)] == [None, 1, 1]
    cache.invalidate_tags("prices")
    assert [each.get("k") for each in (acme, globex, cache)] == [None, 1, None]


def test_a_load_of_one_tenant_is_not_shared_with_another(cache: orc.Cache) -> None:
    """Two tenants who load one key at the same time get each their own value."""
    both = asyncio.Event()
    loading: list[str] = []

    async def ask(tenant: str) -> str:
        async def load() -> str:
            loading.append(tenant)
            if len(loading) == 2:
                both.set()
            await both.wait()
            return tenant

        return await cache.partition(tenant).aget_or_set("k", load)

    async def main() -> list[str]:
        return await asyncio.wait_for(asyncio.gather(ask("acme"), ask("globex")), 30)

    assert asyncio.run(main()) == ["acme", "globex"]


def test_the_key_from_inside_its_loader_is_another_tenants_key(cache: orc.Cache) -> None:
    """A loader of one tenant may ask for the same key of another: that is no recursion."""
    acme, globex = cache.partition("acme"), cache.partition("globex")
    assert acme.get_or_set("k", lambda: globex.get_or_set("k", lambda: 1) + 1) == 2


def test_partition_objects_are_released(cache: orc.Cache) -> None:
    """A partition without entries leaves nothing behind, and needs no garbage collector."""
    gc.collect()
    gc.disable()
    try:
        part = cache.partition("acme")
        gone = weakref.ref(part)
        part.get("k")
        del part
        assert gone() is None
        assert len(cache._core._partitions) == 0
    finally:
        gc.enable()


def test_the_entries_of_a_partition_stay_without_its_object(cache: orc.Cache) -> None:
    """A new object for the tenant finds what an earlier one stored."""
    cache.partition("acme").set("k", 1)
    gc.collect()
    assert cache.partition("acme").get("k") == 1


def test_ten_thousand_tenants_stay_within_the_budget() -> None:
    """Entries of all tenants share the budget; tenants whose entries left are forgotten."""
    memory = Memory(max_bytes=256 * 1024)
    cache = orc.Cache(tiers=[memory])
    for number in range(10_000):
        part = cache.partition(f"tenant {number}")
        part.set("k", number)
        assert memory.used_bytes <= memory.max_bytes
    del part
    gc.collect()
    assert memory.items < 500
    assert len(cache._core._partitions) == memory.items
    assert len(cache._core.books()) == 1  # the explicit keys', whatever the tenant
    cache.clear()
    assert memory.items == 0


def test_statistics_are_of_the_whole_cache(cache: orc.Cache) -> None:
    """Partitions count into the cache's statistics, which each of them returns."""
    cache.set("k", 1)
    cache.get("k")
    part = cache.partition("acme")
    part.get("k")
    part.get_or_set("k", lambda: 1)
    part.get("k")
    assert str(part.stats()) == str(cache.stats())
    assert (cache.stats().hits, cache.stats().misses) == (2, 2)
