"""Functions to decorate, of both kinds, and how to call what became of them."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


class Log(list):
    """A function that notes its calls and returns its argument; def and async def."""

    def load(self, x: object, *more: object) -> object:
        self.append(x)
        return x

    async def aload(self, x: object, *more: object) -> object:
        self.append(x)
        await asyncio.sleep(0)
        return x


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def settle() -> Callable[[object], object]:
    """Return what returns an answer, awaiting it if need be."""

    def settled(answer: object) -> object:
        async def wait() -> object:
            return await answer

        return asyncio.run(wait()) if inspect.isawaitable(answer) else answer

    return settled


@pytest.fixture(params=["def", "async def"])
def kind(request: pytest.FixtureRequest, log: Log) -> Callable[[object], object]:
    """Return the function to decorate, of each kind."""
    if request.param == "def":
        return lambda x: log.load(x)  # noqa: PLW0108 - a plain def

    async def load(x: object) -> object:
        return await log.aload(x)

    return load
