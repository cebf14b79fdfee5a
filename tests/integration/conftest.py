"""Real servers for the tests: so far, AWS's Lambda Runtime Interface Emulator (RIE)."""

from __future__ import annotations

import json
import os
import platform
import secrets
import socket
import subprocess
import sys
import threading
import zipfile
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import orc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent
PATH_OF_INVOCATIONS = "/2015-03-31/functions/function/invocations"
BINARIES = {"x86_64": "aws-lambda-rie-x86_64", "aarch64": "aws-lambda-rie-arm64"}
PATIENCE = 30.0  # seconds; a machine under load is slow, a hanging one is a failure


class Emulator:
    """One RIE with its runtime: one execution environment of a function in ``functions/``.

    The emulator starts the runtime at the first invocation. It cannot take two at once (it
    panics), so ``invoke`` waits for the one before. It does not empty its temporary folder
    when it is started again, which Lambda would.
    """

    def __init__(self, binary: Path, handler: str, folder: Path, variables: dict[str, str]) -> None:
        """Take the binary, ``module.function``, a folder to own, and the whole environment."""
        self.variables = variables
        self.handler = handler
        self._binary = binary
        self._log = folder / "log"
        self._turn = threading.Lock()
        self._guardian: subprocess.Popen[bytes] | None = None
        # Bound and never listening, these keep the ports for the emulator, which may bind them
        # once more: both sides say SO_REUSEADDR.
        self._reserved = [socket.socket() for _ in ("invocations", "runtime API")]
        for each in self._reserved:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind(("127.0.0.1", 0))
        self._addresses = ["{}:{}".format(*each.getsockname()) for each in self._reserved]

    def start(self) -> Emulator:
        """Start it, and return when it takes invocations."""
        assert self._guardian is None, "started already"
        command = [
            str(self._binary),
            *("--log-level", "info"),
            *("--runtime-interface-emulator-address", self._addresses[0]),
            *("--runtime-api-address", self._addresses[1]),
            *(sys.executable, "-m", "awslambdaric", self.handler),
        ]
        with self._log.open("ab") as log:
            self._guardian = subprocess.Popen(
                [sys.executable, "-I", "-S", HERE / "guardian.py", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.variables["LAMBDA_TASK_ROOT"],
                env=self.variables,
                start_new_session=True,  # Ctrl-C is for the tests alone: they end it in order
            )
        pause = 0.01
        for _ in range(int(PATIENCE / pause)):
            try:
                socket.create_connection(self._reserved[0].getsockname(), PATIENCE).close()
            except ConnectionRefusedError:
                try:
                    self._guardian.wait(pause)
                except subprocess.TimeoutExpired:
                    continue
                pytest.fail(f"the emulator ended by itself:\n{self.log()}")
            else:
                return self
        pytest.fail(f"the emulator takes no connection:\n{self.log()}")

    def invoke(
        self,
        event: object = None,
        *,
        tenant: str | None = None,
        request_id: str | None = None,
    ) -> SimpleNamespace:
        """Invoke once; return ``status`` (of HTTP), ``value`` (decoded, if JSON) and ``text``.

        Without `request_id`, a UUID, the emulator draws one.
        """
        headers = {"Content-Type": "application/json"}
        if tenant is not None:
            headers["X-Amz-Tenant-Id"] = tenant
        if request_id is not None:
            headers["X-Amzn-RequestId"] = request_id
        with self._turn:
            connection = HTTPConnection(*self._reserved[0].getsockname(), timeout=PATIENCE)
            try:
                connection.request("POST", PATH_OF_INVOCATIONS, json.dumps(event), headers)
                response = connection.getresponse()
                text = response.read().decode()
            finally:
                connection.close()
        try:
            value: Any = json.loads(text)
        except ValueError:
            value = None
        return SimpleNamespace(status=response.status, value=value, text=text)

    def log(self) -> str:
        """Return what the emulator and the runtime have printed, over all starts."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def stop(self) -> None:
        """Kill the emulator, the runtime and all that they started, and wait for their end."""
        if self._guardian is not None:
            self._guardian.communicate(timeout=PATIENCE)  # closes its input
            self._guardian = None

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        for each in self._reserved:
            each.close()


@pytest.fixture(scope="session")
def found_rie(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """Return the emulator: the file ``ORC_TEST_RIE``, or one out of aws-sam-cli's wheel.

    The wheel is looked for in the folder ``ORC_TEST_WHEELS``.
    """
    name = BINARIES.get(platform.machine())
    if sys.platform != "linux" or name is None:
        return None
    given = os.environ.get("ORC_TEST_RIE")  # noqa: TID251 - the tests' own
    if given:
        assert os.access(given, os.X_OK), f"ORC_TEST_RIE={given} is no program"
        return Path(given).resolve()
    folder = os.environ.get("ORC_TEST_WHEELS")  # noqa: TID251 - the tests' own
    wheels = sorted(Path(folder).glob("aws_sam_cli-*.whl")) if folder else []
    if not wheels:
        return None
    with zipfile.ZipFile(wheels[-1]) as wheel:
        inside = f"samcli/local/rapid/{name}"
        binary = Path(wheel.extract(inside, tmp_path_factory.mktemp("rie")))
    binary.chmod(0o755)
    return binary


@pytest.fixture
def rie(found_rie: Path | None, require: Callable[[str, object], None]) -> Path:
    """Return the path of the emulator, or skip the test (see ``require``)."""
    require("rie", found_rie)
    assert found_rie is not None
    assert find_spec("awslambdaric"), "the emulator runs awslambdaric: install orc-cache[fleet]"
    return found_rie


@pytest.fixture
def log_stream() -> str:
    """Return a name such as Lambda gives to each environment, and no other has."""
    return f"2026/11/23/[$LATEST]{secrets.token_hex(16)}"


@pytest.fixture
def emulate(rie: Path, tmp_path: Path, log_stream: str) -> Iterator[Callable[..., Emulator]]:
    """Return what starts an emulator: ``emulate("states.handler", timeout=3, VARIABLE="x")``.

    All emulators of a test have one temporary folder. A variable that is None is left out.
    """
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    started: list[Emulator] = []

    def start(handler: str, *, timeout: int = 30, **more: str | None) -> Emulator:
        functions = HERE / "functions"
        variables: dict[str, str | None] = {
            "AWS_EXECUTION_ENV": "AWS_Lambda_python{}.{}".format(*sys.version_info),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
            "LAMBDA_TASK_ROOT": str(functions),
            "PATH": os.defpath,
            "PYTHONDONTWRITEBYTECODE": "1",  # functions/ is not ours to write to
            "PYTHONPATH": str(Path(orc.__file__).parents[1]),
            "TMPDIR": str(temporary),
            "TZ": ":UTC",
            **more,
        }
        given = {name: value for name, value in variables.items() if value is not None}
        folder = tmp_path / f"emulator-{len(started)}"
        folder.mkdir()
        started.append(Emulator(rie, handler, folder, given))
        return started[-1].start()

    yield start
    for each in started:
        each.close()
        sys.stdout.write(each.log())  # shown by pytest when the test failed
