"""Each setting: its variable, who wins, and what is not allowed."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from pathlib import Path

import pytest

import orc
from orc.config.assemble import shared_memory
from orc.config.reference import page
from orc.config.settings import TABLE, Settings
from orc.config.values import MEGABYTE, share_of, size_bytes
from orc.errors import ConfigError
from orc.model.freshness import FOREVER

NAMES = [setting.name for setting in TABLE]

ALLOWED = [
    ("ORC_TTL", "60", "ttl", 60.0),
    ("ORC_TTL", "0.5", "ttl", 0.5),
    ("ORC_TTL", "0", "ttl", 0.0),
    ("ORC_TTL", " None ", "ttl", FOREVER),
    ("ORC_TTL", "inf", "ttl", FOREVER),
    ("ORC_MEMORY_TTL", "5", "memory_ttl", 5.0),
    ("ORC_JITTER", "0", "jitter", 0.0),
    ("ORC_JITTER", "0.99", "jitter", 0.99),
    ("ORC_STALE_IF_ERROR", "none", "stale_if_error", None),
    ("ORC_STALE_IF_ERROR", "3600", "stale_if_error", 3600.0),
    ("ORC_STALE_WHILE_REVALIDATE", "30", "stale_while_revalidate", 30.0),
    ("ORC_BACKOFF", "1.5", "backoff", 1.5),
    ("ORC_NAMESPACE", "shop", "namespace", "shop"),
    ("ORC_VERSION", "build 7", "version", "build 7"),
    ("ORC_ISOLATION", "share", "isolation", "share"),
    ("ORC_STRICT", "1", "strict", True),
    ("ORC_STRICT", "Off", "strict", False),
    ("ORC_DISABLED", "TRUE", "disabled", True),
    ("ORC_DISABLED", "", "disabled", False),
    ("ORC_TIERS", "memory://", "tiers", "memory://"),
    ("ORC_COMPRESSION", "none", "compression", "none"),
    ("ORC_COMPRESS_FROM", "4kb", "compress_from", 4096),
    ("ORC_ENCRYPT_KEYS", "a:" + 22 * "A" + "==", "encrypt_keys", "a:" + 22 * "A" + "=="),
    ("ORC_READABLE_KEYS", "yes", "readable_keys", True),
    ("ORC_RESERVE", "0.5", "reserve", 0.5),
    ("ORC_WAIT", "3", "wait", 3.0),
    ("ORC_BREAKER_OPEN", "10", "breaker_open", 10.0),
    ("ORC_MEMORY_MAX_BYTES", "5000", "memory_max_bytes", 5000),
    ("ORC_MEMORY_MAX_BYTES", "64mb", "memory_max_bytes", 64 * MEGABYTE),
    ("ORC_MEMORY_MAX_BYTES", "5%", "memory_max_bytes", "5%"),
    ("ORC_MEMORY_MAX_ITEMS", "100", "memory_max_items", 100),
    ("ORC_MEMORY_MAX_ITEMS", "none", "memory_max_items", None),
    ("ORC_MEMORY_MAX_VALUE_BYTES", "512 KB", "memory_max_value_bytes", 512 * 1024),
    ("ORC_MEMORY_POLICY", "s3fifo", "memory_policy", "s3fifo"),
]

REFUSED = [
    ("ORC_TTL", "-1"),
    ("ORC_TTL", "nan"),
    ("ORC_TTL", "5m"),
    ("ORC_TTL", ""),
    ("ORC_MEMORY_TTL", "none"),
    ("ORC_JITTER", "1"),
    ("ORC_JITTER", "10%"),
    ("ORC_JITTER", "nan"),
    ("ORC_STALE_IF_ERROR", "-5"),
    ("ORC_STALE_WHILE_REVALIDATE", "x"),
    ("ORC_BACKOFF", "none"),
    ("ORC_ISOLATION", "deep"),
    ("ORC_STRICT", "2"),
    ("ORC_DISABLED", "maybe"),
    ("ORC_COMPRESSION", "lz4"),
    ("ORC_COMPRESS_FROM", "0"),
    ("ORC_COMPRESS_FROM", "10%"),
    ("ORC_READABLE_KEYS", "some"),
    ("ORC_RESERVE", "-1"),
    ("ORC_WAIT", "soon"),
    ("ORC_BREAKER_OPEN", "none"),
    ("ORC_MEMORY_MAX_BYTES", "0"),
    ("ORC_MEMORY_MAX_BYTES", "-5mb"),
    ("ORC_MEMORY_MAX_BYTES", "101%"),
    ("ORC_MEMORY_MAX_BYTES", "0%"),
    ("ORC_MEMORY_MAX_BYTES", "nan%"),
    ("ORC_MEMORY_MAX_BYTES", "infmb"),
    ("ORC_MEMORY_MAX_BYTES", "nanmb"),
    ("ORC_MEMORY_MAX_BYTES", "1e999kb"),
    ("ORC_MEMORY_MAX_BYTES", "mb"),
    ("ORC_MEMORY_MAX_BYTES", "lots"),
    ("ORC_MEMORY_MAX_ITEMS", "0"),
    ("ORC_MEMORY_MAX_ITEMS", "1.5"),
    ("ORC_MEMORY_MAX_VALUE_BYTES", "0"),
    ("ORC_MEMORY_MAX_VALUE_BYTES", "10%"),
    ("ORC_MEMORY_POLICY", "fifo"),
    ("ORC_MEMORY_POLICY", ""),
]


@pytest.mark.parametrize(("variable", "text", "name", "value"), ALLOWED)
def test_a_variable_is_what_the_argument_would_be(
    variable: str, text: str, name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text of each variable becomes the value of its setting."""
    monkeypatch.setenv(variable, text)
    assert Settings({})[name] == value
    assert type(Settings({})[name]) is type(value)
    orc.Cache()


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_in_the_lists_of_this_file(name: str) -> None:
    """Each row of the table has an allowed text here, and a refused one, but for free texts."""
    assert name in {each[2] for each in ALLOWED}
    if name not in {"namespace", "version", "tiers", "encrypt_keys"}:
        assert f"ORC_{name.upper()}" in {each[0] for each in REFUSED}


@pytest.mark.parametrize(("variable", "text"), REFUSED)
def test_a_bad_variable_is_one_config_error(
    variable: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the variable, shows the text, says what is allowed, and hides no other error."""
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigError) as caught:
        orc.Cache()
    message = str(caught.value)
    assert message.startswith(f"{variable}={text!r}")
    allowed = next(setting.allowed for setting in TABLE if setting.variable == variable)
    assert message.endswith(f"give {allowed}")
    assert caught.value.__cause__ is None


def test_a_secret_in_a_bad_variable_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL that was put into the wrong variable is shown without its password."""
    monkeypatch.setenv("ORC_TTL", "redis://user:hunter2@host:6379/0?password=hunter3")
    with pytest.raises(ConfigError) as caught:
        orc.Cache()
    assert "ORC_TTL" in str(caught.value)
    assert "redis://***@host:6379/0" in str(caught.value)
    assert "hunter" not in str(caught.value)


def test_the_environment_is_read_when_a_cache_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at import: what is set in between counts, and a cache that exists does not change."""
    before = orc.Cache()
    monkeypatch.setenv("ORC_TTL", "7")
    after = orc.Cache()
    assert before._terms.ttl == 300.0
    assert after._terms.ttl == 7.0


def test_an_argument_beats_the_variable_which_beats_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In this order, for each setting on its own."""
    monkeypatch.setenv("ORC_TTL", "7")
    monkeypatch.setenv("ORC_JITTER", "0.5")
    terms = orc.Cache(ttl=timedelta(seconds=9))._terms
    assert (terms.ttl, terms.jitter, terms.backoff) == (9.0, 0.5, 5.0)


def test_a_bad_variable_counts_for_nothing_under_an_argument(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A variable that an argument overrules is not read at all."""
    monkeypatch.setenv("ORC_TTL", "soon")
    assert orc.Cache(ttl=5)._terms.ttl == 5.0


def test_the_defaults_are_those_of_the_design() -> None:
    """Without arguments and variables, each setting has the documented value."""
    terms, memory = orc.Cache()._terms, orc.Cache()._core.memory
    assert terms.ttl == 300.0
    assert terms.memory_ttl == 60.0
    assert terms.stale_if_error is None
    assert terms.error_window(3600) == 600.0
    assert terms.error_window(60) == 60.0
    assert terms.stale_while_revalidate == 0.0
    assert terms.jitter == 0.1
    assert terms.isolation == "auto"
    assert terms.strict is False
    assert memory.max_bytes == 64 * MEGABYTE
    assert memory.max_items is None
    assert memory.policy == "lru"


def test_the_namespace_is_the_functions_name_on_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_LAMBDA_FUNCTION_NAME, unless something else is said; elsewhere empty."""
    assert orc.Cache()._core.namespace == ""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "checkout")
    assert orc.Cache()._core.namespace == "checkout"
    monkeypatch.setenv("ORC_NAMESPACE", "shop")
    assert orc.Cache()._core.namespace == "shop"
    assert orc.Cache(namespace="mine")._core.namespace == "mine"


@pytest.mark.parametrize(
    ("megabytes", "size"), [("1024", 1024 * MEGABYTE // 10), ("128", 12.8 * MEGABYTE), ("x", None)]
)
def test_memory_is_a_tenth_of_the_function(
    megabytes: str, size: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Lambda by its size; 64 MB if that is not a number."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", megabytes)
    expected = 64 * MEGABYTE if size is None else int(size)
    assert orc.Cache()._core.memory.max_bytes == expected
    assert orc.Cache(tiers=[orc.Memory()])._core.memory.max_bytes == expected
    assert orc.Cache(tiers=[orc.Memory(max_bytes=5_000)])._core.memory.max_bytes == 5_000


def test_workers_of_one_environment_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a Managed Instance four processes have a quarter of the function's memory each."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "2048")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "shop")
    monkeypatch.setenv("AWS_LAMBDA_MAX_CONCURRENCY", "4")
    assert orc.Cache()._core.memory.max_bytes == 2048 * MEGABYTE // 4 // 10


def test_the_shared_memory_follows_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Budget, bound, largest value and policy of the memory that caches share."""
    monkeypatch.setenv("ORC_MEMORY_MAX_BYTES", "25%")
    monkeypatch.setenv("ORC_MEMORY_MAX_ITEMS", "10")
    monkeypatch.setenv("ORC_MEMORY_MAX_VALUE_BYTES", "2kb")
    monkeypatch.setenv("ORC_MEMORY_POLICY", "s3fifo")
    memory = orc.Cache()._core.memory
    assert (memory.max_bytes, memory.max_items) == (160 * MEGABYTE, 10)
    assert (memory.max_value_bytes, memory.policy) == (2048, "s3fifo")
    assert orc.Cache()._core.memory is memory
    assert orc.Cache(tiers=[])._core.memory is memory


def test_a_failed_shared_memory_is_made_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a bad setting was corrected, the shared memory is made as the new one says."""
    monkeypatch.setenv("ORC_MEMORY_POLICY", "bad")
    with contextlib.suppress(ConfigError):
        orc.Cache()
    monkeypatch.setenv("ORC_MEMORY_POLICY", "s3fifo")
    assert shared_memory(Settings({})).policy == "s3fifo"


@pytest.mark.parametrize(
    ("text", "size"),
    [("5", 5), ("5b", 5), ("1kb", 1024), ("1.5 KB", 1536), ("2MB", 2 * MEGABYTE), ("1gb", 1 << 30)],
)
def test_sizes_have_units(text: str, size: int) -> None:
    """A plain number is bytes; kb, mb and gb are powers of 1024."""
    assert size_bytes(text) == size


def test_a_share_is_of_the_whole() -> None:
    """10% of 1000 bytes are 100 bytes."""
    assert share_of("10%", 1000) == 100
    assert share_of("0.5%", 1000) == 5


def test_the_page_of_settings_is_up_to_date() -> None:
    """docs/reference/environment.md is what ``python -m orc.config.reference`` prints."""
    path = Path(__file__).parents[2] / "docs" / "reference" / "environment.md"
    assert path.read_text("utf-8") == page()


@pytest.mark.parametrize("setting", TABLE, ids=NAMES)
def test_the_page_has_a_row_for_each_setting(setting: object) -> None:
    """Variable, argument and help of each are on the page."""
    assert f"| `{setting.variable}` |" in page()
    assert setting.help in page()


@pytest.mark.parametrize("text", ["", ",", "a:", "a:not base64", "a:" + 8 * "B", 22 * "C"])
def test_keys_of_encryption_that_are_none_are_refused_and_not_shown(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is no key either: a secret that could not be looked up must not mean plain text."""
    monkeypatch.setenv("ORC_ENCRYPT_KEYS", text)
    with pytest.raises(ConfigError) as caught:
        orc.Cache()
    assert str(caught.value).startswith("ORC_ENCRYPT_KEYS=*** is not allowed: give `id:key")
