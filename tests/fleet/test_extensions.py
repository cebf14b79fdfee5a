"""Extensions: who may register, and whom a container waits for."""

from __future__ import annotations

CLIENT = """
    import json, os, threading, urllib.error, urllib.request
    api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2020-01-01/extension/"
    def call(path, headers, data=None):
        try:
            reply = urllib.request.urlopen(urllib.request.Request(api + path, data, headers))
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)["errorType"], None
        with reply:
            return reply.status, reply.read().decode(), reply.headers
    def register(name, events):
        data = json.dumps({"events": events}).encode()
        return call("register", {"Lambda-Extension-Name": name}, data)
"""

DEFERS = (
    CLIENT
    + """
    me = {"Lambda-Extension-Identifier":
          register("inside", ["INVOKE"])[2]["Lambda-Extension-Identifier"]}
    done, work = [], threading.Event()
    def serve():
        while True:
            event = json.loads(call("event/next", me)[1])
            work.wait()
            gate = os.environ["GATE"]
            if gate:
                open(gate).read()
            done.append(event["requestId"])
    threading.Thread(target=serve, daemon=True).start()
    def handler(event, context):
        work.set()
        return list(done)
    """
)


def test_the_answer_comes_before_the_extension_has_ended(fleet, tmp_path):
    """The caller has the response while the container is busy; then it is frozen."""
    import os

    gate = tmp_path / "gate"
    os.mkfifo(gate)
    function = fleet(DEFERS, env={"GATE": str(gate)}, timeout=20)
    answer = function.invoke(request_id="one")
    assert answer.value == []
    assert answer.container.state == "busy"
    other = function.start()[0]
    assert answer.container.state == "busy"
    assert other.state == "frozen"
    gate.open("w").close()
    answer.settled()
    assert answer.container.state == "frozen"


def test_an_extension_that_never_ends_costs_the_container(fleet, tmp_path):
    """The function's timeout covers the extension: the response was sent, the process is killed."""
    import os

    gate = tmp_path / "gate"
    os.mkfifo(gate)
    function = fleet(DEFERS, env={"GATE": str(gate)}, timeout=0.4)
    answer = function.invoke()
    assert answer.error is None
    answer.settled()
    assert answer.container.pid is None
    assert function.invoke().init == "reset"


def test_the_rules_of_registration(fleet):
    """SHUTDOWN is refused, a name is had once, ten at most, and after init nobody registers."""
    function = fleet(
        CLIENT
        + """
    seen = [register("a", ["SHUTDOWN"])[:2], register("b", ["OTHER"])[:2]]
    status, body, headers = register("c", [])
    seen += [(status, json.loads(body)["handler"]), register("c", [])[:2]]
    seen.append(call("event/next", {"Lambda-Extension-Identifier": "nobody"})[:2])
    ids = [headers["Lambda-Extension-Identifier"]]
    for number in range(9):
        ids.append(register(f"x{number}", [])[2]["Lambda-Extension-Identifier"])
    seen.append(register("one-too-many", [])[:2])
    for each in ids:
        me = {"Lambda-Extension-Identifier": each}
        threading.Thread(target=call, args=("event/next", me), daemon=True).start()
    def handler(event, context):
        return seen + [register("late", [])[:2]]
    """
    )
    assert function.invoke().value == [
        [403, "Extension.InvalidEventType"],
        [403, "Extension.InvalidEventType"],
        [200, "app.handler"],
        [403, "Extension.InvalidExtensionState"],
        [403, "Extension.UnknownExtensionIdentifier"],
        [403, "Extension.TooManyExtensions"],
        [403, "Extension.RegistrationClosed"],
    ]


def test_managed_instances_refuse_events_to_internal_extensions(fleet):
    """Only a registration without events passes."""
    function = fleet(
        CLIENT
        + """
    seen = register("a", ["INVOKE"])[:2]
    def handler(event, context):
        return seen
    """,
        mode="managed",
    )
    assert function.invoke().value == [403, "Extension.InvalidEventType"]


def test_init_waits_for_every_registered_extension(fleet):
    """One that registers and never asks for an event keeps the init from ending."""
    function = fleet(
        CLIENT + "\n    register('a', [])\n    def handler(event, context): pass",
        init_timeout=0.3,
        timeout=0.3,
    )
    assert function.invoke().error["errorType"] == "Sandbox.Timedout"
