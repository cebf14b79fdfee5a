"""Write ``docs/reference/environment.md`` from the table of settings.

``python -m orc.config.reference > docs/reference/environment.md``
"""

from __future__ import annotations

from orc.config.settings import PROCESS_TABLE, TABLE

HEAD = """\
# Settings

Written by `python -m orc.config.reference` from the table in `orc/config/settings.py`.

Each setting is an argument of `orc.Cache(...)`, except those that begin with `memory_`, which are
arguments of `orc.Memory(...)` without that word, and those that begin with `metrics`, which are of
the process and no arguments. An argument beats the variable, and the variable
beats the default. A value that is not allowed raises `orc.errors.ConfigError` when a cache is made,
and an `ORC_` variable that is not in this table is warned of.

| variable | argument | default | allowed | what it does |
|---|---|---|---|---|
"""


def page() -> str:
    """Return the page as Markdown."""
    rows = []
    for setting in TABLE:
        default = "none" if setting.default is None else setting.default
        text = str(int(default) if isinstance(default, bool) else default) or "empty"
        argument = (
            setting.name.removeprefix("memory_") if _of_memory(setting.name) else setting.name
        )
        owner = "Memory" if _of_memory(setting.name) else "Cache"
        rows.append(
            f"| `{setting.variable}` | `{owner}({argument}=)` | `{text}` | {setting.allowed} "
            f"| {setting.help} |\n"
        )
    for setting in PROCESS_TABLE:
        text = str(setting.default) if setting.default else "empty"
        rows.append(
            f"| `{setting.variable}` | none | `{text}` | {setting.allowed} | {setting.help} |\n"
        )
    return HEAD + "".join(rows)


def _of_memory(name: str) -> bool:
    return name.startswith("memory_") and name != "memory_ttl"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - its output is its purpose
