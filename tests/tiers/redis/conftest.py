"""Real servers in every deployment that the tier knows, and the tier before each of them."""

from __future__ import annotations

import asyncio
import os
import shutil
from contextlib import ExitStack

import pytest

from orc.lifecycle.clock import SYSTEM
from orc.model.row import Budget
from orc.testing.servers.process import HOST, ServerProcess, accepts, free_port
from orc.testing.servers.valkey import Valkey, binary
from orc.tiers.redis.tier import Redis
from tests.deployments.servers import Cluster, TlsServer, certify, eventually

RIGHTS = ["~orc1:*", "+get", "+mget", "+set", "+unlink", "+del", "+pttl", "+time"]
RIGHTS += ["+evalsha", "+eval", "+script|load"]
"""The least rights that the tier needs; docs/howto/redis.md lists them."""


def ask(port, *words):
    """Have a server do something, and return its reply."""
    import redis

    with redis.Redis(host=HOST, port=port) as client:
        return client.execute_command(*words)


@pytest.fixture(scope="session")
def servers():
    """Return what ends servers when the tests have ended."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def valkey_server(servers):
    return servers.enter_context(Valkey())


@pytest.fixture
def valkey(valkey_server):
    """Return a server that holds nothing."""
    ask(valkey_server.port, "FLUSHALL")
    return valkey_server


@pytest.fixture
def own_valkey():
    """Return a server that a test may do anything to."""
    with Valkey() as server:
        yield server


@pytest.fixture(scope="session")
def acl_url(valkey_server):
    ask(valkey_server.port, "ACL", "SETUSER", "orc", "on", ">s3cret", *RIGHTS)
    return f"redis://orc:s3cret@{HOST}:{valkey_server.port}/0"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """Return a folder with an authority, and a certificate of it for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    certify(folder)
    return folder


@pytest.fixture(scope="session")
def tls_url(servers, certificates):
    """Return the address of a Redis with TLS that asks for a client's certificate, or nothing."""
    program = shutil.which("redis-server")
    if program is None or shutil.which("openssl") is None:
        return None
    port = servers.enter_context(TlsServer(program, certificates, tls_auth_clients="yes")).port
    return (
        f"rediss://{HOST}:{port}/0?ssl_ca_certs={certificates}/ca.pem"
        f"&ssl_certfile={certificates}/server.pem&ssl_keyfile={certificates}/server.key"
    )


@pytest.fixture(scope="session")
def cluster_servers(servers):
    """Return three masters, each with a third of the slots."""
    options = {"cluster_enabled": "yes", "cluster_node_timeout": 1000}
    options["cluster_require_full_coverage"] = "no"
    return Cluster([servers.enter_context(Valkey(**options)) for _ in range(3)], 0).masters


@pytest.fixture(scope="session")
def cluster_url(cluster_servers):
    return "redis+cluster://" + ",".join(f"{HOST}:{each.port}" for each in cluster_servers[:2])


@pytest.fixture
def sentinel_setup():
    """Return a master, its replica, and the address by a Sentinel that watches them."""
    with ExitStack() as stack:
        master = stack.enter_context(Valkey())
        replica = stack.enter_context(Valkey(replicaof=[HOST, master.port]))
        eventually(lambda: ask(replica.port, "ROLE")[3] == b"connected")
        port = free_port()
        written = (
            f"port {port}\nbind {HOST}\nsentinel monitor main {HOST} {master.port} 1\n"
            "sentinel down-after-milliseconds main 200\nsentinel failover-timeout main 2000\n"
        )
        line = [binary(), "s.conf", "--sentinel"]
        files = {"s.conf": written.encode()}
        stack.enter_context(ServerProcess(line, lambda: accepts(port), files=files))
        eventually(lambda: len(ask(port, "SENTINEL", "REPLICAS", "main")) == 1)
        yield master, replica, f"redis+sentinel://{HOST}:{port}/main"


def fake():
    import fakeredis

    return fakeredis.FakeRedis()


def handed(url):
    import redis

    return redis.Redis.from_url(url)


@pytest.fixture(
    params=[
        "standalone",
        "acl",
        "tls",
        "cluster",
        "sentinel",
        "handed",
        "handed cluster",
        "fakeredis",
    ]
)
def tier(request, require):
    """Return the tier before each deployment in turn."""
    kind = request.param
    client = None
    if kind == "standalone":
        given = request.getfixturevalue("valkey").url
    elif kind == "acl":
        given = request.getfixturevalue("acl_url")
    elif kind == "tls":
        given = request.getfixturevalue("tls_url")
        require("redis", given)
    elif kind == "cluster":
        given = request.getfixturevalue("cluster_url")
    elif kind == "sentinel":
        given = request.getfixturevalue("sentinel_url")
    elif kind == "handed":
        given = client = handed(request.getfixturevalue("valkey").url)
    elif kind == "handed cluster":
        import redis.cluster

        node = request.getfixturevalue("cluster_servers")[0]
        given = client = redis.cluster.RedisCluster(host=HOST, port=node.port)
    else:
        pytest.importorskip("lupa", reason="needs fakeredis[lua]")
        given = fake()
    made = Redis(given)
    yield made
    made.close()
    if client is not None:
        client.close()


@pytest.fixture(scope="session")
def sentinel_url(servers, valkey_server):
    """Return the address of a server by a Sentinel."""
    port = free_port()
    written = f"port {port}\nbind {HOST}\nsentinel monitor main {HOST} {valkey_server.port} 1\n"
    line = [binary(), "s.conf", "--sentinel"]
    files = {"s.conf": written.encode()}
    servers.enter_context(ServerProcess(line, lambda: accepts(port), files=files))
    return f"redis+sentinel://{HOST}:{port}/main"


class Sync:
    """The tier's methods with a budget that is ample, for threads."""

    def __init__(self, tier):
        self.tier = tier

    def __getattr__(self, name):
        return lambda asked: getattr(self.tier, f"{name}_many")(asked, Budget(SYSTEM, 5.0))


class Async(Sync):
    """The same by the methods for coroutines, each in a loop of its own."""

    def __getattr__(self, name):
        async def call(asked):
            return await getattr(self.tier, f"a{name}_many")(asked, Budget(SYSTEM, 5.0))

        return lambda asked: asyncio.run(call(asked))


@pytest.fixture(params=[Sync, Async], ids=["sync", "async"])
def rows(request, tier):
    return request.param(tier)


@pytest.fixture
def address():
    return f"orc1:tests:f:{os.urandom(8).hex()}"


@pytest.fixture(scope="session")
def budget():
    """Return a budget of so many seconds of the machine's clock."""
    return lambda seconds=5.0: Budget(SYSTEM, seconds)
