"""Deployments as production has them, on the loopback."""

from __future__ import annotations

import shutil
from contextlib import ExitStack

import pytest

from orc.lifecycle.clock import SYSTEM
from orc.model.row import Budget
from orc.testing.servers.valkey import Valkey
from tests.deployments.servers import (
    KEY,
    NODE_TIMEOUT,
    SIGNER,
    Cluster,
    Sentinels,
    TlsServer,
    User,
    certify,
    openssl,
)


@pytest.fixture
def user():
    """Return what makes users of an address, and closes their connections."""
    with ExitStack() as stack:

        def make(url, number=300, clock=SYSTEM):
            made = User(url, number, clock)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture(scope="session")
def session_servers():
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def cluster():
    """Return a cluster of three masters and three replicas that a test may do anything to."""
    options = {"cluster_enabled": "yes", "cluster_node_timeout": NODE_TIMEOUT}
    options["cluster_require_full_coverage"] = "no"  # as ElastiCache has it
    with ExitStack() as stack:
        servers = [stack.enter_context(Valkey(**options)) for _ in range(6)]
        yield Cluster(servers, replicas=3)


@pytest.fixture
def sentinels():
    """Return a master, a replica and three Sentinels that a test may do anything to."""
    with ExitStack() as stack:
        yield Sentinels(stack)


@pytest.fixture(scope="session")
def of_all_slots(session_servers):
    """Return one node that has all slots: what the endpoint of a serverless cache looks like."""
    options = {"cluster_enabled": "yes", "cluster_node_timeout": NODE_TIMEOUT}
    return Cluster([session_servers.enter_context(Valkey(**options))], replicas=0).servers[0]


@pytest.fixture(scope="session")
def plain(session_servers):
    """Return a server without anything special."""
    return session_servers.enter_context(Valkey())


@pytest.fixture(scope="session")
def masters(session_servers):
    """Return a cluster of three masters."""
    options = {"cluster_enabled": "yes", "cluster_node_timeout": NODE_TIMEOUT}
    servers = [session_servers.enter_context(Valkey(**options)) for _ in range(3)]
    return Cluster(servers, replicas=0)


@pytest.fixture(scope="session")
def tls_servers(session_servers, certificates):
    """Return a server that speaks TLS only, and one that asks for a client's certificate."""
    program = shutil.which("redis-server")
    return [
        session_servers.enter_context(TlsServer(program, certificates, tls_auth_clients=asked))
        for asked in ("no", "yes")
    ]


@pytest.fixture
def tls_server(redis_server, request):
    """Return a server that speaks TLS only."""
    return request.getfixturevalue("tls_servers")[0]


@pytest.fixture(scope="session")
def tls_masters(session_servers, certificates):
    """Return a cluster of three masters that speaks TLS, also among itself."""
    program = shutil.which("redis-server")
    options = {
        "cluster_enabled": "yes",
        "tls_cluster": "yes",
        "tls_replication": "yes",
        "cluster_node_timeout": 5 * NODE_TIMEOUT,
    }
    servers = [
        session_servers.enter_context(TlsServer(program, certificates, **options)) for _ in range(3)
    ]
    return Cluster(servers, replicas=0)


@pytest.fixture
def tls_cluster(redis_server, request):
    """Return a cluster that speaks TLS."""
    return request.getfixturevalue("tls_masters")


@pytest.fixture
def mutual_tls_server(redis_server, request):
    """Return a server that asks for a client's certificate."""
    return request.getfixturevalue("tls_servers")[1]


@pytest.fixture
def redis_server(require):
    """Return the path of a redis-server, which speaks TLS as Valkey's wheel does not."""
    program = shutil.which("redis-server")
    require("redis", program and shutil.which("openssl"))
    return program


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """Return a folder with an authority, and a certificate of it for 127.0.0.1, if that can be."""
    if shutil.which("openssl") is None:
        return None  # `redis_server` says so, test by test
    folder = tmp_path_factory.mktemp("tls")
    certify(folder)
    openssl(folder, "req", "-x509", *KEY, "-keyout", "other.key", "-out", "other.pem", *SIGNER)
    (folder / "empty.pem").write_text("no certificate\n")
    return folder


@pytest.fixture(scope="session")
def budget_of():
    """Return a budget of so many seconds of the machine's clock."""
    return lambda seconds: Budget(SYSTEM, seconds)
