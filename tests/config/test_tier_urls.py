"""Addresses of tiers, as ``ORC_TIERS`` and ``Cache(tiers=...)`` have them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import orc
from orc.config.tier_urls import read, tier_of, tiers_of
from orc.errors import ConfigError


def kinds(text):
    """Return the types of the tiers behind memory."""
    return [type(tier).__name__ for tier in tiers_of(read(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("memory://", []),
        ("memory://?max_bytes=10%, disk://?max_bytes=256mb", ["Disk"]),
        ("disk:// redis://host", ["Disk", "Redis"]),
        ("redis://host,dynamodb://table?region=eu-west-1", ["Redis", "DynamoDB"]),
        ("rediss://user:p%40ss@host:6380/1", ["Redis"]),
        ("valkey://host", ["Redis"]),
        ("redis+cluster://a:7000,b:7000", ["Redis"]),
        ("redis+sentinel://a:26379,b:26379/main,disk://", ["Redis", "Disk"]),
    ],
)
def test_any_subset_can_be_named(text, expected):
    """With commas or spaces in between; a comma without a scheme after it belongs to an address."""
    assert kinds(text) == expected


def test_options_reach_their_tier():
    """Sizes and times have units."""
    disk, redis, dynamo = tiers_of(
        read(
            "disk:///var/cache?max_bytes=64mb,"
            "redis://host?budget=20ms&max_value_bytes=1mb&name=near,"
            "dynamodb://table?region=eu-west-1&budget=0.5"
        )
    )
    assert disk.max_bytes == 64 * 1024 * 1024
    assert (redis.budget, redis.max_value_bytes, redis.name) == (0.02, 1024 * 1024, "near")
    assert dynamo.budget == 0.5


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "ORC_TIERS is empty"),
        ("memcached://host", "memcached://"),
        ("host:6379", "no scheme"),
        ("disk://?max_byte=5mb", "mean max_bytes"),
        ("disk://?max_bytes=5mbit", "max_bytes"),
        ("disk://?max_bytes=lots", "max_bytes='lots'"),
        ("redis://host?budget=soon", "budget='soon'"),
        ("redis://host?budget=0", "budget='0'"),
        ("redis://host?budget=5min", "budget='5min'"),
        ("redis://host?wait=5", "does not know"),
        ("dynamodb://", "names no table"),
        ("dynamodb://table?zone=a", "not known"),
        ("memory://here", "memory:// takes no host"),
        ("memory://?ttl=5", "not known"),
        ("memory://?policy=fifo", "memory://?policy='fifo'"),
        ("memory://?max_bytes=0", "memory://?max_bytes='0'"),
        ("dynamodb://ta ble", "a space"),
        ("redis://host, dynamodb://one two", "a space"),
        ("redis://host?budget=50ms&budget=60ms", "twice"),
        ("dynamodb://t", "'t' is not the name of a table"),
        ("dynamodb://table/x", "not the name of a table"),
        ("dynamodb://table?region=", "region=''"),
        ("dynamodb://table?endpoint=nonsense", "endpoint='nonsense'"),
        ("disk://,memory://", "name it first"),
    ],
)
def test_what_is_wrong_is_named(monkeypatch, text, part):
    """An unknown scheme, option or unit is one error that names the part."""
    monkeypatch.setenv("ORC_TIERS", text)
    with pytest.raises(ConfigError) as caught:
        orc.Cache(namespace="test")
    assert part in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "redis://user:hunter2@host:port/0",
        "redis://user:hunter2@host/0?wait=5",
        "rediss://host?password=hunter2&x=1",
        "user:hunter2@host",
        "redjs://user:hunter2@host",
        "redis://user:123?hunter2@host",
        "redis://user:hunter2 x@host",
    ],
)
def test_no_secret_is_in_an_error(text):
    """User info and passwords of an address are not shown."""
    with pytest.raises(ConfigError) as caught:
        tier_of(read(text)[0])
    assert "hunter2" not in str(caught.value)


def test_caches_that_name_the_same_share_their_tiers(monkeypatch):
    """So that a process has one connection to each, and not one for each cache."""
    monkeypatch.setenv("ORC_TIERS", "redis://host")
    one, other = orc.Cache(namespace="one"), orc.Cache(namespace="other")
    assert one._core.tiers[0].tier.tier is other._core.tiers[0].tier.tier
    assert orc.Cache(tiers="redis://elsewhere", namespace="one")._core.tiers != one._core.tiers


def test_an_argument_beats_the_variable(monkeypatch):
    """``tiers=[]`` is memory alone, whatever the environment says."""
    monkeypatch.setenv("ORC_TIERS", "redis://host")
    assert orc.Cache(tiers=[])._core.tiers == ()


def test_memory_is_set_up_by_its_address(monkeypatch):
    """``memory://`` says of the shared memory what the ``ORC_MEMORY_`` variables do."""
    monkeypatch.setenv("ORC_TIERS", "memory://?max_bytes=5mb&max_items=7")
    memory = orc.Cache()._core.memory
    assert (memory.max_bytes, memory.max_items) == (5 * 1024 * 1024, 7)


def test_two_tiers_of_one_name_are_refused():
    """Statistics go by the name."""
    with pytest.raises(ConfigError, match="not distinct"):
        orc.Cache(tiers=[orc.Redis("redis://a"), orc.Redis("redis://b")], namespace="test")


def test_a_shared_tier_needs_a_namespace():
    """Or functions would read each other's entries."""
    with pytest.raises(ConfigError, match="ORC_NAMESPACE"):
        orc.Cache(tiers=[orc.Redis("redis://a")])


@pytest.mark.parametrize(
    ("module", "tier", "extra"),
    [
        ("redis", lambda: orc.Redis("redis://host"), "redis"),
        ("boto3", lambda: orc.DynamoDB("table"), "dynamodb"),
        ("msgpack", orc.Disk, "disk"),
        ("msgpack", lambda: orc.Redis("redis://host"), "redis"),
    ],
)
def test_a_missing_extra_fails_the_deployment(monkeypatch, module, tier, extra):
    """When the cache is made, and not in the first request; with what to install."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf'pip install "orc-cache\[{extra}\]"'):
        orc.Cache(tiers=[tier()], namespace="test")


def test_clients_are_not_imported_by_making_a_cache():
    """Whatever is in ``ORC_TIERS``: they are found, and imported at their first use."""
    program = (
        "import orc, sys; orc.Cache(); orc.cached(print);"
        "print({'redis', 'boto3', 'botocore', 'msgpack', 'sqlite3', 'cryptography', 'ssl',"
        " 'asyncio', 'logging'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={
            "ORC_TIERS": "disk://,rediss://host,dynamodb://table?region=eu-west-1",
            "ORC_NAMESPACE": "test",
            "PYTHONPATH": str(Path(orc.__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.stdout.strip() == "set()", result.stderr
