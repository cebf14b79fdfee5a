"""What CPython promises of functools.lru_cache, where it is meant to hold for ORC too.

Rewritten from the subjects of CPython 3.11's Lib/test/test_functools.py, class TestLRU. Of its
tests these do not apply:

- test_lru, sizes zero and negative: ``Memory(max_items=0)`` is a ConfigError; ttl=0 stores nothing.
- test_lru_no_args, test_lru_with_keyword_args: the default bound of 128 items is not ours.
- test_lru_hash_only_once: keys are the arguments' canonical form, so ``__hash__`` of an argument
  that is no plain value is never relied on. What holds instead is in test_no_hash_of_an_argument.
- test_lru_type_error: a list is a key here, by its content.
- test_lru_cache_typed_is_not_recursive: here types are told apart at every depth.
- test_kwargs_order: dicts equal but for their order share a key, so ``f(a=1, b=2)`` and
  ``f(b=2, a=1)`` share one with ``**kwargs``, too.
- test_lru_cache_threaded2: functools lets all who miss at once call the function; here one does.
- test_lru_reentrancy_with_len: a cache that is written in Python cannot do without ``len()``.
- test_need_for_rlock: ``__eq__`` of arguments is never called; ``__orc_key__`` may re-enter.
- test_lru_method: an instance is in the key by ``__orc_key__()``, not by ``__hash__``.
"""

from __future__ import annotations

import copy
import gc
import inspect
import pickle
import random
import sys
import threading
import weakref
from functools import WRAPPER_ASSIGNMENTS, lru_cache, partial

import pytest

import orc

CACHE = orc.Cache(tiers=[orc.Memory()], clock=orc.testing.ManualClock())


@CACHE.cached
def module_function(x, y):
    """Add, with a weight."""
    return 3 * x + y


class Shop:
    @CACHE.cached
    def method(self, x, y):
        return 3 * x + y

    @staticmethod
    @CACHE.cached
    def static(x, y):
        return 3 * x + y


def bounded(max_items: int | None = None) -> orc.Cache:
    """Make a cache that evicts as lru_cache(max_items) does."""
    return orc.Cache(tiers=[orc.Memory(max_items=max_items)], ttl=None)


# -- counts and bounds --------------------------------------------------------------------------


def test_hits_and_misses_add_up() -> None:
    """Of 1000 random calls each is a hit or a miss, and the cache is full at its bound."""
    f = bounded(20).cached(lambda x, y: 3 * x + y)
    hits, misses, maxsize, currsize = f.cache_info()
    assert (hits, misses, maxsize, currsize) == (0, 0, 20, 0)
    chance = random.Random(1)
    for _ in range(1000):
        x, y = chance.randrange(5), chance.randrange(5)
        assert f(x, y) == 3 * x + y
    hits, misses, maxsize, currsize = f.cache_info()
    assert hits > misses
    assert hits + misses == 1000
    assert currsize == 20


def test_it_evicts_exactly_as_lru_cache_does() -> None:
    """Call by call the same hits, misses and sizes as functools', for several bounds."""
    for bound in (1, 2, 7, 20):
        ours = bounded(bound).cached(lambda x: x)
        theirs = lru_cache(bound)(lambda x: x)
        chance = random.Random(bound)
        for _ in range(2000):
            x = int(chance.expovariate(0.1))
            assert ours(x) == theirs(x)
            assert ours.cache_info() == theirs.cache_info()


def test_the_wrapped_function_goes_past_the_cache() -> None:
    """__wrapped__ is the function itself; to call it counts and stores nothing."""

    def original(x: int) -> int:
        return x

    f = bounded().cached(original)
    assert f.__wrapped__ is original
    f.__wrapped__(1)
    assert f.cache_info() == (0, 0, None, 0)


def test_cache_clear_begins_anew() -> None:
    """Counts and entries are as at first, and the next call is a miss."""
    f = bounded(20).cached(lambda x: x)
    for x in (1, 2, 1):
        f(x)
    f.cache_clear()
    assert f.cache_info() == (0, 0, 20, 0)
    f(1)
    assert f.cache_info() == (0, 1, 20, 1)


def test_a_bound_of_one_and_of_two() -> None:
    """The sequence of CPython's test, with its numbers of calls."""
    calls: list[int] = []
    one = bounded(1).cached(lambda: calls.append(1) or 20)
    assert [one() for _ in range(5)] == [20] * 5
    assert (one.cache_info(), len(calls)) == ((4, 1, 1, 1), 1)
    calls.clear()
    two = bounded(2).cached(lambda x: calls.append(x) or x * 10)
    for x in (7, 9, 7, 9, 7, 9, 8, 8, 8, 9, 9, 9, 8, 8, 8, 7):
        assert two(x) == x * 10
    assert (two.cache_info(), calls) == ((12, 4, 2, 2), [7, 9, 8, 7])


def test_used_bare_and_called() -> None:
    """@cached and @cached() decorate alike."""
    cache = bounded()

    @cache.cached
    def bare(x: int) -> int:
        return x**2

    @cache.cached()
    def called(x: int) -> int:
        return x**2

    for square in (bare, called):
        assert [square(x) for x in (10, 20, 10)] == [100, 400, 100]
        assert square.cache_info() == (1, 2, None, 2)


def test_cache_parameters_tell_the_terms() -> None:
    """It tells maxsize and typed as functools', and the rest; a fresh dict each time."""
    f = bounded(20).cached(ttl=60, key="{x}", tags="t")(lambda x: x)
    told = f.cache_parameters()
    assert (told["maxsize"], told["typed"]) == (20, True)
    assert (told["ttl"], told["key"], told["tags"]) == (60.0, ("x",), ("t",))
    told["maxsize"] = 5
    assert f.cache_parameters()["maxsize"] == 20


# -- recursion and re-entrancy ------------------------------------------------------------------


@pytest.mark.parametrize("by_name", [False, True])
def test_a_recursive_function(by_name: bool) -> None:
    """Fibonacci: each number once, by position and by keyword."""

    @bounded().cached
    def fib(n: int) -> int:
        if n < 2:
            return n
        return fib(n=n - 1) + fib(n=n - 2) if by_name else fib(n - 1) + fib(n - 2)

    numbers = [fib(n=n) if by_name else fib(n) for n in range(16)]
    assert numbers == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610]
    assert fib.cache_info() == (28, 16, None, 16)
    fib.cache_clear()
    assert fib.cache_info() == (0, 0, None, 0)


def test_a_full_cache_stays_full_through_recursion() -> None:
    """bpo-35780: a nested call that evicts leaves no entry behind that nothing knows."""

    @bounded(10).cached
    def f(x: int) -> str:
        return f(x - 100) if x > 100 else f".{x}."

    for x in range(15):
        assert f(x) == f".{x}."
    assert f.cache_info().currsize == 10
    assert f(120) == ".20."
    assert f.cache_info().currsize == 10


def test_a_key_method_may_use_the_cache() -> None:
    """__orc_key__ of an argument may call the very function that is being keyed."""
    f = bounded(10).cached(lambda x: x if isinstance(x, int) else x.number)

    class Nested:
        def __init__(self, number: int) -> None:
            self.number = number

        def __orc_key__(self) -> int:
            return f(self.number)

    assert [f(Nested(1)), f(Nested(2)), f(Nested(2))] == [1, 2, 2]


def test_no_hash_of_an_argument() -> None:
    """An argument that is no plain value is keyed by its content, whatever its __hash__ says."""

    class Liar(tuple):
        __slots__ = ()

        def __hash__(self) -> int:
            raise AssertionError("asked for")

        def __eq__(self, other: object) -> bool:
            raise AssertionError("asked for")

        def __orc_key__(self) -> tuple[object, ...]:
            return tuple(self)

    f = bounded().cached(lambda x: [*x])
    assert [f(Liar((1,))), f(Liar((2,))), f(Liar((1,)))] == [[1], [2], [1]]
    assert f.cache_info()[:2] == (1, 2)


# -- arguments ----------------------------------------------------------------------------------


def test_no_keywords_and_empty_keywords_are_one_call() -> None:
    """bpo-36650: f(0) and f(0, **{}) share."""
    f = bounded().cached(lambda x, **options: x)
    f(0)
    f(0, **{})  # noqa: PIE804 - the empty dict is the subject
    assert f.cache_info().hits == 1


def test_arguments_and_a_tuple_of_them_differ() -> None:
    """f(1, 2) and f((1, 2)) are two calls of a function with *args."""
    f = bounded().cached(lambda *args: args)
    assert f(1, 2) == (1, 2)
    assert f((1, 2)) == ((1, 2),)
    assert f() == ()
    assert f(()) == ((),)


def test_types_are_told_apart_at_every_depth() -> None:
    """As typed=True does, and in tuples too."""
    f = bounded().cached(repr)
    flat = [1, True, 1.0, 0, False, 0.0, -0.0]
    for values in (flat, [(x,) for x in flat], [[x] for x in flat], [{"k": x} for x in flat]):
        for value in values:
            assert f(value) == repr(value)
    assert f.cache_info()[:2] == (0, 28)
    square = bounded().cached(lambda x: x * x)
    for call in (square(3), square(x=3), square(3.0), square(x=3.0)):
        assert call == 9
    assert (type(square(3)), type(square(3.0))) == (int, float)
    assert square.cache_info()[:2] == (4, 2)


def test_the_order_of_keywords_does_not_count() -> None:
    """For named parameters; with **kwargs, too, unlike functools."""
    f = bounded().cached(lambda a, b, **more: (a, b, more))
    assert f(a=1, b=2, c=3, d=4) == f(d=4, b=2, c=3, a=1)
    assert f.cache_info()[:2] == (1, 1)


# -- errors -------------------------------------------------------------------------------------


def test_exceptions_are_not_cached_and_not_chained() -> None:
    """The function's own error, without another as its context, again at each call."""
    f = bounded().cached(lambda i: "abc"[i])
    assert f(0) == "a"
    for _ in range(2):
        with pytest.raises(IndexError) as caught:
            f(15)
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None
    assert f.cache_info() == (0, 3, None, 1)


def test_a_wrong_call_is_a_type_error_and_counts_for_nothing() -> None:
    """Found before anything is looked up or called."""
    f = bounded().cached(lambda x: pytest.fail("called"))
    for args, kwargs in (((), {}), ((1, 2), {}), ((1,), {"y": 2}), ((1,), {"x": 2})):
        with pytest.raises(TypeError, match=r"lambda"):
            f(*args, **kwargs)
    assert f.cache_info() == (0, 0, None, 0)


# -- the wrapper --------------------------------------------------------------------------------


def test_it_wears_the_functions_clothes() -> None:
    """Names, docstring, annotations and attributes are the function's."""

    def f(zomg: int) -> str:
        """Say something."""
        return str(zomg)

    f.label = "kept"
    g = bounded().cached(f)
    for attribute in WRAPPER_ASSIGNMENTS:
        assert getattr(g, attribute) == getattr(f, attribute)
    assert g.label == "kept"
    assert inspect.signature(g) == inspect.signature(f)
    assert inspect.isfunction(g)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("f", [module_function, Shop.method, Shop.static])
def test_it_pickles_by_name(f: object, protocol: int) -> None:
    """What comes out of a pickle in the same process is the wrapper itself."""
    if __name__ not in sys.modules:
        pytest.skip("collected under a name that is not importable")
    assert pickle.loads(pickle.dumps(f, protocol)) is f  # noqa: S301 - its own pickle


@pytest.mark.parametrize("f", [module_function, Shop.method, Shop.static])
def test_copies_are_the_wrapper_itself(f: object) -> None:
    """As of every function."""
    assert copy.copy(f) is f
    assert copy.deepcopy(f) is f
    of_partial = CACHE.cached(partial(lambda x, y: x + y, 2))
    assert copy.deepcopy(of_partial) is of_partial


def test_wrappers_are_weakly_referable_and_freed() -> None:
    """A wrapper goes with its last reference, and takes its entries along at once."""
    memory = orc.Memory()
    cache = orc.Cache(tiers=[memory])
    gc.collect()
    gc.disable()
    try:
        f = cache.cached(lambda x, y=2: x)
        gone = weakref.ref(f)
        f(1)
        f.invalidate(2)
        assert memory.items == 1
        assert cache.stats().loads == 1
        del f
        assert gone() is None
        assert memory.items == 0
        assert cache.stats().loads == 1, "its counts stay"
    finally:
        gc.enable()


def test_results_are_freed_by_clearing_and_by_eviction() -> None:
    """After cache_clear(), or when others took its place, nothing holds a shared result."""

    class Result:
        pass

    cache = orc.Cache(tiers=[orc.Memory(max_items=1)], isolation="share")
    f = cache.cached(lambda x: Result())
    first = weakref.ref(f(1))
    gc.disable()
    try:
        assert first() is not None
        second = weakref.ref(f(2))
        assert first() is None
        f.cache_clear()
        assert second() is None
    finally:
        gc.enable()


def test_methods_share_the_statistics_of_their_class() -> None:
    """cache_info() of a bound method is that of the function in the class."""

    class X(int):
        calls = 0

        def __orc_key__(self) -> int:
            return int(self)

        @bounded(2).cached
        def f(self, x: int) -> int:
            X.calls += 1
            return x * 10 + self

    a, b, c = X(5), X(5), X(7)
    for x in (1, 2, 2, 3, 1, 1, 1, 2, 3, 3):
        assert a.f(x) == x * 10 + 5
    assert X.f.cache_info() == (4, 6, 2, 2)
    for x in (1, 2, 1, 1, 1, 1, 3, 2, 2, 2):
        assert b.f(x) == x * 10 + 5
    assert X.f.cache_info() == (10, 10, 2, 2)
    for x in (2, 1, 1, 1, 1, 2, 1, 3, 2, 1):
        assert c.f(x) == x * 10 + 7
    assert X.f.cache_info() == (15, 15, 2, 2)
    assert a.f.cache_info() == b.f.cache_info() == X.f.cache_info()
    assert X.calls == 15


# -- threads ------------------------------------------------------------------------------------


def run_threads(*targets: object) -> None:
    """Run each on a thread of its own, with switches as often as can be."""
    failures: list[BaseException] = []

    def guarded(target: object) -> None:
        try:
            target()
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=guarded, args=(each,)) for each in targets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
    finally:
        sys.setswitchinterval(interval)
    assert failures == []


def test_threads_with_keys_of_their_own() -> None:
    """Each key is missed once, all other calls are hits; and no error while another clears."""
    n, m = 5, 11
    f = bounded(n * m).cached(lambda x, y: 3 * x + y)

    def full(k: int) -> None:
        for _ in range(m):
            assert f(k, 0) == 3 * k

    run_threads(*(partial(full, k) for k in range(n)))
    assert f.cache_info() == (n * m - n, n, n * m, n)
    clear = lambda: [f.cache_clear() for _ in range(2 * m)]  # noqa: E731
    run_threads(clear, *(partial(full, k) for k in range(n)))
    assert f.cache_info().currsize <= n


def test_threads_with_one_key() -> None:
    """All who miss at once share one call of the function: one miss, the others hits."""
    n, m = 5, 7
    calls: list[int] = []
    f = bounded(n * m).cached(lambda x: calls.append(x) or 3 * x)
    rounds = threading.Barrier(n)

    def ask() -> None:
        for i in range(m):
            rounds.wait(30)
            assert f(i) == 3 * i

    run_threads(*[ask] * n)
    assert calls == list(range(m))
    assert f.cache_info() == (m * (n - 1), m, n * m, m)
    assert f.cache_info().shared <= m * (n - 1)


def test_threads_that_evict_each_other() -> None:
    """A bound of two, and five threads that want three keys: each gets its own value."""
    f = bounded(2).cached(lambda x: 3 * x)

    def ask(x: int) -> None:
        for _ in range(50):
            assert f(x) == 3 * x

    run_threads(*(partial(ask, x) for x in (1, 2, 2, 3, 2)))
    assert f.cache_info().currsize == 2
    assert sum(f.cache_info()[:2]) == 250
