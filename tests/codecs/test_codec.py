"""What the codec promises beyond values: limits, extras that are absent, threads, other Pythons."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import tracemalloc
import zlib
from pathlib import Path

import pytest

from orc.codecs import compression
from orc.codecs.codec import Codec
from orc.codecs.encryption import KeyRing
from orc.errors import ConfigError, UnstorableError
from orc.model.address import Address
from orc.model.entry import Entry

ROOT = Path(__file__).parents[2]
HERE = Address(b"a full key", "orc1:n:f", None, "1")


def entry(value: object) -> Entry:
    return Entry(value, 1.0, 2.0)


def value_of(codec: Codec, payload: bytes) -> object:
    found = codec.open(payload, HERE)
    return found and found.value


def test_a_codec_is_made_without_importing_what_it_may_need() -> None:
    """Neither msgpack nor cryptography nor a compression, until there is something to do."""
    unwanted = "{'msgpack', 'cryptography', 'zlib', 'backports', 'datetime', 'decimal'}"
    run(
        "import sys; before = set(sys.modules)\n"
        "from orc.codecs.codec import Codec; made = Codec()\n"
        f"found = (set(sys.modules) - before) & {unwanted}; assert not found, found\n"
        "made.prewarm(); assert 'msgpack' in sys.modules\n"
        "assert 'cryptography' not in sys.modules\n"
    )


def run(program: str, **environment: str) -> str:
    made = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},  # noqa: TID251 - a child's
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return made.stdout


def test_without_msgpack_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making a codec needs nothing; what it is for needs msgpack, and reading is a miss."""
    payload = Codec().seal(entry(1), HERE)
    monkeypatch.setitem(sys.modules, "msgpack", None)
    for attempt in (Codec().prewarm, lambda: Codec().seal(entry(1), HERE)):
        with pytest.raises(ConfigError, match=r'pip install "orc-cache\[redis\]"'):
            attempt()
    assert Codec().open(payload, HERE) is None


def test_without_cryptography_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the ring is made, so before anything is written without encryption."""
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(ConfigError, match=r'pip install "orc-cache\[encrypt\]"'):
        KeyRing({"k": bytes(32)})


def test_without_zstd_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """When a codec is made that is to compress by it; for others its payloads are a miss."""
    payload = Codec(zstd=True).seal(entry("x" * 2000), HERE)
    assert value_of(Codec(), payload) == "x" * 2000
    monkeypatch.setitem(sys.modules, "compression", None)
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    monkeypatch.setitem(sys.modules, "backports", None)
    with pytest.raises(ConfigError, match=r'pip install "orc-cache\[zstd\]"'):
        Codec(zstd=True)
    assert Codec().open(payload, HERE) is None


def test_msgpack_in_python_reads_what_msgpack_in_c_wrote() -> None:
    """Where no wheel fits, msgpack is slower and says the same: of golden files, and of its own."""
    program = (
        f"import runpy, sys; from msgpack import Packer; assert 'fallback' in Packer.__module__\n"
        f"sys.path.insert(0, {str(ROOT / 'tests' / 'codecs')!r})\n"
        "import test_golden as golden\n"
        "from orc.codecs.codec import Codec\n"
        "for name, (option, address, entry) in golden.CASES.items():\n"
        "    golden.test_a_golden_file_opens_to_exactly_its_entry(name)\n"
        "    codec = Codec(**golden.MAKE['OPTIONS'][option])\n"
        "    found = codec.open(codec.seal(entry, address), address)\n"
        "    assert golden.exact(found.value) == golden.exact(entry.value), name\n"
        "    print(name)\n"
    )
    assert len(run(program, MSGPACK_PUREPYTHON="1").splitlines()) > 30


@pytest.mark.parametrize("ring", [None, KeyRing({"k": bytes(32)})], ids=["plain", "encrypted"])
def test_eight_threads_share_a_codec(ring: KeyRing | None) -> None:
    """Each gets its own value back, from the first call on."""
    codec = Codec(ring=ring, compress_from=100)
    wrong: list[object] = []
    begin = threading.Barrier(8)

    def work(number: int) -> None:
        begin.wait()
        for turn in range(200):
            value = {"n": number, "t": (turn, 2**70 + turn), "s": f"{number}" * 200}
            if value_of(codec, codec.seal(entry(value), HERE)) != value:
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert wrong == []


@pytest.mark.parametrize("how", ["none", "zlib", "zstd"])
def test_the_cap_is_exact(how: str) -> None:
    """A packed value of as many bytes as the cap is written and read; one more is neither."""
    cap = 5000
    options = {"compress_from": None if how == "none" else 1000, "zstd": how == "zstd"}
    codec = Codec(cap=cap, **options)  # type: ignore[arg-type]
    fits = b"x" * (cap - 3)  # three bytes say how long it is
    payload = codec.seal(entry(fits), HERE)
    assert (len(payload) < 1000) == (how != "none")
    assert value_of(codec, payload) == fits
    with pytest.raises(UnstorableError, match="5001 bytes are over the cap of 5000"):
        codec.seal(entry(fits + b"x"), HERE)
    larger = Codec(cap=cap + 1, **options).seal(entry(fits + b"x"), HERE)  # type: ignore[arg-type]
    assert Codec(cap=cap + 1).open(larger, HERE) is not None
    assert codec.open(larger, HERE) is None


def test_inflation_ends_at_its_cap() -> None:
    """At the cap it is whole, one byte over it is refused, and no more than twice it is made."""
    for length, whole in [(999_999, True), (1_000_000, True), (1_000_001, False)]:
        data = zlib.compress(bytes(length), 9)
        if whole:
            assert len(compression.inflated(data, 1_000_000)) == length
        else:
            with pytest.raises(ValueError, match="too large"):
                compression.inflated(data, 1_000_000)
    bomb = zlib.compress(bytes(100_000_000), 9)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="too large"):
            compression.inflated(bomb, 1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


def test_what_does_not_shrink_is_not_compressed() -> None:
    """Compression is kept only where it makes the value smaller."""
    noise = os.urandom(4000)
    compressed, plain = (
        Codec(compress_from=each).seal(entry(noise), HERE) for each in (1000, None)
    )
    assert compressed == plain


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (Entry(1, 2.0, 1.0), "out of order"),
        (Entry(1, 1.0, float("nan")), "not finite"),
        (Entry(1, 1.0, float("inf")), "not finite"),
        (Entry(1, 1.0, 2.0, -1.0), "out of order"),
        (Entry(1, 1.0, 2.0, 0.0, (("t" * 70_000, b"v"),)), "tags"),
        (Entry(1, 1.0, 2.0, 0.0, (("t", b"v" * 256),)), "tags"),
        (Entry(1, 10**400, 2.0), "times"),
    ],
)
def test_an_entry_that_would_not_be_read_is_not_sealed(made: Entry, words: str) -> None:
    """Times that no reader takes, and lengths that the layout has no room for."""
    with pytest.raises(UnstorableError, match=words):
        Codec().seal(made, HERE)


def test_a_reader_takes_either_form_of_the_key() -> None:
    """The option is the writer's; the key itself is in the bytes only if it was asked for."""
    hidden, shown = Codec(), Codec(readable_keys=True)
    assert b"a full key" not in hidden.seal(entry(1), HERE)
    assert b"a full key" in shown.seal(entry(1), HERE)
    for writer in (hidden, shown):
        for reader in (hidden, shown):
            assert value_of(reader, writer.seal(entry(1), HERE)) == 1
    other = Address(b"another key", "orc1:n:f", None, "1")
    assert hidden.open(shown.seal(entry(1), HERE), other) is None


def test_a_value_may_run_code_of_its_own_and_raise() -> None:
    """A hash that fails when a set is made again is a miss, and an encoder's error is a refusal."""
    codec = Codec()
    payload = codec.seal(entry({("a",): 1}), HERE)
    assert value_of(codec, payload) == {("a",): 1}

    class Broken:
        def __getattribute__(self, name: str) -> object:
            raise KeyError(name)

    with pytest.raises(UnstorableError, match=r"value\[0\]"):
        codec.seal(entry([Broken()]), HERE)
