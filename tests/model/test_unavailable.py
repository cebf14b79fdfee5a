"""Which errors say that an origin could not be asked: errors that real libraries raise."""

from __future__ import annotations

import asyncio
import errno
import http.client
import http.server
import json
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import closing

import aiohttp
import boto3
import botocore.config
import botocore.exceptions
import httpx
import psycopg
import pymysql
import pytest
import redis
import requests
import sqlalchemy
import tenacity
import urllib3

import orc
from orc import errors

NO_RETRIES = urllib3.Retry(total=0)


@pytest.fixture(scope="module")
def origin():
    """Return the address of a server that answers with the status in the path, or hangs up."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            what = self.path[1:]
            if what == "hang-up":
                self.close_connection = True
                return
            if what == "cut":
                self.send_response(200)
                self.send_header("Content-Length", "100")
                self.end_headers()
                self.wfile.write(b"not all")
                self.close_connection = True
                return
            self.send_response(int(what))
            self.send_header("Content-Length", "0")
            if what == "302":
                self.send_header("Location", "/302")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def closed_port():
    """Return a port that nothing listens at."""
    with closing(socket.socket()) as made:
        made.bind(("127.0.0.1", 0))
        yield made.getsockname()[1]


@pytest.fixture(scope="module")
def silent_port():
    """Return a port that accepts connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as made:
        yield made.getsockname()[1]


def by_urllib(url):
    with urllib.request.urlopen(url, timeout=0.2) as answer:  # noqa: S310 - ours
        answer.read()


def by_http_client(url):
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=0.2)
    with closing(connection):
        connection.request("GET", "/" + url.rpartition("/")[2])
        answer = connection.getresponse()
        answer.read()
        if answer.status >= 400:
            raise urllib.error.HTTPError(url, answer.status, "", None, None)


def by_requests(url):
    requests.get(url, timeout=0.2).raise_for_status()


def by_requests_with_retries(url):
    with requests.Session() as session:
        retries = urllib3.Retry(total=1, status_forcelist=[500, 503], backoff_factor=0)
        session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retries))
        session.get(url, timeout=0.2).raise_for_status()


def by_urllib3(url):
    answer = urllib3.PoolManager(retries=NO_RETRIES, timeout=0.2).request("GET", url)
    if answer.status >= 400:
        raise requests.HTTPError(
            response=requests.adapters.HTTPAdapter().build_response(
                requests.Request("GET", url).prepare(), answer
            )
        )


def by_httpx(url):
    httpx.get(url, timeout=0.2).raise_for_status()


def by_aiohttp(url):
    async def get():
        timeout = aiohttp.ClientTimeout(total=0.2)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            answer.raise_for_status()
            await answer.read()

    asyncio.run(get())


def by_tenacity(url):
    tenacity.Retrying(stop=tenacity.stop_after_attempt(2))(by_httpx, url)


CLIENTS = [
    by_urllib, by_http_client, by_requests, by_requests_with_retries, by_urllib3, by_httpx,
    by_aiohttp, by_tenacity,
]  # fmt: skip


def raised(work, *args):
    """Return what a call raises."""
    try:
        work(*args)
    except Exception as error:  # noqa: BLE001 - it is what is judged
        return error
    raise AssertionError("it raised nothing")


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 422, 451])
def test_an_answer_is_no_outage(origin, client, status):
    """What the origin has answered reaches the caller."""
    assert not orc.is_unavailable(raised(client, f"{origin}/{status}"))


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_origin_that_is_ill_or_busy_is_one(origin, client, status):
    """5xx, and "too many requests"."""
    assert orc.is_unavailable(raised(client, f"{origin}/{status}"))


@pytest.mark.parametrize("client", CLIENTS)
def test_what_cannot_be_reached_is_one(client, closed_port, silent_port, origin):
    """A refused connection, a silent server, a name that is not there, a connection that breaks."""
    for url in (
        f"http://127.0.0.1:{closed_port}/",
        f"http://127.0.0.1:{silent_port}/",
        "http://name.invalid/",
        f"{origin}/hang-up",
        f"{origin}/cut",
    ):
        assert orc.is_unavailable(raised(client, url)), url


@pytest.mark.parametrize("client", CLIENTS)
def test_a_request_that_is_wrong_is_none(client, origin):
    """No address, another scheme, redirections without end: it would fail again and again."""
    if client is by_http_client:
        return
    for url in ("not an address", "gopher://127.0.0.1/", f"{origin}/302"):
        if client is by_httpx and url.endswith("302"):
            continue  # it does not follow
        if client is by_tenacity and url.endswith("302"):
            continue
        assert not orc.is_unavailable(raised(client, url)), url


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("ThrottlingException", 400, True),
        ("ProvisionedThroughputExceededException", 400, True),
        ("TooManyRequestsException", 429, True),
        ("SlowDown", 503, True),
        ("InternalServerError", 500, True),
        ("ServiceUnavailable", None, True),
        ("503", None, True),
        ("AccessDeniedException", 400, False),
        ("ResourceNotFoundException", 400, False),
        ("ExpiredTokenException", 403, False),
        ("ParameterNotFound", 400, False),
        ("NoSuchKey", 404, False),
        ("404", None, False),
        ("ValidationException", None, False),
    ],
)
def test_answers_of_aws(code, status, expected):
    """Throttling comes as 400, and is an outage all the same."""
    answer = {"Error": {"Code": code, "Message": "..."}}
    if status is not None:
        answer["ResponseMetadata"] = {"HTTPStatusCode": status}
    assert orc.is_unavailable(botocore.exceptions.ClientError(answer, "Get")) is expected


def test_aws_that_cannot_be_reached(closed_port, silent_port, monkeypatch):
    """By boto3, for real; and without credentials, which is the user's to mend."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    config = botocore.config.Config(
        connect_timeout=0.2, read_timeout=0.2, retries={"total_max_attempts": 1}
    )

    def ask(port):
        boto3.client("ssm", endpoint_url=f"http://127.0.0.1:{port}", config=config).get_parameter(
            Name="x"
        )

    for port in (closed_port, silent_port):
        assert orc.is_unavailable(raised(ask, port))
    assert not orc.is_unavailable(botocore.exceptions.NoCredentialsError())
    assert not orc.is_unavailable(botocore.exceptions.ParamValidationError(report="x"))


def test_drivers_that_reach_no_server(closed_port):
    """PostgreSQL and MySQL by their drivers, and both by SQLAlchemy; Redis by redis-py."""
    where = {"host": "127.0.0.1", "port": closed_port}
    postgres = raised(lambda: psycopg.connect("user=x dbname=x connect_timeout=2", **where))
    assert orc.is_unavailable(postgres)
    assert orc.is_unavailable(raised(lambda: pymysql.connect(user="x", **where)))
    for kind in ("postgresql+psycopg", "mysql+pymysql"):
        engine = sqlalchemy.create_engine(f"{kind}://x:x@127.0.0.1:{closed_port}/x")
        assert orc.is_unavailable(raised(engine.connect)), kind
    assert orc.is_unavailable(raised(redis.Redis(**where, retry=None).get, "x"))


def retried(status):
    """Return what urllib3 and requests raise when the last of several answers was this one."""
    last = urllib3.exceptions.ResponseError(f"too many {status} error responses")
    return requests.exceptions.RetryError(urllib3.exceptions.MaxRetryError(None, "/", last))


def state(kind, code):
    """Return an error of psycopg with a code of its server."""
    return psycopg.errors.lookup(code)(kind)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (state("the server ends", "57P01"), True),
        (state("the server begins", "57P03"), True),
        (state("connection failure", "08006"), True),
        (state("too many connections", "53300"), True),
        (state("no such table", "42P01"), False),
        (state("wrong password", "28P01"), False),
        (state("twice", "23505"), False),
        (psycopg.OperationalError("FATAL: password authentication failed for user"), False),
        (psycopg.OperationalError("server closed the connection unexpectedly"), True),
        (psycopg.InterfaceError("the connection is closed"), True),
        (pymysql.OperationalError(2006, "MySQL server has gone away"), True),
        (pymysql.OperationalError(2013, "Lost connection"), True),
        (pymysql.OperationalError(1045, "Access denied"), False),
        (pymysql.OperationalError(1054, "Unknown column"), False),
        (pymysql.ProgrammingError(1146, "no such table"), False),
        (psycopg.InterfaceError("the cursor is closed"), False),
        (pymysql.InterfaceError(0, ""), True),
        (retried(404), False),
        (retried(403), False),
        (retried(503), True),
        (retried(429), True),
        (redis.AuthenticationError("wrong password"), False),
        (redis.BusyLoadingError("loading"), True),
        (redis.ResponseError("WRONGTYPE"), False),
        (redis.ReadOnlyError("replica"), False),
    ],
    ids=str,
)
def test_what_servers_of_databases_say(error, expected):
    """A connection that is lost, or not to be had, and not a query that is wrong."""
    assert orc.is_unavailable(error) is expected


class PostgresError(Exception):
    """As asyncpg derives its errors."""

    def __init__(self, sqlstate):
        super().__init__("...")
        self.sqlstate = sqlstate


class DatabaseError(Exception):
    """As pg8000 and pymssql have it: with the server's fields, or a number."""


class NumberedError(DatabaseError):
    """As mysql-connector has it, with a code that says nothing beside the number that does."""

    sqlstate = "HY000"

    def __init__(self, errno):
        super().__init__(f"{errno}: ...")
        self.errno = errno


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PostgresError("08003"), True),
        (PostgresError("57P03"), True),
        (PostgresError("53300"), True),
        (PostgresError("28P01"), False),
        (PostgresError("23505"), False),
        (DatabaseError("23000", "the shop's connection is closed"), False),
        (DatabaseError("08S01", "..."), True),
        (NumberedError(2003), True),
        (NumberedError(1064), False),
        (DatabaseError({"C": "57P01", "M": "ending"}), True),
        (DatabaseError({"C": "42P01", "M": "no table"}), False),
        (DatabaseError((20009, b"Unable to connect")[0]), True),
        (DatabaseError(18456), False),
    ],
)
def test_drivers_that_are_not_installed_here(error, expected):
    """By the names of their classes, and the codes that they give."""
    assert orc.is_unavailable(error) is expected


@pytest.mark.parametrize("expected", [True, False])
def test_sqlite_and_sqlalchemy_name_what_they_wrap(expected):
    """A table that is not there is an ``OperationalError`` too."""
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        error = raised(connection.execute, sqlalchemy.text("select * from nothing"))
    engine.dispose()
    assert not orc.is_unavailable(error)
    lost = pymysql.OperationalError(2013 if expected else 1054, "...")
    assert orc.is_unavailable(sqlalchemy.exc.OperationalError("select", {}, lost)) is expected


class ClosedError(Exception):
    """An answer in the manner of many SDKs."""

    def __init__(self, **fields):
        super().__init__("closed")
        self.__dict__.update(fields)


@pytest.mark.parametrize("field", ["status_code", "status", "code", "http_status"])
@pytest.mark.parametrize("nested", [False, True])
def test_sdks_that_nobody_knows(field, nested):
    """Whatever has an HTTP status is judged by it, be it in the response."""

    class Response:
        def __bool__(self):
            return False  # as that of requests, for an answer that is an error

    for status, expected in ((404, False), (401, False), (503, True), (429, True), (200, False)):
        if nested:
            response = Response()
            setattr(response, field, status)
            error = ClosedError(response=response)
        else:
            error = ClosedError(**{field: status})
        assert orc.is_unavailable(error) is expected, status


class GoneError(ConnectionError):
    """An answer that derives from an error of connections, as some SDKs have it."""

    status_code = 410


class OddError(Exception):
    """An error whose attributes are code that fails."""

    @property
    def response(self):
        raise RuntimeError("no response yet")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionError(), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (socket.gaierror(socket.EAI_AGAIN, "again"), True),
        (OSError(errno.EHOSTUNREACH, "no route"), True),
        (OSError(errno.ENETUNREACH, "no network"), True),
        (OSError(errno.ETIMEDOUT, "late"), True),
        (ssl.SSLEOFError(8, "ended"), True),
        (http.client.RemoteDisconnected("closed"), True),
        (asyncio.IncompleteReadError(b"", 5), True),
        (orc.SourceUnavailable(), True),
        (ExceptionGroup("both", [ConnectionError(), TimeoutError()]), True),
        (ExceptionGroup("one", [ConnectionError(), ValueError()]), False),
        (errors.TierTimeoutError(), True),
        (errors.TierUnavailableError(), True),
        (errors.TierThrottledError(), True),
        (errors.TierRefusedError(), False),
        (errors.TierError(), False),
        (OSError(), False),
        (OSError(errno.ENOSPC, "full"), False),
        (OSError(errno.EMFILE, "too many files"), False),
        (FileNotFoundError(errno.ENOENT, "no such user"), False),
        (PermissionError(errno.EACCES, "revoked"), False),
        (IsADirectoryError(), False),
        (BlockingIOError(errno.EAGAIN, "again"), False),
        (EOFError(), False),
        (KeyError(503), False),
        (GoneError(), False),
        (OddError(), False),
        (ClosedError(code="503"), False),
        (ClosedError(code=True), False),
        (ClosedError(status_code=503.5), False),
        (KeyboardInterrupt(), False),
        (SystemExit(503), False),
    ],
    ids=repr,
)
def test_errors_of_the_standard_library_and_of_orc(error, expected):
    """The network is excused, files and rights are not, and nothing is raised."""
    assert orc.is_unavailable(error) is expected


def test_a_circle_of_causes_has_an_end():
    """Errors that stand for each other are judged some times."""
    error = urllib.error.URLError("x")
    error.reason = error
    assert not orc.is_unavailable(error)


def test_no_library_is_imported():
    """Errors are known by the names of their classes."""
    code = (
        "import json, sys, orc; orc.is_unavailable(OSError()); orc.is_unavailable(KeyError());"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    loaded = {each.partition(".")[0] for each in json.loads(done.stdout)}
    assert not loaded & {"ssl", "socket", "urllib3", "requests", "botocore", "httpx", "asyncio"}
