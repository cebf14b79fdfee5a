"""The first story: what a module keeps lives exactly as long as its container."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orc.cli.demo.stage import call, differences, open_fleet

if TYPE_CHECKING:
    from orc.cli.progress import Progress


@dataclass(frozen=True)
class State:
    """What each call found in the variable."""

    differs: tuple[str, ...]
    first: str
    second: str
    recycled: str


async def tell(progress: Progress) -> State:
    """Call a function twice, recycle its container, and call it again."""
    progress.stage("state")
    async with open_fleet("state.handler") as fleet:
        first = await call(fleet)
        second = await call(fleet)
        await second.container.recycle()
        third = await call(fleet)
    return State(
        differences(
            ("the first call finds `hello`", first.value == "hello"),
            ("the second call finds `it's me`", second.value == "it's me"),
            ("after the recycling a call finds `hello` again", third.value == "hello"),
            ("two calls share a container", first.container is second.container),
            ("the third call has a new container", third.container is not first.container),
        ),
        first=str(first.value),
        second=str(second.value),
        recycled=str(third.value),
    )
