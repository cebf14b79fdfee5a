"""Which errors say that an origin could not be asked, or was ill: :func:`is_unavailable`.

Only such an error excuses a stale value. An answer of the origin ("not found", "denied") never
does. Errors of libraries are known by the names of their classes, so that none is imported.

Sources: RFC 9110, 15.5 and 15.6 (4xx is the request's fault, 5xx the server's), RFC 6585 (429);
botocore's list of throttling codes; PostgreSQL, appendix A (SQLSTATE); the MySQL error reference.
"""

from __future__ import annotations

from orc.errors import SourceUnavailable, TierError, TierThrottledError, TierUnavailableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final

DEEPEST: Final = 8
"""Errors inside errors that are looked at."""

THROTTLED: Final = frozenset({
    "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException",
    "TooManyRequestsException", "ProvisionedThroughputExceededException", "RequestLimitExceeded",
    "BandwidthLimitExceeded", "LimitExceededException", "RequestThrottled", "SlowDown",
    "PriorRequestNotComplete", "TransactionInProgressException", "EC2ThrottledException",
})  # fmt: skip
"""Codes of AWS for "too much"; most of them come with the HTTP status 400."""

_ILL: Final = frozenset({
    "InternalError", "InternalFailure", "InternalServerError", "InternalServerException",
    "ServiceUnavailable", "ServiceUnavailableException", "RequestTimeout",
    "RequestTimeoutException", "DatabaseResumingException", "500", "502", "503", "504",
})  # fmt: skip
"""Codes of AWS for a service that is ill, should the HTTP status not be there."""

_TRANSPORT: Final = {
    "aiohttp": "ClientConnectionError ClientPayloadError",
    "anthropic": "APIConnectionError",
    "asyncio": "IncompleteReadError",
    "botocore": "ConnectionError HTTPClientError IncompleteReadError ResponseStreamingError",
    "cassandra": "NoHostAvailable OperationTimedOut Unavailable",
    "elastic_transport": "ConnectionError ConnectionTimeout",
    "http": "IncompleteRead BadStatusLine",
    "httpcore": "NetworkError TimeoutException RemoteProtocolError ProxyError",
    "httpx": "NetworkError TimeoutException RemoteProtocolError ProxyError",
    "openai": "APIConnectionError",
    "opensearchpy": "ConnectionError ConnectionTimeout",
    "psycopg_pool": "PoolTimeout",
    "pymongo": "ConnectionFailure ExecutionTimeout WaitQueueTimeoutError",
    "redis": "ConnectionError TimeoutError ClusterDownError MasterDownError",
    "requests": "ConnectionError Timeout ChunkedEncodingError",
    "smtplib": "SMTPServerDisconnected",
    "socket": "gaierror herror",
    "ssl": "SSLError",
    "urllib": "ContentTooShortError",
    "urllib3": "TimeoutError NewConnectionError ProtocolError ProxyError SSLError",
    "valkey": "ConnectionError TimeoutError ClusterDownError MasterDownError",
}
"""Classes by which libraries say that a server could not be reached, by their package."""

_ANSWERS: Final = frozenset({"AuthenticationError", "AuthorizationError", "NoPermissionError"})
"""Classes that redis-py derives from its ``ConnectionError``, and that are answers."""

_DRIVERS: Final = frozenset({
    "OperationalError", "InterfaceError", "DatabaseError", "DBAPIError", "PostgresError",
})  # fmt: skip
"""Classes of PEP 249 under which drivers raise, among others, a connection that is lost; and
asyncpg's."""
_SQLSTATES: Final = ("08", "57P01", "57P02", "57P03", "53300", "HYT00", "HYT01")
"""How codes begin of a lost connection, a server that ends or begins, and too many connections."""
_NUMBERS: Final = frozenset({  # MySQL's, and from 20002 on those of DB-Library, as in pymssql
    0, 1040, 1042, 1043, 1053, 1158, 1159, 1160, 1161, 1203, 2002, 2003, 2005, 2006, 2012, 2013,
    2055, 4031, 20002, 20003, 20004, 20006, 20009, 20047,
})  # fmt: skip
_LOST: Final = (
    "connection refused", "could not connect", "couldn't connect", "can't connect",
    "can't create a connection", "unable to connect", "lost connection", "connection reset",
    "connection lost", "connection was lost", "server closed the connection", "gone away",
    "connection timed out", "connection timeout", "timeout expired", "connection is closed",
    "connection already closed", "connection closed", "connection is lost",
    "not connected", "not translate host name", "name resolution", "no route to host",
    "network error", "network is unreachable", "broken pipe", "starting up", "shutting down",
    "dpy-4011", "dpy-6000", "dpy-6005", "ora-12170", "ora-12541", "ora-03113",
    "ora-03114",
)  # fmt: skip
"""What drivers write that give no code."""
_NO_STATE: Final = "HY000"
"""What drivers give where they have no code of SQL: their own number says more."""
_REFUSED: Final = ("authentication", "password", "access denied", "permission", "pg_hba")

_GRPC: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL"})

_ERRNOS: Final = frozenset({
    "EADDRNOTAVAIL", "ECONNABORTED", "ECONNREFUSED", "ECONNRESET", "EHOSTDOWN", "EHOSTUNREACH",
    "ENETDOWN", "ENETRESET", "ENETUNREACH", "ENOTCONN", "EPIPE", "ESHUTDOWN", "ETIMEDOUT",
})  # fmt: skip

_FIRST_ERROR, _FIRST_ILL, _LAST, _TOO_MANY = 400, 500, 599, 429


def is_unavailable(error: BaseException) -> bool:
    """Tell whether an error says that an origin could not be asked, or was ill.

    True for connections and time-outs (``ConnectionError``, ``TimeoutError``, an ``OSError`` with
    an errno of the network, names that are not resolved), for ``orc.SourceUnavailable``, for HTTP
    answers 5xx and 429, for throttling by AWS, and for the errors by which botocore, requests,
    urllib3, httpx, aiohttp, redis and drivers of databases say that they lost or did not reach
    their server. False for everything else, so for an HTTP answer such as 401 or 404, for
    ``PermissionError`` and ``FileNotFoundError``.

    It is what a cache goes by where no `stale_on` is given. Imports no library. Never raises.
    """
    try:
        return _is_unavailable(error, DEEPEST)
    except Exception:  # noqa: BLE001 - attributes of foreign errors may be code
        return False


def _is_unavailable(error: object, depth: int) -> bool:  # noqa: PLR0911 - one rule each
    if not isinstance(error, Exception) or not depth:
        return False
    if isinstance(error, ExceptionGroup):
        return all(_is_unavailable(each, depth - 1) for each in error.exceptions)
    if isinstance(error, TierError):
        return isinstance(error, TimeoutError | TierUnavailableError | TierThrottledError)
    answered = _by_answer(error)
    if answered is not None:
        return answered
    judged = _by_sqlstate(error)
    if judged is not None:
        return judged
    names = set(_names(type(error)))
    if not names.isdisjoint(_ANSWERS):
        return False
    if isinstance(error, SourceUnavailable | ConnectionError | TimeoutError) or _is_known(error):
        return True
    if not names.isdisjoint(_DRIVERS):
        return _of_a_driver(error, depth)
    if isinstance(error, OSError) and _is_of_the_network(error.errno):
        return True
    return any(_is_unavailable(each, depth - 1) for each in _inside(error, names))


def _names(kind: type) -> Iterator[str]:
    for each in kind.__mro__:
        yield each.__name__


def _is_known(error: BaseException) -> bool:
    """Tell whether a class of an error is one by which its library tells of its transport."""
    for kind in type(error).__mro__:
        package = kind.__module__.partition(".")[0].lstrip("_")
        if kind.__name__ in _TRANSPORT.get(package, "").split():
            return True
    return False


def _by_answer(error: Any) -> bool | None:
    """Judge an error by the answer of an origin that it tells of; ``None`` if it tells of none."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore's
        code = str((response.get("Error") or {}).get("Code", ""))
        if code in THROTTLED or code in _ILL:
            return True
        judged = _by_status((response.get("ResponseMetadata") or {}).get("HTTPStatusCode"))
        return False if judged is None and code else judged
    for holder in (error, response, getattr(error, "resp", None)):
        if holder is None:
            continue
        for name in ("status_code", "status", "code", "http_status"):
            judged = _by_status(getattr(holder, name, None))
            if judged is not None:
                return judged
    if "RpcError" in _names(type(error)):  # grpc's
        return str(getattr(error.code(), "name", "")) in _GRPC
    return None


def _by_status(status: object) -> bool | None:
    """Judge an HTTP status; ``None`` if it is none of an error."""
    if not isinstance(status, int) or isinstance(status, bool):
        return None
    if not _FIRST_ERROR <= status <= _LAST:
        return None
    return status >= _FIRST_ILL or status == _TOO_MANY


def _by_sqlstate(error: Any) -> bool | None:
    """Judge an error by the code of a server of SQL; ``None`` if it has none that says a thing."""
    for name in ("sqlstate", "pgcode"):
        state = getattr(error, name, None)
        if _is_sqlstate(state):
            return str(state).startswith(_SQLSTATES)
    return None


def _is_sqlstate(state: object) -> bool:
    """Tell whether this is a code of five characters, and not the one that says nothing."""
    return isinstance(state, str) and len(state) == len(_NO_STATE) and state != _NO_STATE


def _of_a_driver(error: Any, depth: int) -> bool:
    """Judge an error of a database's driver: by its code, by what it wraps, or by its words."""
    if getattr(error, "connection_invalidated", False) is True:  # SQLAlchemy's
        return True
    for wrapped in (getattr(error, "orig", None), error.__cause__):
        if isinstance(wrapped, BaseException):
            return _is_unavailable(wrapped, depth - 1)
    number = getattr(error, "errno", None) or (error.args[0] if error.args else None)
    if isinstance(number, int) and not isinstance(number, bool):
        return number in _NUMBERS
    if isinstance(number, dict):  # pg8000's
        return str(number.get("C", "")).startswith(_SQLSTATES)
    if _is_sqlstate(number):  # pyodbc's
        return str(number).startswith(_SQLSTATES)
    said = str(error).lower()
    return any(each in said for each in _LOST) and not any(each in said for each in _REFUSED)


def _is_of_the_network(number: object) -> bool:
    import errno

    return isinstance(number, int) and errno.errorcode.get(number) in _ERRNOS


def _inside(error: Any, names: set[str]) -> Iterator[object]:
    """Yield the errors for which a library's own one stands."""
    package = type(error).__module__.partition(".")[0]
    if package == "urllib" and "URLError" in names:
        yield error.reason
    elif package == "urllib3" and "MaxRetryError" in names:
        yield error.reason
        number = str(error.reason).partition("too many ")[2].partition(" error responses")[0]
        if number.isdigit() and _by_status(int(number)):  # the last answer of many
            yield TimeoutError()
    elif package == "requests" and "RetryError" in names:
        yield error.args[0] if error.args else None
    elif package == "tenacity" and "RetryError" in names:
        yield error.last_attempt.exception()
