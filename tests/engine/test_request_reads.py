"""A load that reads more of the running request than its key holds is that request's own."""

from __future__ import annotations

import asyncio
import random
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

import orc
from orc.errors import NoRequestError, NotSetError, OrcWarning, RequestReadError
from orc.testing.reference_tier import ReferenceTier, Store

card = orc.RequestVar("card", default="none")
logger = orc.RequestVar("logger", default="plain", affects_values=False)


@pytest.fixture(params=["memory", "shared", "strict"])
def mode(request):
    return request.param


@pytest.fixture
def make(memory, clock, mode):
    def maker(**terms):
        tiers = [memory] if mode == "memory" else [memory, ReferenceTier(Store())]
        terms.setdefault("strict", mode == "strict")
        return orc.Cache(tiers=tiers, clock=clock, jitter=0, namespace="test", **terms)

    return maker


def who():
    return orc.current_request().tenant


def by_scope_in_hand():
    return scopes[-1].tenant


async def in_a_task():
    async def read():
        return who()

    return await asyncio.create_task(read())


async def in_a_thread():
    return await asyncio.to_thread(who)


def carried():
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(orc.carry(who)).result()


def copied():
    return copy_context().run(who)


@orc.request_cached
def remembered():
    return who()


scopes: list[orc.RequestScope] = []
READS = {
    "tenant": who,
    "scope in hand": by_scope_in_hand,
    "task": in_a_task,
    "thread": in_a_thread,
    "carry": carried,
    "context": copied,
    "request_cached": remembered,
    "request variable": card.get,
}


class Uses:
    """One function with a loader, called in each of the ways in which a cache loads."""

    def __init__(self, cache, read, way):
        self.loads = 0
        self.way = way
        awaits = asyncio.iscoroutinefunction(read)

        async def aload():
            self.loads += 1
            return [await read() if awaits else read()]

        def load():
            self.loads += 1
            return [asyncio.run(read()) if awaits else read()]

        class Shop:
            @cache.cached(ignore="self", namespace="test")
            def method(self):
                return load()

        if way == "def":
            self.call = cache.cached(namespace="test")(load)
        elif way == "async def":
            function = cache.cached(namespace="test")(aload)
            self.call = lambda: asyncio.run(function())
        elif way == "method":
            self.call = Shop().method
        elif way == "refresh":
            self.call = cache.cached(namespace="test")(load).refresh
        elif way == "get_or_set":
            self.call = lambda: cache.get_or_set("key", load)
        else:
            self.call = lambda: asyncio.run(cache.aget_or_set("key", aload))


WAYS = ["def", "async def", "method", "refresh", "get_or_set", "aget_or_set"]


def served(call, tenant):
    with orc.request_scope(id="request", tenant=tenant) as scope:
        scopes.append(scope)
        card.set(tenant)
        return call()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_no_tenant_is_given_what_was_read_for_another(make, mode, read, way):
    uses = Uses(make(), read, way)
    if mode == "strict":
        with pytest.raises(RequestReadError, match="of the running request"):
            served(uses.call, "acme")
        with pytest.raises(RequestReadError):
            served(uses.call, "globex")
    else:
        with pytest.warns(OrcWarning, match="of the running request") as told:
            assert [served(uses.call, t) for t in ("acme", "globex", "acme")] == [
                ["acme"], ["globex"], ["acme"],
            ]  # fmt: skip
        assert len(told) == 1
    assert uses.loads == (2 if mode == "strict" else 3)


@pytest.fixture
def lenient(make):
    return make(strict=False)


def quiet(call, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return call(*args)


def loud(call, *args):
    with pytest.warns(OrcWarning, match="of the running request") as told:
        result = call(*args)
    assert len(told) == 1
    return result


def test_the_warning_names_function_and_remedy(lenient):
    @lenient.cached(namespace="test")
    def settings(name):
        return who()

    with pytest.warns(OrcWarning) as told:
        served(lambda: settings("theme"), "acme")
    said = str(told[0].message)
    for part in ("settings() reads the tenant", 'partition="request"', "reads_request=True"):
        assert part in said
    assert "acme" not in said

    @lenient.cached(namespace="test")
    def pay(name):
        return card.get()

    with pytest.warns(OrcWarning, match=r"RequestVar 'card'.*affects_values=False"):
        served(lambda: pay("theme"), "acme")
    assert lenient.stats().unshared == 2
    assert "2 of one request" in str(lenient.stats())


ARGUMENTS = {
    "argument": (dict, lambda tenant, item: who(), ("acme", 1)),
    "args": (dict, lambda *items: who(), ("acme", 1)),
    "template": (lambda: {"key": "{tenant}:{item}"}, lambda tenant, item: who(), ("acme", 1)),
    "format": (lambda: {"key": "{tenant!r}"}, lambda tenant, item: who(), ("acme", 1)),
    "callable key": (
        lambda: {"key": lambda tenant, item: f"{tenant}:{item}"},
        lambda tenant, item: who(),
        ("acme", 1),
    ),
    "key of the request": (
        lambda: {"key": lambda item: (orc.current_request().tenant, item)},
        lambda item: who(),
        (1,),
    ),
    "event": (dict, lambda event: who(), ({"tenant": "acme"},)),
    "ignored other": (lambda: {"ignore": "item"}, lambda tenant, item: who(), ("acme", 1)),
}


@pytest.mark.parametrize(("terms", "function", "given"), ARGUMENTS.values(), ids=ARGUMENTS.keys())
def test_what_an_argument_holds_may_be_read(make, terms, function, given):
    find = make().cached(namespace="test", **terms())(function)
    for _ in range(3):
        assert quiet(served, lambda: find(*given), "acme") == "acme"
    assert find.cache_info().hits == 2


def test_by_the_key_of_an_object(make):
    class Repository:
        def __init__(self, tenant):
            self.tenant = tenant

        def __orc_key__(self):
            return ("repository", self.tenant)

    find = make().cached(namespace="test")(lambda self, item: who())
    for tenant in ("acme", "globex", "acme"):
        assert quiet(served, lambda t=tenant: find(Repository(t), 1), tenant) == tenant


@pytest.mark.parametrize("given", [("globex",), ("acm",), (["acme"][0].encode(),), (None,), (1,)])
def test_another_argument_does_not_hold_it(lenient, given):
    find = lenient.cached(namespace="test")(lambda item: who())
    with pytest.warns(OrcWarning):
        served(lambda: find(*given), "acme")
    assert find.peek(*given) is orc.MISSING


@pytest.mark.parametrize("terms", [{"ignore": "tenant"}, {"key": "{item}"}])
def test_an_argument_that_is_not_in_the_key_does_not_hold_it(lenient, terms):
    find = lenient.cached(namespace="test", **terms)(lambda tenant, item: who())
    assert loud(served, lambda: find("acme", 1), "acme") == "acme"
    assert quiet(served, lambda: find("globex", 1), "globex") == "globex"


def test_types_are_compared_too(lenient):
    find = lenient.cached(namespace="test")(lambda item: card.get())
    for value, given, same in [(1, 1, True), (1, True, False), (1, 1.0, False), ("1", 1, False)]:
        lenient.clear()
        with orc.request_scope(id="r"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            card.set(value)
            find(given)
            assert (find.peek(given) is not orc.MISSING) == same, (value, given)


def test_an_argument_whose_comparison_fails_does_not_hold_it(lenient):
    class Odd:
        def __init__(self, text):
            self.text = text

        def __eq__(self, other):
            raise ValueError

        __hash__ = None

        def __orc_key__(self):
            return "odd"

    find = lenient.cached(namespace="test")(lambda item: card.get() and 1)
    with orc.request_scope(id="r"):
        card.set(Odd("a"))
        assert loud(find, Odd("b")) == 1


def test_an_explicit_key_holds_a_word(lenient):
    for key, held in [("acme:x", True), ("x/acme", True), ("acmes:x", False), ("x", False)]:
        lenient.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            served(lambda k=key: lenient.get_or_set(k, who), "acme")
        assert (lenient.get(key) == "acme") == held, key


def test_what_affects_no_value_may_be_read(make):
    @make().cached(namespace="test")
    def find(item):
        return logger.get(), orc.current_request().id and 1, orc.current_request().remaining()

    for _ in range(2):
        assert quiet(served, lambda: find(1), "acme") == ("plain", 1, None)
    assert find.cache_info().hits == 1


def test_one_function_may_be_silenced(make):
    @make().cached(namespace="test", reads_request=True)
    def find(item):
        return who() and item

    for tenant in ("acme", "globex"):
        assert quiet(served, lambda: find(1), tenant) == 1
    assert find.cache_info().hits == 1
    with pytest.raises(orc.errors.ConfigError, match="reads_request"):
        make().cached(reads_request="yes")(lambda: 1)


def test_under_a_partition_nothing_counts(make):
    part = make().partition("acme")
    find = part.cached(namespace="test")(lambda item: (who(), card.get()))
    for _ in range(2):
        assert quiet(served, lambda: find(1), "acme") == ("acme", "acme")
    assert find.cache_info().hits == 1


def test_the_memo_of_a_request_may_read_it(make):
    def run():
        assert remembered() == remembered()
        return remembered()

    assert [quiet(served, run, tenant) for tenant in ("acme", "globex")] == ["acme", "globex"]


def test_a_load_depends_on_what_its_callees_read(lenient):
    """Also where the callee is answered by the request's memo, and reads nothing itself."""
    inner = lenient.cached(namespace="inner")(who)
    outer = lenient.cached(namespace="outer")(inner)
    by_memo = lenient.cached(namespace="memo")(remembered)
    explicit = lenient.cached(namespace="explicit")(lambda: lenient.get_or_set("key", who))
    silenced = lenient.cached(namespace="s", reads_request=True)(who)
    over = lenient.cached(namespace="over")(silenced)

    def all_of_it():
        return [remembered(), outer(), by_memo(), explicit()]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for tenant in ("acme", "globex", "acme"):
            assert served(all_of_it, tenant) == [tenant] * 4
    assert quiet(served, over, "acme") == quiet(served, over, "globex") == "acme"


def test_an_inner_load_whose_argument_holds_it_is_cached(lenient):
    inner = lenient.cached(namespace="inner")(lambda tenant: who())
    outer = lenient.cached(namespace="outer")(lambda: inner(who()))
    assert loud(served, outer, "acme") == "acme"
    for tenant in ("globex", "acme", "globex"):
        assert quiet(served, outer, tenant) == tenant
    assert inner.cache_info().hits == 2


def test_an_error_that_was_made_for_one_request_reaches_no_other(lenient):
    @lenient.cached(namespace="test")
    async def find():
        tenant = who()
        entered.append(tenant)
        for _ in range(5):  # the others follow by now
            await asyncio.sleep(0)
        assert len(waiting) == 3
        raise PermissionError(tenant)

    entered, waiting = [], []

    async def ask(tenant):
        with orc.request_scope(id=tenant, tenant=tenant):
            waiting.append(tenant)
            with pytest.raises(PermissionError, match=tenant):
                await find()

    async def main():
        await asyncio.gather(*map(ask, ("acme", "globex", "initech")))

    asyncio.run(main())
    assert sorted(entered) == ["acme", "globex", "initech"]


@pytest.mark.parametrize("kind", ["threads", "coroutines"])
def test_each_follower_loads_for_itself(make, mode, kind):
    cache = make()
    together = threading.Barrier(8)
    seen = []

    def find():
        return who()

    async def afind():
        await asyncio.sleep(0)
        return who()

    cached = cache.cached(namespace="test")(find)
    acached = cache.cached(namespace="test2")(afind)

    def serve(tenant):
        with orc.request_scope(id=tenant, tenant=tenant):
            together.wait()
            try:
                seen.append(cached() == tenant)
            except RequestReadError:
                seen.append(mode == "strict")

    async def aserve(tenant):
        with orc.request_scope(id=tenant, tenant=tenant):
            try:
                seen.append(await acached() == tenant)
            except RequestReadError:
                seen.append(mode == "strict")

    async def main():
        await asyncio.gather(*(aserve(f"t{n}") for n in range(50)))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "threads":
            threads = [threading.Thread(target=serve, args=(f"t{n}",)) for n in range(8)]
            for each in threads:
                each.start()
            for each in threads:
                each.join()
        else:
            asyncio.run(main())
    assert len(seen) in {8, 50}
    assert all(seen)


def test_a_claim_in_a_shared_tier_is_given_back(memory, clock):
    """The next container need not wait for a fill that does not come."""
    store = Store()
    caches = [
        orc.Cache(tiers=[near, ReferenceTier(store)], clock=clock, namespace="test")
        for near in (memory, orc.Memory())
    ]
    for cache in caches:
        with pytest.warns(OrcWarning):
            assert served(lambda c=cache: c.get_or_set("k", who), "acme") == "acme"
    assert all(row.payload is None for row in store.rows.values())


def test_a_variable_that_is_not_set_is_read_too(lenient):
    unset = orc.RequestVar("unset")

    @lenient.cached(namespace="test")
    def find():
        try:
            return unset.get()
        except NotSetError:
            return "nobody"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with orc.request_scope(id="1"):
            assert find() == "nobody"
        with orc.request_scope(id="2"):
            unset.set("ada")
            assert find() == "ada"


def test_a_load_outside_of_all_requests_is_not_answered_inside_of_one(lenient):
    @lenient.cached(namespace="test")
    def find():
        try:
            return who()
        except NoRequestError:
            return "init"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert find() == "init"
        assert served(find, "acme") == "acme"


def test_random_requests_against_a_model(lenient):
    """Functions that read some of what they are given, for tenants that come at random."""
    chance = random.Random(11)

    def shape(reads_tenant, reads_card, takes_tenant, takes_card):
        def load(tenant, number):
            assert (tenant is None) != takes_tenant
            assert (number is None) != takes_card
            return (who() if reads_tenant else "-", card.get() if reads_card else "-")

        return lenient.cached(namespace=f"{reads_tenant}{reads_card}{takes_tenant}{takes_card}")(
            load
        )

    flags = [(a, b, c, d) for a in (0, 1) for b in (0, 1) for c in (0, 1) for d in (0, 1)]
    functions = {each: shape(*each) for each in flags}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3000):
            a, b, c, d = each = chance.choice(flags)
            tenant, number = chance.choice("ABC"), chance.choice([1, 2, 3])
            with orc.request_scope(id="r", tenant=tenant):
                card.set(number)
                got = functions[each](tenant if c else None, number if d else None)
            assert got == (tenant if a else "-", number if b else "-")
    for (a, b, c, d), function in functions.items():
        assert (function.cache_info().hits > 0) == (a <= c and b <= d)


# -- what an argument or a partition does not hold ------------------------------------------------


@orc.request_cached
def refused():
    raise LookupError(who())


@orc.request_cached
async def arefused():
    raise LookupError(who())


@pytest.mark.parametrize("awaits", [False, True])
def test_an_error_out_of_the_memo_of_a_request_counts_too(lenient, awaits):
    @lenient.cached(namespace="test")
    def page():
        try:
            return asyncio.run(arefused()) if awaits else refused()
        except LookupError as error:
            return str(error)

    @lenient.cached(namespace="test2")
    def again():
        for _ in range(2):
            try:
                refused()
            except LookupError as error:
                said = str(error)
        return said

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for tenant in ("acme", "globex"):
            assert served(page, tenant) == served(again, tenant) == tenant


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("{user[id]}", ({"id": 1, "tenant": "acme"}, "acme")),
        ("{user[id]!r}", ({"id": 1, "tenant": "acme"}, "acme")),
        ("{user[id]}", ((1, "acme"), "acme")),
        ("{tenant:.1}", ({}, "acme")),
        (lambda user, tenant: "one", ({}, "acme")),
        (lambda user, tenant: ("one", len(tenant)), ({}, "acme")),
    ],
)
def test_what_the_key_leaves_out_holds_nothing(lenient, key, given):
    if key == "{user[id]}" and isinstance(given[0], tuple):
        key = "{user[0]}"
    find = lenient.cached(namespace="test", key=key)(lambda user, tenant: who())
    loud(served, lambda: find(*given), "acme")
    assert find.peek(*given) is orc.MISSING


def test_what_the_load_puts_into_an_argument_does_not_hold_it(lenient):
    @lenient.cached(namespace="test")
    def find(event):
        event["tenant"] = who()
        return event["tenant"]

    assert loud(served, lambda: find({}), "acme") == "acme"
    assert quiet(served, lambda: find({}), "globex") == "globex"


def test_a_load_around_a_partition_depends_on_what_is_read_under_it(lenient):
    inner = lenient.partition("lib").cached(namespace="inner")(lambda x: who())
    outer = lenient.cached(namespace="outer")(inner)
    loud(served, lambda: outer(1), "acme")
    assert outer.peek(1) is orc.MISSING


def test_a_carried_function_that_was_made_before_the_load(lenient):
    """It reads for the load that calls it, on whatever thread."""

    def serve(tenant):
        with orc.request_scope(id="r", tenant=tenant):
            read = orc.carry(who)

            @lenient.cached(namespace="same")
            def find():
                return read()

            @lenient.cached(namespace="outer")
            def outer():
                inner = orc.carry(who)
                return lenient.cached(namespace="inner")(inner)()

            return find(), outer()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for tenant in ("acme", "globex", "acme"):
            assert serve(tenant) == (tenant, tenant)


def test_what_is_left_of_a_request_that_has_ended_is_not_stored(lenient):
    @lenient.cached(namespace="test")
    def find():
        try:
            return who()
        except orc.errors.ScopeClosedError:
            return "nobody"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with orc.request_scope(id="r", tenant="acme"):
            left = copy_context()
        assert left.run(find) == "nobody"
        assert served(find, "globex") == "globex"


@pytest.mark.parametrize("value", [None, True, False])
def test_an_argument_that_is_so_by_chance_holds_nothing(lenient, value):
    find = lenient.cached(namespace="test")(lambda item, flag=value: card.get())
    with orc.request_scope(id="r"):
        card.set(value)
        loud(find, 1)
    assert find.peek(1) is orc.MISSING


def test_a_text_that_has_the_word_is_no_such_text(lenient):
    """As it is where a template, a callable or the caller has made it for the purpose."""
    search = lenient.cached(namespace="test")(lambda words: f"{words} of {who()}")
    assert loud(served, lambda: search("red shoes"), "red") == "red shoes of red"
    assert quiet(served, lambda: search("red shoes"), "blue") == "red shoes of blue"
    plain = lenient.cached(namespace="plain", key="{words}")(lambda words: f"{words} of {who()}")
    assert loud(served, lambda: plain("red shoes"), "red") == "red shoes of red"
    assert quiet(served, lambda: plain("red shoes"), "blue") == "red shoes of blue"
    made = lenient.cached(namespace="made", key=lambda words: f"{who()}:{words}")(
        lambda words: f"{words} of {who()}"
    )
    for tenant in ("red", "blue", "red"):
        assert quiet(served, lambda: made("shoes"), tenant) == f"shoes of {tenant}"
    assert made.cache_info().hits == 1


def test_a_carried_function_on_a_pool_that_knows_no_load(lenient):
    """It was made before the load, and a thread of its own calls it while the load waits."""
    with ThreadPoolExecutor(1) as pool:

        def serve(tenant):
            with orc.request_scope(id="r", tenant=tenant):
                card.set(tenant)
                read = orc.carry(lambda: (who(), card.get()))

                @lenient.cached(namespace="test")
                def find():
                    return pool.submit(read).result()

                harmless = lenient.cached(namespace="harmless")(lambda: 1)
                harmless()
                return find()

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for tenant in ("acme", "globex", "acme"):
                assert serve(tenant) == (tenant, tenant)
    assert lenient.stats().unshared == 3


class Odd:
    """Compares as arrays do."""

    def __eq__(self, other):
        raise ValueError("ambiguous")

    __hash__ = None


@pytest.mark.parametrize("partition", [None, "acme"])
def test_odd_values_do_not_break_a_load(lenient, partition):
    cache = lenient if partition is None else lenient.partition(partition)

    @cache.cached(namespace="test")
    def find(event):
        event["made"] = object()
        return card.get() and 1

    class Keyed:
        @staticmethod
        def __orc_key__():
            return "key"

    keyed = cache.cached(namespace="keyed")(lambda item: card.get() and 1)

    with orc.request_scope(id="r", tenant="acme"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        card.set(Odd())
        assert find({}) == 1
        assert keyed(Keyed()) == 1


def test_many_reads_take_no_long_time(lenient):
    numbers = orc.RequestVar("numbers")

    @lenient.cached(namespace="test")
    def find():
        for number in range(20_000):
            numbers.set([number])
            numbers.get()
        return 1

    with orc.request_scope(id="r"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = time.process_time()
        find()
    assert time.process_time() - before < 2
