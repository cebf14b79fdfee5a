"""The one reader of the environment: what it reads, warns of, and masks."""

from __future__ import annotations

import warnings

import pytest

import orc
from orc.config.environment import masked
from orc.errors import OrcWarning
from orc.lifecycle.environment import read


def test_only_our_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that begin with ORC_, and what a platform says of the process."""
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ORC_TTL", "5")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "shop")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("MY_ORC_TTL", "6")
    mine = {name: text for name, text in read().items() if not name.startswith("ORC_TEST_")}
    assert mine == {"ORC_TTL": "5", "AWS_LAMBDA_FUNCTION_NAME": "shop"}


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("ORC_TLL", "ORC_TTL"),
        ("ORC_MEMORY_MAXBYTES", "ORC_MEMORY_MAX_BYTES"),
        ("ORC_DISABLE", "ORC_DISABLED"),
        ("ORC_STALE_IF_ERR", "ORC_STALE_IF_ERROR"),
        ("ORC_", "ORC_TTL"),
    ],
)
def test_an_unknown_variable_is_warned_of_once(
    variable: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first cache warns, with the nearest name and without the value; later ones do not."""
    monkeypatch.setenv(variable, "hunter2")
    with pytest.warns(OrcWarning, match=rf"^{variable} is not .*{meant}\?") as said:
        orc.Cache()
    assert len(said) == 1
    assert "hunter2" not in str(said[0].message)
    orc.Cache()  # a second warning would be an error


def test_variables_of_the_test_run_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """ORC_TEST_* says what a test run was promised, and is no setting."""
    monkeypatch.setenv("ORC_TEST_REQUIRE", "redis")
    monkeypatch.setenv("ORC_TEST_ANYTHING", "1")
    orc.Cache()


def test_a_known_variable_is_not_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting is no mistake, and neither is a variable of somebody else."""
    monkeypatch.setenv("ORC_TTL", "5")
    monkeypatch.setenv("ORCHESTRA_TTL", "5")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        orc.Cache()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://:hunter2@host/0", "redis://***@host/0"),
        ("rediss://user:hunter2@host:1", "rediss://***@host:1"),
        ("redis://us@er:hunter2@host", "redis://***@host"),
        ("redis://user:hunt/er2@host/0", "redis://***@host/0"),
        ("redis://user:hunt?er2@host/0", "redis://***@host/0"),
        ("redis://user:hunt#er2@host/0", "redis://***@host/0"),
        ("redis://h/0?password=hunter2&db=1", "redis://h/0?password=***&db=1"),
        ("redis://h?PASSWORD=hunter2", "redis://h?PASSWORD=***"),
        ("redis://h/0?api_key=hunter2&token=", "redis://h/0?api_key=***&token="),
        ("https://h/x?X-Amz-Signature=hunter2", "https://h/x?X-Amz-Signature=***"),
        ("https://h/x?X-Amz-Credential=hunter2", "https://h/x?X-Amz-Credential=***"),
        ("https://h/x?auth=hunter2", "https://h/x?auth=***"),
        ("https://h/x?a=1;password=hunter2", "https://h/x?a=1;password=***"),
        ("user:hunter2@host:6379", "***@host:6379"),
    ],
)
def test_secrets_of_urls_are_masked(text: str, shown: str) -> None:
    """User info and query secrets are not shown; what is no secret is."""
    assert masked(text) == shown
    assert "hunter" not in masked(text)
