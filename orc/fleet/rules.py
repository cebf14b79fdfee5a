"""Lambda's rules, as pure functions.

Sources: AWS's pages on the execution environment's lifecycle and on the runtime and extensions
APIs; the texts of errors are those of AWS's Runtime Interface Emulator.
"""

from __future__ import annotations

import signal
from typing import Any, NamedTuple

MODES = ("on-demand", "provisioned", "snap-start", "managed")
MOST_EXTENSIONS = 10
STARTS_AT_ONCE = 4  # more only slow each other down


class Shutdown(NamedTuple):
    """Seconds of grace in a shutdown; 0 is SIGKILL at once.

    They count as in ``orc.fleet.grace``: not while a process is kept waiting for a processor.
    """

    runtime: float
    total: float


def shutdown_plan(*, internal: bool, external: bool) -> Shutdown:
    """Return how much time there is to end: none, unless an extension is registered."""
    if external:
        return Shutdown(0.5 if internal else 0.3, 2.0)
    if internal:
        return Shutdown(0.5, 0.5)
    return Shutdown(0.0, 0.0)


def init_type(mode: str, *, ahead: bool) -> str:
    """Return AWS_LAMBDA_INITIALIZATION_TYPE.

    What provisioned concurrency does not cover spills over to on-demand containers.
    """
    if mode == "provisioned":
        return "provisioned-concurrency" if ahead else "on-demand"
    return {"snap-start": "snap-start", "managed": "lambda-managed-instances"}.get(mode, mode)


def init_kind(mode: str, *, again: bool) -> str:
    """Return what the init is to the caller who waits for it."""
    if mode == "snap-start":
        return "restored"
    return "reset" if again else "cold"


def timeout_error(request_id: str, seconds: float) -> dict[str, Any]:
    """Return the error of an invocation that did not end in time."""
    return {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: "
        f"Task timed out after {seconds:.2f} seconds",
    }


def exit_error(request_id: str, status: int) -> dict[str, Any]:
    """Return the error of an invocation whose runtime exited; `status` as subprocess has it."""
    return {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {request_id} Error: {_exited('Runtime', status)}",
    }


def extension_exit_error(request_id: str, name: str, status: int) -> dict[str, Any]:
    """Return the error of an invocation during which an external extension exited."""
    return {
        "errorType": "Extension.Crash",
        "errorMessage": f"RequestId: {request_id} Error: {_exited(f'Extension {name}', status)}",
    }


def _exited(what: str, status: int) -> str:
    if status == 0:
        return f"{what} exited without providing a reason"
    if status > 0:
        return f"{what} exited with error: exit status {status}"
    name = (signal.strsignal(-status) or f"signal {-status}").lower()
    return f"{what} exited with error: signal: {name}"
