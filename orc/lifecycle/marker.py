"""A file in the temporary directory by which a process learns that it is not the first here.

Lambda keeps the temporary directory of an execution environment when it resets it after a timeout
or a crash, and begins each new environment with an empty one (AWS, "Understanding the Lambda
execution environment lifecycle": a reset does not clear ``/tmp``).
"""

from __future__ import annotations

import os
import sys

from orc.lifecycle.chance import token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = "orc environment 1"
TOLD = ("id", "generation", "process", "its start", "its parent", "that one's start")
"""The lines of a marker behind those that it is known by."""
LONGEST_NAME = 200
MOST_DIGITS = 10
PRIVATE = 0o700
PRIVATE_FOLDER = 0o040000 | PRIVATE
START_TIME, PARENT, STATE = 19, 1, 0
"""Fields of ``/proc/PID/stat`` after the name of the program, from proc(5)."""


class Mark:
    """What a process learns from the marker: the environment's id, and its own generation there."""

    __slots__ = ("generation", "id")

    def __init__(self, id: str | None, generation: int) -> None:  # noqa: A002 - the word for it
        self.id = id
        self.generation = generation


def leave(instance: str | None, init_type: str, directory: str, address: str = "") -> Mark:
    """Read the marker of this environment, if it has one, and leave that of this process.

    `instance` is the platform's name of the environment. Where it has none, the process that
    started this one, and the `address` of its Runtime API, stand for it, since an emulator outlives
    the runtimes that it resets. Raises nothing: where no marker can be kept, every process is the
    first of its environment.
    """
    mine = _stat(os.getpid())
    name = instance
    if name is None and mine is not None:
        parent = _stat(int(mine[PARENT]))
        if parent is not None:
            name = f"child of {mine[PARENT]} {parent[START_TIME]} {address}"
    folder = _private_folder(directory)
    if name is None or folder is None:
        return Mark(instance, 1)
    # The end of a name tells most; the whole is in the file, and compared.
    readable = "".join(c if c.isalnum() else "-" for c in name)[-LONGEST_NAME:]
    path = os.path.join(folder, f"environment-{readable}")
    boot = _text("/proc/sys/kernel/random/boot_id") or "unknown"
    known = _read(path, [FORMAT, name, init_type, boot])
    me = [str(os.getpid()), mine[START_TIME] if mine else ""]
    if known is None:
        mark = Mark(instance or token().hex(), 1)
    elif _alive(known[2], known[3]):
        # The process before this one still runs, so nobody was reset: it has started this one.
        return Mark(instance or known[0], int(known[1]))
    else:
        # Nor was anybody where a helper of this very process was there first, and has ended.
        was_reset = known[4:6] != me
        mark = Mark(instance or known[0], int(known[1]) + was_reset)
    parent = _stat(int(mine[PARENT])) if mine else None
    started_by = [mine[PARENT], parent[START_TIME]] if mine and parent else ["", ""]
    told = [str(mark.id), str(mark.generation), *me, *started_by]
    _write(path, [FORMAT, name, init_type, boot, *told])
    return mark


def temporary_directory(variables: Mapping[str, str]) -> str:
    """Return the directory of temporary files, as ``tempfile`` names it, without its import."""
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        try:
            return str(tempfile.gettempdir())
        except OSError:
            return "/tmp"  # noqa: S108 - as below
    for name in ("TMPDIR", "TEMP", "TMP"):
        if variables.get(name) and os.path.isdir(variables[name]):
            return variables[name]
    return "/tmp"  # noqa: S108 - what Lambda has; the folder in it is private and checked


def _private_folder(directory: str) -> str | None:
    """Return a folder that nobody else can write to, made if need be."""
    if not hasattr(os, "geteuid"):
        return None
    folder = os.path.join(directory, f"orc-{os.geteuid()}")
    try:
        try:
            os.mkdir(folder, PRIVATE)
        except FileExistsError:
            pass
        found = os.lstat(folder)  # not through a link, which somebody else may have laid
    except OSError:
        return None
    ours = found.st_uid == os.geteuid() and found.st_mode & 0o170777 == PRIVATE_FOLDER
    return folder if ours else None


def _read(path: str, expected: list[str]) -> list[str] | None:
    """Return what stands in a marker behind the lines that are expected."""
    text = _text(path)
    lines = text.split("\n") if text else []
    rest = lines[len(expected) :]
    if lines[: len(expected)] != expected or len(rest) != len(TOLD):
        return None
    digits = rest[TOLD.index("generation")]
    return rest if digits.isdecimal() and len(digits) < MOST_DIGITS else None


def _write(path: str, lines: list[str]) -> None:
    beside = f"{path}.{os.getpid()}"
    try:
        with open(beside, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
        os.replace(beside, path)  # whole or not at all: a kill may come at any moment
    except (OSError, ValueError):  # the latter for names that are no text
        pass


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().removesuffix("\n")
    except (OSError, ValueError):
        return None


def _stat(process: int) -> list[str] | None:
    text = _text(f"/proc/{process}/stat")
    return None if text is None else text.rpartition(")")[2].split()


def _alive(process: str, started: str) -> bool:
    """Tell whether a process runs that is the one which had this id then."""
    found = _stat(int(process)) if process.isdecimal() else None
    return found is not None and found[START_TIME] == started and found[STATE] not in {"Z", "X"}
