"""`orc demo` when something is not as told: the verdict says so, and so does the exit status."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from orc.cli.demo import command, secrets, shared, shared_stores, speed, stage, state, workload
from orc.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the functions, which the demo runs instead of its own."""
    folder = tmp_path / "functions"
    shutil.copytree(stage.FUNCTIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(stage, "FUNCTIONS", folder)
    # Quicker, and still long enough for a price to be stale beyond the ttl.
    monkeypatch.setattr(speed, "workload", lambda: workload.workload(rounds=30))
    monkeypatch.setattr(speed, "QUERY", 0.001)
    return folder


def only(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Leave out the other stories."""

    async def tell(_: object) -> stage.Untold:
        return stage.Untold(())

    for other in (state, speed, secrets, shared):
        if not other.__name__.endswith(f".{name}"):
            monkeypatch.setattr(other, "tell", tell)


def demo(capsys: pytest.CaptureFixture[str], status: int) -> dict[str, Any]:
    """Run the demo in this process; return its stories."""
    assert main(["demo", "--json"]) == status
    told = json.loads(capsys.readouterr().out)
    assert told["as_told"] is (status == 0)
    return told["stories"]


@pytest.mark.parametrize("name", ["state", "secrets", "speed"])
def test_a_copy_that_nobody_changed_is_as_told(
    functions: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    """The copied functions come out as told, so what the other tests see comes of their change."""
    only(monkeypatch, name)
    assert demo(capsys, 0)[name]["differs"] == []


def test_a_variable_that_nobody_changes_is_not_as_told(
    functions: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second call that finds `hello` again makes the exit status 1, and the story says why."""
    only(monkeypatch, "state")
    (functions / "state.py").write_text("def handler(event, context):\n    return 'hello'\n")
    story = demo(capsys, 1)["state"]
    assert (story["as_told"], story["second"]) == (False, "hello")
    assert story["differs"] == ["the second call finds `it's me`"]


def test_a_cache_that_never_forgets_is_not_as_told(
    functions: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the dictionary in ORC's place, stale answers beyond the ttl are found and told."""
    only(monkeypatch, "speed")
    shutil.copy(functions / "speed_dict.py", functions / "speed_orc.py")
    story = demo(capsys, 1)["speed"]
    assert "with ORC nothing is stale for longer than the ttl" in story["differs"]
    assert story["orc"]["beyond_ttl"] > 0


def test_a_load_that_is_not_counted_is_not_as_told(
    functions: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the functions count is compared with what the store has counted in its own file."""
    only(monkeypatch, "speed")
    program = (functions / "store.py").read_text()
    assert "loads += 1" in program
    (functions / "store.py").write_text(program.replace("loads += 1", "loads += item % 2"))
    differs = demo(capsys, 1)["speed"]["differs"]
    assert "the store has counted the loads that the functions count" in differs


def test_a_card_that_stays_is_not_as_told(
    functions: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the global in the place of the RequestVar, both of its promises are found broken."""
    only(monkeypatch, "secrets")
    shutil.copy(functions / "secrets_global.py", functions / "secrets_scoped.py")
    assert demo(capsys, 1)["secrets"]["differs"] == [
        "with RequestVar, Ben's request without a card is refused",
        "with RequestVar, of two requests at once each has its own card verified",
    ]


def test_a_cache_without_its_tiers_is_not_as_told(
    functions: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With memory alone each container loads for itself, which is all that differs."""
    only(monkeypatch, "shared")
    program = (functions / "shared.py").read_text()
    assert "orc.Cache()" in program
    (functions / "shared.py").write_text(program.replace("orc.Cache()", "orc.Cache(tiers=[])"))
    assert demo(capsys, 1)["shared"]["differs"] == [
        "the second container's cold start finds in Redis what the first one loaded",
        "the third container's cold start finds it in DynamoDB",
        "without Redis a container finds in DynamoDB what others have loaded",
    ]


def test_a_redis_that_hangs_for_longer_than_its_budget_is_not_as_told(
    functions: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a frozen server costs is found, with a larger budget and a breaker that never rests."""
    only(monkeypatch, "shared")
    monkeypatch.setattr(shared_stores.Valkey, "kill", shared_stores.Valkey.freeze)
    program = (functions / "shared.py").read_text()
    (functions / "shared.py").write_text(
        program.replace(
            "orc.Cache()",
            "orc.Cache(tiers=TIERS.replace('/0,', '/0?budget=150ms,'), breaker_open=0)",
        ).replace("import orc\n", "import os, orc\nTIERS = os.environ['ORC_TIERS']\n")
    )
    assert demo(capsys, 1)["shared"]["differs"] == [
        "Redis has ended when the third container starts",
        "a look-up spends at most 50 ms on the dead Redis",
        "a look-up spends less than 1 ms on Redis left alone",
    ]


def test_a_server_or_a_table_that_is_not_there_ends_the_story(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told what did not start, in one line."""
    only(monkeypatch, "shared")
    monkeypatch.setattr(shared_stores, "TABLE", "no name")
    (said,) = demo(capsys, 1)["shared"]["differs"]
    assert said.startswith("the table was not made: orc dynamodb: 'no name' is no name of a table")

    def broken() -> None:
        raise ChildProcessError("valkey-server ended with 1; it printed:\nno")

    monkeypatch.setattr(shared_stores, "Valkey", broken)
    (said,) = demo(capsys, 1)["shared"]["differs"]
    assert said == "a server did not start: valkey-server ended with 1; it printed:"


def test_without_its_servers_the_story_is_skipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says what to install, the other stories are told, and the exit status is 2."""
    only(monkeypatch, "shared")
    monkeypatch.setattr(shared_stores, "MODULES", ("redis", "flask_that_is_not_there"))
    story = demo(capsys, 2)["shared"]
    remedy = 'flask_that_is_not_there is missing: pip install "orc-cache[demo]"'
    assert (story["as_told"], story["skipped"]) == (False, remedy)
    assert main(["demo"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines if line.startswith("shared")] == ["skipped"]
    assert [line.strip() for line in lines if "pip install" in line] == [remedy]
    assert lines[-1].startswith("Skipped: shared.")


def test_a_function_that_raises_ends_its_story_only(
    functions: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The story says which error it was; the others are told all the same."""
    only(monkeypatch, "state")
    (functions / "state.py").write_text(
        "def handler(event, context):\n    raise ValueError('no')\n"
    )
    stories = demo(capsys, 1)
    assert stories["state"]["differs"] == ["a function failed: ValueError: no"]
    assert list(stories) == ["state", "speed", "secrets", "shared"]


def test_what_is_not_as_told_is_printed_for_people(
    functions: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verdict stands at the end of the story's line, and what was expected below it."""
    only(monkeypatch, "state")
    (functions / "state.py").write_text("def handler(event, context):\n    return 'hello'\n")
    assert main(["demo"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith("NOT as told") for line in lines if line.startswith("state")] == [True]
    assert any("expected: the second call finds `it's me`" in line for line in lines)
    assert lines[-1].startswith("Not as told: state.")


def test_the_demo_gives_up_in_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """When its time is over no story is told any more, and the exit status is 1."""
    monkeypatch.setattr(command, "LIMIT", 0.0)
    for story in demo(capsys, 1).values():
        assert "it was not over" in story["differs"][0]


def test_without_the_runtime_one_line_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where awslambdaric is missing, the exit status is 2 and stderr says what to install."""
    monkeypatch.setattr(command, "MODULE", "awslambdaric_that_is_not_there")
    assert main(["demo"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert 'pip install "orc-cache[demo]"' in err
