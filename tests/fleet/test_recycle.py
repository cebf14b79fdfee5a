"""The end of an environment, by Lambda's rules of grace."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from orc.errors import ConfigError

TERMINATES = """
    import os, signal, urllib.request
    def end(number, frame):
        print("SIGTERM", flush=True)
        os._exit(0)
    signal.signal(signal.SIGTERM, end)
    if "REGISTER" in os.environ:
        request = urllib.request.Request(
            f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2020-01-01/extension/register",
            data=b'{"events": []}', headers={"Lambda-Extension-Name": "inside"})
        identifier = urllib.request.urlopen(request).headers["Lambda-Extension-Identifier"]
        request = urllib.request.Request(
            f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2020-01-01/extension/event/next",
            headers={"Lambda-Extension-Identifier": identifier})
        import threading
        threading.Thread(target=urllib.request.urlopen, args=(request,), daemon=True).start()
    def handler(event, context):
        return os.getpid()
"""
POLLS_IN_A_THREAD = {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"}

EXTERNAL = """
    import json, os, sys, urllib.request
    api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2020-01-01/extension/"
    def call(path, headers, data=None):
        return urllib.request.urlopen(urllib.request.Request(api + path, data, headers))
    reply = call("register", {"Lambda-Extension-Name": "outside"},
                 b'{"events": ["INVOKE", "SHUTDOWN"]}')
    me = {"Lambda-Extension-Identifier": reply.headers["Lambda-Extension-Identifier"]}
    while True:
        event = json.loads(call("event/next", me).read())
        print("extension", event["eventType"], event.get("shutdownReason"), flush=True)
        if event["eventType"] == "SHUTDOWN":
            sys.exit()
"""


def outside(tmp_path):
    program = tmp_path / "outside.py"
    program.write_text(textwrap.dedent(EXTERNAL))
    return {"outside": [sys.executable, str(program)]}


def test_without_an_extension_it_is_killed_at_once(fleet):
    """SIGKILL, no SIGTERM; folder and container are gone, and the next one is cold."""
    function = fleet(TERMINATES, env=POLLS_IN_A_THREAD)
    first = function.invoke()
    container, tmp = first.container, first.container.tmp
    (tmp / "file").touch()
    container.recycle()
    assert container.state == "gone"
    assert container.log() == ""
    assert not tmp.exists()
    assert function.containers == []
    with pytest.raises(ConfigError, match="gone"):
        function.invoke(container=container)
    after = function.invoke()
    assert after.init == "cold"
    assert after.container != container
    container.recycle()


def test_an_internal_extension_earns_a_sigterm(fleet):
    """A frozen runtime that registered is thawed, told by SIGTERM, and may clean up."""
    function = fleet(TERMINATES, env={**POLLS_IN_A_THREAD, "REGISTER": "1"})
    answer = function.invoke()
    answer.settled()
    answer.container.recycle()
    assert answer.container.log() == "SIGTERM\n"


def test_an_external_extension_is_told_after_the_runtime(fleet, tmp_path):
    """The runtime has SIGTERM, then the extension its SHUTDOWN with the reason."""
    function = fleet(TERMINATES, env=POLLS_IN_A_THREAD, extensions=outside(tmp_path))
    answer = function.invoke()
    answer.settled()
    answer.container.recycle()
    assert answer.container.log() == (
        "extension INVOKE None\nSIGTERM\nextension SHUTDOWN spindown\n"
    )


def test_after_a_timeout_the_external_extension_is_told_why(fleet, tmp_path):
    """The shutdown of a reset has the reason timeout, and the extension starts again."""
    function = fleet(
        """
        import threading
        def handler(event, context):
            if event == "hang":
                threading.Event().wait()
        """,
        timeout=1.0,
        extensions=outside(tmp_path),
    )
    answer = function.invoke("hang")
    assert answer.error["errorType"] == "Sandbox.Timedout"
    assert "extension SHUTDOWN timeout\n" in answer.container.log()
    after = function.invoke()
    after.settled()
    assert (after.init, after.error) == ("reset", None)
    assert answer.container.log().count("extension INVOKE") == 2


@pytest.mark.parametrize("end", ["recycle", "reset"])
def test_a_child_in_a_session_of_its_own_ends_with_its_container(fleet, end):
    """An environment ends with all that runs in it, and with nothing of another one's."""
    function = fleet(
        """
        import os, subprocess
        def handler(event, context):
            if event == "exit":
                os._exit(3)
            return subprocess.Popen(["sleep", "1000"], start_new_session=True).pid
        """
    )
    first = function.invoke()
    (other,) = function.start(1)
    kept = function.invoke(container=other)
    if end == "recycle":
        first.container.recycle()
    else:
        function.invoke("exit", container=first.container).settled()
    assert not alive(first.value)
    assert alive(kept.value)


def alive(pid: int) -> bool:
    """Tell whether a process runs: it may be a zombie that nobody waits for."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"
