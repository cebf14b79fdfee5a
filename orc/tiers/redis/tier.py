"""The tier in Redis or Valkey: one server, Sentinel, a cluster, or a client that is handed in."""

from __future__ import annotations

from _thread import RLock
from functools import partial

from orc.errors import ConfigError, TierError
from orc.model.row import Budget
from orc.tiers.redis import operations
from orc.tiers.redis.clients import (
    Handed,
    HandedCoroutines,
    HandedThreads,
    InThreads,
    is_async,
    is_client,
)
from orc.tiers.redis.layout import FOREIGN
from orc.tiers.redis.routes import route_for
from orc.tiers.redis.url import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from orc.model.row import Claim, Row, Write
    from orc.tiers.outages import Outages
    from orc.tiers.redis.rounds import Steps

BUDGET = 0.05
CONNECTING = 1.0
"""Seconds beyond its budget that a step of `prewarm` has, for it may have to connect."""

MOST_BYTES = 1 << 20

SAMPLE = [f"orc1:{number}" for number in range(64)]
"""Addresses of nothing, which between them belong to all nodes of a cluster."""


def in_a_thread(work: Callable[[], object]) -> Any:
    """Have a thread do something of no interest to its caller; return its future, if any."""
    from concurrent.futures import Future
    from threading import Thread

    done: Future[None] = Future()

    def run() -> None:
        try:
            work()
        except TierError:
            pass
        finally:
            done.set_result(None)

    try:
        Thread(target=run, name="orc-redis", daemon=True).start()
    except RuntimeError:  # no thread can be had: this process remembers the claims
        return None
    return done


class Unclocked(Budget):
    """The budget of `prewarm`, which is given no clock: each step of it has so many seconds."""

    __slots__ = ("_seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = self._seconds = seconds
        self.allowance = self.excused = self.used = 0.0
        self.late = self.told = False
        self.waited = 0.0

    def pause(self, left: float | None = None) -> None:
        """Have as much time for the next step."""

    def extend(self, seconds: float) -> None:
        """Have as much time as ever."""

    def connect(self) -> float:
        """Begin to connect, which has as much time as any step."""
        return 0.0

    def connected(self, since: float, waited: float | None = None) -> None:
        """End it."""

    def left(self) -> float:
        """Seconds that are left for a step."""
        return self._seconds

    def wall(self) -> float:
        """Seconds since the epoch, which nobody has told."""
        return 0.0

    def now(self) -> None:
        """Return no instant: what is found out in the init phase opens no breaker."""


class Redis:
    """Rows in Redis or Valkey, each one string under its address (``orc.tiers.redis.layout``).

    `url_or_client` is an address such as ``rediss://user:password@host/0?ssl_ca_certs=ca.pem``,
    ``redis+cluster://host``, ``redis+sentinel://host,host/service`` or ``unix:///path``; or a
    client of redis-py, sync or async, which keeps its own times. `budget` is seconds for each call,
    `max_value_bytes` the largest payload, `credentials` a ``CredentialProvider`` of redis-py.

    Making it does no I/O and imports no client. Raises ``ConfigError``, for an address that is
    wrong now, for a missing extra at the first use. The methods are those of
    ``orc.model.ports.Tier``.
    """

    __slots__ = (
        "_client",
        "_coroutines",
        "_credentials",
        "_foreign",
        "_lock",
        "_route",
        "_shown",
        "_target",
        "_threads",
        "_tls",
        "budget",
        "max_value_bytes",
        "name",
        "store",
    )

    budget: float
    max_value_bytes: int
    name: str
    store: str
    """The server and its database, by which tiers of this process on the same one are known."""

    fleetwide = True
    remote = True
    extra = "redis"

    def __init__(
        self,
        url_or_client: object,
        *,
        budget: float = BUDGET,
        max_value_bytes: int = MOST_BYTES,
        name: str = "redis",
        credentials: object | None = None,
    ) -> None:
        if not budget > 0 or max_value_bytes < 1:
            raise ConfigError(f"Redis({budget=}, {max_value_bytes=}): give numbers above 0")
        self.name = name
        self.budget = budget
        self.max_value_bytes = max_value_bytes
        self._credentials = credentials
        self._foreign = 0
        self._lock = RLock()
        self._threads: Any = None
        self._coroutines: Any = None
        self._target: Any = None
        self._client: Any = None
        self._tls: Any = None
        self._route: Any
        if isinstance(url_or_client, str):
            self._target = parse(url_or_client)
            if credentials is not None and {"username", "password"} & self._target.options.keys():
                raise ConfigError("Redis(credentials=...) with a user or a password in the address")
            self._route = route_for(self._target)
            self._shown = self._target.shown()
            self.store = f"{self._shown} {self._target.options.get('db', 0)}"
        elif is_client(url_or_client):
            if credentials is not None:
                raise ConfigError("Redis(credentials=...) with a client: it has its own")
            self._client = url_or_client
            self._route = Handed(url_or_client)
            self._shown = f"a {type(url_or_client).__module__}.{type(url_or_client).__name__}"
            self.store = f"a client, {id(url_or_client)}"
        else:
            raise ConfigError(
                "Redis() takes an address or a client of redis-py, "
                f"not {type(url_or_client).__name__}"
            )

    @property
    def own_breakers(self) -> bool:
        """Whether it leaves each of its servers alone by itself: in a cluster, and by Sentinel."""
        return self._route.nodes is not None

    def leave_alone(self, rest: float, slow_from: float) -> None:
        """Say how long (seconds) its own breakers stay open, and which reply is a slow one."""
        nodes = self._route.nodes
        if nodes is not None:
            nodes.rest, nodes.slow_from = rest, slow_from

    def tell_outages_to(self, outages: Outages) -> None:
        """Tell `outages` of each server that is left alone, and of its return."""
        if self._route.nodes is not None:
            self._route.nodes.outages = outages

    @property
    def where(self) -> str:
        """The place of its server, as messages show it."""
        return str(self._shown if self._route.nodes else self._route.where)

    @property
    def needs(self) -> str:
        """The module of its client; empty where one was handed in."""
        return "redis" if self._client is None else ""

    def __repr__(self) -> str:
        return f"<Redis {self._shown}>"

    # -- the life of the process ------------------------------------------------------------------

    def counts(self) -> Mapping[str, float]:
        """Return how many ``foreign`` values stood where a row might: somebody else's.

        Of several keys that are read at once, the server tells such strings only; a list or a hash
        looks as if it were not there.
        """
        return {"foreign": self._foreign}

    def load(self) -> None:
        """Import the client, and make what needs no connection.

        Raises ``ConfigError`` without redis-py.
        """
        if self._client is None:
            self._for_threads()
            self._for_coroutines()

    def prewarm(self) -> None:
        """Import the client, connect, and leave the scripts in the servers.

        Where an event loop runs, a task of it connects for coroutines, too.

        Raises ``ConfigError`` without redis-py, and ``TierError`` where it cannot connect.
        """
        if self._client is not None and is_async(self._client):
            return  # its connections belong to a loop that is yet to come
        transport = self._for_threads()
        within = Unclocked(self.budget + CONNECTING)
        told, error = self._run(operations.greeting, SAMPLE, within)
        if type(told) is list:
            transport.stamp(int(told[0]))
        if error is not None:
            raise error
        if self._client is None:
            self._for_coroutines().warm(self._route.servers(), within)

    def close(self) -> None:
        """Close the connections that nobody uses now; the next call opens others. Never raises."""
        for transport in (self._threads, self._coroutines):
            if transport is not None:
                transport.close()
        self._route.forget()

    def forked(self) -> None:
        """Forget, without closing, connections that the parent of this process uses."""
        self._foreign = 0
        self._lock = RLock()
        self._route.forget()
        for transport in (self._threads, self._coroutines):
            if transport is not None:
                transport.forget()

    # -- the operations ---------------------------------------------------------------------------

    def get_many(
        self,
        addresses: Sequence[str],
        budget: Budget,
        /,
        *,
        consistent: bool = False,  # noqa: ARG002 - as said
    ) -> Sequence[Row | TierError]:
        """Answer with a row for each address. Always consistent: it asks masters only."""
        return self._seen(self._run(operations.reading, addresses, budget))

    def claim_many(self, claims: Sequence[Claim], budget: Budget, /) -> Sequence[Row | TierError]:
        """Claim rows, and answer with each as it is then."""
        return self._run(operations.claiming, claims, budget)  # type: ignore[no-any-return]

    def set_many(self, writes: Sequence[Write], budget: Budget, /) -> Sequence[bool | TierError]:
        """Write rows; answer for each whether it was accepted."""
        return self._run(operations.writing, writes, budget)  # type: ignore[no-any-return]

    def delete_many(self, addresses: Sequence[str], budget: Budget, /) -> None:
        """Remove rows with their claims. Raises if any of them may still be there."""
        self._run(operations.deleting, addresses, budget)

    async def aget_many(
        self,
        addresses: Sequence[str],
        budget: Budget,
        /,
        *,
        consistent: bool = False,  # noqa: ARG002 - as said
    ) -> Sequence[Row | TierError]:
        """Do as :meth:`get_many`, for coroutines."""
        return self._seen(await self._arun(operations.reading, addresses, budget))

    async def aclaim_many(
        self, claims: Sequence[Claim], budget: Budget, /
    ) -> Sequence[Row | TierError]:
        """Do as :meth:`claim_many`, for coroutines."""
        return await self._arun(operations.claiming, claims, budget)  # type: ignore[no-any-return]

    async def aset_many(
        self, writes: Sequence[Write], budget: Budget, /
    ) -> Sequence[bool | TierError]:
        """Do as :meth:`set_many`, for coroutines."""
        return await self._arun(operations.writing, writes, budget)  # type: ignore[no-any-return]

    async def adelete_many(self, addresses: Sequence[str], budget: Budget, /) -> None:
        """Do as :meth:`delete_many`, for coroutines."""
        await self._arun(operations.deleting, addresses, budget)

    def start_giving_back(self, writes: Sequence[Write], budget: Budget, /) -> Any:
        """Send give-backs from a coroutine that was cancelled, and wait for no answer.

        They are written at once where a connection of the loop is idle; return the coroutine that
        reads the answers. Otherwise a thread sends them, since the loop may end at once: return the
        future of that. A client for coroutines that was handed in does it in a task. Never raises.
        """
        if self._client is not None and is_async(self._client):
            return self.aset_many(writes, budget)
        transport = self._coroutines
        if self._client is None and transport is not None:
            commands = operations.giving_back(writes)
            nodes = [self._route.known(address) for address, _ in commands]
            begun = transport.start(list(zip(nodes, commands, strict=True)), budget)
            if begun is not None:
                return begun
        return in_a_thread(lambda: self.set_many(writes, budget))

    def _seen(self, rows: list[Row | TierError]) -> list[Row | TierError]:
        for row in rows:
            if row is FOREIGN:
                with self._lock:
                    self._foreign += 1
        return rows

    def _run(self, operation: Any, asked: Sequence[Any], budget: Budget) -> Any:
        transport = self._threads or self._for_threads()
        steps = self._steps(operation, asked, budget)
        try:
            sends = next(steps)
            while True:
                sends = steps.send(transport.exchange(sends, budget))
        except StopIteration as end:
            return end.value

    async def _arun(self, operation: Any, asked: Sequence[Any], budget: Budget) -> Any:
        transport = self._coroutines or self._for_coroutines()
        steps = self._steps(operation, asked, budget)
        try:
            sends = next(steps)
            while True:
                sends = steps.send(await transport.exchange(sends, budget))
        except StopIteration as end:
            return end.value

    def _steps(self, operation: Any, asked: Sequence[Any], budget: Budget) -> Steps:
        where = self._route.where
        return self._route.steps(partial(operation, asked, budget, where), budget)  # type: ignore[no-any-return]

    def _context(self) -> Any:
        """Return what both transports speak TLS with; ``None`` without it."""
        if self._tls is None and self._target.tls:
            from orc.tiers.redis.tls import context_for

            self._tls = context_for(self._target)
        return self._tls

    def _for_threads(self) -> Any:
        with self._lock:
            if self._threads is None:
                if self._client is not None:
                    self._threads = HandedThreads(self._client)
                else:
                    from orc.tiers.redis.threads import Threads

                    self._threads = Threads(self._target, self._credentials, self._context())
            return self._threads

    def _for_coroutines(self) -> Any:
        with self._lock:
            if self._coroutines is None:
                if self._client is None:
                    from orc.tiers.redis.coroutines import Coroutines

                    given_up = self._route.nodes.given_up if self._route.nodes else None
                    self._coroutines = Coroutines(
                        self._target, self._credentials, self._context(), given_up
                    )
                elif is_async(self._client):
                    self._coroutines = HandedCoroutines(self._client)
                else:
                    self._coroutines = InThreads(self._for_threads())
            return self._coroutines
