"""Servers that speak DynamoDB, for tests, the demo and the benchmarks: moto's, and DynamoDB Local.

DynamoDB Local is Amazon's own, in Java, under a licence that forbids to redistribute it: it is run
where somebody has put it. It binds every interface of the machine; there is no option against it,
and a network namespace of its own could not be reached from this process.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from orc.errors import ConfigError
from orc.testing.servers.process import HOST, ServerProcess, accepts, free_port

JAR, LIBRARIES = "DynamoDBLocal.jar", "DynamoDBLocal_lib"

_MOTO = """
import logging, sys
from threading import Lock
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
logging.getLogger("werkzeug").setLevel(logging.ERROR)
answer, one_at_a_time = DomainDispatcherApplication(create_backend_app), Lock()
def application(environ, start_response):
    # moto compares and then changes: of two threads both may find a condition fulfilled.
    with one_at_a_time:
        return list(answer(environ, start_response))
run_simple(sys.argv[1], int(sys.argv[2]), application, threaded=True)
"""


class DynamoDBServer(ServerProcess):
    """A server that speaks DynamoDB on a port of the loopback, at ``url``."""

    url: str


def moto() -> DynamoDBServer:
    """Start moto's server in a process of its own. Raises ``ConfigError`` where moto is missing.

    It differs from DynamoDB: nothing is swept, capacity is counted wrong, items end at 405,000
    bytes, and each request opens a connection.
    """
    from importlib.util import find_spec

    if find_spec("moto") is None or find_spec("flask") is None:
        raise ConfigError('moto is missing: pip install "moto[dynamodb]" flask flask-cors')
    return _serve([sys.executable, "-c", _MOTO, HOST], 30.0)


def dynamodb_local(folder: str) -> DynamoDBServer:
    """Start the DynamoDB Local in a folder, in memory and without telemetry.

    Raises ``ConfigError`` where the jar or Java is missing.
    """
    java = shutil.which("java")
    if java is None:
        raise ConfigError("DynamoDB Local needs java on the PATH")
    here = Path(folder).resolve()
    if not (here / JAR).is_file():
        raise ConfigError(f"there is no {JAR} in {folder}")
    command = [
        java,
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        f"-Djava.library.path={here / LIBRARIES}",
        "-jar",
        str(here / JAR),
        "-inMemory",
        "-sharedDb",
        "-disableTelemetry",
        "-port",
    ]
    return _serve(command, 60.0)


def _serve(before: list[str], within: float) -> DynamoDBServer:
    port = free_port()
    server = DynamoDBServer([*before, str(port)], lambda: accepts(port), within=within)
    server.url = f"http://{HOST}:{port}"
    return server
