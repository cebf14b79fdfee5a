"""Clients that are handed in: used as they are, with their own times, retries and connections."""

from __future__ import annotations

from _thread import _local

from orc.errors import ConfigError, TierError, TierUnavailableError
from orc.tiers.redis.replies import failure, server_error
from orc.tiers.redis.single import Single
from orc.tiers.redis.url import DATA, shown
from orc.tiers.redis.vendor import is_reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import Any

    from orc.model.row import Budget
    from orc.tiers.redis.operations import Command
    from orc.tiers.redis.rounds import Sends
    from orc.tiers.redis.url import Node

HANDED_IN: Node = ("the client", 0, "data")


def is_client(given: object) -> bool:
    """Tell whether something is a client of redis-py, or one that is like it."""
    return callable(getattr(given, "execute_command", None)) and hasattr(given, "pipeline")


def is_async(client: object) -> bool:
    """Tell whether a client is for coroutines."""
    return hasattr(client, "__aenter__")


def is_cluster(client: object) -> bool:
    """Tell whether a client is one of a cluster."""
    return hasattr(client, "keyslot")


class Handed(Single):
    """The route by a client: it knows its servers, and tries again as it is set up to."""

    __slots__ = ()
    tries = 1

    def __init__(self, client: object) -> None:
        self._node = HANDED_IN
        self.by_slot = is_cluster(client)
        self.where = _where(client)
        self._remedy = "hand in a RedisCluster, or the address redis+cluster://host"

    def servers(self) -> list[Node]:
        """Return no server: the client chooses one."""
        return []

    def known(self, _address: str) -> None:
        """Return no server, as above."""

    def _ask(self, commands: list[Command]) -> Generator[Sends, Any, list[Any]]:
        replies = yield from super()._ask(commands)
        if self.by_slot:
            # One node that cannot be reached says nothing of the others, and costs no time.
            return [_of_one_node(each) for each in replies]
        return replies


def _of_one_node(reply: Any) -> Any:
    return TierError(str(reply)) if isinstance(reply, TierUnavailableError) else reply


def _where(client: Any) -> str:
    """Return the server of a client, as messages show it: never its user or its password."""
    pool = getattr(client, "connection_pool", None)
    options = getattr(pool, "connection_kwargs", None) or {}
    host, port, path = options.get("host"), options.get("port"), options.get("path")
    if isinstance(path, str):
        return path
    if isinstance(host, str) and isinstance(port, int):
        return shown((host, port, DATA))
    return "the server of the client"


def check_decoding(client: Any) -> None:
    """Raise ``ConfigError`` for a client that would take bytes for text."""
    pools = [getattr(client, "connection_pool", None)]
    pools.append(getattr(client, "nodes_manager", None))
    for pool in pools:
        keywords = getattr(pool, "connection_kwargs", None)
        if isinstance(keywords, dict) and keywords.get("decode_responses"):
            raise ConfigError(
                "the client has decode_responses=True, which would change what is kept: "
                "hand in a client without it, or the address"
            )


class HandedThreads:
    """The transport by a client for threads."""

    __slots__ = ("_checked", "_client", "_local")

    def __init__(self, client: Any) -> None:
        self._client = client
        self._checked = False
        self._local = _local()

    def exchange(
        self, sends: Sequence[tuple[Node, list[Command]]], _budget: Budget
    ) -> list[list[Any] | TierError]:
        """Have the client send the commands."""
        if is_async(self._client):
            from orc.tiers.redis.loop_clients import refuse

            error = refuse(
                "the client that was handed in is for coroutines of asyncio: call the methods that "
                "begin with 'a' under asyncio, or hand in a redis.Redis, or the address, which "
                "serves both"
            )
            return [error for _ in sends]
        if not self._checked:
            check_decoding(self._client)
            self._checked = True
        if getattr(self._local, "inside", False):
            # A finaliser or a signal handler, and the client may have locks that are not for that.
            raise TierError("this thread is inside of the client that was handed in")
        try:
            self._local.inside = True
            return [self._exchange(commands) for _, commands in sends]
        finally:
            self._local.inside = False

    def stamp(self, wall: float) -> None:
        """Leave the client: it keeps no such instants."""

    def close(self) -> None:
        """Leave the client to whoever made it."""

    def forget(self) -> None:
        """Leave the client: redis-py's pools see for themselves that the process is another."""

    def _exchange(self, commands: list[Command]) -> list[Any] | TierError:
        client = self._client
        try:
            if len(commands) == 1:
                return [client.execute_command(*_named(commands[0][1]))]
            pipeline = client.pipeline(**({} if is_cluster(client) else {"transaction": False}))
            for _, words in commands:
                pipeline.execute_command(*_named(words))
            return [_reply(each) for each in pipeline.execute(raise_on_error=False)]
        except Exception as error:  # noqa: BLE001 - whatever a client raises is an error of the tier
            return _handed_failure(error)


class HandedCoroutines:
    """The transport by a client for coroutines."""

    __slots__ = ("_checked", "_client", "_clients")

    def __init__(self, client: Any) -> None:
        from orc.tiers.redis.loop_clients import LoopClients

        self._client = client
        self._clients = LoopClients(client)
        self._checked = False

    async def exchange(
        self, sends: Sequence[tuple[Node, list[Command]]], _budget: Budget
    ) -> list[list[Any] | TierError]:
        """Have the client send the commands."""
        if not self._checked:
            check_decoding(self._client)
            self._checked = True
        from asyncio import get_running_loop

        try:
            client = self._clients.of(get_running_loop())
        except TierError as error:
            return [error for _ in sends]
        return [await self._exchange(client, commands) for _, commands in sends]

    def close(self) -> None:
        """Leave the client to whoever made it."""

    def forget(self) -> None:
        """Leave the client, as above, and its copies to the parent."""
        self._clients.forget()

    async def _exchange(self, client: Any, commands: list[Command]) -> list[Any] | TierError:
        try:
            if len(commands) == 1:
                return [await client.execute_command(*_named(commands[0][1]))]
            pipeline = client.pipeline(**({} if is_cluster(client) else {"transaction": False}))
            for _, words in commands:
                queued = pipeline.execute_command(*_named(words))
                if hasattr(queued, "__await__") and queued is not pipeline:
                    await queued
            return [_reply(each) for each in await pipeline.execute(raise_on_error=False)]
        except Exception as error:  # noqa: BLE001 - as above
            return _handed_failure(error)


class InThreads:
    """The transport for coroutines by a client for threads: each exchange has a thread of its own.

    A coroutine that is cancelled leaves its thread to finish, so no connection is left half read.
    """

    __slots__ = ("_threads",)

    def __init__(self, threads: HandedThreads) -> None:
        self._threads = threads

    async def exchange(
        self, sends: Sequence[tuple[Node, list[Command]]], budget: Budget
    ) -> list[list[Any] | TierError]:
        """Have a thread do it."""
        from asyncio import to_thread

        return await to_thread(self._threads.exchange, sends, budget)

    def close(self) -> None:
        """Leave the client to whoever made it."""

    def forget(self) -> None:
        """Leave the client, as above."""


def _named(words: list[bytes]) -> list[Any]:
    """Return words as clients of a cluster want them: they look the command's name up, as text."""
    return [words[0].decode(), *words[1:]]


def _reply(each: Any) -> Any:
    if not isinstance(each, Exception):
        return each
    return server_error(each) if is_reply(each) else failure(each, HANDED_IN[0])


def _handed_failure(error: Exception) -> list[Any] | TierError:
    if isinstance(error, ConfigError):
        raise error
    if is_reply(error):
        return [server_error(error)]
    return failure(error, HANDED_IN[0])
