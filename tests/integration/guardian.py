"""Runs one command, and leaves no process of it behind: ``python -I -S guardian.py COMMAND...``.

Ends when its standard input ends, that is when the tests close it or are themselves killed, or
when the command ends. Linux only, as the emulator is.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def children() -> list[int]:
    """Return the processes whose parent is this one."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                status = (folder / "stat").read_text(errors="replace")
            except OSError:
                continue  # gone in the meantime
            parent = int(status.rpartition(")")[2].split()[1])
            if parent == os.getpid():
                found.append(int(folder.name))
    return found


def end_all() -> None:
    """Kill what is there until nothing is: the orphans of the killed become our own children."""
    while True:
        for process in children():
            os.kill(process, signal.SIGKILL)  # unreaped, so the number is still theirs
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    try:
        select.select([0, os.pidfd_open(command.pid)], [], [])
    finally:
        end_all()
