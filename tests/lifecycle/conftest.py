"""A life of its own for each test, and a runtime that tells which invocation it is at."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from types import ModuleType, SimpleNamespace

import pytest

from orc.lifecycle import hooks
from orc.lifecycle import life as life_module
from orc.lifecycle.life import Life

LAMBDA = {"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}


@pytest.fixture(autouse=True)
def lives(monkeypatch):
    """Let the process begin anew: no life, no hooks, nothing complained of, no invocation."""
    fresh = []
    monkeypatch.setattr(life_module, "_lives", fresh)
    monkeypatch.setattr(life_module, "_expecting", [])
    monkeypatch.setattr(hooks, "STARTED", [])
    monkeypatch.setattr(hooks, "ENDING", [])
    monkeypatch.delenv("_X_AMZN_TRACE_ID", raising=False)
    monkeypatch.delitem(sys.modules, "awslambdaric.bootstrap", raising=False)
    return fresh


@pytest.fixture
def live(lives, clock, tmp_path, monkeypatch):
    """Return what makes the life of this process: with variables, in a directory of its own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def make(variables=None, /, **more):
        lives[:] = [Life((variables or {}) | more, clock)]
        return lives[0]

    return make


@pytest.fixture
def on_lambda(live):
    """Return the life of a process of Lambda's, on demand."""
    return live(LAMBDA)


@pytest.fixture
def invocation(monkeypatch):
    """Return what sets the request id of a runtime like awslambdaric."""
    bootstrap = ModuleType("awslambdaric.bootstrap")
    bootstrap._GLOBAL_AWS_REQUEST_ID = None
    monkeypatch.setitem(sys.modules, "awslambdaric.bootstrap", bootstrap)

    def begin(request_id):
        monkeypatch.setattr(bootstrap, "_GLOBAL_AWS_REQUEST_ID", request_id)

    return begin


@pytest.fixture
def context():
    """Return what makes a context object like Lambda's."""

    def make(request_id="r1", tenant=None, left=3000):
        return SimpleNamespace(
            aws_request_id=request_id, tenant_id=tenant, get_remaining_time_in_millis=lambda: left
        )

    return make


@pytest.fixture
def run_program():
    """Return what runs a program in a process of its own, and gives what it prints."""

    def run(text, *arguments):
        done = subprocess.run(
            [sys.executable, "-W", "error::RuntimeWarning", "-c", text, *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Exception ignored" not in done.stderr, done.stderr
        return done.stdout.split()

    return run
