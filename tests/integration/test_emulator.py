"""The emulator of the tests keeps to itself, and leaves nothing behind."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    Emulate = Callable[..., object]

PATIENCE = 30.0  # seconds


def ends(process: int) -> bool:
    """Wait for the end of a process that need not be a child; say whether it came in time."""
    try:
        handle = os.pidfd_open(process)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], PATIENCE)[0])
    finally:
        os.close(handle)


def test_an_environment_lives_on_between_invocations(emulate: Emulate) -> None:
    """One process serves both, and each request has an id of its own."""
    emulator = emulate("plain.handler")
    first, second = emulator.invoke().value, emulator.invoke().value
    assert (first["calls"], second["calls"]) == (1, 2)
    assert first["pid"] == second["pid"]
    assert first["request"] != second["request"]


def test_the_developers_environment_stays_outside(
    emulate: Emulate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function sees the variables of the test and of the emulator, and no others."""
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("ORC_TTL", "1")
    seen = emulate("plain.handler", ORC_NAMESPACE="given").invoke().value["environment"]
    assert "AWS_PROFILE" not in seen
    assert {name for name in seen if name.startswith("ORC_")} == {"ORC_NAMESPACE"}
    assert seen["AWS_LAMBDA_FUNCTION_NAME"] == "test_function"


def test_stopping_ends_every_process(emulate: Emulate) -> None:
    """Also the child of a function that went to a session of its own."""
    emulator = emulate("plain.handler")
    seen = emulator.invoke({"do": "leave a child"}).value
    os.kill(seen["child"], 0)
    emulator.stop()
    for process in (seen["pid"], seen["child"]):
        assert ends(process)


def test_killing_the_tests_ends_every_process(rie: Path, tmp_path: Path) -> None:
    """A run that is killed by SIGKILL in an invocation leaves neither emulator nor runtime."""
    here = Path(__file__).parent
    program = textwrap.dedent(
        """
        import importlib.util, os, sys
        from pathlib import Path

        here, binary, folder = sys.argv[1:]
        spec = importlib.util.spec_from_file_location("conftest", Path(here) / "conftest.py")
        conftest = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(conftest)
        functions = Path(here) / "functions"
        variables = {"LAMBDA_TASK_ROOT": str(functions), "PYTHONDONTWRITEBYTECODE": "1"}
        emulator = conftest.Emulator(Path(binary), "plain.handler", Path(folder), variables)
        seen = emulator.start().invoke({"do": "leave a child"}).value
        print(seen["pid"], seen["child"], emulator._guardian.pid, flush=True)
        emulator.invoke({"do": "hang"})
        """
    )
    command = [sys.executable, "-c", program, here, rie, tmp_path]
    paths = {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=paths, text=True) as run:
        assert run.stdout is not None
        processes = [int(each) for each in run.stdout.readline().split()]
        assert len(processes) == 3
        run.send_signal(signal.SIGKILL)
    for process in processes:
        assert ends(process)
