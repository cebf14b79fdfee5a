"""No file of the repository knows the machine that it was written on."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# One letter of each pattern is in brackets, so that this file does not match itself.
EVERYWHERE = {
    "a home directory": re.compile(r"/roo[t]/|/hom[e]/\w|/User[s]/\w"),
    "a work directory": re.compile(r"(?<![\w.])/wor[k]/|/opt/pyp[i]|/opt/wheel[s]"),
    "a registry's host": re.compile(
        r"pyp[i]\.(org|python)|pythonhoste[d]\.|npmj[s]\.|yarnpk[g]\.|debia[n]\.(org|net)",
        re.IGNORECASE,
    ),
}
# Lambda's only writable folder is a subject of the docs; elsewhere a test or a program takes
# the folder that it is given.
OUTSIDE_DOCS = {"a path below /tmp": re.compile(r"(?<![\w.$])/tm[p]/\w")}


def tracked_texts() -> list[tuple[str, str]]:
    """Return name and text of every text file that git keeps."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"],  # noqa: S607  git is wherever the developer has it
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return []
    texts = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue  # deleted, and not committed yet
        try:
            texts.append((name, path.read_text("utf-8")))
        except UnicodeDecodeError:
            continue
    return texts


def test_no_text_names_a_machine() -> None:
    """No tracked file contains a path of a machine, or the host of a package registry."""
    texts = tracked_texts()
    if not texts:
        pytest.skip("not a git checkout")
    found = []
    for name, text in texts:
        rules = dict(EVERYWHERE)
        if not name.startswith("docs/"):
            rules |= OUTSIDE_DOCS
        for number, line in enumerate(text.splitlines(), 1):
            found += [
                f"{name}:{number}: {what}" for what, rule in rules.items() if rule.search(line)
            ]
    assert found == []


def test_the_rules_find_what_they_look_for() -> None:
    """Each pattern matches a line that it is meant to catch, and none matches a plain sentence."""
    rules = EVERYWHERE | OUTSIDE_DOCS
    bad = {
        "a home directory": "cd /ro" + "ot/x",
        "a work directory": "see /wo" + "rk/main",
        "a registry's host": "https://py" + "pi.org/simple",
        "a path below /tmp": "open('/t" + "mp/x')",
    }
    assert [what for what, rule in rules.items() if not rule.search(bad[what])] == []
    fine = "Lambda has /tmp, and frameworks are not work/ folders."
    assert [what for what, rule in rules.items() if rule.search(fine)] == []
