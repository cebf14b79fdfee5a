"""SnapStart: every clone has a temporary directory of its own, as it was at the snapshot."""

from __future__ import annotations

import os

CACHE = """
    import orc
    disk = orc.Disk()
    cache = orc.Cache(tiers=[orc.Memory(), disk], namespace="clones")
    loads = []
    @cache.cached(ttl=600)
    def value(key):
        loads.append(key)
        return key * 2
    value("at init")
    def handler(event, context):
        before = len(loads)
        return value(event), len(loads) > before, disk.store
"""


def test_a_hit_on_disk_never_crosses_clones(fleet):
    """What one clone stores is loaded anew by the other; what the snapshot has, both have."""
    function = fleet(CACHE, mode="snap-start")
    one, other = function.start(2)

    def ask(container, key):
        return function.invoke(key, container=container).value

    assert ask(one, "a") == ["aa", True, f"disk {one.tmp}"]
    assert ask(other, "a") == ["aa", True, f"disk {other.tmp}"]
    assert ask(other, "b")[1] is True
    assert ask(one, "b")[1] is True
    assert [ask(each, "at init")[1] for each in (one, other)] == [False, False]
    function.invoke("a", container=one).settled()
    one.crash()
    function.invoke("a", container=one)  # it fails, and the next one is restored
    assert ask(one, "a")[1] is False  # from the disk that outlives the crash
    (third,) = function.start(1)
    assert [ask(third, key)[1] for key in ("a", "b", "at init")] == [True, True, False]
    tmp = one.tmp
    one.recycle()
    assert not tmp.exists()
    assert ask(other, "a")[1] is False


FILES = """
    import mmap, os, pathlib, sqlite3, tempfile
    tmp = pathlib.Path(tempfile.gettempdir())
    os.mkfifo(tmp / "pipe")
    (tmp / "folder").mkdir()
    (tmp / "folder" / "kept").write_text("snapshot")
    appended = open(tmp / "appended", "a+")
    appended.write("snapshot")
    appended.flush()
    nameless = tempfile.TemporaryFile("w+")
    nameless.write("snapshot")
    nameless.flush()
    with open(tmp / "mapped", "w+b") as file:
        file.truncate(4096)
        mapped = mmap.mmap(file.fileno(), 4096)
    mapped[:8] = b"snapshot"
    base = sqlite3.connect(tmp / "base.db", isolation_level=None)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("CREATE TABLE rows (word TEXT)")
    base.execute("INSERT INTO rows VALUES ('snapshot')")
    os.chdir(tmp / "folder")
    def handler(event, context):
        here = pathlib.Path(tempfile.gettempdir())
        if event:
            (here / "plain").write_text(event)
            for file in (appended, nameless):
                file.write(" " + event)
                file.flush()
            mapped[8:16] = event.encode().ljust(8)
            base.execute("INSERT INTO rows VALUES (?)", [event])
        nameless.seek(0)
        return {
            "tmp": [str(here), os.environ["TMPDIR"], os.path.dirname(os.getcwd())],
            "plain": (here / "plain").read_text() if (here / "plain").exists() else None,
            "kept": pathlib.Path("kept").read_text(),
            "appended": (here / "appended").read_text(),
            "nameless": nameless.read(),
            "mapped": [mapped[:16].decode().rstrip("\\0 "),
                       (here / "mapped").read_bytes()[:16].decode().rstrip("\\0 ")],
            "base": [word for word, in base.execute("SELECT word FROM rows")],
        }
"""


def test_files_of_a_clone_are_its_own(fleet):
    """By name, open since the init, mapped, nameless, or a database: each clone has a copy."""
    function = fleet(FILES, mode="snap-start")
    containers = function.start(2)
    one, other = containers

    def seen(container, word=None):
        answer = function.invoke(word, container=container)
        assert answer.error is None, container.log()
        return answer.value

    def expected(container, *words):
        text = " ".join(["snapshot", *words])
        return {
            "tmp": [str(container.tmp)] * 3,
            "plain": words[-1] if words else None,
            "kept": "snapshot",
            "appended": text,
            "nameless": text,
            "mapped": ["".join(["snapshot", *words])] * 2,
            "base": ["snapshot", *words],
        }

    assert seen(one, "one") == expected(one, "one")
    assert seen(other) == expected(other)
    assert seen(other, "other") == expected(other, "other")
    assert seen(one) == expected(one, "one")
    (third,) = function.start(1)
    assert seen(third) == expected(third)
    assert "pipe" not in os.listdir(third.tmp)  # noqa: PTH208 - the names alone
