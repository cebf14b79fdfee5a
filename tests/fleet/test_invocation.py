"""One invocation: what goes in, what the function sees, what comes out."""

from __future__ import annotations

import sys

import pytest

from orc.errors import ConfigError
from orc.fleet import Fleet

COUNTER = """
    import os
    count = 0
    def handler(event, context):
        global count
        count += 1
        return {"count": count, "pid": os.getpid(), "event": event}
"""


def test_the_first_is_cold_and_the_next_warm(fleet):
    """One process serves one after the other, and only the first caller waits for its init."""
    function = fleet(COUNTER)
    first, second = function.invoke({"n": 1}), function.invoke([2])
    assert (first.init, second.init) == ("cold", None)
    assert first.value["event"] == {"n": 1}
    assert second.value["event"] == [2]
    assert (first.value["count"], second.value["count"]) == (1, 2)
    assert first.value["pid"] == second.value["pid"] == first.container.pid
    assert first.container == second.container
    assert second.container.invocations == 2
    assert second.container.generation == 1
    assert second.seconds < first.seconds
    assert second.error is None


def test_an_error_of_the_handler_is_the_answer_and_the_process_lives_on(fleet):
    """What the handler raises is the answer's error; globals stay."""
    function = fleet("""
        count = 0
        def handler(event, context):
            global count
            count += 1
            if event == "raise":
                raise LookupError("not here")
            return count
    """)
    answer = function.invoke("raise")
    assert answer.value is None
    assert answer.error["errorType"] == "LookupError"
    assert answer.error["errorMessage"] == "not here"
    after = function.invoke()
    assert (after.value, after.init) == (2, None)


def test_the_context_is_lambdas(fleet):
    """Request id, ARN, client context, identity, remaining time and log stream are there."""
    function = fleet(
        """
        import os
        def handler(event, context):
            return {
                "id": context.aws_request_id,
                "arn": context.invoked_function_arn,
                "custom": context.client_context.custom,
                "identity": context.identity.cognito_identity_id,
                "left": context.get_remaining_time_in_millis(),
                "stream": context.log_stream_name,
                "name": context.function_name,
                "memory": context.memory_limit_in_mb,
                "tenant": context.tenant_id,
                "trace": os.environ["_X_AMZN_TRACE_ID"],
            }
        """,
        timeout=7,
        memory=256,
        tenants=True,
    )
    answer = function.invoke(
        request_id="one",
        tenant="blue",
        client_context={"custom": {"a": "b"}},
        cognito_identity={"cognitoIdentityId": "me"},
    )
    seen = answer.value
    assert seen["id"] == answer.request_id == "one"
    assert seen["arn"].startswith("arn:aws:lambda:")
    assert seen["custom"] == {"a": "b"}
    assert seen["identity"] == "me"
    assert 5_000 < seen["left"] <= 7_000
    assert seen["stream"] == answer.container.log_stream
    assert answer.container.id in seen["stream"]
    assert seen["memory"] == "256"
    assert seen["tenant"] == answer.container.tenant == "blue"
    assert seen["trace"].startswith("Root=1-")


@pytest.mark.parametrize(
    ("mode", "ahead", "told"),
    [
        ("on-demand", False, "on-demand"),
        ("on-demand", True, "on-demand"),
        ("provisioned", True, "provisioned-concurrency"),
        ("provisioned", False, "on-demand"),
        ("managed", False, "lambda-managed-instances"),
    ],
)
def test_the_environment_is_lambdas_and_not_the_developers(
    fleet, monkeypatch, tmp_path, mode, ahead, told
):
    """The variables are those of Lambda and of env=; the parent's stay outside."""
    monkeypatch.setenv("AWS_PROFILE", "developer")
    monkeypatch.setenv("ORC_SOMETHING", "1")
    function = fleet(
        """
        import os, sys
        argv = list(sys.argv)
        def handler(event, context):
            return dict(os.environ, cwd=os.getcwd(), argv=argv, path=sys.path)
        """,
        env={"MINE": "yes"},
        mode=mode,
    )
    if ahead:
        function.start()
    answer = function.invoke()
    seen = answer.value
    assert (answer.init is None) == ahead
    assert seen["AWS_LAMBDA_INITIALIZATION_TYPE"] == told
    assert seen["MINE"] == "yes"
    assert "AWS_PROFILE" not in seen
    assert "ORC_SOMETHING" not in seen
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert seen["AWS_EXECUTION_ENV"] == f"AWS_Lambda_python{version}"
    assert seen["AWS_LAMBDA_LOG_STREAM_NAME"] == answer.container.log_stream
    assert seen["TZ"] == ":UTC"
    assert seen["_HANDLER"] == "app.handler"
    assert seen["LAMBDA_TASK_ROOT"] == seen["cwd"] == str(tmp_path / "code")
    assert seen["TMPDIR"] == str(answer.container.tmp)
    assert seen["argv"][1:] == ["app.handler"]
    assert seen["argv"][0].endswith("awslambdaric/__main__.py")
    assert not any(entry.endswith("orc/fleet") for entry in seen["path"])


@pytest.mark.parametrize("shift_clocks", [True, False])
def test_what_it_prints_is_in_the_log(fleet, shift_clocks):
    """Output of the init and of the handler can be read, also when the container is gone."""
    function = fleet(
        """
        import sys
        print("init")
        def handler(event, context):
            print("handler")
            print("error", file=sys.stderr)
        """,
        shift_clocks=shift_clocks,
    )
    container = function.invoke().container
    assert container.log() == "init\nhandler\nerror\n"
    container.recycle()
    assert container.log() == "init\nhandler\nerror\n"


def test_a_large_event_and_response_pass(fleet):
    """Payloads of some megabytes go through whole."""
    text = "x" * 5_000_000
    assert fleet(COUNTER, timeout=20).invoke(text).value["event"] == text


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0},
        {"init_timeout": -1},
        {"memory": 0},
        {"mode": "serverful"},
        {"concurrency": 2},
        {"mode": "snap-start", "extensions": {"a": ["true"]}},
        {"mode": "managed", "tenants": True},
        {"max_containers": 0},
        {"route": "random"},
        {"env": {"TMPDIR": "/tmp"}},  # noqa: S108 - refused
        {"code": "nowhere"},
        {"python": "no-such-python"},
        {"extensions": {str(number): ["true"] for number in range(11)}},
    ],
)
def test_arguments_are_checked(tmp_path, options):
    """An argument that cannot be is a ConfigError when the fleet is made."""
    with pytest.raises(ConfigError):
        Fleet("app.handler", **{"code": tmp_path, **options})


def test_without_awslambdaric_the_remedy_is_named(tmp_path, monkeypatch):
    """An interpreter that has no awslambdaric is refused with the line that helps."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'pip install "orc-cache\[fleet\]"'):
        Fleet("app.handler", code=tmp_path)


def test_a_tenant_is_asked_for_exactly_with_tenants(fleet):
    """An invocation without a tenant, or with one that nobody asked for, is a ConfigError."""
    with pytest.raises(ConfigError, match="tenant"):
        fleet(COUNTER, tenants=True).invoke()
    with pytest.raises(ConfigError, match="tenant"):
        fleet(COUNTER).invoke(tenant="blue")


def test_the_function_has_no_descriptor_of_its_host(fleet):
    """The pipe whose end wakes the guardian is not inherited."""
    function = fleet("""
        import os
        def handler(event, context):
            return [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
                    if os.path.exists(f"/proc/self/fd/{n}")]
    """)
    assert not [each for each in function.invoke().value if each.startswith("pipe:")]
