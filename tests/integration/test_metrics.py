"""What the log of a real container tells of its cache: by its lines alone, of a Redis cut off."""

from __future__ import annotations

import json

import pytest

from orc.testing.servers.valkey import Valkey

HANDLER = """
    import orc

    cache = orc.Cache(ttl=300)
    cache.prewarm()

    @cache.cached
    def price(item):
        return {"item": item}

    @orc.handler
    def handler(event, context):
        return [price(item)["item"] for item in event]
"""


@pytest.fixture
def valkey():
    """Return a server that the test may end."""
    with Valkey() as server:
        yield server


@pytest.fixture
def function(orc_fleet, tmp_path, valkey):
    """Return a function whose cache has that server behind it."""
    import textwrap

    (tmp_path / "app.py").write_text(textwrap.dedent(HANDLER))
    variables = {"ORC_TIERS": valkey.url, "ORC_METRICS": "emf", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
    variables |= {"AWS_LAMBDA_LOG_FORMAT": "Text"}
    return orc_fleet("app.handler", code=tmp_path, env=variables)


def told(container):
    """Return the lines of metrics in a log, and the other lines about ORC."""
    lines, words = [], []
    for each in container.log().splitlines():
        if each.startswith("{"):
            lines.append(json.loads(each))
        elif "orc" in each:
            words.append(each)
    return lines, words


def test_a_redis_that_is_cut_off_is_told_from_the_log(function, valkey):
    """Cold and warm, hits and causes, the outage and its cost, without a look into the process."""
    first = function.invoke(["a", "b"])
    container = first.container
    assert first.value == ["a", "b"]
    assert function.invoke(["a", "b"]).container == container
    valkey.kill()
    assert function.invoke(["c", "a"]).value == ["c", "a"]
    assert function.invoke(["d", "c"]).value == ["d", "c"]
    answer = function.invoke(["d"])
    answer.settled()
    lines, words = told(container)
    assert [line["state"] for line in lines] == ["cold", "warm", "warm", "warm", "warm"]
    assert [line["tier"] for line in lines] == ["redis"] * 5
    assert [line["Hits"] for line in lines] == [0, 2, 1, 1, 1]
    assert [line["Loads"] for line in lines] == [2, 0, 1, 1, 0]
    assert [line["causes"] for line in lines] == [
        {"first touch": 2}, {}, {"first touch": 1}, {"first touch": 1}, {},
    ]  # fmt: skip
    assert [line["TierErrors"] > 0 for line in lines] == [False, False, True, True, False]
    (warning,) = words
    assert "WARNING" in warning
    assert f"127.0.0.1:{valkey.port}" in warning
    assert "the tier redis" in warning


def test_a_container_that_starts_while_redis_is_down_says_so_at_once(function, valkey):
    """`prewarm()` tells it, before the first request."""
    valkey.kill()
    answer = function.invoke(["a"])
    answer.settled()
    lines, words = told(answer.container)
    assert [line["state"] for line in lines] == ["cold"]
    assert [f"127.0.0.1:{valkey.port}" in each for each in words] == [True]
