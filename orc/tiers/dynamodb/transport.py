"""Requests to DynamoDB through boto3, each within the time that is left.

A client of ours has short timeouts and tries nothing again (botocore's back-off sleeps for up to a
second); a second attempt follows here at once, if there is time. A client handed in keeps its own
timeouts and attempts. A name server that is slow, or a server that sends its answer byte by byte,
is not bounded by the timeouts of a socket.
"""

from __future__ import annotations

import sys
from _thread import RLock, _local

from orc.errors import (
    ConfigError,
    TierError,
    TierThrottledError,
    TierTimeoutError,
    TierUnavailableError,
)
from orc.model.address import LAYOUT
from orc.tiers import names
from orc.tiers.dynamodb.failures import CONDITION, error_of, transient
from orc.tiers.dynamodb.requests import get

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from orc.model.row import Budget

CONNECTIONS = 32
"""Most requests of one process at a time; others wait for a connection, within their budget."""

IDLE = 60.0
"""Seconds after which a connection is not used again: what is in between may have forgotten it."""

CONNECTING = 0.3
"""The part of the budget that opening a connection may take."""

FIRST = 0.7
"""The part of what then is left that the first attempt may wait for an answer."""

DYNAMODB_JSON = "application/x-amz-json"
"""What the type of each of DynamoDB's answers begins with."""

_METHODS = {
    "GetItem": "get_item",
    "BatchGetItem": "batch_get_item",
    "PutItem": "put_item",
    "UpdateItem": "update_item",
    "DeleteItem": "delete_item",
    "BatchWriteItem": "batch_write_item",
}


class ConditionFailed(Exception):  # noqa: N818 - an answer, not an error
    """The item was not as the request's condition wants it."""

    def __init__(self, item: Mapping[str, Any] | None) -> None:
        super().__init__()
        self.item = item
        """What is there instead; ``None`` if nothing is."""


class Time:
    """The budget of one operation, with what making the client took given back to it."""

    __slots__ = ("_budget", "_extra", "wall")

    def __init__(self, budget: Budget, extra: float) -> None:
        self._budget = budget
        self._extra = extra
        self.wall = budget.wall

    def left(self) -> float:
        """Seconds that are left."""
        return self._budget.left() + self._extra

    def connect(self) -> float:
        """Begin to connect; see ``Budget``."""
        return self._budget.connect()

    def connected(self, since: float) -> None:
        """End it."""
        self._budget.connected(since)


class Transport:
    """One table by one client, made at the first request. Safe for threads."""

    def __init__(
        self, table: str, client: Any, region: str | None, endpoint: str | None, budget: float
    ) -> None:
        self.table = table
        self._given = client
        self._region = region
        self._endpoint = endpoint
        self._budget = budget
        self._connecting = budget * CONNECTING
        self._start()

    def _start(self) -> None:
        self._lock = RLock()
        self._local = _local()
        self._client: Any = None
        self._untyped = False
        self._adjusts = False
        self._used_at: float | None = None
        self.counts: dict[str, float] = {}

    def forked(self) -> None:
        """Go on in the child of a fork, with connections of its own."""
        names.forked()
        self._start()
        if self._given is not None:
            # Closes the child's copies of the sockets: nothing is sent on them.
            _close(self._given)

    def close(self) -> None:
        """Drop all connections of a client of ours; the next request opens new ones."""
        client = self._client
        if client is not None and self._given is None:
            _close(client)

    @property
    def where(self) -> str:
        """The table and its endpoint, as far as that is known."""
        endpoint = self._client.meta.endpoint_url if self._client is not None else self._endpoint
        host = str(endpoint or "").rpartition("@")[2].rpartition("//")[2]
        return f"{self.table} ({host})" if host else self.table

    def ready(self, budget: Budget) -> Time:
        """Make the client if need be.

        That is work of this process, once, and not waiting for a server: it is not taken from the
        budget, else the first operation of every container would be in vain.
        """
        if self._client is not None:
            return Time(budget, 0.0)
        before = budget.left()
        if before <= 0:
            raise TierTimeoutError(f"DynamoDB table {self.table!r}: there is no time left")
        self._connect()
        return Time(budget, before - budget.left())

    def load(self) -> None:
        """Make the client if need be."""
        if self._client is None:
            self._connect()

    def open(self, budget: Budget) -> None:
        """Make the client, and open a connection by reading a row that is not there."""
        asked = get(self.table, f"{LAYOUT}:prewarm", consistent=False)
        self.ask("GetItem", asked, self.ready(budget))
        self._used_at = None  # the clock of `budget` may not be the one that requests have

    def _connect(self) -> Any:
        with self._lock:
            client = self._client
            if client is not None:
                return client
            self._refuse_inside()
            try:
                self._local.inside = True
                client = self._make() if self._given is None else self._given
                self._untyped = _is_of_a_resource(client, self.table)
            except ConfigError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever botocore finds wrong
                raise self._error(error, "anything") from None
            finally:
                self._local.inside = False
            self._client = client
            return client

    def _refuse_inside(self) -> None:
        """Raise ``TierError`` for a finaliser or a signal handler in the middle of the client.

        boto3 and urllib3 have locks that their own thread cannot take twice: it would hang.
        """
        if getattr(self._local, "inside", False):
            raise TierError(f"DynamoDB table {self.table!r}: this thread is inside of its client")

    def ask(self, operation: str, asked: dict[str, Any], time: Time) -> Mapping[str, Any]:
        """Send a request, and return its answer.

        Raises ``ConditionFailed`` and errors of tiers, and nothing else.
        """
        self._refuse_inside()
        if self._untyped:
            asked = _untyped(asked)
        failed: TierError | None = None
        for attempt in (0, 1) if self._given is None else (0,):
            client = self._client or self._connect()  # another thread may have given it up
            if self._used_at is None and self._given is None:
                self._resolve(client, time)
            wait = self._wait(time, attempt)
            if wait is None:
                break
            self._count("requests", 1)
            try:
                self._local.inside = True
                answer: Mapping[str, Any] = getattr(client, _METHODS[operation])(**asked)
            except Exception as error:  # noqa: BLE001 - named by the error that it becomes
                failed = self._failed(error, operation)
                if not transient(failed):
                    break
            else:
                consumed = answer.get("ConsumedCapacity")
                if consumed is None and (kind := foreign_kind(answer)):
                    raise TierUnavailableError(
                        f"DynamoDB table {self.table!r}: {operation} was answered with {kind}, "
                        "which is not DynamoDB's: a proxy or a portal may stand in between"
                    )
                self._count_units(operation, consumed)
                return answer
            finally:
                self._local.inside = False
        if failed is not None:
            raise failed
        raise TierTimeoutError(
            f"DynamoDB table {self.table!r}: too little time is left for {operation}"
        )

    def _resolve(self, client: Any, time: Time) -> None:
        """Resolve the endpoint's name, which botocore would wait for without a limit.

        It asks once more itself, when the resolver has just answered; and says what is wrong where
        there is no such name. Where moto answers in this process, no name is asked for.
        """
        if "moto" in sys.modules:
            return
        from urllib.parse import urlsplit

        parts = urlsplit(client.meta.endpoint_url)
        since = time.connect()
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            names.resolve(parts.hostname or "", port, time)
        except TierUnavailableError:
            pass
        finally:
            time.connected(since)

    def _wait(self, time: Time, attempt: int) -> float | None:
        """Set how long the next answer is waited for; none if it is not worth the asking."""
        left = time.left()
        if self._given is not None:
            return left if left > 0 else None
        wait = left - self._connecting  # for the connection may have to be opened first
        if not self._adjusts and wait < self._fixed_wait():
            # This botocore waits for as long as its client was told when it was made.
            return None
        if wait <= 0:
            return None
        now = time.wall()
        if self._used_at is not None and abs(now - self._used_at) > IDLE:
            self.close()
        self._used_at = now
        self._local.wait = wait = wait if attempt else wait * FIRST
        return wait

    def _fixed_wait(self) -> float:
        return (self._budget - self._connecting) * (1 - FIRST)

    def _make(self) -> Any:
        try:
            import boto3
            from botocore.config import Config
            from botocore.httpsession import URLLib3Session
        except ImportError as error:
            raise ConfigError(
                f"the DynamoDB tier needs boto3 ({error.name} is missing): "
                'pip install "orc-cache[dynamodb]"'
            ) from None
        session = boto3.session.Session()
        # Off AWS the search for credentials ends at a metadata server that is not there: by
        # default it is waited for a second, and longer where the settings say so.
        session._session.set_config_variable("metadata_service_timeout", self._budget)  # noqa: SLF001
        session._session.set_config_variable("metadata_service_num_attempts", 1)  # noqa: SLF001
        self._adjusts = hasattr(URLLib3Session, "_get_request_timeout")
        config = Config(
            connect_timeout=self._connecting,
            read_timeout=self._fixed_wait(),
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=CONNECTIONS,
            parameter_validation=False,
            tcp_keepalive=True,
        )
        client = session.client(
            "dynamodb", region_name=self._region, endpoint_url=self._endpoint, config=config
        )
        client.meta.events.register("before-call.dynamodb", self._set_wait)
        return client

    def _set_wait(self, context: dict[str, Any], **_: object) -> None:
        wait = getattr(self._local, "wait", None)
        if wait is not None:
            context["read_timeout"] = wait

    def _failed(self, error: Exception, operation: str) -> TierError:
        if type(error).__name__ == CONDITION:
            item = error.response.get("Item")  # type: ignore[attr-defined]
            # A write that its condition refuses is paid for like the item that is there.
            self._count("write_units", max(1, -(-_size(item) // 1024)))
            raise ConditionFailed(item) from None
        if type(error).__name__ == "NoCredentialsError" and self._given is None:
            self._client = None  # a client looks for them once, when it is made
        found = self._error(error, operation)
        if isinstance(found, TierThrottledError):
            self._count("throttled", 1)
        return found

    def _error(self, error: Exception, operation: str) -> TierError:
        client = self._client
        region = self._region or (client.meta.region_name if client is not None else None)
        return error_of(error, operation, self.table, region or "no region")

    def _count_units(self, operation: str, consumed: Any) -> None:
        if not consumed:
            return
        tables = consumed if isinstance(consumed, list) else [consumed]
        units = sum(float(each.get("CapacityUnits", 0)) for each in tables)
        reading = operation in {"GetItem", "BatchGetItem"}
        self._count("read_units" if reading else "write_units", units)

    def _count(self, name: str, amount: float) -> None:
        with self._lock:
            self.counts[name] = self.counts.get(name, 0) + amount


def foreign_kind(answer: Mapping[str, Any]) -> str:
    """Return the type of an answer that is not DynamoDB's; nothing if it is, or does not show.

    botocore takes whatever comes with status 200 for an answer, be it without anything in it.
    """
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders")
    if headers is None:
        return ""  # of a client made for tests
    kind = str(headers.get("content-type", "no type")).partition(";")[0]
    return "" if kind.startswith(DYNAMODB_JSON) else kind


def _close(client: Any) -> None:
    try:
        client.close()
    except Exception:  # noqa: BLE001, S110 - it is being let go of
        pass


def _is_of_a_resource(client: Any, table: str) -> bool:
    """Tell whether a client takes and answers plain values, as those of ``boto3.resource`` do."""
    asked = {"TableName": table, "Key": {"pk": "-"}}
    client.meta.events.emit(
        "before-parameter-build.dynamodb.GetItem",
        params=asked,
        model=client.meta.service_model.operation_model("GetItem"),
        context={},
    )
    return asked["Key"] != {"pk": "-"}


def _untyped(asked: Any) -> Any:
    """Return a request with plain values in place of typed ones."""
    if isinstance(asked, list):
        return [_untyped(each) for each in asked]
    if not isinstance(asked, dict):
        return asked
    if len(asked) == 1:
        ((kind, value),) = asked.items()
        make = _PLAIN.get(kind)
        if make is not None:
            return make(value)
    return {name: _untyped(each) for name, each in asked.items()}


_PLAIN: Mapping[str, Callable[[Any], Any]] = {"S": str, "B": bytes, "N": int, "BOOL": bool}


def _size(item: Mapping[str, Any] | None) -> int:
    """Return about how many bytes an item has."""
    size = 0
    for name, value in (item or {}).items():
        plain = next(iter(value.values())) if isinstance(value, dict) and value else value
        size += len(name) + (len(plain) if isinstance(plain, (str, bytes)) else 8)
    return size
