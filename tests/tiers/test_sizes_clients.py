"""What clients and views of buffers weigh: not what they lead to, and all that they keep."""

from __future__ import annotations

import array
import collections
import dataclasses
import importlib
import io
import logging
import queue
import socket
import sqlite3
import ssl
import sys
import threading
import types

import boto3
import pytest

import orc
from orc.tiers import sizes
from orc.tiers.sizes import CLIENT_BYTES, weigh

LARGEST = 1_342_177
"""Bytes that one value may take in a function of 128 MB."""

KEYS = {"region_name": "eu-west-1", "aws_access_key_id": "x", "aws_secret_access_key": "x"}


def module(name):
    return pytest.importorskip(name)


class Guarded:
    """A lock, a socket, and whatever it is given."""

    def __init__(self, **attributes):
        self.lock = threading.Lock()
        self.socket = None
        vars(self).update(attributes)


class Slotted:
    __slots__ = ("lock", "rows")

    def __init__(self, rows):
        self.lock = threading.RLock()
        self.rows = rows


@dataclasses.dataclass
class Row:
    number: int
    text: str


class Index:
    def __init__(self, rows):
        self.rows = rows


def rows(count):
    return {i + 1000: f"row {i}" for i in range(count)}


def connected():
    """Return an object that holds a lock and one end of a connection."""
    near, far = socket.socketpair()
    far.close()
    return Guarded(socket=near)


CLIENTS = {
    "boto3 client": lambda: boto3.session.Session().client("ssm", **KEYS),
    "boto3 resource": lambda: boto3.session.Session().resource("dynamodb", **KEYS),
    "boto3 table": lambda: boto3.session.Session().resource("dynamodb", **KEYS).Table("t"),
    "boto3 session": lambda: used(boto3.session.Session()),
    "requests": lambda: module("requests").Session(),
    "urllib3": lambda: module("urllib3").PoolManager(),
    "redis pool": lambda: module("redis").ConnectionPool(),
    "redis": lambda: module("redis").Redis(),
    "TLS context": ssl.create_default_context,
    "sqlite3": lambda: sqlite3.connect(":memory:"),
    "class with a socket": connected,
    "object with a boto3 client": lambda: Guarded(
        client=boto3.session.Session().client("s3", **KEYS)
    ),
}


def used(session):
    session.client("ssm", **KEYS)
    return session


@pytest.fixture(params=CLIENTS)
def client(request):
    made = CLIENTS[request.param]()
    yield made
    for each in (made, getattr(made, "socket", None)):
        if isinstance(each, (socket.socket, sqlite3.Connection)):
            each.close()


@pytest.mark.litters
def test_a_client_is_kept_in_the_smallest_function(client):
    """With isolation="share" it is made once, within the default budget of 128 MB."""
    cache = orc.Cache(tiers=[orc.Memory(max_bytes=128 * 2**20 // 10)], ttl=None)
    kept = cache.cached(isolation="share")(lambda: client)
    assert 0 < weigh(client) < 4 * CLIENT_BYTES < LARGEST
    assert kept() is kept()
    assert kept.cache_info()[:2] == (1, 1)
    assert cache.stats().oversize == 0


@pytest.mark.litters
def test_a_client_is_told_after_a_short_walk(monkeypatch):
    """Of the 100,000 objects that a boto3 client leads to, few are looked at."""
    sizes_asked = []
    own_size = sizes._own_size

    def counted(*arguments):
        sizes_asked.append(1)
        return own_size(*arguments)

    monkeypatch.setattr(sizes, "_own_size", counted)
    weigh(boto3.session.Session().client("ssm", **KEYS))
    assert len(sizes_asked) < 5_000


@pytest.mark.litters
@pytest.mark.parametrize("kind", [list, tuple, lambda each: dict(enumerate(each))])
def test_a_container_of_clients_weighs_as_its_clients(kind):
    """And as the data beside them."""
    session = boto3.session.Session()
    clients = [session.client(name, **KEYS) for name in ("ssm", "sqs", "s3")]
    data = rows(20_000)
    together = weigh(kind([*clients, data]))
    apart = sum(map(weigh, clients)) + weigh(data)
    assert apart <= together <= apart + 2_000


@pytest.mark.parametrize(
    "make",
    [
        lambda data: Guarded(rows=data),
        Slotted,
        lambda data: Guarded(index=Index(data)),
        lambda data: Guarded(index=Guarded(rows=data)),
        lambda data: [Guarded(), data],
        lambda data: types.SimpleNamespace(lock=threading.Lock(), rows=data),
        lambda data: Guarded(rows=collections.OrderedDict(data)),
        lambda data: Guarded(rows=collections.UserDict(data)),
        lambda data: Guarded(rows=[Row(number, text) for number, text in data.items()]),
        lambda data: Guarded(
            rows={number: (text, {text: [text]}) for number, text in data.items()}
        ),
    ],
)
def test_the_data_beside_a_lock_counts(make):
    """A table of the user's that has a lock weighs its rows, however they are held."""
    data = rows(20_000)
    assert weigh(data) <= weigh(make(data)) <= 10 * weigh(data)


def test_data_beside_a_lock_is_walked_as_a_whole(monkeypatch):
    """The walk does not begin anew for each row: that would take seconds for a million."""
    walks = []

    class Counted(sizes._Walk):
        def __init__(self, *arguments):
            walks.append(self)
            super().__init__(*arguments)

    monkeypatch.setattr(sizes, "_Walk", Counted)
    weigh(Guarded(rows=[Row(n, f"{n}") for n in range(10_000)]))
    assert len(walks) < 20


def test_real_data_never_breaks_the_budget():
    """Values with locks and rows, kept as they are, leave one another as any others do."""
    memory = orc.Memory(max_bytes=13_000_000)
    cache = orc.Cache(tiers=[memory], isolation="share", ttl=None)
    for n in range(40):
        cache.set(f"{n}", Guarded(index=Index(rows(3_000))))
    each = weigh(rows(3_000))
    assert 1 < memory.items <= 13_000_000 // each


def test_a_small_object_with_a_lock_weighs_what_it_is():
    """A thousand rows that each have a lock are not a thousand clients."""
    held = [Guarded(text=f"{n:0100}") for n in range(1_000)]
    plain = [types.SimpleNamespace(text=f"{n:0100}", lock=None, socket=None) for n in range(1_000)]
    assert weigh(plain) < 1.5 * weigh(held) < 4.5 * weigh(plain)


def test_rows_that_lead_to_one_another_and_to_a_lock_are_walked_a_bounded_number_of_times(
    monkeypatch,
):
    """Each row leads to all others: none of the walks in vain is repeated for each of them."""
    asked = []
    own_size = sizes._own_size
    monkeypatch.setattr(sizes, "_own_size", lambda *args: asked.append(1) or own_size(*args))
    ring = [Guarded() for _ in range(5_000)]
    for before, after in zip(ring, ring[1:] + ring[:1], strict=True):
        before.next = after
    weigh(ring)
    assert len(asked) < 400_000


@pytest.mark.parametrize("kind", ["logger", "adapter"])
def test_a_logger_is_shared(kind):
    """An object that has a logger weighs its data, and no logger, lock or handler."""
    log = logging.getLogger("orc.tests.sizes")
    log.addHandler(logging.NullHandler())
    log = log if kind == "logger" else logging.LoggerAdapter(log)
    plain, logs = Index(rows(20_000)), Index(rows(20_000))
    logs.log = log
    assert weigh(plain) <= weigh(logs) <= weigh(plain) + 1_000
    assert weigh(logging.getLogger()) == 0


@pytest.mark.parametrize(
    "make",
    [threading.Lock, threading.RLock, threading.local, threading.Thread, queue.SimpleQueue],
)
def test_things_of_the_process_by_themselves(make):
    """Each weighs something, and no more than a client."""
    assert 0 < weigh(make()) <= CLIENT_BYTES + 10_000


def test_open_files_are_clients_and_buffers_in_memory_are_data(tmp_path):
    """BytesIO and StringIO are no files: what they hold counts."""
    with (tmp_path / "file").open("wb") as file:
        assert CLIENT_BYTES <= weigh(file) <= 4 * CLIENT_BYTES
    buffer = io.BytesIO()
    buffer.write(bytes(1_000_000))
    assert weigh(buffer) > 1_000_000


def test_a_class_whose_module_is_no_string_is_weighed():
    """What a class or a metaclass says of its module is not relied on."""

    class Meta(type):
        @property
        def __module__(cls):
            raise RuntimeError

    odd = Meta("Odd", (), {})()
    odd.data = bytes(100_000)
    odd.lock = threading.Lock()
    assert weigh(odd) > 100_000
    odd.rows = rows(5_000)
    assert weigh(odd) > 100_000 + weigh(odd.rows)


# Views.


def test_a_memoryview_weighs_its_buffer():
    """Of bytes, of a bytearray and of an array; and a view of a view."""
    for buffer in (bytes(1_000_000), bytearray(1_000_000), array.array("d", bytes(1_000_000))):
        view = memoryview(buffer)[:10]
        assert 1_000_000 < weigh(view) < 1_070_000
        assert 1_000_000 < weigh([view, view[2:4], memoryview(buffer), buffer]) < 1_071_000


def numpy_views(numpy):
    large = numpy.zeros(125_000)
    yield large
    yield large[:10]
    yield large[::3][2:9].reshape(7, 1).T
    yield large[:10].view(type("Sub", (numpy.ndarray,), {}))
    yield numpy.frombuffer(bytes(1_000_000), dtype="u1")[:10]
    yield numpy.frombuffer(memoryview(bytearray(1_000_000))[5:50], dtype="u1")
    yield numpy.asarray(memoryview(array.array("d", bytes(1_000_000))))[:3]
    yield numpy.lib.stride_tricks.sliding_window_view(large, 100)[:2]
    yield numpy.broadcast_to(large, (1000, 125_000))
    yield memoryview(large[:10])


def test_a_numpy_view_weighs_its_buffer():
    """Whatever the buffer is, and at any depth; once in one value, and beside a lock too."""
    numpy = module("numpy")
    for view in numpy_views(numpy):
        assert 1_000_000 <= weigh(view) < 1_070_000
        assert 1_000_000 <= weigh([view, view[:1]]) < 1_071_000
        assert 1_000_000 <= weigh(Guarded(rows=rows(3_000), view=view)) < 2_000_000
    copy = numpy.zeros(125_000)[:10].copy()
    assert weigh(copy) < 1_000


def test_the_objects_in_a_numpy_array_count():
    """An array of dtype object holds what a list would."""
    numpy = module("numpy")
    texts = [f"{n:0100}" for n in range(1_000)]
    assert weigh(texts) * 0.95 < weigh(numpy.array(texts, dtype=object)) < weigh(texts) * 1.05
    assert weigh(numpy.array(texts, dtype=object)[:3]) > weigh(texts) * 0.95


def test_a_frame_of_views_weighs_its_buffers():
    """A slice of a DataFrame keeps the whole of it."""
    numpy, pandas = module("numpy"), module("pandas")
    frame = pandas.DataFrame(numpy.zeros((25_000, 5)))
    assert 1_000_000 <= weigh(frame) < 1_010_000
    for part in (frame.iloc[:10], frame[3].iloc[:10], frame.iloc[:10][[1, 2]].T):
        least = 1_000_000 if part.to_numpy().base is not None and part.ndim == 1 else 100
        assert least <= weigh(part) < 1_020_000
    assert 1_000_000 <= weigh(Guarded(rows=rows(3_000), frame=frame)) < 2_000_000
    texts = pandas.Series([f"{n:0100}" for n in range(10_000)], dtype=object)
    assert weigh(texts) > 1_000_000


def test_a_model_with_a_source_of_chance_weighs_its_arrays():
    """NumPy's generators have a lock, and models have generators."""
    numpy = module("numpy")
    model = types.SimpleNamespace(
        random=numpy.random.default_rng(1),
        state=numpy.random.RandomState(1),
        trees=[types.SimpleNamespace(nodes=numpy.zeros(1_250)) for _ in range(1_000)],
    )
    assert 10_000_000 < weigh(model) < 12_000_000


def test_arrays_that_a_library_holds_near_a_lock_count(monkeypatch, tmp_path):
    """An instance of a library's class is not opened, but the arrays close by count."""
    place = tmp_path / "site-packages"
    place.mkdir()
    (place / "orc_test_library.py").write_text(
        "import threading\n"
        "class Part:\n    pass\n"
        "class Client:\n"
        "    def __init__(self, **more):\n"
        "        self.lock, self.part = threading.Lock(), Part()\n"
        "        vars(self.part).update(more)\n"
    )
    monkeypatch.syspath_prepend(place)
    library = importlib.import_module("orc_test_library")
    try:
        model = library.Client(data=bytearray(1_000_000), rows=rows(100_000))
        assert 1_000_000 < weigh(model) < 1_000_000 + 2 * CLIENT_BYTES
        model.own = rows(10_000)
        assert weigh(model) > 1_000_000 + weigh(model.own)
        model.objects = [Row(n, f"{n}") for n in range(10_000)]
        assert weigh(model) > 1_000_000 + weigh(model.own) + weigh(model.objects)
    finally:
        del sys.modules["orc_test_library"]
