"""What every test may ask for; and what no test may find left behind by another."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from orc import notices
from orc.config import assemble, default, environment
from orc.config.cache import Cache
from orc.testing import ManualClock
from orc.tiers import outages
from orc.tiers.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

# How long an example takes says more of the machine than of the code.
settings.register_profile("orc", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("orc")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let tests pass whose clients of other libraries complain that they were not closed."""
    if item.get_closest_marker("litters"):
        for complaint in ("ResourceWarning", "pytest.PytestUnraisableExceptionWarning"):
            item.add_marker(pytest.mark.filterwarnings(f"ignore::{complaint}"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Collect here what clients of others leave unclosed, and not in the middle of another test."""
    result = yield
    if item.get_closest_marker("litters"):
        hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
        try:
            gc.collect()
        finally:
            sys.unraisablehook = hook
    return result


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin without ORC's and Lambda's variables, and without the caches of a process."""
    for name in list(os.environ):  # noqa: TID251 - to be cleaned
        ours = name.startswith("ORC_") and not name.startswith("ORC_TEST_")
        if ours or name.startswith("AWS_LAMBDA_"):
            monkeypatch.delenv(name)
    left_behind = (
        assemble._shared, assemble._named, default._made, environment._warned, notices._told,
    )  # fmt: skip
    for each in left_behind:
        each.clear()
    outages.TOLD.forget_all()
    yield
    for each in left_behind:
        each.clear()


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that the test moves."""
    return ManualClock()


@pytest.fixture
def memory() -> Memory:
    """Return a memory tier that nothing else is in."""
    return Memory()


@pytest.fixture
def cache(clock: ManualClock, memory: Memory) -> Cache:
    """Return a cache of its own memory and the test's clock, whose ttls are exact."""
    return Cache(tiers=[memory], clock=clock, jitter=0)


@pytest.fixture
def require() -> Callable[[str, object], None]:
    """Return what skips a test whose need is absent: ``require("redis", redis_server)``.

    With ``ORC_TEST_REQUIRE=redis,java`` the test fails instead: the run was promised these.
    """

    def check(name: str, present: object) -> None:
        if present:
            return
        promised = os.environ.get("ORC_TEST_REQUIRE", "")  # noqa: TID251 - the tests' own
        if name in (each.strip() for each in promised.split(",")):
            pytest.fail(f"{name} is absent, and ORC_TEST_REQUIRE lists it")
        pytest.skip(f"needs {name}")

    return check
