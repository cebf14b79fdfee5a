"""Which container serves, and when there is another one."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from orc.errors import ConfigError
from orc.fleet import ThrottledError

FUNCTION = """
    def handler(event, context):
        if event:
            open(event).read()
        return context.tenant_id
"""


def test_the_most_recent_is_reused_by_default(fleet):
    """One at a time is served by one container, and the spare one grows old."""
    function = fleet(FUNCTION)
    function.start(2)
    first = function.invoke().container
    assert function.invoke().container == first


def test_the_least_recent_takes_turns(fleet):
    """route="least-recent" keeps all in use."""
    function = fleet(FUNCTION, route="least-recent")
    one, other = function.start(2)
    assert [function.invoke().container for _ in range(4)] == [one, other, one, other]


def test_a_route_of_ones_own(fleet):
    """A callable chooses among those that are idle."""
    function = fleet(FUNCTION, route=lambda idle: min(idle, key=lambda each: each.id))
    lowest = min(function.start(3), key=lambda each: each.id)
    assert function.invoke().container == lowest


def test_tenants_never_share_a_container(fleet):
    """A container that served one tenant is not given to another."""
    function = fleet(FUNCTION, tenants=True)
    blue, green = function.invoke(tenant="blue"), function.invoke(tenant="green")
    assert (blue.value, green.value) == ("blue", "green")
    assert blue.container != green.container
    assert function.invoke(tenant="blue").container == blue.container
    with pytest.raises(ConfigError, match="tenant"):
        function.invoke(tenant="blue", container=green.container)


def test_more_than_may_be_is_throttled(fleet, tmp_path):
    """With max_containers busy a caller is told at once; the busy one is not disturbed."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    function = fleet(FUNCTION, max_containers=1, timeout=20)
    (container,) = function.start()
    with ThreadPoolExecutor() as pool:
        future = pool.submit(function.invoke, str(gate))
        with gate.open("w"):  # returns when the handler has opened the other end
            assert container.state == "busy"
            with pytest.raises(ThrottledError):
                function.invoke()
            with pytest.raises(ThrottledError):
                function.invoke(container=container)
            with pytest.raises(ThrottledError):
                function.start()
        assert future.result().container == container


def test_thirty_containers(fleet):
    """Thirty start at once, in seconds, each in a process of its own."""
    function = fleet(FUNCTION)
    assert len({each.pid for each in function.start(30)}) == 30
