"""Starting the runtime, and the files that it and the fleet share."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from orc.fleet.processes import Child

if TYPE_CHECKING:
    from collections.abc import Callable

    from orc.fleet.processes import Guardian
    from orc.fleet.settings import Settings

_INSIDE = str(Path(__file__).with_name("inside.py"))


def runtime(  # noqa: PLR0913 - what a runtime needs
    settings: Settings,
    *,
    env: dict[str, str],
    clock: Path,
    log: Path,
    guardian: Guardian,
    on_exit: Callable[[], None],
    control: int | None = None,
) -> Child:
    """Start awslambdaric, directly where nothing has to be prepared inside."""
    if settings.shift_clocks or control is not None:
        options = {"clock": str(clock) if settings.shift_clocks else None, "control": control}
        argv = [settings.python, "-P", _INSIDE, settings.handler, json.dumps(options)]
    else:
        argv = [settings.python, "-m", "awslambdaric", settings.handler]
    return Child(
        argv,
        env=env,
        cwd=str(settings.code),
        log=log,
        guardian=guardian,
        on_exit=on_exit,
        pass_fds=() if control is None else (control,),
    )


def clock_file(folder: Path, offsets: tuple[int, int]) -> Path:
    """Make the file of the two offsets, in nanoseconds: of the wall and the monotonic clock."""
    path = folder / "clock"
    path.write_bytes(struct.pack("=qq", *offsets))
    return path


def move_clock(path: Path, offsets: tuple[int, int]) -> None:
    """Write the offsets in place: processes have the file mapped."""
    with path.open("r+b") as file:
        file.write(struct.pack("=qq", *offsets))


def read_log(path: Path) -> str:
    """Return the text of a log; empty when nothing was printed."""
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""
