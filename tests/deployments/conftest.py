"""Deployments as production has them, on the loopback."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import ExitStack

import pytest

from orc.testing.servers.valkey import Valkey
from tests.deployments.servers import NODE_TIMEOUT, Cluster, Sentinels, User


@pytest.fixture
def user():
    """Return what makes users of an address, and closes their connections."""
    with ExitStack() as stack:

        def make(url, number=300):
            made = User(url, number)
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
def redis_server(require):
    """Return the path of a redis-server, which speaks TLS as Valkey's wheel does not."""
    program = shutil.which("redis-server")
    require("redis", program and shutil.which("openssl"))
    return program


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """Return a folder with an authority, and a certificate of it for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)  # noqa: S607

    # All that X.509 asks for, since CPython 3.13 insists on it (VERIFY_X509_STRICT).
    (folder / "names").write_text(
        "subjectAltName=IP:127.0.0.1\n"
        "keyUsage=critical,digitalSignature\n"
        "subjectKeyIdentifier=hash\n"
        "authorityKeyIdentifier=keyid:always\n"
    )
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    may_sign = ["-addext", "keyUsage=critical,keyCertSign", "-subj", "/CN=tests"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", *may_sign)
    openssl("req", *key, "-keyout", "server.key", "-out", "request", "-subj", "/CN=server")
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"]
    openssl("x509", "-req", "-in", "request", *signed, "-out", "server.pem")
    return folder
