"""Addresses: what they mean, and what is said of wrong ones."""

from __future__ import annotations

import subprocess
import sys

import pytest

from orc.errors import ConfigError, OrcWarning, TierError
from orc.tiers.redis.tier import Redis
from orc.tiers.redis.url import parse


@pytest.mark.parametrize(
    ("url", "kind", "nodes", "options"),
    [
        ("redis://", "single", [("localhost", 6379, "data")], {}),
        ("valkey://h:1/2", "single", [("h", 1, "data")], {"db": 2}),
        ("redis://:p%40w@h", "single", [("h", 6379, "data")], {"password": "p@w"}),
        ("redis://[::1]:7/0", "single", [("::1", 7, "data")], {"db": 0}),
        ("unix:///run/s?db=3", "unix", [("/run/s", 0, "data")], {"db": 3}),
        ("redis+cluster://a:1,b", "cluster", [("a", 1, "data"), ("b", 6379, "data")], {}),
        ("redis+sentinel://a,b:2/m?db=1", "sentinel",
         [("a", 26379, "sentinel"), ("b", 2, "sentinel")], {"db": 1}),
        ("rediss://u:p@h?ssl_cert_reqs=none", "single", [("h", 6379, "data")],
         {"username": "u", "password": "p", "ssl_cert_reqs": "none"}),
    ],
)  # fmt: skip
def test_addresses_are_read(url, kind, nodes, options):
    """Each form gives its kind, servers and options."""
    target = parse(url)
    assert (target.kind, target.nodes, target.options) == (kind, nodes, options)


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("http://h", "scheme 'http'"),
        ("h:6379", "scheme"),
        ("redis://u:s3cret@h:port", "port"),
        ("redis://u:s3cret@h/zero", "database"),
        ("redis://u:s3cret@h?socket_timeout=5", "socket_timeout"),
        ("redis://u:s3cret@h?ssl_ca_certs=x", "ssl_ca_certs"),
        ("rediss://u:s3cret@h?ssl_check_hostname=s3cret", "ssl_check_hostname"),
        ("redis://u:s3cret#@h", "%23"),
        ("redis+sentinel://u:s3cret@h", "service"),
        ("redis+cluster://u:s3cret@", "host"),
        ("unix://u:s3cret@relative", "socket"),
    ],
)
def test_a_wrong_address_is_told_by_its_part(url, part):
    """The error names the part, and never the password."""
    with pytest.raises(ConfigError) as caught:
        Redis(url)
    assert part in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_no_secret_is_shown(acl_url, budget):
    """The password is in no repr, and in no error of the tier."""
    assert "s3cret" not in repr(Redis(acl_url)) + repr(parse(acl_url))
    wrong = Redis(acl_url.replace("s3cret", "another"))
    (answer,) = wrong.get_many(["orc1:a"], budget())
    assert type(answer).__name__ == "TierRefusedError"
    assert "another" not in str(answer)


def test_rights_that_are_missing_are_a_refusal(acl_url, budget):
    """What the ACL forbids is told as that."""
    tier = Redis(acl_url)
    (answer,) = tier.get_many(["elsewhere"], budget())
    assert type(answer).__name__ == "TierRefusedError"
    tier.close()


@pytest.mark.parametrize("given", [None, 5, object()])
def test_what_is_no_client_is_refused(given):
    """Only addresses and clients are taken."""
    with pytest.raises(ConfigError, match="address or a client"):
        Redis(given)


def test_making_it_imports_no_client():
    """redis-py, asyncio and ssl are not imported until the first use."""
    program = (
        "import sys; from orc.tiers.redis.tier import Redis; Redis('redis://h');"
        "print({'redis', 'asyncio', 'ssl'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_a_client_that_decodes_is_refused(valkey, budget):
    """decode_responses would change bytes, and the error says what to do."""
    import redis

    client = redis.Redis.from_url(valkey.url, decode_responses=True)
    with client, pytest.raises(ConfigError, match="decode_responses"):
        Redis(client).get_many(["orc1:a"], budget())


def test_an_async_client_serves_coroutines_only(valkey, budget):
    """A thread that uses it is told what to hand in."""
    import asyncio

    import redis.asyncio

    async def run():
        async with redis.asyncio.Redis.from_url(valkey.url) as client:
            return await Redis(client).aget_many(["orc1:a", "orc1:b"], budget())

    assert [row.etag for row in asyncio.run(run())] == [None, None]
    tier = Redis(redis.asyncio.Redis.from_url(valkey.url))
    with pytest.warns(OrcWarning, match="coroutines"), pytest.raises(TierError, match="coroutines"):
        tier.delete_many(["orc1:a"], budget())
    assert isinstance(tier.get_many(["orc1:a"], budget())[0], TierError)
