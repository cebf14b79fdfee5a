"""Every setting: its name as an argument, its variable, its default, and what is allowed.

The table is the only list of them. ``docs/reference/environment.md`` is written from it, by
``python -m orc.config.reference``.
"""

from __future__ import annotations

from orc.config.environment import (
    FUNCTION_MEGABYTES,
    FUNCTION_NAME,
    masked,
    warn_of_unknown,
)
from orc.errors import ConfigError
from orc.lifecycle.environment import read
from orc.lifecycle.platforms import Platform
from orc.model.freshness import seconds, ttl_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MEGABYTE = 1024 * 1024
ELSEWHERE_BYTES = 640 * MEGABYTE
"""What counts as a function's memory where nobody says how much it has: 10 % of it are 64 MB."""

UNITS = {"kb": 1024, "mb": MEGABYTE, "gb": 1024 * MEGABYTE, "b": 1}
YES = ("1", "true", "yes", "on")
NO = ("", "0", "false", "no", "off")


class Setting:
    """One row of the table.

    `parse` turns the variable's text into what the argument would be, and `check` that, or the
    argument, into what the cache works with; both raise ``ValueError`` for what is not allowed.
    """

    __slots__ = ("allowed", "check", "default", "help", "name", "parse", "variable")

    def __init__(  # noqa: PLR0913, PLR0917 - a row has six columns
        self,
        name: str,
        default: object,
        parse: Callable[[str], object],
        check: Callable[[object], object],
        allowed: str,
        help: str,  # noqa: A002 - the word for it
    ) -> None:
        self.name = name
        self.variable = f"ORC_{name.upper()}"
        self.default = default
        self.parse = parse
        self.check = check
        self.allowed = allowed
        self.help = help

    def value(self, given: Mapping[str, object], variables: Mapping[str, str]) -> object:
        """Return the argument if there is one, else the variable, else the default; checked."""
        if self.name in given:
            return self._checked(given[self.name], f"{self.name}={given[self.name]!r}")
        if self.variable in variables:
            text = variables[self.variable]
            said = f"{self.variable}={masked(text)!r}"
            try:
                parsed = self.parse(text.strip())
            except ValueError:
                raise self._error(said) from None
            return self._checked(parsed, said)
        return self._checked(self.default, f"the default of {self.name}")

    def _checked(self, value: object, said: str) -> object:
        try:
            return self.check(value)
        except ValueError:
            raise self._error(said) from None

    def _error(self, said: str) -> ConfigError:
        return ConfigError(f"{said} is not allowed: give {self.allowed}")


def _number(text: str) -> float | None:
    return None if text.lower() == "none" else float(text)


def _count(text: str) -> int | None:
    return None if text.lower() == "none" else int(text)


def _size(text: str) -> object:
    return text if text.endswith("%") else size_bytes(text)


def _switch(text: str) -> bool:
    if text.lower() not in YES + NO:
        raise ValueError(text)
    return text.lower() in YES


def _duration(value: object) -> float:
    return seconds(value, "it")


def _optional_duration(value: object) -> float | None:
    return None if value is None else seconds(value, "it")


def _ttl(value: object) -> object:
    return value if callable(value) else ttl_seconds(value, "it")


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ValueError(value)
    return float(value)


def _positive(value: object) -> object:
    if value is not None and (type(value) is not int or value < 1):
        raise ValueError(value)
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(value)  # noqa: TRY004 - one kind of error for all checks
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(value)  # noqa: TRY004 - one kind of error for all checks
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _isolation(value: object) -> object:
    if value not in ("auto", "share"):
        raise ValueError(value)
    return value


def _policy(value: object) -> object:
    if not isinstance(value, str) or value.lower() not in ("lru", "s3fifo"):
        raise ValueError(value)
    return value


def _anything(value: object) -> object:
    return value


def size_bytes(text: str) -> int:
    """Turn ``"64mb"``, ``"512kb"``, ``"1gb"`` or a plain number into bytes."""
    lowered = text.strip().lower()
    for unit, factor in UNITS.items():
        if lowered.endswith(unit):
            size = float(lowered.removesuffix(unit)) * factor
            if size == float("inf"):
                raise ValueError(text)
            return int(size)
    return int(lowered)


def share_of(text: str, whole: int) -> int:
    """Turn ``"10%"`` into that share of `whole` bytes."""
    percent = float(text.removesuffix("%"))
    if not 0 < percent <= 100:  # noqa: PLR2004 - per cent
        raise ValueError(text)
    return int(whole * percent / 100)


def _budget(value: object) -> object:
    if isinstance(value, str):
        share_of(value, ELSEWHERE_BYTES)
        return value
    return _positive(value)


SECONDS = "seconds, 0 or more"
SIZE = "a positive number of bytes, with a unit if you like (`512kb`, `64mb`), or a share (`10%`)"

TABLE = (
    Setting(
        "ttl",
        300.0,
        _number,
        _ttl,
        f"{SECONDS}, or `none`",
        "How long a value is fresh. `none`: until evicted. 0: not stored.",
    ),
    Setting(
        "memory_ttl",
        60.0,
        _number,
        _duration,
        SECONDS,
        "How long memory answers for a shared tier behind it; never longer than the ttl.",
    ),
    Setting(
        "jitter",
        0.1,
        float,
        _share,
        "a number from 0 up to, not including, 1",
        "The share of the ttl by which an entry may expire earlier, drawn for each; so "
        "containers that loaded together do not load again together.",
    ),
    Setting(
        "stale_if_error",
        None,
        _number,
        _optional_duration,
        f"{SECONDS}, or `none`",
        "How long after its ttl a value may stand in for an error of the origin. `none`: as "
        "long as it was fresh, at most 600 s.",
    ),
    Setting(
        "stale_while_revalidate",
        0.0,
        float,
        _duration,
        SECONDS,
        "How long after its ttl a value is served to others while one caller loads anew.",
    ),
    Setting(
        "backoff",
        5.0,
        float,
        _duration,
        SECONDS,
        "How long the origin is left alone after it failed, while a stale value can be served.",
    ),
    Setting(
        "namespace",
        None,
        str,
        _anything,
        "a string",
        "What sets this function's keys apart in shared tiers. `AWS_LAMBDA_FUNCTION_NAME` on "
        "Lambda.",
    ),
    Setting(
        "version",
        "",
        str,
        _text,
        "a string",
        "A version of your values, or a build id: entries of another one are not read.",
    ),
    Setting(
        "isolation",
        "auto",
        str,
        _isolation,
        "`auto` or `share`",
        "`auto`: what a caller does to a value reaches nobody else. `share`: every caller gets "
        "the same object.",
    ),
    Setting(
        "strict",
        False,
        _switch,
        _boolean,
        "a yes or a no (`1`, `0`, `true`, `false`, ...)",
        "Raise where a value cannot be stored, rather than count it.",
    ),
    Setting(
        "disabled",
        False,
        _switch,
        _boolean,
        "a yes or a no (`1`, `0`, `true`, `false`, ...)",
        "Switch the cache off: nothing is read and nothing is stored.",
    ),
    Setting(
        "memory_max_bytes",
        "10%",
        _size,
        _budget,
        SIZE,
        "The budget of the memory that caches share if they name none of their own. A share is "
        "one of the function's memory (elsewhere of 640 MB).",
    ),
    Setting(
        "memory_max_items",
        None,
        _count,
        _positive,
        "a positive number, or `none`",
        "The bound of that memory in entries.",
    ),
    Setting(
        "memory_max_value_bytes",
        None,
        size_bytes,
        _positive,
        "a positive number of bytes, with a unit if you like",
        "The largest entry of that memory; a tenth of its budget unless given.",
    ),
    Setting(
        "memory_policy", "lru", str, _policy, "`lru` or `s3fifo`", "Who leaves that memory first."
    ),
)


class Settings:
    """The checked value of every setting, by its name."""

    def __init__(self, given: Mapping[str, object]) -> None:
        """Read arguments, environment and defaults, in this order.

        Raises ``ConfigError`` with the name, the value and what is allowed; warns of variables that
        begin with ``ORC_`` and are none.
        """
        variables = read()
        warn_of_unknown(variables, [setting.variable for setting in TABLE])
        self._values = {setting.name: setting.value(given, variables) for setting in TABLE}
        if self._values["namespace"] is None:
            self._values["namespace"] = variables.get(FUNCTION_NAME, "")
        megabytes = variables.get(FUNCTION_MEGABYTES, "")
        whole = int(megabytes) * MEGABYTE if megabytes.isdigit() else ELSEWHERE_BYTES
        self.function_bytes = whole // Platform(variables).workers
        """Bytes that this process may think of as its own: its environment's, by its workers."""

    def __getitem__(self, name: str) -> object:
        return self._values[name]

    def memory_bytes(self) -> int:
        """Return the budget of the shared memory in bytes."""
        budget = self._values["memory_max_bytes"]
        if isinstance(budget, str):
            return share_of(budget, self.function_bytes)
        return budget if isinstance(budget, int) else share_of("10%", self.function_bytes)


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
