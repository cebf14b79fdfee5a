"""Every code block of README.md and docs/ runs, or says why it does not.

- ```python blocks: those of one page run in order, in one namespace and one process.
- ```console and ```bash blocks: each command of `orc` runs; in a console block the commands are
  the lines after `$ `. Any other command is in OTHER_COMMANDS, with the reason why it does not
  run here.
- `<!-- command: test -->` or `<!-- command: demo -->` before a block of README.md: .ci/run runs
  that very block.
- `<!-- not run: the reason -->` before a block: it is not run, and the page's source says why.
- Blocks in INERT are data or output. A block in any other language, or in none, is an error.

A page runs in an empty folder of its own, with no ORC_* and no AWS_* variable; a warning is an
error.
"""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import pytest

import orc

ROOT = Path(__file__).parents[2]
PACKAGE_PARENT = Path(orc.__file__).parents[1]

SHELLS = frozenset({"bash", "console"})
INERT = frozenset({"ini", "json", "mermaid", "text", "toml", "yaml"})
RUN_BY_CI = frozenset({"demo", "test"})

OTHER_COMMANDS = {
    "pip install orc-cache": "the reader's first step: it installs the released package",
    "pip install 'orc-cache[redis]'": "installs the released package with an extra",
    "pip install 'orc-cache[dynamodb]'": "installs the released package with an extra",
}

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,}) *(?P<language>[\w+-]*)[^`]*$")
COMMENT = re.compile(r"<!--\s*(?P<kind>not run|command)\s*:?\s*(?P<text>.*?)\s*-->\s*$")

# Runs in the process of a page: reads the blocks, prints one line of JSON with what each came to.
RUNNER = """
import json, sys, traceback
name, blocks = json.load(sys.stdin)
space = {"__name__": "__main__"}
outcomes = []
for line, source in blocks:
    try:
        # The blank lines make the numbers of a traceback those of the page.
        exec(compile("\\n" * line + source, name, "exec"), space)
    except BaseException:
        outcomes.append(traceback.format_exc())
        break
    outcomes.append("")
print()
print(json.dumps(outcomes))
"""


class Block(NamedTuple):
    """One fenced block of a page; `line` is its first fence's, counted from 1."""

    page: str
    line: int
    language: str
    source: str
    mark: str
    reason: str


def blocks_of(page: str, text: str) -> list[Block]:
    """Return the fenced blocks of a page, each with the comment that stands before it."""
    blocks = []
    lines = text.splitlines()
    mark = reason = ""
    number = 0
    while number < len(lines):
        opening = FENCE.match(lines[number])
        if opening is None:
            if comment := COMMENT.match(lines[number].strip()):
                mark, reason = comment["kind"], comment["text"]
            elif lines[number].strip():
                mark = reason = ""
            number += 1
            continue
        start, indent, body = number + 1, len(opening["indent"]), []
        number += 1
        while number < len(lines) and not lines[number].strip().startswith(opening["ticks"]):
            body.append(lines[number][indent:])
            number += 1
        number += 1
        source = "\n".join(body) + "\n"
        blocks.append(Block(page, start, opening["language"], source, mark, reason))
        mark = reason = ""
    return blocks


def all_blocks() -> list[Block]:
    """Return the blocks of README.md and of every page of docs/."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [
        block
        for page in pages
        if page.is_file()
        for block in blocks_of(page.relative_to(ROOT).as_posix(), page.read_text("utf-8"))
    ]


def commands_of(block: Block) -> list[str]:
    """Return the commands of a shell block, with lines that end in a backslash joined."""
    lines = block.source.replace("\\\n", " ").splitlines()
    if any(line.startswith("$ ") for line in lines):
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    elif block.language == "console":
        lines = []
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def is_ours(command: str) -> bool:
    """Say whether `command` runs orc."""
    return shlex.split(command, comments=True)[:1] == ["orc"]


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a reader who has installed orc and set nothing."""
    program = folder / "bin" / "orc"
    if not program.exists():
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m orc "$@"\n')
        program.chmod(0o700)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ORC_", "AWS_"))}
    path = f"{program.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**kept, "PATH": path, "PYTHONPATH": str(PACKAGE_PARENT)}


@functools.cache
def outcomes_of(page: str) -> list[str]:
    """Run the Python blocks of a page; return one traceback each, empty for a block that ran."""
    blocks = [(block.line, block.source) for block in PYTHON if block.page == page]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        result = subprocess.run(
            [sys.executable, "-W", "error", "-c", RUNNER],
            input=json.dumps([page, blocks]),
            cwd=folder,
            env=environment(folder),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert result.returncode == 0, result.stdout + result.stderr
    outcomes: list[str] = json.loads(result.stdout.splitlines()[-1])
    missed = len(blocks) - len(outcomes)
    return outcomes + ["not reached: an earlier block of the page failed"] * missed


BLOCKS = all_blocks()
RUNNABLE = [block for block in BLOCKS if not block.mark]
PYTHON = [block for block in RUNNABLE if block.language == "python"]
COMMANDS = [
    (block, command)
    for block in RUNNABLE
    if block.language in SHELLS
    for command in commands_of(block)
]


def where(block: Block) -> str:
    """Return the name of a block: page and line."""
    return f"{block.page}:{block.line}"


@pytest.mark.parametrize("block", PYTHON, ids=where)
def test_a_python_block_runs(block: Block) -> None:
    """The block runs after those before it on the page, without error and without warning."""
    mine = [other for other in PYTHON if other.page == block.page]
    outcome = outcomes_of(block.page)[mine.index(block)]
    assert not outcome, f"{where(block)}\n{outcome}"


@pytest.mark.parametrize(
    ("block", "command"),
    [
        pytest.param(*pair, id=f"{where(pair[0])}: {pair[1]}")
        for pair in COMMANDS
        if is_ours(pair[1])
    ],
)
def test_a_command_of_orc_runs(block: Block, command: str, tmp_path: Path) -> None:
    """The command exits with 0 in an empty folder."""
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],  # noqa: S607  a shell, as the reader's is
        cwd=tmp_path,
        env=environment(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, f"{where(block)}\n{result.stdout}\n{result.stderr}"


def test_every_other_command_is_listed_with_a_reason() -> None:
    """A command that is not orc's own is in OTHER_COMMANDS, or it would be promised and untried."""
    unknown = [
        f"{where(block)}: {command}"
        for block, command in COMMANDS
        if not is_ours(command) and command not in OTHER_COMMANDS
    ]
    assert unknown == []


def test_a_block_that_is_not_run_says_why() -> None:
    """`not run` has a reason, and `command` names a block that .ci/run looks for."""
    silent = [where(block) for block in BLOCKS if block.mark == "not run" and not block.reason]
    assert silent == []
    unknown = [
        f"{where(block)}: {block.reason}"
        for block in BLOCKS
        if block.mark == "command" and (block.page != "README.md" or block.reason not in RUN_BY_CI)
    ]
    assert unknown == []


def test_no_block_escapes_by_its_language() -> None:
    """Every block is in a language that is run here, or one that is known to be inert."""
    known = SHELLS | INERT | {"python"}
    strays = [
        f"{where(block)}: {block.language or 'no language'}"
        for block in BLOCKS
        if block.language not in known and not block.mark
    ]
    assert strays == []


def test_blocks_are_found_with_their_marks() -> None:
    """Marks hold for the next block only, blank lines between; indented fences count."""
    page = """
<!-- not run: needs a server -->

```python
a
```
text
  ```console
  $ orc demo
  out
  ```
<!-- not run -->
some words
```bash
# only said
orc \\
  bench
```
<!-- not run: -->
```python
```
"""
    found = [tuple(block[1:]) for block in blocks_of("p", page)]
    assert found == [
        (4, "python", "a\n", "not run", "needs a server"),
        (8, "console", "$ orc demo\nout\n", "", ""),
        (14, "bash", "# only said\norc \\\n  bench\n", "", ""),
        (20, "python", "\n", "not run", ""),
    ]
    shells = [commands_of(block) for block in blocks_of("p", page) if block.language in SHELLS]
    assert [[shlex.split(command) for command in commands] for commands in shells] == [
        [["orc", "demo"]],
        [["orc", "bench"]],
    ]
