"""The marker in the temporary directory, by which a reset is known."""

from __future__ import annotations

import os
import tempfile

import pytest

from orc.lifecycle import marker
from orc.lifecycle.marker import leave, temporary_directory

NAME, KIND = "2026/11/23/[1]abc", "on-demand"
DEAD = ["999999999", "1"]
"""A process that does not run: its id is above what the kernel gives."""


@pytest.fixture
def folder(tmp_path):
    """Return where the markers of this user are kept."""
    return tmp_path / f"orc-{os.geteuid()}"


@pytest.fixture
def kill(folder):
    """Return what makes the marker's process one that runs no more."""

    def rewrite(**lines):
        (path,) = folder.iterdir()
        text = path.read_text().split("\n")
        text[6:8] = lines.get("owner", DEAD)
        text[8:10] = lines.get("parent", text[8:10])
        for name, number in (("kind", 2), ("boot", 3), ("generation", 5)):
            text[number] = lines.get(name, text[number])
        path.write_text("\n".join(text))
        return path

    return rewrite


def test_the_first_process_leaves_a_private_marker(tmp_path, folder) -> None:
    """It is of the first generation, under the platform's name of the environment."""
    mark = leave(NAME, KIND, str(tmp_path))
    assert (mark.id, mark.generation) == (NAME, 1)
    assert folder.stat().st_mode & 0o777 == 0o700
    (path,) = folder.iterdir()
    lines = path.read_text().split("\n")
    assert lines[1:3] == [NAME, KIND]
    assert lines[6] == str(os.getpid())


def test_a_process_after_a_dead_one_is_of_the_next_generation(tmp_path, kill) -> None:
    """Each one after a kill counts one more, and keeps the id."""
    leave(NAME, KIND, str(tmp_path))
    for generation in (2, 3, 4):
        kill()
        mark = leave(NAME, KIND, str(tmp_path))
        assert (mark.id, mark.generation) == (NAME, generation)


def test_nobody_was_reset_while_the_owner_lives(tmp_path, kill) -> None:
    """A process that the marker's owner started is of its generation, and leaves it its marker."""
    leave(NAME, KIND, str(tmp_path))
    parent = os.getppid()
    path = kill(owner=[str(parent), marker._stat(parent)[marker.START_TIME]])
    before = path.read_text()
    assert leave(NAME, KIND, str(tmp_path)).generation == 1
    assert path.read_text() == before


def test_a_helper_that_was_there_first_is_no_predecessor(tmp_path, kill, folder) -> None:
    """A program that this process ran during its init, and that is over, was not reset."""
    leave(NAME, KIND, str(tmp_path))
    me = [str(os.getpid()), marker._stat(os.getpid())[marker.START_TIME]]
    kill(parent=me)
    assert leave(NAME, KIND, str(tmp_path)).generation == 1
    (path,) = folder.iterdir()
    assert path.read_text().split("\n")[6:8] == me, "it is this process's marker from now on"
    kill()
    assert leave(NAME, KIND, str(tmp_path)).generation == 2


def test_a_long_name_has_a_marker_too(tmp_path, kill) -> None:
    """File names have an end; what is in the file has not."""
    name = "x" * 400
    leave(name, KIND, str(tmp_path))
    kill()
    assert leave("y" + name, KIND, str(tmp_path)).generation == 1
    leave(name, KIND, str(tmp_path))
    kill()
    assert leave(name, KIND, str(tmp_path)).generation == 2


def test_an_id_that_another_process_has_by_now_is_a_dead_owner(tmp_path, kill) -> None:
    """The kernel gives ids again; the time of the start tells."""
    leave(NAME, KIND, str(tmp_path))
    kill(owner=[str(os.getppid()), "1"])
    assert leave(NAME, KIND, str(tmp_path)).generation == 2


def test_a_zombie_does_not_live(tmp_path, kill, monkeypatch) -> None:
    """A killed process that nobody has waited for is still listed."""
    leave(NAME, KIND, str(tmp_path))
    stat = marker._stat(os.getppid())
    kill(owner=[str(os.getppid()), stat[marker.START_TIME]])
    real = marker._stat

    def dying(process):
        found = real(process)
        return ["Z", *found[1:]] if process == os.getppid() and found else found

    monkeypatch.setattr(marker, "_stat", dying)
    assert leave(NAME, KIND, str(tmp_path)).generation == 2


@pytest.mark.parametrize("lines", [{"boot": "another"}, {"kind": "provisioned-concurrency"}])
def test_another_boot_or_init_type_is_another_environment(tmp_path, kill, lines) -> None:
    """A directory that came along from elsewhere proves no reset."""
    leave(NAME, KIND, str(tmp_path))
    kill(**lines)
    assert leave(NAME, KIND, str(tmp_path)).generation == 1


def test_another_environments_marker_is_not_ours(tmp_path, kill, folder) -> None:
    """Names that differ in what a file name cannot hold are told apart by what is in it."""
    leave("a/b", KIND, str(tmp_path))
    kill()
    assert leave("a:b", KIND, str(tmp_path)).generation == 1
    assert len(list(folder.iterdir())) == 1
    assert leave("other", KIND, str(tmp_path)).generation == 1


@pytest.mark.parametrize(
    "torn",
    [
        b"",
        b"orc environment 1",
        b"orc environment 2\nx",
        b"\xff\xfe\x00",
        b"\n" * 50,
        b"orc environment 1\n" * 8,
    ],
)
def test_a_torn_or_foreign_file_counts_as_none(tmp_path, folder, torn) -> None:
    """It is replaced by a whole one."""
    leave(NAME, KIND, str(tmp_path))
    (path,) = folder.iterdir()
    path.write_bytes(torn)
    assert leave(NAME, KIND, str(tmp_path)).generation == 1
    assert path.read_text().startswith("orc environment 1\n" + NAME)


@pytest.mark.parametrize("generation", ["", "two", "-1", "1.5"])
def test_a_generation_that_is_no_number_counts_as_none(tmp_path, kill, generation) -> None:
    """Every other line may be right."""
    leave(NAME, KIND, str(tmp_path))
    kill(generation=generation)
    assert leave(NAME, KIND, str(tmp_path)).generation == 1


def test_a_directory_in_the_markers_place_counts_as_none(tmp_path, folder) -> None:
    """It can be neither read nor replaced, and nothing is raised."""
    leave(NAME, KIND, str(tmp_path))
    (path,) = folder.iterdir()
    path.unlink()
    path.mkdir()
    assert leave(NAME, KIND, str(tmp_path)).generation == 1


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o755, 0o777])
def test_a_folder_that_others_may_open_is_not_used(tmp_path, folder, mode) -> None:
    """What stands there may be anybody's."""
    folder.mkdir()
    folder.chmod(mode)
    assert leave(NAME, KIND, str(tmp_path)).generation == 1
    assert list(folder.iterdir()) == []


def test_a_link_to_a_private_folder_is_not_used(tmp_path, folder) -> None:
    """Somebody else may have laid it."""
    real = tmp_path / "real"
    real.mkdir(mode=0o700)
    folder.symlink_to(real, target_is_directory=True)
    assert leave(NAME, KIND, str(tmp_path)).generation == 1
    assert list(real.iterdir()) == []


def test_a_folder_of_another_owner_is_not_used(tmp_path, folder, monkeypatch) -> None:
    """A mode of 0700 says nothing of whose it is."""
    user = os.geteuid() + 1
    (tmp_path / f"orc-{user}").mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert leave(NAME, KIND, str(tmp_path)).generation == 1
    assert not list((tmp_path / f"orc-{user}").iterdir())


def test_a_file_or_nothing_in_the_folders_place_is_no_harm(tmp_path, folder) -> None:
    """Without a folder every process is the first."""
    folder.write_text("")
    assert leave(NAME, KIND, str(tmp_path)).generation == 1
    assert leave(NAME, KIND, str(tmp_path / "absent")).generation == 1


def test_a_full_disk_is_no_harm(tmp_path, kill, monkeypatch) -> None:
    """The generation is known from what could be written before."""
    leave(NAME, KIND, str(tmp_path))
    kill()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert leave(NAME, KIND, str(tmp_path)).generation == 2
    assert leave(NAME, KIND, str(tmp_path)).generation == 2


def test_a_name_that_is_no_text_is_no_harm(tmp_path) -> None:
    """Variables may hold bytes that are not UTF-8, and names longer than a file's may be."""
    for name in ("stream \udcff", "x" * 5000):
        assert leave(name, KIND, str(tmp_path)).id == name


def test_without_a_name_the_parent_stands_for_the_environment(tmp_path, kill) -> None:
    """An emulator outlives the runtimes that it resets; the id is drawn once."""
    first = leave(None, KIND, str(tmp_path))
    assert first.id
    assert first.generation == 1
    kill()
    second = leave(None, KIND, str(tmp_path))
    assert (second.id, second.generation) == (first.id, 2)


def test_without_proc_nothing_is_said(tmp_path, monkeypatch) -> None:
    """No name, no marker: no id is made up, and each process is the first."""
    monkeypatch.setattr(marker, "_stat", lambda process: None)
    mark = leave(None, KIND, str(tmp_path))
    assert (mark.id, mark.generation) == (None, 1)
    assert leave(NAME, KIND, str(tmp_path)).generation == 1
    assert leave(NAME, KIND, str(tmp_path)).generation == 1


def test_the_temporary_directory_is_tempfiles(tmp_path, monkeypatch) -> None:
    """As the module says if it is there, else by the same variables, else ``/tmp``."""
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    assert temporary_directory({"TMPDIR": "/nowhere"}) == str(tmp_path)

    def none():
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", none)
    assert temporary_directory({"TMPDIR": str(tmp_path)}) == "/tmp"  # noqa: S108
    monkeypatch.delitem(marker.sys.modules, "tempfile")
    assert temporary_directory({"TMPDIR": "/nowhere", "TMP": str(tmp_path)}) == str(tmp_path)
    assert temporary_directory({"TMPDIR": ""}) == "/tmp"  # noqa: S108
