"""What is asked for in error: said at once, by a typed error; nothing hangs, nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import signal
from pathlib import Path

import pytest

from orc.errors import ConfigError
from orc.fleet import BlockingFleet, Fleet

FUNCTION = """
    import os
    def handler(event, context):
        return os.getpid()
"""


def test_an_open_fleet_is_not_opened_again(fleet, tmp_path):
    """The fixture's is open; a second loop would wait for what belongs to the first."""
    function = fleet(FUNCTION)
    with pytest.raises(ConfigError, match="leave out the `with`"), function:
        pass
    assert function.invoke().value

    async def twice():
        async with Fleet("app.handler", code=tmp_path / "code") as open_one:
            with pytest.raises(ConfigError, match="open already"):
                await open_one.__aenter__()
            return (await open_one.invoke()).value

    assert asyncio.run(twice())


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": float("inf")},
        {"timeout": "3"},
        {"timeout": True},
        {"init_timeout": float("nan")},
        {"env": {"N": 1}},
        {"env": {"LAMBDA_TASK_ROOT": "/"}},
        {"extensions": {"x": ["/nonexistent/program"]}},
        {"extensions": {"x": "sh"}},
        {"extensions": {"x": []}},
    ],
    ids=str,
)
def test_options_that_cannot_be(tmp_path, options):
    """Refused when the fleet is made, not by an invocation that fails."""
    with pytest.raises(ConfigError):
        Fleet("app.handler", code=tmp_path, **options)


@pytest.mark.parametrize(
    "shift",
    [{"wall": float("nan")}, {"wall": 1e30}, {"monotonic": float("inf")}, {"monotonic": -1.0}],
    ids=str,
)
def test_clocks_are_not_moved_where_no_clock_goes(fleet, shift):
    """What is refused leaves the clocks as they were, also those of later containers."""
    function = fleet(FUNCTION)
    container = function.invoke().container
    for moved in (function, container):
        with pytest.raises(ConfigError, match="advance"):
            moved.advance(**shift)
    assert function.invoke().value
    container.recycle()
    assert function.invoke().value


@pytest.mark.parametrize("count", [0, -1])
def test_at_least_one_is_started(fleet, count):
    """An empty list would look like success."""
    with pytest.raises(ConfigError, match="at least one"):
        fleet(FUNCTION).start(count)


@pytest.mark.parametrize("text", ["", "日", "a\r\nX: y", "a b"])
def test_what_travels_in_a_header_is_checked(fleet, text):
    """A tenant or a request id that no header can carry would be a silent timeout."""
    function = fleet(FUNCTION, tenants=True)
    with pytest.raises(ConfigError, match="tenant"):
        function.invoke(tenant=text)
    with pytest.raises(ConfigError, match="request_id"):
        function.invoke(tenant="blue", request_id=text or "a/b")
    assert function.invoke(tenant="blue").value


@pytest.mark.parametrize("mode", ["on-demand", "snap-start"])
def test_a_start_that_was_cancelled_is_made_up_for(tmp_path, mode):
    """The container initialises in its next invocation; others start as ever."""
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return 1\n")

    async def cancelled():
        async with Fleet("app.handler", code=tmp_path, mode=mode) as function:
            starting = asyncio.ensure_future(function.start(1))
            await function._changed.until(lambda: function.containers)
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
            (container,) = function.containers
            first = await function.invoke(container=container)
            (other,) = await function.start(1)
            return first.value, (await function.invoke(container=other)).value

    assert asyncio.run(asyncio.wait_for(cancelled(), 20)) == (1, 1)


def test_a_child_of_the_tests_does_not_keep_the_fleet_from_closing(fleet):
    """A process that was forked meanwhile has the guardian's pipe, and may live on."""
    function = fleet(FUNCTION)
    assert function.invoke().value
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(write)
        os.read(read, 1)  # until the parent is done
        os._exit(0)
    try:
        guardian = function._fleet._guardian
        folder = guardian.folder
        function.close()
        assert not folder.exists()
    finally:
        os.close(read)
        os.close(write)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_guardian_that_cannot_start_is_said(tmp_path, monkeypatch):
    """And no folder of the user's is taken for the fleet's."""
    (tmp_path / "app.py").write_text("def handler(event, context): pass\n")
    (tmp_path / "template").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("orc.fleet.processes.GUARDIAN", str(tmp_path / "no such program.py"))
    with (
        pytest.raises(ConfigError, match="guardian"),
        BlockingFleet("app.handler", code=tmp_path, mode="snap-start"),
    ):
        pass
    assert sorted(each.name for each in tmp_path.iterdir()) == ["app.py", "template"]


def test_code_that_was_changed_is_what_a_new_container_runs(fleet, tmp_path):
    """No bytecode is left in the function's folder, which is read-only on Lambda."""
    function = fleet("def handler(event, context):\n    return 1\n")
    first = function.invoke()
    assert first.value == 1
    (tmp_path / "code" / "app.py").write_text("def handler(event, context):\n    return 2\n")
    first.container.recycle()
    assert function.invoke().value == 2
    assert [each.name for each in (tmp_path / "code").iterdir()] == ["app.py"]


def test_an_import_path_of_ones_own_is_added(fleet, tmp_path):
    """Before the fleet's, which stays."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "mine.py").write_text("answer = 42\n")
    function = fleet(
        """
        import mine
        def handler(event, context):
            return mine.answer
        """,
        env={"PYTHONPATH": str(tmp_path / "library")},
    )
    assert function.invoke().value == 42


def test_the_log_of_a_snapshot_that_failed_is_told(fleet):
    """What the template printed is each clone's."""
    function = fleet("print('before the snapshot'); raise SystemExit(3)", mode="snap-start")
    answer = function.invoke()
    assert answer.error
    assert "before the snapshot" in answer.container.log()


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        ("/2020-01-01/extension/register", {"Lambda-Extension-Name": "x"}, '{"events": 5}', 400),
        ("/2020-01-01/extension/register", {"Lambda-Extension-Name": "x"}, '{"events": "a"}', 400),
        ("/2018-06-01/runtime/invocation/next", {"Transfer-Encoding": "chunked"}, "-6\r\n", 400),
    ],
)
def test_what_is_no_request_is_answered(fleet, path, headers, body, status):
    """Whoever sends it does not wait for ever, and nobody else notices."""
    function = fleet(
        """
        import os
        def handler(event, context):
            return os.environ["AWS_LAMBDA_RUNTIME_API"]
        """,
        freeze=False,
    )
    connection = http.client.HTTPConnection(function.invoke().value, timeout=10)
    connection.putrequest("POST", path)
    for name, value in headers.items():
        connection.putheader(name, value)
    if "Transfer-Encoding" not in headers:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body.encode())
    assert connection.getresponse().status == status
    connection.close()
    assert function.invoke().value


def test_an_extension_that_does_not_want_the_end_is_not_waited_for(fleet, tmp_path):
    """Only who registered for SHUTDOWN has the two seconds."""
    program = tmp_path / "extension.sh"
    program.write_text(
        "#!/bin/sh\nexec python3 - <<'EOF'\n"
        "import http.client, json, os\n"
        "c = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])\n"
        "c.request('POST', '/2020-01-01/extension/register', json.dumps({'events': ['INVOKE']}),\n"
        "          {'Lambda-Extension-Name': 'quiet'})\n"
        "r = c.getresponse(); r.read()\n"
        "i = r.headers['Lambda-Extension-Identifier']\n"
        "while True:\n"
        "    c.request('GET', '/2020-01-01/extension/event/next',\n"
        "              headers={'Lambda-Extension-Identifier': i})\n"
        "    c.getresponse().read()\nEOF\n"
    )
    program.chmod(0o755)
    function = fleet(FUNCTION, extensions={"quiet": [str(program)]})
    answer = function.invoke()
    assert answer.value, answer.error
    answer.settled()

    async def recycled():
        async with asyncio.timeout(1.5):  # seconds: less than those who ask for them are given
            await answer.container._container.recycle()

    function.wait(recycled())
    assert not Path(answer.container.tmp).exists()
