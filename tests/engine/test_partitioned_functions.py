"""Functions of a tenant: decorated in each request, `.partition(tenant)`, and `partition=`."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import random
import threading
import types
import weakref

import pytest

import orc
from orc.engine.cached_function import CachedFunction
from orc.engine.same_function import MOST_OPTIONS
from orc.errors import ConfigError, PartitionError
from orc.testing.reference_tier import ReferenceTier, Store

loads: list[object] = []


@pytest.fixture(autouse=True)
def none_loaded():
    loads.clear()


@pytest.fixture
def two_tiers(memory, clock):
    def make(near=memory, store=None):
        return orc.Cache(
            tiers=[near, ReferenceTier(store or Store())], clock=clock, jitter=0, namespace="test"
        )

    return make


def plan(user, level=1):
    loads.append(user)
    return {"user": user, "level": level}


async def aplan(user):
    loads.append(user)
    return {"user": user}


# -- decorated in each request --------------------------------------------------------------------


def in_a_handler(cache, tenant, user, level=1):
    @cache.partition(tenant).cached
    def plan(user, level=1):
        loads.append(user)
        return user, level

    return plan(user, level)


def test_the_same_function_has_its_results_back(cache):
    for _ in range(5):
        assert cache.partition("acme").cached(plan)("u1") == {"user": "u1", "level": 1}
        gc.collect()
    assert loads == ["u1"]
    assert cache.stats().hits == 4
    assert cache.partition("globex").cached(plan)("u1")
    assert loads == ["u1", "u1"]


def test_an_async_function_too(cache):
    async def main():
        return await cache.partition("acme").cached(aplan)("u1")

    assert asyncio.run(main()) == asyncio.run(main())
    assert loads == ["u1"]


def test_with_a_shared_tier_memory_answers(two_tiers):
    cache = two_tiers()
    for _ in range(5):
        cache.partition("acme").cached(plan)("u1")
    assert loads == ["u1"]
    assert cache.stats().hits == 4
    assert cache.partition("acme").cached(plan).cache_info()[:2] == (4, 1)


def test_a_def_inside_of_a_handler_is_one_function(cache):
    for _ in range(3):
        assert in_a_handler(cache, "acme", "u1") == ("u1", 1)
    assert loads == ["u1"]
    assert in_a_handler(cache, "globex", "u1") == ("u1", 1)
    assert in_a_handler(cache, "acme", "u1", level=2) == ("u1", 2)
    assert loads == ["u1"] * 3


def closure_of(token):
    def plan(user):
        return token, user

    return plan


def test_a_closure_never_shares_with_another(cache):
    for token in ("a", "b", "a"):
        assert cache.partition("acme").cached(closure_of(token))("u1") == (token, "u1")


def test_a_closure_shares_with_itself(cache):
    def counted(user):
        loads.append(user)
        return mark, user

    mark = "a"
    for _ in range(3):
        assert cache.partition("acme").cached(counted)("u1") == ("a", "u1")
        gc.collect()
    assert loads == ["u1"]


def test_what_a_closure_had_goes_with_it(cache, memory):
    """As before: nothing of a request stays for the sake of a function that is gone."""

    class Request:
        pass

    def serve():
        request = Request()
        alive.append(weakref.ref(request))
        cache.partition("acme").cached(lambda user: request and user)("u1")

    alive = []
    for _ in range(3):
        serve()
        gc.collect()
    assert [each() for each in alive] == [None] * 3
    assert memory.items == 0


def test_defaults_are_told_apart(cache):
    def made(level):
        def plan(user, level=level):
            return user, level

        plan = types.FunctionType(plan.__code__, globals(), argdefs=(level,))
        return cache.partition("acme").cached(plan)("u1")

    values = [1, True, 1.0, "1", [1], (1,), None, 0.0, -0.0, {"a": 1}]
    for _ in range(2):
        for value in values:
            got = made(value)[1]
            assert (type(got), repr(got)) == (type(value), repr(value))


def test_defaults_for_keywords_are_told_apart(cache):
    def made(level):
        def plan(user, *, level=level):
            return user, level

        return cache.partition("acme").cached(plan)("u1")

    assert [made(1), made(2), made(1)] == [("u1", 1), ("u1", 2), ("u1", 1)]


def test_a_default_without_a_key_makes_each_function_its_own(cache):
    def made(mark):
        def plan(user, mark=mark):
            return mark.text

        return cache.partition("acme").cached(ignore="mark")(plan)("u1")

    class Mark:
        def __init__(self, text):
            self.text = text

    assert [made(Mark("a")), made(Mark("b"))] == ["a", "b"]


def test_a_function_that_is_changed_in_its_place_is_another(cache):
    class Mark:
        def __init__(self, text):
            self.text = text

    def plan(user, mark=Mark("a")):  # noqa: B008 - to be changed
        return mark.text

    part = cache.partition("acme")
    assert part.cached(plan)("u1") == "a"
    plan.__defaults__ = (Mark("b"),)
    assert part.cached(plan)("u1") == "b"
    closure = closure_of("a")
    assert part.cached(closure)("u1") == ("a", "u1")
    changed = closure_of("b").__code__.replace(co_name="changed")
    closure.__code__ = changed
    loads.append(closure)
    assert part.cached(closure)("u1") == ("a", "u1")
    assert cache.stats().loads == 4


def test_equal_code_in_other_modules_is_another_function(cache):
    source = "def plan(user):\n    return origin\n"

    def module(origin):
        namespace = {"origin": origin, "__name__": "module"}
        exec(compile(source, "module.py", "exec"), namespace)  # noqa: S102 - the test's own text
        return namespace["plan"]

    first, second = module("a"), module("b")
    assert first.__code__ == second.__code__
    part = cache.partition("acme")
    assert [part.cached(each)("u1") for each in (first, second, first)] == ["a", "b", "a"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"key": "{user}"}, {"key": "{level}"}),
        ({"ignore": "user"}, {"ignore": "level"}),
        ({"isolation": "share"}, {"isolation": "auto"}),
        ({"ttl": 60}, {"ttl": 600}),
        ({"version": "1"}, {"version": "2"}),
        ({"namespace": "a"}, {"namespace": "b"}),
        ({"tags": "a"}, {}),
    ],
)
def test_other_options_do_not_share(cache, one, other):
    part = cache.partition("acme")
    assert part.cached(**one)(plan)("u1", 2) == {"user": "u1", "level": 2}
    assert part.cached(**other)(plan)("u1", 2) == {"user": "u1", "level": 2}
    assert len(loads) == 2
    part.cached(**one)(plan)("u1", 2)
    assert len(loads) == 2


def test_options_that_are_made_anew_are_known_by_their_code(cache):
    def serve():
        part = cache.partition("acme")
        wrap = part.cached(ttl=lambda value: 60, key=lambda user, level: user, cache_if=bool)
        return wrap(plan)("u1")

    for _ in range(3):
        serve()
    assert loads == ["u1"]


def test_options_without_end_do_not_fill_memory(cache):
    part = cache.partition("acme")
    for number in range(3 * MOST_OPTIONS):
        wrap = part.cached(ttl=60, key=functools.partial(str, number))
        wrap(lambda: 1)
    for number in range(3 * MOST_OPTIONS):
        part.cached(namespace=f"n{number}")(plan)
    gc.collect()
    assert len(cache._core._functions) <= 2 * MOST_OPTIONS + 1


def test_other_callables_are_their_own(cache):
    class Plans:
        def __init__(self, name):
            self.name = name

        def find(self, user):
            return self.name, user

    part = cache.partition("acme")
    for name in ("a", "b"):
        assert part.cached(Plans(name).find)("u1") == (name, "u1")
        assert part.cached(functools.partial(closure_of(name), "u1"))() == (name, "u1")


def test_clearing_a_partition_reaches_them(cache):
    part = cache.partition("acme")
    other = cache.partition("globex")
    for each in (part, other):
        each.cached(plan)("u1")
    part.clear()
    for each in (part, other):
        each.cached(plan)("u1")
    assert len(loads) == 3
    part.cached(plan).cache_clear()
    part.cached(plan)("u1")
    other.cached(plan)("u1")
    assert len(loads) == 4
    cache.clear()
    for each in (part, other):
        each.cached(plan)("u1")
    assert len(loads) == 6


def test_what_was_cleared_stays_so_in_shared_tiers(two_tiers, memory, clock):
    cache = two_tiers()
    cache.partition("acme").cached(plan)("u1")
    clock.advance(1)
    cache.partition("acme").cached(plan).cache_clear()
    gc.collect()
    cache.partition("acme").cached(plan)("u1")
    assert loads == ["u1", "u1"]


def test_many_tenants_at_once(cache):
    wrong = []

    def serve(seed):
        chance = random.Random(seed)
        for _ in range(400):
            tenant, user = chance.choice("ABC"), chance.choice("xyz")

            @cache.partition(tenant).cached
            def find(user):
                return user * 2

            if find(user) != user * 2:
                wrong.append(user)

    threads = [threading.Thread(target=serve, args=(n,)) for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not wrong
    assert cache.stats().loads <= 9 * 4


# -- find.partition(tenant) -----------------------------------------------------------------------


def test_a_function_for_one_tenant(cache):
    find = cache.cached(ttl=60)(plan)
    for _ in range(2):
        for tenant in ("acme", "globex", None):
            (find if tenant is None else find.partition(tenant))("u1")
    assert loads == ["u1"] * 3
    assert find.cache_info() == (3, 3, None, 3)
    acme = find.partition("acme")
    assert acme is find.partition("acme")
    assert acme.cache_info().currsize == 1
    assert acme.__wrapped__ is plan
    assert inspect.signature(acme) == inspect.signature(plan)
    assert acme.cache_parameters()["partition"] == "acme"
    acme.invalidate("u1")
    assert acme.peek("u1") is orc.MISSING
    assert find.peek("u1") == find.partition("globex").peek("u1") == {"user": "u1", "level": 1}
    acme.refresh("u1")
    assert len(loads) == 4
    acme.cache_clear()
    assert acme.peek("u1") is orc.MISSING
    assert find.peek("u1")
    find.cache_clear()
    assert find.partition("globex").peek("u1") is orc.MISSING


def test_it_shares_rows_with_a_partition_of_the_cache(two_tiers):
    store = Store()
    one, two = two_tiers(orc.Memory(), store), two_tiers(orc.Memory(), store)
    one.cached(plan).partition("acme")("u1")
    two.partition("acme").cached(plan)("u1")
    assert loads == ["u1"]
    two.partition("globex").cached(plan)("u1")
    assert loads == ["u1"] * 2


@pytest.mark.parametrize("tenant", ["", None, 5, b"acme", ["acme"]])
def test_a_tenant_is_a_text(cache, tenant):
    with pytest.raises(PartitionError, match="tenant is a string"):
        cache.cached(plan).partition(tenant)


def test_a_partition_has_no_partitions(cache):
    with pytest.raises(PartitionError, match="no partitions"):
        cache.cached(plan).partition("acme").partition("b")
    with pytest.raises(PartitionError, match="no partitions"):
        cache.partition("acme").cached(plan).partition("b")
    with pytest.raises(PartitionError, match="no partitions"):
        cache.partition("acme").cached(partition="request")(plan)


def test_more_tenants_than_wrappers_are_kept(cache):
    find = cache.cached(plan)
    for number in range(CachedFunction.MOST_WRAPPERS + 50):
        find.partition(f"t{number}")("u1")
    assert len(find.peek.__self__._wrappers) == CachedFunction.MOST_WRAPPERS
    find.partition("t0")("u1")
    assert cache.stats().hits == 1


def test_when_nothing_has_the_function_its_partitions_go_too(cache, memory):
    find = cache.cached(closure_of("a"))
    find("u1"), find.partition("acme")("u1")
    assert memory.items == 2
    del find
    assert memory.items == 0


def test_methods_and_async_functions(cache):
    class Shop:
        @cache.cached(ignore="self")
        def price(self, item):
            loads.append(item)
            return item

    shop, find = Shop(), cache.cached(aplan)
    for _ in range(2):
        assert Shop.price.partition("acme")(shop, "a") == "a"
        assert asyncio.run(find.partition("acme")("u1")) == {"user": "u1"}
    assert loads == ["a", "u1"]


# -- partition= -----------------------------------------------------------------------------------


def settings(tenant, name="theme"):
    loads.append((tenant, name))
    return f"{name} of {tenant}"


@pytest.mark.parametrize(
    "partition",
    ["{tenant}", "t/{tenant}", lambda tenant, name: tenant, lambda tenant, name: f"{tenant}!"],
)
def test_by_the_arguments(cache, partition):
    find = cache.cached(partition=partition, ignore="tenant")(settings)
    for _ in range(2):
        assert find("acme") == find(tenant="acme", name="theme") == "theme of acme"
        assert find("globex") == "theme of globex"
    assert len(loads) == 2
    assert find.cache_info() == (4, 2, None, 2)
    find.invalidate("acme")
    assert find.peek("acme") is orc.MISSING
    assert find.peek("globex") == "theme of globex"
    assert find.refresh("acme") == "theme of acme"
    assert len(loads) == 3
    with pytest.raises(TypeError, match="settings"):
        find()


def test_by_the_request(two_tiers):
    cache = two_tiers()

    @cache.cached(partition="request", namespace="own")
    def find(name):
        loads.append(name)
        return orc.current_request().tenant

    for _ in range(2):
        for tenant in ("acme", "globex"):
            with orc.request_scope(id="r", tenant=tenant):
                assert find("theme") == tenant
    assert len(loads) == 2
    with pytest.raises(PartitionError, match="tenant of the running request"):
        find("theme")
    with (
        orc.request_scope(id="r"),
        pytest.raises(PartitionError, match="tenant of the running request"),
    ):
        find("theme")
    assert find.partition("acme")("theme") == "acme"


def test_an_async_function_by_the_request(cache):
    @cache.cached(partition="request")
    async def find(name):
        loads.append(name)
        return name

    async def serve(tenant):
        with orc.request_scope(id="r", tenant=tenant):
            return await find("theme"), await find.refresh("b"), find.peek("b")

    async def main():
        return await asyncio.gather(*(serve(t) for t in ("a", "b", "a", "b")))

    assert inspect.iscoroutinefunction(find)
    assert asyncio.run(main()) == [("theme", "b", "b")] * 4
    assert loads.count("theme") == 2


def test_methods_and_class_methods(cache):
    class Shop:
        def __init__(self, tenant):
            self.tenant = tenant

        @cache.cached(partition="{self.tenant}", ignore="self")
        def price(self, item):
            loads.append(item)
            return self.tenant, item

        @classmethod
        @cache.cached(partition=lambda cls, tenant: tenant)
        def made(cls, tenant):
            loads.append(tenant)
            return tenant

    for _ in range(2):
        for tenant in ("acme", "globex"):
            assert Shop(tenant).price("a") == (tenant, "a")
            assert Shop.made(tenant) == tenant
    assert len(loads) == 4


@pytest.mark.parametrize("tenant", ["", None, b"acme", 1.5])
def test_without_a_tenant_nothing_is_asked(cache, tenant):
    for partition in ("{tenant}", "a:{tenant}", lambda tenant, name: tenant):
        find = cache.cached(partition=partition)(settings)
        for call in (find, find.refresh, find.peek, find.invalidate):
            with pytest.raises(PartitionError):
                call(tenant)
    assert not loads


def test_no_two_tenants_have_one_text(cache):
    find = cache.cached(partition="{tenant}:{name}", key="one")(settings)
    pairs = [
        ("a", "b:c"),
        ("a:b", "c"),
        ("a%3a", "b"),
        ("a:", "b"),
        ("a", ":b"),
        ("a%", "3ab"),
        ("a", "%3ab"),
    ]
    for _ in range(2):
        for tenant, name in pairs:
            assert find(tenant, name) == f"{name} of {tenant}"
    assert len(loads) == len(pairs)
    assert find.partition("a:b").peek("a", "b") is orc.MISSING
    find("a", "b")
    assert find.partition("a:b").peek("x", "y") == "b of a"


@pytest.mark.parametrize(
    "partition", ["acme", "{unknown}", "{tenant}{name}", "{", 5, "{tenant!z}", ""]
)
def test_what_is_no_partition_is_refused(cache, partition):
    with pytest.raises(ConfigError):
        cache.cached(partition=partition)(settings)


def test_a_load_around_it_depends_on_the_request(cache):
    """The value of a tenant's function reaches no other tenant through a function of all."""
    inner = cache.cached(partition="request")(lambda: orc.current_request().tenant)
    outer = cache.cached(inner)

    def serve(tenant):
        with orc.request_scope(id="r", tenant=tenant):
            return inner(), outer()

    with pytest.warns(orc.errors.OrcWarning, match="of the running request"):
        assert serve("acme") == ("acme", "acme")
    assert serve("globex") == ("globex", "globex")


def test_outside_of_requests_an_explicit_tenant_is_asked_for(cache):
    find = cache.cached(partition="request")(plan)
    with pytest.raises(PartitionError):
        find("u1")
    assert find.partition("acme")("u1")


# -- what is kept, and for how long ---------------------------------------------------------------


def test_lists_of_options_are_options(cache):
    for _ in range(4):
        cache.partition("acme").cached(tags=["a", "b"], ignore=["level"])(plan)("u1")
    assert loads == ["u1"]


def test_closures_as_options_keep_no_request_alive(cache):
    class Event:
        pass

    def serve():
        event = Event()
        alive.append(weakref.ref(event))
        cache.partition("acme").cached(cache_if=lambda value: event is not None)(plan)("u1")

    alive = []
    for _ in range(5):
        serve()
    gc.collect()
    assert [each() for each in alive] == [None] * 5
    for _ in range(3):
        cache.partition("acme").cached(plan)("u1")
    assert len(loads) == 6


def test_a_default_that_leads_back_to_its_function_is_let_go(cache):
    class Holder:
        pass

    def serve():
        holder, token = Holder(), object()

        def find(user, holder=holder):
            return token and user

        holder.function = find
        alive.append(weakref.ref(find))
        cache.partition("acme").cached(ignore="holder")(find)("u1")

    alive = []
    for _ in range(5):
        serve()
    gc.collect()
    assert [each() for each in alive] == [None] * 5


def test_the_count_of_a_function_goes_on_when_one_partition_is_cleared(cache):
    find = cache.cached(plan)
    find("u1"), find("u1"), find.partition("acme")("u1")
    find.partition("acme").cache_clear()
    assert find.cache_info()[:2] == (1, 2)
    find.cache_clear()
    assert find.cache_info()[:2] == (0, 0)


def test_none_is_a_default_beside_one_without_a_key(cache):
    class Client:
        pass

    def find(user, client=Client(), limit=None):  # noqa: B008 - one for all calls
        loads.append(user)
        return user

    for _ in range(3):
        cache.partition("acme").cached(find)("u1")
    assert loads == ["u1"]
