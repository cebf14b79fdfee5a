"""The fleet for tests that are not async: the same, with ``with`` and plain methods."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from orc.errors import ConfigError
from orc.fleet.fleet import Fleet

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from orc.fleet.answer import Answer
    from orc.fleet.container import Container


class BlockingContainer:
    """A Container whose methods wait. Everything else of it is there under its own name."""

    __slots__ = ("_container", "_fleet")

    def __init__(self, fleet: BlockingFleet, container: Container) -> None:
        self._fleet = fleet
        self._container = container

    def recycle(self) -> None:
        """See Container.recycle."""
        self._fleet.wait(self._container.recycle())

    def crash(self) -> None:
        """See Container.crash."""
        self._fleet.wait(self._container.crash())

    @property
    def tmp(self) -> Path:
        """See Container.tmp."""
        return self._container.tmp

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BlockingContainer) and self._container is other._container

    def __hash__(self) -> int:
        return hash(self._container)

    def __repr__(self) -> str:
        return repr(self._container)


class BlockingAnswer:
    """An Answer whose methods wait. Everything else of it is there under its own name."""

    __slots__ = ("_answer", "_fleet", "container")

    def __init__(self, fleet: BlockingFleet, answer: Answer) -> None:
        self._fleet = fleet
        self._answer = answer
        self.container: BlockingContainer = BlockingContainer(fleet, answer.container)

    def settled(self) -> None:
        """See Answer.settled."""
        self._fleet.wait(self._answer.settled())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._answer, name)

    def __repr__(self) -> str:
        return repr(self._answer)


class BlockingFleet:
    """A Fleet in an event loop and a thread of its own. Arguments and errors are Fleet's.

    Its methods may be called from any number of threads, so that invocations run at once.
    """

    __slots__ = ("_fleet", "_loop", "_thread")

    def __init__(self, handler: str, **options: Any) -> None:
        self._fleet = Fleet(handler, **options)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._loop is not None:
            raise ConfigError(
                "the fleet is open already, as orc_fleet gives it: leave out the `with`"
            )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="orc-fleet", daemon=True
        )
        self._thread.start()
        try:
            self.wait(self._fleet.__aenter__())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """See Fleet.close."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        try:
            self.wait(self._fleet.close())
        finally:
            self._loop = self._thread = None
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    @property
    def containers(self) -> list[BlockingContainer]:
        """See Fleet.containers."""
        return [BlockingContainer(self, each) for each in self._fleet.containers]

    def invoke(
        self, event: Any = None, *, container: BlockingContainer | None = None, **options: Any
    ) -> BlockingAnswer:
        """See Fleet.invoke."""
        wanted = None if container is None else container._container  # noqa: SLF001 - its proxy
        answer = self.wait(self._fleet.invoke(event, container=wanted, **options))
        return BlockingAnswer(self, answer)

    def start(self, count: int = 1) -> list[BlockingContainer]:
        """See Fleet.start."""
        return [BlockingContainer(self, each) for each in self.wait(self._fleet.start(count))]

    def advance(self, both: float = 0.0, /, *, wall: float = 0.0, monotonic: float = 0.0) -> None:
        """See Fleet.advance."""
        self._fleet.advance(both, wall=wall, monotonic=monotonic)

    def wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run `coroutine` in the fleet's loop, and return what it returns."""
        if self._loop is None:
            coroutine.close()
            self._fleet._open()  # noqa: SLF001 - says what is wrong
        assert self._loop is not None  # noqa: S101 - for the type checker
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise
