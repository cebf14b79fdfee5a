"""`peek` returns what is fresh in memory, or a default; a parameter of that name is kept."""

from __future__ import annotations

import ast
import asyncio
import inspect
from pathlib import Path

import pytest

import orc
from orc.engine import wrapper
from orc.errors import ConfigError


def test_a_default_stands_for_what_is_not_there(cache):
    find = cache.cached(lambda x: None)
    assert find.peek(1) is orc.MISSING
    assert find.peek(1, default=5) == 5
    assert find.peek(1, default=None) is None
    find(1)
    assert find.peek(1, default=5) is None
    with cache.bypass():
        assert find.peek(1, default=5) == 5
    assert cache.stats().hits == 0


def test_of_an_async_function(cache):
    @cache.cached
    async def find(x):
        return x

    assert find.peek(1, default="none") == "none"
    asyncio.run(find(1))
    assert find.peek(1, default="none") == 1


def test_a_parameter_of_that_name_keeps_it(cache):
    @cache.cached
    def find(x, default=0):
        return x + default

    assert find(1, default=2) == find.peek(1, default=2) == 3
    assert find.peek(1, default=3) is orc.MISSING
    with pytest.raises(ConfigError, match=r"parameter of that name.*MISSING"):
        find.peek(1, 2, default=None)

    @cache.cached
    def only(default, /):
        return default

    only(1)
    assert only.peek(1) == 1
    with pytest.raises(ConfigError, match="parameter of that name"):
        only.peek(1, default=None)


def test_keywords_of_a_function_are_its_own_but_for_that_one(cache):
    find = cache.cached(lambda **options: options)
    find(a=1)
    assert find.peek(a=1, default=5) == {"a": 1}
    assert find.peek(a=2, default=5) == 5


def test_wrong_arguments_are_pythons_error(cache):
    find = cache.cached(lambda x: x)
    with pytest.raises(TypeError, match="missing"):
        find.peek()
    with pytest.raises(TypeError, match="missing"):
        find.peek(default=1)


def test_by_partition(cache):
    find = cache.cached(partition="{tenant}")(lambda tenant, x: x)
    assert find.peek("a", 1, default=5) == 5
    find("a", 1)
    assert find.peek("a", 1, default=5) == 1
    kept = cache.cached(partition="{tenant}")(lambda tenant, default: default)
    kept("a", 1)
    assert kept.peek("a", default=1) == 1


def test_help_shows_the_parameters_of_both_decorators():
    shown = inspect.signature(orc.cached)
    assert list(shown.parameters) == list(inspect.signature(orc.Cache.cached).parameters)[1:]
    assert {"ttl", "key", "partition", "reads_request"} <= set(shown.parameters)
    assert orc.cached.__doc__ == orc.Cache.cached.__doc__


def test_the_types_name_the_options_that_there_are():
    options = set(inspect.signature(orc.Cache.cached).parameters) - {"self", "function"}
    tree = ast.parse(Path(wrapper.__file__).with_name("typed.py").read_text("utf-8"))
    (typed,) = (
        each
        for each in tree.body
        if isinstance(each, ast.ClassDef) and each.name == "CachedOptions"
    )
    named = [each.target.id for each in typed.body if isinstance(each, ast.AnnAssign)]
    assert options == set(named)
