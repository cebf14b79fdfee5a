"""Figures that leave the container: lines that CloudWatch takes, of what really happened."""

from __future__ import annotations

import gc
import io
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest

import orc
from orc import notices
from orc.config import metrics
from orc.errors import ConfigError, OrcWarning
from orc.lifecycle import hooks
from orc.stats.emf import OF_A_TIER, OF_THE_SERVICE
from orc.testing.reference_tier import ReferenceTier, Store

STRING = {"type": "string", "minLength": 1}
SCHEMA = {  # "Specification: Embedded metric format", CloudWatch User Guide, in our words
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": {"type": "integer"},
                "CloudWatchMetrics": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "additionalProperties": False,
                        "properties": {
                            "Namespace": {**STRING, "maxLength": 1024},
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "array",
                                    "maxItems": 30,
                                    "items": {**STRING, "maxLength": 250},
                                },
                            },
                            "Metrics": {
                                "type": "array",
                                "minItems": 1,
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "additionalProperties": False,
                                    "properties": {
                                        "Name": {**STRING, "maxLength": 1024},
                                        "Unit": {"enum": ["Count", "Milliseconds", "Bytes"]},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def checked(text):
    """Return the lines of a text that are EMF, each checked against the specification."""
    lines = []
    for each in text.splitlines():
        line = json.loads(each)
        jsonschema.validate(line, SCHEMA)
        assert len(each) < 256_000
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for name in {name for names in directive["Dimensions"] for name in names}:
                assert isinstance(line[name], str), name  # a dimension refers to a text
                assert line[name]
            for metric in directive["Metrics"]:
                assert isinstance(line[metric["Name"]], int | float), metric
        lines.append(line)
    return lines


def dimensions(line):
    return [names for each in line["_aws"]["CloudWatchMetrics"] for names in each["Dimensions"]]


@pytest.fixture
def process(monkeypatch, capsys):
    """Return what begins as a new process does, with some variables, and what reads its output."""
    monkeypatch.setattr(hooks, "ENDING", [])
    monkeypatch.setattr(metrics, "_made", [])
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "shop")

    def begin(**variables):
        for name, value in {"ORC_METRICS": "emf", **variables}.items():
            monkeypatch.setenv(name, value)

    capsys.readouterr()
    begin.output = lambda: capsys.readouterr().out
    begin.read = lambda: checked(begin.output())
    return begin


def invoke(work, number=[0]):  # noqa: B006 - counts the invocations
    """Serve one invocation."""
    number[0] += 1
    context = SimpleNamespace(aws_request_id=f"request {number[0]}")
    return orc.handler(lambda event, context: work())({}, context)


def test_one_line_an_invocation_tells_what_happened(process, clock):
    """Hits and misses by tier and cause, loads, bytes; the state, and the dimensions."""
    process()
    store = Store()

    def container():
        tiers = [orc.Memory(), ReferenceTier(store, name="redis")]
        return orc.Cache(tiers=tiers, clock=clock, jitter=0, ttl=60)

    cache, other = container(), container()
    other.set("theirs", 1)
    process.read()

    def first():
        cache.get_or_set("mine", lambda: clock.advance(0.25))
        cache.get("theirs")

    invoke(first)
    (line,) = process.read()
    assert line["service"] == "shop"
    assert line["tier"] == "redis"
    assert line["function"] == "shop"
    assert dimensions(line) == [["service"], ["service", "tier"]]
    assert (line["Hits"], line["Misses"], line["MemoryHits"]) == (1, 1, 0)
    assert (line["Loads"], line["LoadTime"], line["LoadErrors"]) == (1, 250.0, 0)
    assert (line["TierHits"], line["TierMisses"], line["TierErrors"]) == (1, 1, 0)
    assert line["causes"] == {"first touch": 2}
    assert line["tiers"]["memory"] == {"hits": 0, "misses": 2, "errors": 0}
    assert line["tiers"]["redis"] == {"hits": 1, "misses": 1, "errors": 0}
    assert line["Bytes"] > 0
    first_state = line["state"]
    invoke(lambda: [cache.get("mine"), cache.get("theirs")])
    (line,) = process.read()
    assert (line["state"], line["Hits"], line["MemoryHits"], line["Misses"]) == ("warm", 2, 2, 0)
    assert first_state in {"cold", "warm"}  # another test may have been this process's first
    clock.advance(61)
    invoke(lambda: cache.get("mine"))
    (line,) = process.read()
    assert line["causes"] == {"expired": 1}


def test_lines_are_of_all_caches(process):
    """Those that are gone, and were counted, stay counted; the memory they share counts once."""
    process()
    memory = orc.Memory()
    caches = [orc.Cache(tiers=[memory]) for _ in range(3)]
    invoke(lambda: [cache.get_or_set("key", lambda: 1) for cache in caches])
    (line,) = process.read()
    assert (line["Loads"], line["Bytes"]) == (3, memory.used_bytes)
    assert line["tier"] == "memory"
    del caches[:]
    gc.collect()
    invoke(lambda: None)
    (line,) = process.read()
    assert (line["Hits"], line["Loads"], line["Bytes"]) == (0, 0, 0)


def test_each_further_tier_that_was_asked_has_a_line(process):
    """A line can have one value of a dimension."""
    process()
    near, far = ReferenceTier(name="disk"), ReferenceTier(name="redis")
    cache = orc.Cache(tiers=[orc.Memory(), near, far])
    invoke(lambda: cache.get("key"))
    lines = process.read()
    assert [(line["tier"], line["TierMisses"]) for line in lines] == [("disk", 1), ("redis", 1)]
    assert dimensions(lines[1]) == [["service", "tier"]]
    invoke(lambda: None)
    assert len(process.read()) == 1


def test_after_so_many_invocations(process):
    """A line is of one state, so the first invocation of a container has its own."""
    with orc.request_scope():
        pass  # the process is warm by now
    process(ORC_METRICS_EVERY="5")
    cache = orc.Cache(tiers=[orc.Memory()])
    for _ in range(20):
        invoke(lambda: cache.get("key"))
    lines = process.read()
    assert [line["invocations"] for line in lines] == [5] * len(lines)
    assert sum(line["Misses"] for line in lines) == 5 * len(lines)
    assert len(lines) == 4


def test_when_something_changed(process):
    """An invocation that asks no cache writes nothing."""
    process(ORC_METRICS_EVERY="change")
    cache = orc.Cache(tiers=[orc.Memory()])
    invoke(lambda: None)
    assert process.read() == []
    invoke(lambda: cache.get("key"))
    (line,) = process.read()
    assert (line["Misses"], line["invocations"]) == (1, 2)


def test_nothing_unless_it_is_asked_for(process, monkeypatch):
    """No line, no hook, no module."""
    monkeypatch.delenv("ORC_METRICS", raising=False)
    cache = orc.Cache(tiers=[orc.Memory()])
    invoke(lambda: cache.get("key"))
    assert process.read() == []
    assert hooks.ENDING == []


def test_dimensions_on_request(process):
    """The state and the function are properties always, and dimensions when asked for."""
    process(ORC_METRICS_DIMENSIONS="function, state")
    cache = orc.Cache(tiers=[orc.Memory()])
    invoke(lambda: cache.get("key"))
    (line,) = process.read()
    assert dimensions(line) == [
        ["service"],
        ["service", "state", "function"],
        ["service", "tier"],
        ["service", "tier", "state", "function"],
    ]


def test_powertools_names_are_honoured(process):
    """Its namespace and service; ORC's own variables beat them."""
    process(POWERTOOLS_METRICS_NAMESPACE="Shop", POWERTOOLS_SERVICE_NAME="payment")
    cache = orc.Cache(tiers=[orc.Memory()])
    invoke(lambda: cache.get("key"))
    (line,) = process.read()
    assert line["service"] == "payment"
    assert {each["Namespace"] for each in line["_aws"]["CloudWatchMetrics"]} == {"Shop"}
    metrics._made.clear()
    hooks.ENDING.clear()
    process(ORC_METRICS_NAMESPACE="Cache", ORC_METRICS_SERVICE="ours")
    cache = orc.Cache(tiers=[orc.Memory()])
    invoke(lambda: cache.get("key"))
    (line,) = process.read()
    assert line["service"] == "ours"
    assert {each["Namespace"] for each in line["_aws"]["CloudWatchMetrics"]} == {"Cache"}


def test_powertools_metrics_works_beside_it(process, monkeypatch):
    """In one handler, each writes its own lines."""
    powertools = pytest.importorskip("aws_lambda_powertools.metrics")
    process(POWERTOOLS_METRICS_NAMESPACE="Shop", POWERTOOLS_SERVICE_NAME="payment")
    cache = orc.Cache(tiers=[orc.Memory()])
    theirs = powertools.Metrics()

    @orc.handler
    @theirs.log_metrics
    def inside(event, context):
        theirs.add_metric(name="Orders", unit="Count", value=1)
        return cache.get_or_set("key", lambda: 1)

    @theirs.log_metrics
    @orc.handler
    def outside(event, context):
        theirs.add_metric(name="Orders", unit="Count", value=1)
        return cache.get_or_set("key", lambda: 1)

    for handler in (inside, outside):
        assert handler({}, SimpleNamespace(aws_request_id="1", function_name="shop")) == 1
        lines = [json.loads(each) for each in process.output().splitlines()]
        assert sorted("Orders" in line for line in lines) == [False, True]
        assert [line["service"] for line in lines] == ["payment", "payment"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ORC_METRICS", "statsd"),
        ("ORC_METRICS_EVERY", "0"),
        ("ORC_METRICS_EVERY", "often"),
        ("ORC_METRICS_DIMENSIONS", "request_id"),
        ("ORC_METRICS_DIMENSIONS", "tenant,state"),
    ],
)
def test_what_is_not_allowed_fails_the_deployment(process, name, value):
    """When a cache is made, and not in a request."""
    process(**{name: value})
    with pytest.raises(ConfigError, match=name):
        orc.Cache(tiers=[orc.Memory()])


def test_no_error_reaches_the_handler(process, monkeypatch):
    """Output that is closed, a tier whose counts fail: the request is served, one warning."""
    process()
    tier = ReferenceTier()
    cache = orc.Cache(tiers=[orc.Memory(), tier])
    monkeypatch.setattr(notices, "_told", {})
    tier.counts = lambda: 1 / 0
    with pytest.warns(OrcWarning, match="ZeroDivisionError"):
        assert invoke(lambda: cache.get_or_set("key", lambda: 1)) == 1
    (line,) = process.read()
    assert line["Loads"] == 1
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    with pytest.warns(OrcWarning, match="closed file"):
        assert invoke(lambda: cache.get_or_set("key", lambda: 1)) == 1
    assert invoke(lambda: cache.get_or_set("key", lambda: 1)) == 1


def test_a_part_of_a_request_is_no_request(process):
    """A record of a batch, with a scope of its own, writes no line."""
    process()
    cache = orc.Cache(tiers=[orc.Memory()])

    def batch():
        for number in range(3):
            with orc.request_scope(id=f"record {number}"):
                cache.get("key")

    invoke(batch)
    (line,) = process.read()
    assert line["Misses"] == 3


def test_a_line_costs_some_dumps_of_it(process):
    """With two tiers, misses in both: at most ten."""
    process()
    cache = orc.Cache(tiers=[orc.Memory(), ReferenceTier(name="redis")])
    invoke(lambda: cache.get("key"))
    (line,) = process.read()
    writer = metrics._made[0]
    ended = SimpleNamespace(outermost=True, state="warm", id="x")

    def best(work, times=300):
        least = float("inf")
        for _ in range(7):
            began = time.process_time()
            for _ in range(times):
                work()
            least = min(least, (time.process_time() - began) / times)
        return least

    assert best(lambda: writer.request_ends(ended)) < 10 * best(lambda: json.dumps(line))


def test_the_page_counts_the_billed_metrics_rightly():
    """One for each metric and each value of its dimensions."""
    page = (Path(__file__).parents[2] / "docs/howto/metrics.md").read_text()
    assert f"{len(OF_THE_SERVICE)} metrics of the service" in page
    assert f"{len(OF_A_TIER)} of each shared tier" in page
    assert all(f"`{name}`" in page for name in [*OF_THE_SERVICE, *OF_A_TIER])


def test_a_report_is_a_dict_of_plain_values(clock):
    """For a metric of one's own: it survives JSON as it is."""
    cache = orc.Cache(tiers=[orc.Memory(), ReferenceTier(name="redis")], clock=clock, namespace="n")
    invoke(lambda: [cache.get_or_set("key", lambda: 1), cache.get("key"), cache.get("absent")])
    report = cache.stats()
    found = report.as_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["loads"] == report.loads == 1
    assert found["tiers"]["redis"]["misses"] == report.tiers[1].misses
    assert found["tiers"]["memory"]["max_bytes"] == report.tiers[0].max_bytes
    assert found["causes"] == dict(report.causes)
    assert found["functions"]["explicit keys"] == {"hits": 1, "loads": 1}
    assert set(found["states"]) == set(report.states)
