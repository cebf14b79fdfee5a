"""Envelopes that were written once are read for ever."""

from __future__ import annotations

import hashlib
import runpy
from pathlib import Path

import pytest

from orc.codecs import envelope
from orc.codecs.codec import Codec

FOLDER = Path(__file__).parent / "golden"
MAKE = runpy.run_path(str(FOLDER / "make.py"))
CASES = MAKE["CASES"]
ALL = "21598e68db427e810cd8867c88a8a12600a740232817ad8ba5b6c3573d65d8c2"


@pytest.mark.parametrize("name", CASES)
def test_a_golden_file_opens_to_exactly_its_entry(name: str) -> None:
    """Value, types, times and tags are those that the file was made of."""
    option, address, entry = CASES[name]
    options = {**MAKE["OPTIONS"][option]}
    if "ring" in options:
        options["ring"] = MAKE["KeyRing"](MAKE["KEYS"])  # with the keys of today
    found = Codec(**options).open(MAKE["path_of"](name).read_bytes(), address)
    assert found is not None
    for field in type(entry).__slots__:
        assert exact(getattr(found, field)) == exact(getattr(entry, field))


def test_changed_golden_files_are_a_new_format_version() -> None:
    """The files of version 1 are those that were first committed: others need a new number."""
    digest = hashlib.sha256()
    files = sorted(FOLDER.glob("*.v1.bin"))
    assert {each.name for each in files} == {MAKE["path_of"](name).name for name in CASES}
    for each in files:
        digest.update(each.name.encode() + each.read_bytes())
    assert digest.hexdigest() == ALL, "give envelope.FORMAT a new number, and files beside these"
    assert envelope.FORMAT == 1


def exact(value: object) -> object:
    """Return a text that tells types and signs apart, and does not depend on a set's order."""
    if isinstance(value, (set, frozenset)):
        return type(value).__name__, sorted(map(repr, map(exact, value)))
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [exact(each) for each in value]
    if isinstance(value, dict):
        return "dict", [(exact(key), exact(each)) for key, each in value.items()]
    return type(value).__qualname__, repr(value), getattr(value, "fold", None)
