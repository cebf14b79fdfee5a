"""The compiled wrapper binds a call as the function does: the same results, the same errors."""

from __future__ import annotations

import functools
import inspect
import operator
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import orc
from orc.engine.wrapper import Parameters, local_key
from orc.errors import UncacheableError
from orc.model.key import local

# -- all signatures -----------------------------------------------------------------------------

NAMES = ["a", "b", "type", "str", "self", "_orc_x", "value", "copy", "key", "index", "__d"]
ARGUMENTS = st.one_of(st.integers(-2, 2), st.sampled_from(["", "a"]), st.none(), st.booleans())


@st.composite
def signatures(draw: st.DrawFn) -> str:
    """Write a parameter list: every kind, in every allowed order, with names of every sort."""
    names = draw(st.permutations(NAMES))
    kinds = [draw(st.integers(0, 2)) for _ in range(3)]
    only, normal, keyword = ([names.pop() for _ in range(count)] for count in kinds)
    defaulted = draw(st.integers(0, len(only) + len(normal)))
    positional = [
        f"{name}={draw(ARGUMENTS)!r}" if index >= len(only) + len(normal) - defaulted else name
        for index, name in enumerate(only + normal)
    ]
    parts = positional[: len(only)] + (["/"] if only else []) + positional[len(only) :]
    if draw(st.booleans()):
        parts.append(f"*{names.pop()}")
    elif keyword:
        parts.append("*")
    parts += [f"{name}={draw(ARGUMENTS)!r}" if draw(st.booleans()) else name for name in keyword]
    if draw(st.booleans()):
        parts.append(f"**{names.pop()}")
    return ", ".join(parts)


CALLS = st.lists(
    st.tuples(
        st.lists(ARGUMENTS, max_size=5),
        st.dictionaries(st.sampled_from([*NAMES, "unknown"]), ARGUMENTS, max_size=4),
    ),
    min_size=1,
    max_size=8,
)


def outcome(function: object, args: list[object], kwargs: dict[str, object]) -> object:
    """Return what a call comes to: its result, or its TypeError in Python's words."""
    try:
        return "returned", repr(function(*args, **kwargs))
    except TypeError as error:
        return "raised", str(error)


@settings(max_examples=300, deadline=None)
@given(parameters=signatures(), calls=CALLS)
def test_a_cached_function_behaves_exactly_like_the_function(
    parameters: str, calls: list[tuple[list[object], dict[str, object]]]
) -> None:
    """For every signature and every call, valid or not, cold and warm: result and error alike."""
    space: dict[str, object] = {}
    exec(f"def function({parameters}): return dict(sorted(locals().items()))", space)  # noqa: S102
    function = space["function"]
    cached = orc.Cache(tiers=[orc.Memory()]).cached(function)
    assert inspect.signature(cached, follow_wrapped=False) == inspect.signature(function)
    for args, kwargs in [*calls, *calls]:
        expected = outcome(function, args, kwargs)
        assert outcome(cached, args, kwargs) == expected
        if expected[0] == "raised":
            for ask in (cached.peek, cached.invalidate, cached.refresh):
                assert outcome(ask, args, kwargs) == expected
        else:
            assert outcome(cached.peek, args, kwargs) == expected


@settings(max_examples=100, deadline=None)
@given(parameters=signatures(), args=st.lists(ARGUMENTS, max_size=4))
def test_positions_and_keywords_are_one_call(parameters: str, args: list[object]) -> None:
    """What can be given by position and by name, or left to its default, has one key."""
    space: dict[str, object] = {}
    exec(f"def function({parameters}): return locals()", space)  # noqa: S102
    function = space["function"]
    cached = orc.Cache(tiers=[orc.Memory()]).cached(function)
    try:
        bound = inspect.signature(function).bind(*args)
    except TypeError:
        return
    cached(*args)
    bound.apply_defaults()
    kinds = inspect.signature(function).parameters
    names = [n for n, p in kinds.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    if not any(p.kind is p.VAR_POSITIONAL and bound.arguments[n] for n, p in kinds.items()):
        only = [bound.arguments[n] for n, p in kinds.items() if p.kind is p.POSITIONAL_ONLY]
        cached(*only, **{name: bound.arguments[name] for name in reversed(names)})
        assert cached.cache_info()[:2] == (1, 1)
    cached(*bound.args, **bound.kwargs)
    assert cached.cache_info().misses == 1


@pytest.mark.parametrize("count", [0, 1, 2, 3])
@given(data=st.data())
def test_the_inline_key_is_that_of_the_model(count: int, data: st.DataObject) -> None:
    """Where the wrapper looks up plain values is where orc.model.key.local would store them."""
    plain = st.one_of(st.integers(), st.text(), st.booleans(), st.binary(), st.none())
    values = tuple(data.draw(plain) for _ in range(count))
    names = tuple("abc"[:count])
    source = local_key(names).replace("@", "")
    inline = eval(source, {}, dict(zip(names, values, strict=True)))  # noqa: S307 - ours
    stored = local(values)
    if count == 1 and type(values[0]) not in (int, str):
        assert inline == (type(values[0]), values[0])
    assert inline == stored
    assert hash(inline) == hash(stored)


# -- names --------------------------------------------------------------------------------------

HELPERS = [
    "index", "copy", "value", "thaw", "wall", "monotonic", "record", "hit", "settle", "slow",
    "function", "local", "made", "values", "type", "str", "int", "Exception", "wrapper", "bind",
    "call", "key_values", "_orc_index", "_orc__index", "_orc_", "_", "ünïcode", "self", "cls",
    "ttl", "key", "tags", "refresh", "default", "args", "kwargs", "print", "match", "case",
]  # fmt: skip


@pytest.mark.parametrize("name", HELPERS)
def test_no_name_of_a_parameter_hides_anything(cache: orc.Cache, name: str) -> None:
    """Whatever parameters are called, no keyword of the call is stolen, on hits and on misses."""
    space: dict[str, object] = {}
    for declared in (name, f"*, {name}", f"first=0, *, {name}=0", f"**{name}", f"*{name}"):
        exec(f"def f({declared}): return {name}", space)  # noqa: S102
        f = cache.cached(space["f"])
        for _ in range(2):
            if declared == f"*{name}":
                assert f(7) == (7,)
            elif declared == f"**{name}":
                assert f(**{name: 7}) == {name: 7}
            else:
                assert f(**{name: 7}) == 7
        assert f.cache_info()[:2] == (1, 1)
        f.refresh(**{name: 7}) if "*" + name != declared else f.refresh(7)
        assert f.cache_info()[:2] == (1, 2)


def test_mangled_names(cache: orc.Cache) -> None:
    """Parameters with two underscores, inside a class, are called by their mangled names."""

    class Shop:
        @staticmethod
        @cache.cached
        def f(__a: int, *, __b: int = 2, **__more: int) -> object:  # noqa: PYI063 - mangled
            return __a, __b, __more

    assert Shop.f(1) == Shop.f(1) == (1, 2, {})
    assert Shop.f(_Shop__a=1, _Shop__b=3, c=4) == (1, 3, {"c": 4})
    with pytest.raises(TypeError, match="_Shop__a"):
        Shop.f()


def test_two_hundred_parameters(cache: orc.Cache) -> None:
    """A function may have many."""
    names = [f"p{number}" for number in range(200)]
    space: dict[str, object] = {}
    exec(f"def f({', '.join(names)}): return sum([{', '.join(names)}])", space)  # noqa: S102
    f = cache.cached(space["f"])
    assert f(*range(200)) == f(**dict(zip(names, range(200), strict=True))) == 19_900
    assert f.cache_info()[:2] == (1, 1)


# -- what is decorated --------------------------------------------------------------------------


class Adder:
    """A callable object, with a name for its parts."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.calls = 0

    def __call__(self, x: int, *, scale: int = 1) -> int:
        self.calls += 1
        return self.start + x * scale


def test_a_callable_object(cache: orc.Cache) -> None:
    """It is keyed by the call's arguments; errors name its class."""
    adder = Adder(10)
    cached = cache.cached(adder)
    assert [cached(1), cached(x=1), cached(1, scale=1), cached(1, scale=2)] == [11, 11, 11, 12]
    assert adder.calls == 2
    assert cached.start == 10
    with pytest.raises(TypeError, match="Adder"):
        cached()


def test_a_partial(cache: orc.Cache) -> None:
    """The arguments it has been given are not part of the key; those that it takes are."""
    calls: list[object] = []

    def f(a: int, b: int, *, c: int = 0) -> tuple[int, ...]:
        calls.append((a, b, c))
        return a, b, c

    first = cache.cached(functools.partial(f, 1))
    assert [first(2), first(b=2), first(2, c=0)] == [(1, 2, 0)] * 3
    named = cache.cached(functools.partial(f, c=5))
    assert [named(1, 2), named(1, b=2), named(1, 2, c=6)] == [(1, 2, 5), (1, 2, 5), (1, 2, 6)]
    bound = cache.cached(functools.partial(f, b=7))
    assert [bound(1), bound(1, b=8)] == [(1, 7, 0), (1, 8, 0)]
    assert len(calls) == 5
    with pytest.raises(TypeError):
        first()


@pytest.mark.parametrize(
    ("built_in", "args", "kwargs"),
    [
        (len, ([1, 2],), {}),
        (max, (1, 3, 2), {}),
        (max, ([1, -3],), {"key": None}),
        (sorted, ([2, 1],), {"reverse": True}),
        (int, ("12",), {"base": 8}),
        (int, (), {}),
        (dict, (), {"a": 1}),
        (str.upper, ("a",), {}),
        ("a-b".split, ("-",), {}),
        (range, (5,), {}),
        (operator.itemgetter(1), ((1, 2),), {}),
        (complex, (1, 2), {}),
    ],
)
def test_built_ins(cache: orc.Cache, built_in: object, args: tuple, kwargs: dict) -> None:
    """Functions, classes and methods that are written in C, with a signature and without one."""
    cached = cache.cached(built_in)
    assert cached(*args, **kwargs) == cached(*args, **kwargs) == built_in(*args, **kwargs)
    assert cached.cache_info()[:2] == (1, 1)


def test_a_lambda_and_a_class(cache: orc.Cache) -> None:
    """A class is cached as what makes instances; each caller gets an instance of his own."""
    assert cache.cached(lambda x, y=2: (x, y))(1) == (1, 2)
    made = cache.cached(Money)
    assert made(5) == made(cents=5)
    assert made.cache_info()[:2] == (1, 1)
    assert made(5) is not made(5)


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and other.cents == self.cents

    __hash__ = None


def generator(n: int) -> object:
    yield n


async def async_generator(n: int) -> object:
    yield n


@pytest.mark.parametrize("function", [generator, async_generator])
def test_generator_functions_are_refused(cache: orc.Cache, function: object) -> None:
    """At decoration, by name, with what to do."""
    with pytest.raises(UncacheableError, match=rf"{function.__name__}.*return a list"):
        cache.cached(function)


def test_a_generator_behind_a_partial_is_refused_at_the_call(cache: orc.Cache) -> None:
    """What cannot be seen at decoration is refused before it is stored."""
    with pytest.raises(UncacheableError, match="list or tuple"):
        cache.cached(functools.partial(generator, 1))()


def test_a_coroutine_behind_a_def_is_refused(cache: orc.Cache) -> None:
    """A def that returns a coroutine, and does not tell by ``__wrapped__`` what it is."""

    async def fetch() -> int:
        return 1

    @cache.cached
    def hidden() -> object:
        return fetch()

    with pytest.raises(UncacheableError, match="await"):
        hidden()


class CallableCoroutine:
    def __init__(self, function: object) -> None:
        self.function = function

    async def __call__(self, x: int) -> object:
        return await self.function(x)


@pytest.mark.parametrize("make", [lambda f: f, functools.partial, CallableCoroutine])
def test_what_is_async_stays_async(cache: orc.Cache, make: object) -> None:
    """An async def, a partial of one, and an object whose __call__ is one."""
    import asyncio

    calls: list[int] = []

    async def fetch(x: int) -> int:
        calls.append(x)
        return x

    cached = cache.cached(make(fetch))
    assert inspect.iscoroutinefunction(cached)
    assert asyncio.run(cached(1)) == asyncio.run(cached(x=1)) == 1
    assert asyncio.run(cached.refresh(1)) == 1
    assert calls == [1, 1]


def test_parameters_read_code_and_signature_alike() -> None:
    """What is read of a function's code is what inspect says of it."""

    def f(a, /, b, c=1, *rest, d, e=2, **more):
        raise AssertionError

    by_code, by_signature = Parameters(f), Parameters(functools.partial(f))
    for name in Parameters.__slots__:
        assert getattr(by_code, name) == getattr(by_signature, name)
    assert by_code.names == ("a", "b", "c", "rest", "d", "e", "more")
    assert by_code.declaration() == "a, /, b, c=None, *rest, d, e=None, **more"
    assert by_code.forwarding() == "a, b, c, *rest, d=d, e=e, **more"


def test_tracebacks_name_the_cache(cache: orc.Cache) -> None:
    """The wrapper's frame says whose cache it is."""

    @cache.cached
    def broken() -> None:
        raise LookupError

    with pytest.raises(LookupError) as caught:
        broken()
    files = [
        frame.path.as_posix() if hasattr(frame.path, "as_posix") else str(frame.path)
        for frame in caught.traceback
    ]
    assert any(re.search(r"orc: the cache of .*broken", file) for file in files)
