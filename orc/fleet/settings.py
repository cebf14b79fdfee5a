"""The arguments of a fleet, checked."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

from orc.errors import ConfigError
from orc.fleet.rules import MODES, MOST_EXTENSIONS
from orc.fleet.variables import STEERED, python_version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_SECONDS = "give seconds above 0, at most a day"
_DAY = 86_400


def _is_duration(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 < value <= _DAY  # type: ignore[operator] # mypy does not follow the name


def _can_be_run(argv: Sequence[str]) -> bool:
    listed = not isinstance(argv, str) and bool(argv)
    return listed and all(isinstance(each, str) for each in argv) and which(argv[0]) is not None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a fleet was asked to be. Making one raises ConfigError for what cannot be."""

    handler: str
    code: Path
    timeout: float
    memory: int
    env: Mapping[str, str]
    init_timeout: float
    mode: str
    concurrency: int
    tenants: bool
    extensions: Mapping[str, Sequence[str]]
    max_containers: int | None
    freeze: bool
    shift_clocks: bool
    python: str
    version: str = ""

    def __post_init__(self) -> None:
        """Check each argument, then the platform."""
        for problem, found in (
            (f"code={str(self.code)!r} is no folder", not self.code.is_dir()),
            (f"timeout={self.timeout!r}: {_SECONDS}", not _is_duration(self.timeout)),
            (
                f"init_timeout={self.init_timeout!r}: {_SECONDS}",
                not _is_duration(self.init_timeout),
            ),
            (
                "env= is a mapping of names to text",
                not all(isinstance(each, str) for pair in self.env.items() for each in pair),
            ),
            (
                "extensions= is a mapping of names to programs that can be run, as argument lists",
                not all(_can_be_run(argv) for argv in self.extensions.values()),
            ),
            ("memory must be at least 1 MB", self.memory < 1),
            (f"mode must be one of {', '.join(MODES)}", self.mode not in MODES),
            ("concurrency must be at least 1", self.concurrency < 1),
            (
                'concurrency above 1 needs mode="managed"',
                self.concurrency > 1 and self.mode != "managed",
            ),
            ('tenants=True needs mode="on-demand"', self.tenants and self.mode != "on-demand"),
            (
                "external extensions cannot be cloned: not with snap-start",
                bool(self.extensions) and self.mode == "snap-start",
            ),
            (
                f"at most {MOST_EXTENSIONS} extensions",
                len(self.extensions) > MOST_EXTENSIONS,
            ),
            (
                "max_containers must be at least 1",
                self.max_containers is not None and self.max_containers < 1,
            ),
            (
                f"env= cannot say {', '.join(sorted(STEERED & self.env.keys()))}",
                bool(STEERED & self.env.keys()),
            ),
        ):
            if found:
                raise ConfigError(problem)
        if not sys.platform.startswith("linux") or not Path("/proc/self/stat").exists():
            raise ConfigError("the fleet needs Linux with /proc, for it stops and finds processes")
        if not hasattr(os, "pidfd_open"):
            raise ConfigError("the fleet needs a Python with os.pidfd_open")
        object.__setattr__(self, "version", python_version(self.python))

    @property
    def freezes(self) -> bool:
        """Whether a container stands still between invocations."""
        return self.freeze and self.mode != "managed"

    @property
    def workers(self) -> int:
        """How many poll for events in one container."""
        return self.concurrency if self.mode == "managed" else 1
