"""The conformance suite passes what keeps the contract, and catches what breaks any rule of it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from orc.testing.conformance import TierConformance
from orc.testing.reference_tier import ReferenceTier, Store

HERE = Path(__file__).parent


def _mutants():
    spec = importlib.util.spec_from_file_location("orc_mutants", HERE / "mutants.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["orc_mutants"] = module
    spec.loader.exec_module(module)
    return module.MUTANTS


MUTANTS = _mutants()


class OverAStore(TierConformance):
    made = ReferenceTier
    outside = False

    @pytest.fixture
    def store(self):
        return Store()

    @pytest.fixture
    def make_tier(self, store):
        return lambda: self.made(store)

    @pytest.fixture
    def break_backend(self, store):
        def broken():
            store.broken = True

        return broken


class TestReference(OverAStore):
    """The reference passes; so the suite asks for nothing that cannot be done."""


class _Outcomes:
    """What happened to the tests of each class, in a run inside this one."""

    def __init__(self):
        self.failed: dict[str, list[str]] = {}

    def pytest_runtest_logreport(self, report):
        if report.failed:
            _, name, test = report.nodeid.split("::")
            self.failed.setdefault(name, []).append(test)


@pytest.fixture(scope="module")
def caught(tmp_path_factory):
    """Run the suite over every mutant, and return the tests that failed, by mutant."""
    folder = tmp_path_factory.mktemp("mutants")
    lines = ["import sys", "here = sys.modules['orc_over_a_store']"]
    lines += [
        f"class Test{name}(here.OverAStore): made = here.MUTANTS[{name!r}]" for name in MUTANTS
    ]
    file = folder / "test_mutants.py"
    file.write_text("\n".join(lines), "utf-8")
    (folder / "none.ini").write_text("[pytest]\n", "utf-8")
    outcomes = _Outcomes()
    sys.modules["orc_over_a_store"] = sys.modules[__name__]
    try:
        pytest.main(
            [
                "-p",
                "no:cacheprovider",
                "-p",
                "no:terminal",
                "--import-mode=importlib",
                "-c",
                str(folder / "none.ini"),
                f"--rootdir={folder}",
                str(file),
            ],
            plugins=[outcomes],
        )
    finally:
        del sys.modules["orc_over_a_store"]
    return outcomes.failed


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_broken_rule_is_caught(caught, name) -> None:
    """A tier that breaks this rule fails a test of the suite."""
    assert caught.get(f"Test{name}")


def test_there_are_mutants_of_every_kind() -> None:
    """Nobody emptied the list by accident."""
    assert len(MUTANTS) >= 25


def test_a_subclass_without_a_tier_is_told() -> None:
    """Who forgets the fixture is told its name."""
    with pytest.raises(pytest.fail.Exception, match="make_tier"):
        TierConformance.make_tier.__wrapped__(TierConformance())


def test_pytest_comes_with_the_suite_alone() -> None:
    """Importing ``orc.testing`` does not import pytest; a function's package need not have it."""
    code = "import orc.testing, sys; print('pytest' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.strip() == "False"
