"""What the variables of an environment tell of the place."""

from __future__ import annotations

import pytest

from orc.lifecycle import environment
from orc.lifecycle.platforms import (
    AZURE,
    CLOUD_RUN,
    LAMBDA,
    MANAGED,
    ON_DEMAND,
    OTHER,
    PROVISIONED,
    SNAP_START,
    VERCEL,
    Platform,
)

API = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}
NAMED = {"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_VERSION": "7"}
STREAM = {"AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/23/[7]abc"}


def test_nothing_is_told_off_all_platforms() -> None:
    """A plain process has no names, freezes never, and is not reset."""
    found = Platform({"HOME": "/root", "K_REVISION": "r"})
    assert (found.name, found.workers) == (OTHER, 1)
    assert {found.init_type, found.instance, found.function, found.version} == {None}
    assert not found.freezes
    assert not found.resets


@pytest.mark.parametrize("variables", [API, {"AWS_LAMBDA_FUNCTION_NAME": "f"}])
def test_lambda_without_an_init_type_is_on_demand(variables) -> None:
    """Either variable of Lambda's tells it; emulators say nothing of the init type."""
    for more in ({}, {"AWS_LAMBDA_INITIALIZATION_TYPE": ""}):
        found = Platform(variables | more)
        assert (found.name, found.init_type) == (LAMBDA, ON_DEMAND)
        assert found.freezes
        assert found.resets


def test_lambda_names_function_version_and_environment() -> None:
    """The log stream names the execution environment."""
    found = Platform(NAMED | API | STREAM)
    assert (found.function, found.version) == ("f", "7")
    assert found.instance == "2026/11/23/[7]abc"


@pytest.mark.parametrize("stream", ["", "$LATEST"])
def test_an_emulators_log_stream_names_nothing(stream) -> None:
    """The constant that emulators give is no environment's name."""
    assert Platform(NAMED | {"AWS_LAMBDA_LOG_STREAM_NAME": stream}).instance is None


def test_provisioned_concurrency_freezes_and_resets() -> None:
    """Begun ahead, but otherwise like on demand; an init type of the future is kept as it is."""
    for kind in (PROVISIONED, "of-the-future"):
        found = Platform(NAMED | STREAM | {"AWS_LAMBDA_INITIALIZATION_TYPE": kind})
        assert (found.init_type, found.freezes, found.resets) == (kind, True, True)
        assert found.instance is not None


def test_a_snapshot_has_no_name_and_is_no_reset() -> None:
    """All copies of a snapshot would have the same name, and the same marker."""
    found = Platform(NAMED | STREAM | {"AWS_LAMBDA_INITIALIZATION_TYPE": SNAP_START})
    assert (found.instance, found.resets, found.freezes) == (None, False, True)


@pytest.mark.parametrize(
    ("told", "workers"), [("8", 8), ("1", 1), ("0", 1), ("", 1), ("-2", 1), ("many", 1), ("²", 1)]
)
def test_managed_instances_run_workers_side_by_side(told, workers) -> None:
    """Nothing freezes or is reset there; what is no number of workers counts as one."""
    found = Platform(NAMED | STREAM | {"AWS_LAMBDA_MAX_CONCURRENCY": told})
    assert (found.name, found.workers) == (MANAGED, workers)
    assert (found.freezes, found.resets) == (False, False)
    assert found.instance == "2026/11/23/[7]abc"


def test_vercel_wins_over_lambda_which_it_runs_on() -> None:
    """It serves several requests at once, so none of Lambda's rules hold."""
    found = Platform(NAMED | API | STREAM | {"VERCEL": "1", "VERCEL_DEPLOYMENT_ID": "d"})
    assert (found.name, found.version, found.init_type) == (VERCEL, "d", None)
    assert (found.freezes, found.resets) == (False, False)


def test_cloud_run_and_azure_name_themselves() -> None:
    """Service and revision of the one, site and instance of the other."""
    run = Platform({"K_SERVICE": "s", "K_REVISION": "s-1"})
    assert (run.name, run.function, run.version, run.instance) == (CLOUD_RUN, "s", "s-1", None)
    azure = Platform(
        {"FUNCTIONS_WORKER_RUNTIME": "python", "WEBSITE_SITE_NAME": "w", "WEBSITE_INSTANCE_ID": "i"}
    )
    assert (azure.name, azure.function, azure.instance) == (AZURE, "w", "i")
    assert not azure.freezes


def test_only_variables_that_matter_are_read(monkeypatch) -> None:
    """ORC's own and a platform's; a secret beside them is not touched."""
    monkeypatch.setenv("K_SERVICE", "s")
    monkeypatch.setenv("ORC_TTL", "3")
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    found = environment.read()
    assert (found["K_SERVICE"], found["ORC_TTL"]) == ("s", "3")
    assert "DATABASE_PASSWORD" not in found
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1")
    assert environment.trace_id() == "Root=1"
