"""The transport for coroutines: commands to servers over the connections of ``redis.asyncio``."""

from __future__ import annotations

import sys
from _thread import RLock

from orc.errors import TierError
from orc.tiers import names
from orc.tiers.guarded_call import NEARLY
from orc.tiers.health import SLOW
from orc.tiers.last_look import last_look
from orc.tiers.redis.idle import Idle
from orc.tiers.redis.mistakes import causes, was_closed
from orc.tiers.redis.replies import failure, is_read_only, server_error
from orc.tiers.redis.sockets import PLENTY
from orc.tiers.redis.url import named
from orc.tiers.redis.vendor import connection_class, is_reply, pack, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task
    from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
    from ssl import SSLContext
    from typing import Any

    from orc.model.row import Budget
    from orc.tiers.redis.operations import Command
    from orc.tiers.redis.url import Node, Target

_forgotten: list[Any] = []
"""Connections of a parent process. To close them here would change what its loop waits for."""


class LoopConnections:
    """The connections that belong to one event loop, and end with it."""

    __slots__ = ("idle", "keeper", "loop", "used")

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.loop = loop
        self.idle = Idle()
        self.used: set[Any] = set()
        self.keeper = self._keep()

    async def _keep(self) -> AsyncGenerator[None, None]:
        """Close them when the loop closes its generators, as ``asyncio.run`` has it do."""
        from asyncio import sleep

        try:
            yield
        finally:
            self.close()
            await sleep(0)  # the loop closes sockets in its next round

    def close(self) -> None:
        """Close what there is; on a loop that is closed itself, too."""
        for connection in [*self.idle.clear(), *self.used]:
            drop(connection)
        self.used.clear()


class Coroutines:
    """Sends commands to servers, and returns what they answer, on whichever loop is running."""

    __slots__ = (
        "_class",
        "_credentials",
        "_given_up",
        "_lock",
        "_loops",
        "_proven",
        "_target",
        "_tls",
        "_warming",
    )

    def __init__(
        self,
        target: Target,
        credentials: object | None,
        tls: SSLContext | None,
        given_up: Callable[[Node, list[Command], float, Budget], None] | None = None,
    ) -> None:
        self._target = target
        self._credentials = credentials
        self._tls = tls
        self._given_up = given_up
        self._warming: set[Task[None]] = set()
        self._proven: set[Node] = set()
        """Servers that have answered: their addresses are right."""
        self._class: Any = connection_class(target, asynchronous=True)
        self._lock = RLock()
        self._loops: dict[AbstractEventLoop, LoopConnections] = {}

    async def exchange(
        self, sends: Sequence[tuple[Node, list[Command]]], budget: Budget
    ) -> list[list[Any] | TierError]:
        """Do as ``Threads.exchange``."""
        mine = await self._mine()
        if len(sends) == 1:
            node, commands = sends[0]
            return [await self._exchange(mine, node, commands, budget)]
        from asyncio import gather

        return await gather(
            *(self._exchange(mine, node, commands, budget) for node, commands in sends)
        )

    def warm(self, nodes: Sequence[Node], budget: Budget) -> None:
        """Have the loop that runs here, if one does, connect to servers; a task of it does so."""
        from asyncio import _get_running_loop

        loop = _get_running_loop()
        if loop is not None and nodes:
            task = loop.create_task(self._warm(nodes, budget))
            self._warming.add(task)
            task.add_done_callback(self._warming.discard)

    async def _warm(self, nodes: Sequence[Node], budget: Budget) -> None:
        mine = await self._mine()
        for node in nodes:
            answer = await self._exchange(mine, node, [("", [b"TIME"])], budget)
            if type(answer) is list and type(answer[0]) is list:
                mine.idle.stamp(int(answer[0][0]))

    def start(
        self,
        sends: Sequence[tuple[Node | None, Command]],
        budget: Budget,
    ) -> Coroutine[Any, Any, Any] | None:
        """Write commands at once, where a connection is idle; return what reads the replies.

        None where no connection is, or the server is not known. The loop may end before the replies
        are read: what was written is on its way by then.
        """
        from asyncio import _get_running_loop

        loop = _get_running_loop()
        mine = self._loops.get(loop) if loop is not None else None
        if mine is None:
            return None
        node, _ = sends[0]
        connection = None
        if node is not None and all(each == node for each, _ in sends):
            connection, old = mine.idle.take(node, budget)
            for each in old:
                drop(each)
        if node is None or connection is None:
            return None
        mine.used.add(connection)
        try:
            connection._writer.write(pack([command for _, command in sends]))  # noqa: SLF001
        except Exception:  # noqa: BLE001 - it was closed by the other side
            mine.used.discard(connection)
            drop(connection)
            return None
        return self._rest(mine, node, connection, len(sends), budget)

    async def _rest(
        self, mine: LoopConnections, node: Node, connection: Any, number: int, budget: Budget
    ) -> None:
        """Read replies that are of no interest, so that the connection can be used again."""
        from asyncio import timeout

        whole = False
        try:
            async with timeout(max(0.0, budget.left())):
                for _ in range(number):
                    await _answer(connection)
            whole = True
        except Exception:  # noqa: BLE001, S110 - the connection is closed then
            pass
        finally:
            mine.used.discard(connection)
            if not whole or not mine.idle.put(node, connection, budget):
                drop(connection)

    def close(self) -> None:
        """Close the connections of loops that have ended; running ones close theirs soon."""
        with self._lock:
            loops = list(self._loops.values())
            self._loops.clear()
        for each in loops:
            _end(each)

    def forget(self) -> None:
        """Let go of the connections without closing them."""
        names.forked()
        _forgotten.append(self._loops)
        self._lock = RLock()
        self._loops = {}

    async def _mine(self) -> LoopConnections:
        from asyncio import get_running_loop

        loop = get_running_loop()
        mine = self._loops.get(loop)
        if mine is not None:
            return mine
        with self._lock:
            ended = [self._loops.pop(other) for other in list(self._loops) if other.is_closed()]
            mine = self._loops[loop] = LoopConnections(loop)
        for each in ended:
            _end(each)
        await anext(mine.keeper)
        return mine

    async def _exchange(
        self, mine: LoopConnections, node: Node, commands: list[Command], budget: Budget
    ) -> list[Any] | TierError:
        before = budget.left()
        if before <= 0:
            return TierError(f"no time was left to ask {named(node)}")
        from asyncio import CancelledError

        above = sys.exception()
        speaking = Speaking()
        whole = before + budget.allowance
        limit = last_look(whole)
        try:
            async with limit:
                replies = await self._speak(mine, node, commands, budget, speaking)
        except CancelledError:
            # By its own measure: beside it others spend the budget, and the loop may be busy.
            if self._given_up is not None and limit.waited > budget.seconds * SLOW * NEARLY:
                self._given_up(node, commands, limit.waited, budget)
            raise
        except Exception as error:  # noqa: BLE001 - whatever a client raises is an error of the tier
            return await self._failed(node, error, speaking, above, budget, whole - limit.charged)
        self._proven.add(node)
        # When the loop was busy with something else, that is not taken from what is asked next.
        budget.pause(max(budget.left(), before - limit.charged))
        budget.waited += limit.waited
        if any(is_read_only(each) for each in replies):
            self._drop(node)
        return replies

    async def _failed(  # noqa: PLR0913, PLR0917 - what is known of a failure
        self,
        node: Node,
        error: Exception,
        speaking: Speaking,
        above: BaseException | None,
        budget: Budget,
        left: float,
    ) -> TierError:
        where, tls, heard = named(node), self._tls, speaking.heard
        found = names.known(node[0], node[1], budget.wall()) if node[1] else None
        self._drop(node)
        if node in self._proven:
            return failure(error, where, above=above, arriving=speaking.arriving)
        said = failure(
            error,
            where,
            above=above,
            arriving=speaking.arriving,
            heard=heard,
            tls=tls is not None,
        )
        if not found:
            return said
        from asyncio import to_thread

        from orc.tiers.redis.probe import examined

        closed = was_closed(causes(error, above))
        return await to_thread(examined, found[0], node[0], where, said, left, tls, closed=closed)

    def _drop(self, node: Node) -> None:
        """Close the connections of this loop to a server, as ``Threads._drop`` does."""
        from asyncio import get_running_loop

        mine = self._loops.get(get_running_loop())
        for each in mine.idle.clear(node) if mine is not None else ():
            drop(each)
        names.forget(node[0], node[1])

    async def _speak(
        self,
        mine: LoopConnections,
        node: Node,
        commands: list[Command],
        budget: Budget,
        speaking: Speaking,
    ) -> list[Any]:
        connection, old = mine.idle.take(node, budget)
        for each in old:
            drop(each)
        whole = False
        from asyncio import timeout

        try:
            if connection is None:
                connection = self._class(
                    # The whole has one time limit, so the parts need none.
                    socket_timeout=None,
                    socket_connect_timeout=None,
                    **settings(self._target, node, self._credentials),
                )
                connection.tls = self._tls
                connection.proven = node in self._proven
                speaking.connection = connection
                mine.used.add(connection)
                since = budget.connect()
                try:
                    if node[1]:
                        found = await names.aresolve(node[0], node[1], budget)
                        connection.addresses = [each[4][0] for each in found]
                    connection.each = half = max(0.0, budget.left() / 2)
                    if self._tls is None or node in self._proven or half < PLENTY / 2:
                        await connection.connect()
                    else:  # it may speak no TLS, which is asked in the other half
                        async with timeout(half):
                            await connection.connect()
                finally:
                    budget.connected(since)
            mine.used.add(connection)
            await connection.send_packed_command([pack(commands)], check_health=False)
            speaking.reader = connection._reader  # noqa: SLF001 - which it forgets at an error
            replies = speaking.replies
            for _ in commands:
                replies.append(await _answer(connection))
            whole = True
        finally:
            # After a cancellation too: replies that nobody has read would go to somebody else.
            mine.used.discard(connection)
            if not whole or not mine.idle.put(node, connection, budget):
                drop(connection)
        return replies


class Speaking:
    """What is known of an exchange that was cut short."""

    __slots__ = ("connection", "reader", "replies")

    def __init__(self) -> None:
        self.connection: Any = None
        """The connection, if it was made for this exchange."""
        self.reader: Any = None
        self.replies: list[Any] = []
        """Those that were read."""

    @property
    def heard(self) -> bytes:
        """The first bytes that came on a new connection."""
        return getattr(self.connection, "heard", b"")

    @property
    def arriving(self) -> bool:
        """Whether a part of an answer has come, as far as asyncio's reader shows it."""
        return bool(self.replies or (self.reader and getattr(self.reader, "_buffer", None)))


async def _answer(connection: Any) -> Any:
    try:
        return await connection.read_response(disable_decoding=True)
    except Exception as error:
        if not is_reply(error):
            raise
        return server_error(error)


def drop(connection: Any) -> None:
    """Close a connection at once; without waiting, and whether or not its loop still runs."""
    if connection is None:
        return
    writer, connection._writer, connection._reader = connection._writer, None, None  # noqa: SLF001
    if writer is None:
        return
    transport = writer.transport
    try:
        transport.abort()
    except RuntimeError:  # its loop is closed, so nobody is left to close the socket later
        try:
            if hasattr(transport, "_ssl_protocol"):
                transport = transport._ssl_protocol._transport  # noqa: SLF001 - what TLS runs over
            transport._call_connection_lost(None)  # noqa: SLF001 - what the loop would have called
        except Exception:  # noqa: BLE001, S110 - it is gone either way
            pass


def _end(ended: LoopConnections) -> None:
    if ended.loop.is_closed():
        ended.close()
        return
    try:
        ended.loop.call_soon_threadsafe(ended.close)
    except RuntimeError:  # it has closed just now
        ended.close()
