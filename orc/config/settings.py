"""Every setting: its name as an argument, its variable, its default, and what is allowed.

The table is the only list of them. ``docs/reference/environment.md`` is written from it, by
``python -m orc.config.reference``.
"""

from __future__ import annotations

from orc.config import values
from orc.config.environment import (
    FUNCTION_MEGABYTES,
    FUNCTION_NAME,
    masked,
    warn_of_unknown,
)
from orc.errors import ConfigError
from orc.lifecycle.environment import read
from orc.lifecycle.platforms import Platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Setting:
    """One row of the table.

    `parse` turns the variable's text into what the argument would be, and `check` that, or the
    argument, into what the cache works with; both raise ``ValueError`` for what is not allowed.
    """

    __slots__ = ("allowed", "check", "default", "help", "name", "parse", "secret", "variable")

    def __init__(  # noqa: PLR0913, PLR0917 - a row has six columns
        self,
        name: str,
        default: object,
        parse: Callable[[str], object],
        check: Callable[[object], object],
        allowed: str,
        help: str,  # noqa: A002 - the word for it
        *,
        secret: bool = False,
    ) -> None:
        self.name = name
        self.variable = f"ORC_{name.upper()}"
        self.default = default
        self.parse = parse
        self.check = check
        self.allowed = allowed
        self.help = help
        self.secret = secret
        """Whether no error may show the value."""

    def value(self, given: Mapping[str, object], variables: Mapping[str, str]) -> object:
        """Return the argument if there is one, else the variable, else the default; checked."""
        if self.name in given:
            shown = "***" if self.secret else repr(given[self.name])
            return self._checked(given[self.name], f"{self.name}={shown}")
        if self.variable in variables:
            text = variables[self.variable]
            return self.read(text, self.variable)
        return self._checked(self.default, f"the default of {self.name}")

    def read(self, text: str, name: str) -> object:
        """Return the value of a text that stands where `name` says; checked."""
        said = f"{name}={'***' if self.secret else repr(masked(text))}"
        try:
            parsed = self.parse(text.strip())
        except ValueError:
            raise self._error(said) from None
        return self._checked(parsed, said)

    def _checked(self, value: object, said: str) -> object:
        try:
            return self.check(value)
        except ValueError:
            raise self._error(said) from None

    def _error(self, said: str) -> ConfigError:
        return ConfigError(f"{said} is not allowed: give {self.allowed}")


WHOLE_PROCESSOR = 1769
"""Megabytes with which a function has one processor ("Configure Lambda function memory", AWS)."""

SECONDS = "seconds, 0 or more"
SIZE = "a positive number of bytes, with a unit if you like (`512kb`, `64mb`), or a share (`10%`)"

TABLE = (
    Setting(
        "ttl",
        300.0,
        values.number,
        values.ttl,
        f"{SECONDS}, or `none`",
        "How long a value is fresh. `none`: until evicted. 0: not stored.",
    ),
    Setting(
        "memory_ttl",
        60.0,
        values.number,
        values.duration,
        SECONDS,
        "How long memory answers for a shared tier behind it; never longer than the ttl.",
    ),
    Setting(
        "jitter",
        0.1,
        float,
        values.share,
        "a number from 0 up to, not including, 1",
        "The share of the ttl by which an entry may expire earlier, drawn for each; so "
        "containers that loaded together do not load again together.",
    ),
    Setting(
        "stale_if_error",
        None,
        values.number,
        values.optional_duration,
        f"{SECONDS}, or `none`",
        "How long after its ttl a value may stand in for an error of the origin. `none`: as "
        "long as it was fresh, at most 600 s.",
    ),
    Setting(
        "stale_while_revalidate",
        0.0,
        float,
        values.duration,
        SECONDS,
        "How long after its ttl a value is served to others while one caller loads anew.",
    ),
    Setting(
        "backoff",
        5.0,
        float,
        values.duration,
        SECONDS,
        "How long the origin is left alone after it failed, while a stale value can be served.",
    ),
    Setting(
        "namespace",
        None,
        str,
        values.anything,
        "a string",
        "What sets this function's keys apart in shared tiers. `AWS_LAMBDA_FUNCTION_NAME` on "
        "Lambda.",
    ),
    Setting(
        "version",
        "",
        str,
        values.a_text,
        "a string",
        "A version of your values, or a build id: entries of another one are not read.",
    ),
    Setting(
        "isolation",
        "auto",
        str,
        values.isolation,
        "`auto` or `share`",
        "`auto`: what a caller does to a value reaches nobody else. `share`: every caller gets "
        "the same object.",
    ),
    Setting(
        "strict",
        False,
        values.switch,
        values.boolean,
        "a yes or a no (`1`, `0`, `true`, `false`, ...)",
        "Raise where a value cannot be stored, rather than count it.",
    ),
    Setting(
        "disabled",
        False,
        values.switch,
        values.boolean,
        "a yes or a no (`1`, `0`, `true`, `false`, ...)",
        "Switch the cache off: nothing is read and nothing is stored.",
    ),
    Setting(
        "tiers",
        None,
        str,
        values.anything,
        "addresses of tiers, the nearest first",
        "What is behind memory, with commas in between: `disk://`, `redis://host`, "
        "`dynamodb://table`; see [tiers](tiers.md).",
    ),
    Setting(
        "compression",
        "zlib",
        str,
        values.compression,
        "`zlib`, `zstd` or `none`",
        "How values are compressed in shared tiers. `zstd` needs the extra of that name.",
    ),
    Setting(
        "compress_from",
        1024,
        values.size_bytes,
        values.positive,
        "a positive number of bytes, with a unit if you like",
        "The size from which on they are.",
    ),
    Setting(
        "encrypt_keys",
        None,
        str,
        values.key_texts,
        "`id:key,id:key`, each key 16, 24 or 32 bytes in base64",
        "Keys of AES-GCM: the first encrypts what shared tiers are given, all decrypt.",
        secret=True,
    ),
    Setting(
        "readable_keys",
        False,
        values.switch,
        values.boolean,
        "a yes or a no (`1`, `0`, `true`, `false`, ...)",
        "Put the arguments of calls into what shared tiers are given, rather than their hash.",
    ),
    Setting(
        "reserve",
        0.1,
        float,
        values.duration,
        SECONDS,
        "What is kept of the time that a request has left: no remote tier is asked then.",
    ),
    Setting(
        "wait",
        10.0,
        float,
        values.duration,
        SECONDS,
        "How long a read outside of all requests waits for a load that another thread, coroutine "
        "or container has begun; then it loads for itself. In a request: half of what is left.",
    ),
    Setting(
        "breaker_open",
        5.0,
        float,
        values.duration,
        SECONDS,
        "How long a remote tier is left alone after it timed out or could not be reached.",
    ),
    Setting(
        "memory_max_bytes",
        "10%",
        values.size,
        values.budget,
        SIZE,
        "The budget of the memory that caches share if they name none of their own. A share is "
        "one of the function's memory (elsewhere of 640 MB).",
    ),
    Setting(
        "memory_max_items",
        None,
        values.count,
        values.positive,
        "a positive number, or `none`",
        "The bound of that memory in entries.",
    ),
    Setting(
        "memory_max_value_bytes",
        None,
        values.size_bytes,
        values.positive,
        "a positive number of bytes, with a unit if you like",
        "The largest entry of that memory; a tenth of its budget unless given.",
    ),
    Setting(
        "memory_policy",
        "lru",
        str,
        values.policy,
        "`lru` or `s3fifo`",
        "Who leaves that memory first.",
    ),
)


PROCESS_TABLE = (
    Setting(
        "metrics",
        "",
        str,
        values.metrics,
        "`emf`, or nothing",
        "`emf`: when a request ends, figures of all caches are written to standard output, as "
        "CloudWatch's embedded metric format; see [metrics](../howto/metrics.md).",
    ),
    Setting(
        "metrics_every",
        1,
        values.every,
        values.anything,
        "a number of invocations, at least 1, or `change`",
        "After how many invocations they are written. `change`: after each that used a cache.",
    ),
    Setting(
        "metrics_namespace",
        None,
        str,
        values.optional_text,
        "a string",
        "The namespace in CloudWatch. `POWERTOOLS_METRICS_NAMESPACE`, or else `ORC`.",
    ),
    Setting(
        "metrics_service",
        None,
        str,
        values.optional_text,
        "a string",
        "The dimension `service`. `POWERTOOLS_SERVICE_NAME`, or else the function's name.",
    ),
    Setting(
        "metrics_dimensions",
        "",
        str,
        values.dimensions,
        "`state`, `function`, or both with a comma",
        "What is a dimension besides `service` and `tier`. Each multiplies the billed metrics.",
    ),
)
"""Settings of the process: variables, and no arguments of a cache."""


def process_settings() -> dict[str, object]:
    """Return the checked settings of the process, with what stands in for those not given."""
    variables = read()
    found = {setting.name: setting.value({}, variables) for setting in PROCESS_TABLE}
    function = variables.get(FUNCTION_NAME, "")
    for name, variable, default in (
        ("metrics_namespace", "POWERTOOLS_METRICS_NAMESPACE", "ORC"),
        ("metrics_service", "POWERTOOLS_SERVICE_NAME", function or "service_undefined"),
    ):
        found[name] = found[name] or variables.get(variable) or default
    return {**found, "function": function}


class Settings:
    """The checked value of every setting, by its name."""

    def __init__(
        self, given: Mapping[str, object], nearer: Mapping[str, str] | None = None
    ) -> None:
        """Read arguments, environment and defaults, in this order.

        `nearer` are texts of ``memory://``, by name, that stand in the place of variables.

        Raises ``ConfigError`` with the name, the value and what is allowed; warns of variables that
        begin with ``ORC_`` and are none.
        """
        variables = read()
        warn_of_unknown(variables, [setting.variable for setting in (*TABLE, *PROCESS_TABLE)])
        self.writes_metrics = bool(variables.get(PROCESS_TABLE[0].variable))
        """Whether figures of the process are to leave the container."""
        self._values = {setting.name: setting.value(given, variables) for setting in TABLE}
        for name, text in (nearer or {}).items():
            said = f"memory://?{name.removeprefix('memory_')}"
            self._values[name] = _BY_NAME[name].read(text, said)
        if self._values["namespace"] is None:
            self._values["namespace"] = variables.get(FUNCTION_NAME, "")
        megabytes = variables.get(FUNCTION_MEGABYTES, "")
        whole = int(megabytes) * values.MEGABYTE if megabytes.isdigit() else values.ELSEWHERE_BYTES
        self.is_small = megabytes.isdigit() and int(megabytes) < WHOLE_PROCESSOR
        """Whether the function has a part of a processor only."""
        self.function_bytes = whole // Platform(variables).workers
        """Bytes that this process may think of as its own: its environment's, by its workers."""

    def __getitem__(self, name: str) -> object:
        return self._values[name]

    def memory_bytes(self) -> int:
        """Return the budget of the shared memory in bytes."""
        budget = self._values["memory_max_bytes"]
        if isinstance(budget, str):
            return values.share_of(budget, self.function_bytes)
        return budget if isinstance(budget, int) else values.share_of("10%", self.function_bytes)


_BY_NAME = {setting.name: setting for setting in TABLE}


def checked(name: str, value: object) -> object:
    """Check one argument as the setting of that name would be."""
    return _BY_NAME[name].value({name: value}, {})


def checked_text(name: str, value: object) -> str:
    """Check one argument that is a string, and not left out."""
    text = checked(name, value)
    if not isinstance(text, str):
        raise ConfigError(f"{name}={value!r} is not allowed: give a string, or leave it out")
    return text
