"""The environment variables of a container."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from orc.errors import ConfigError

if TYPE_CHECKING:
    from orc.fleet.settings import Settings

REGION = "eu-west-1"
FUNCTION = "orc-fleet"
VERSION = "$LATEST"
ARN = f"arn:aws:lambda:{REGION}:123456789012:function:{FUNCTION}"
REMEDY = 'the fleet needs awslambdaric: pip install "orc-cache[fleet]"'

CONTAINER = "_ORC_FLEET_CONTAINER"

STEERED = frozenset(
    {
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_MAX_CONCURRENCY",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "TMPDIR",
        "_HANDLER",
        "_ORC_FLEET_CONTAINER",
        "_ORC_FLEET_MARK",
    }
)
"""What ``env=`` may not say: it is the fleet's own business."""


def import_path(code: Path, *, same_python: bool) -> str:
    """Return PYTHONPATH: the function's folder, then where installed packages are.

    Of this interpreter's path that is what holds packages, not the folders of the developer.
    """
    entries = [str(code)]
    if same_python:
        for entry in sys.path:
            place = Path(entry)
            packages = place.name in {"site-packages", "dist-packages"}
            if entry and (packages or (place / "awslambdaric").is_dir()):
                entries.append(str(place.resolve()))
    entries.append(str(Path(__file__).resolve().parents[2]))
    return os.pathsep.join(dict.fromkeys(entries))


def python_version(python: str) -> str:
    """Return "3.12" for that interpreter.

    Raises ConfigError when it cannot be run, or has no awslambdaric.
    """
    if python == sys.executable:
        present = importlib.util.find_spec("awslambdaric") is not None
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
    else:
        program = (
            "import sys, importlib.util as u; "
            "print(*sys.version_info[:2], u.find_spec('awslambdaric') is not None)"
        )
        try:
            said = subprocess.run(
                [python, "-I", "-c", program], check=True, capture_output=True, text=True
            ).stdout.split()
        except (OSError, subprocess.CalledProcessError) as error:
            raise ConfigError(f"python={python!r} cannot be run: {error}") from error
        version, present = ".".join(said[:2]), said[2] == "True"
    if not present:
        raise ConfigError(REMEDY)
    return version


def variables(  # noqa: PLR0913 - what Lambda tells a function
    settings: Settings,
    *,
    init_type: str,
    log_stream: str,
    address: str,
    tmp: Path,
    mark: str,
) -> dict[str, str]:
    """Return the whole environment of a container's processes; nothing of ours is inherited."""
    env = {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{settings.version}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.memory),
        "AWS_LAMBDA_FUNCTION_NAME": FUNCTION,
        "AWS_LAMBDA_FUNCTION_VERSION": VERSION,
        "AWS_REGION": REGION,
        "LAMBDA_TASK_ROOT": str(settings.code),
        "LANG": "en_US.UTF-8",
        "PATH": os.pathsep.join(
            (str(Path(settings.python).parent), "/usr/local/bin", "/usr/bin", "/bin")
        ),
        # On Lambda the code's folder is read-only; here bytecode could outlive a change of it.
        "PYTHONDONTWRITEBYTECODE": "1",
        "TZ": ":UTC",
        **settings.env,
        "PYTHONPATH": os.pathsep.join(
            part
            for part in (
                settings.env.get("PYTHONPATH"),
                import_path(settings.code, same_python=settings.python == sys.executable),
            )
            if part
        ),
        "AWS_LAMBDA_INITIALIZATION_TYPE": init_type,
        "AWS_LAMBDA_RUNTIME_API": address,
        "TMPDIR": str(tmp),
        "_HANDLER": settings.handler,
    }
    if init_type != "snap-start":
        env["AWS_LAMBDA_LOG_GROUP_NAME"] = f"/aws/lambda/{FUNCTION}"
        env["AWS_LAMBDA_LOG_STREAM_NAME"] = log_stream
    if settings.mode == "managed":
        env["AWS_LAMBDA_MAX_CONCURRENCY"] = str(settings.concurrency)
    for each in (mark, container_mark(mark, tmp.parent.name)):
        name, _, value = each.partition("=")
        env[name] = value
    return env


def container_mark(mark: str, container: str) -> str:
    """Return the variable that the processes of one container have, and no other's."""
    return f"{CONTAINER}={mark.partition('=')[2]}-{container}"
