"""What must be true after an interrupt, wherever it came; and the loop over all points of a run."""

from __future__ import annotations

import gc
import sys
import threading
import warnings
from _thread import LockType, RLock

from orc_injector import PACKAGE, Interrupt, inject

import orc
from orc.errors import OrcWarning
from orc.stampede import single_flight
from orc.tiers.copies import GRAIN
from orc.tiers.sizes import SPACE_BYTES, TAG_BYTES

MOST_ITEMS = 8
MAX_BYTES = 1 << 20
MOST_FAILURES = 30
"""Points that fail before a sweep ends early."""
ALWAYS_HELD = {"_never_free"}
"""Locks that are there to be waited for in vain."""
MOST_SLOW = 6
"""The same for points after which a thread waits for ever."""


def new_cache(policy="lru", *behind, ttl=60, memory=None):
    """Make a cache of eight items, with tiers behind memory."""
    memory = memory or orc.Memory(max_items=MOST_ITEMS, max_bytes=MAX_BYTES, policy=policy)
    return orc.Cache(tiers=[memory, *behind], ttl=ttl, jitter=0, namespace="interrupts")


# -- the parts of a cache: the one place that knows their names ------------------------------------


def memory_of(cache):
    return cache._core.memory


def flying(cache):
    return cache._core.flights._flying


def spaces_of(cache):
    core = cache._core
    found = [core._explicit_space, *(s for each in core._living() for s in each.spaces())]
    return [space for space in found if space is not None]


def waiting(cache):
    """Count the followers of all flights."""
    return sum(len(flight.followers) for flight in list(flying(cache).values()))


def mend():
    """Give the process new locks, so that a failure at one point is not one at all later ones."""
    single_flight._lock = RLock()
    keeper = sys.modules.get("orc.tiers.disk.keeper")
    if keeper is not None:
        try:
            keeper._lock.release()
        except RuntimeError:
            pass  # it is free


def held_locks(*roots):
    """Name the locks that are held, among those of `roots`, of their parts and of the modules."""
    held = []
    seen = set()
    open_ends = [(type(root).__name__, root, 0) for root in roots]
    for name, module in list(sys.modules.items()):
        if name.startswith("orc.") and not name.startswith(("orc.testing", "orc.fleet")):
            open_ends += [
                (f"{name}.{label}", part, 9)
                for label, part in list(vars(module).items())
                if isinstance(part, (RLock, LockType)) and label not in ALWAYS_HELD
            ]
    while open_ends:
        path, part, depth = open_ends.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, RLock):
            if repr(part).startswith("<locked"):
                held.append(path)
        elif isinstance(part, LockType):
            if part.locked():
                held.append(path)
        elif depth < 5 and type(part).__module__.startswith("orc"):
            open_ends += [(f"{path}.{n}", each, depth + 1) for n, each in _parts(part)]
        elif isinstance(part, (list, tuple)) and depth < 5:
            open_ends += [(path, each, depth + 1) for each in list(part)[:8]]
    return held


def _parts(thing):
    for kind in type(thing).__mro__:
        for name in kind.__dict__.get("__slots__", ()):
            if name not in {"__weakref__", "index"} and hasattr(thing, name):
                yield name, getattr(thing, name)
    yield from getattr(thing, "__dict__", {}).items()


# -- what is checked -------------------------------------------------------------------------------


def elsewhere(work, seconds=1.0):
    """Call `work` in another thread; return its value, or fail if it takes too long."""
    answer = []

    def call():
        try:
            answer.append((work(), None))
        except BaseException as error:  # noqa: BLE001 - told below
            answer.append((None, error))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    assert answer, f"another thread still waits after {seconds} s"
    value, error = answer[0]
    assert error is None, f"another thread got {error!r}"
    return value


def nothing_is_left(cache, *parts):
    """Find no flight in the table, and no lock that is held."""
    held = held_locks(cache, *parts)
    assert not held, f"locks are held: {held}"
    assert not flying(cache), "a flight is left in the table"


def books_are_right(cache):
    """Count memory's entries anew, and compare."""
    memory, spaces = memory_of(cache), spaces_of(cache)
    copies = [copy for space in spaces for copy in space.index.values()]
    tags = {id(tag): tag for copy in copies for tag, _ in copy.versions}
    assert memory.items == len(copies), f"items={memory.items}, in the index: {len(copies)}"
    for space in spaces:
        assert space.items == len(space.index), "a space counts wrong"
    for tag in tags.values():
        carriers = sum(each is tag for copy in copies for each, _ in copy.versions)
        assert tag.entries == carriers, f"a tag counts {tag.entries} entries of {carriers}"
    bytes_ = (
        sum(copy.weight for copy in copies) * GRAIN
        + SPACE_BYTES * sum(bool(space.index) for space in spaces)
        + TAG_BYTES * len(tags)
        + memory.footprints.size
    )
    assert memory.used_bytes == bytes_, f"used_bytes is {memory.used_bytes - bytes_:+} off"


def memory_is_sound(cache, empty_bytes):
    """Memory stores, evicts, and counts as a new one does."""
    cache.set("probe", 1)
    assert cache.get("probe") == 1, "memory does not store what the next call sets"
    books_are_right(cache)
    for number in range(MOST_ITEMS + 3):
        cache.set(f"fill{number}", number)
    books_are_right(cache)
    items = memory_of(cache).items
    assert items == MOST_ITEMS, f"{items} entries are kept of {MOST_ITEMS}"
    cache.clear()
    assert memory_of(cache).items == 0
    drift = memory_of(cache).used_bytes - empty_bytes
    assert not drift, f"used_bytes is {drift:+} off after clear"
    cache.set("probe", 2, tags="t")
    assert cache.get("probe") == 2, "memory does not store what is set after clear"
    books_are_right(cache)


def key_is_usable(cache, key="k", seconds=1.0):
    """Another thread gets the key's value in time, and the call after it is a hit."""
    elsewhere(lambda: cache.get_or_set(key, lambda: 2), seconds)
    loads = []
    cache.get_or_set(key, lambda: loads.append(1))
    assert not loads, "the value that another thread loaded was not stored"


def call_ends(cache, key="k", seconds=1.0):
    """Another thread gets the key's value in time, whether it is stored or not."""
    elsewhere(lambda: cache.get_or_set(key, lambda: 2), seconds)


def function_is_usable(loads, ask, seconds=1.0):
    """Another thread gets the function's value in time, and the call after it is a hit.

    The function appends to `loads` when it is called.
    """
    elsewhere(ask, seconds)
    before = len(loads)
    elsewhere(ask, seconds)
    assert len(loads) == before, "the value that another thread loaded was not stored"


# -- the loop --------------------------------------------------------------------------------------


def sweep(scene, *, error=Interrupt, inside=PACKAGE, twice=False, every=1, first=0, most=5000):
    """Interrupt what `scene` makes at each point, or at `every` so many, and check each time.

    `scene` returns what is run, what checks it, and a window or ``None``. Returns how many points
    were tried; fails with a list of all points where a check failed.
    """
    with warnings.catch_warnings():
        # Python closes the loops and connections that an interrupt left while they were made.
        warnings.simplefilter("ignore", ResourceWarning)
        warnings.simplefilter("ignore", RuntimeWarning)  # of coroutines that never began
        # A handler's error in the middle of packing looks like one of the class of the value.
        warnings.simplefilter("ignore", OrcWarning)
        tried, failures = _swept(scene, error, inside, range(first, most, every), twice=twice)
        gc.collect()
    assert tried, "no point was met"
    print(f"{tried} points")  # noqa: T201 - seen with -s
    if failures:
        lines = [f"{tried} points were tried"]
        for told, places in failures.items():
            lines.append(f"* {told}")
            lines += [f"    {where}  (points {numbers})" for where, numbers in places.items()]
        raise AssertionError("\n".join(lines))
    return tried


def _swept(scene, error, inside, numbers, *, twice):
    for _ in range(2):  # imports, and on 3.13 instrumentation
        run, _check, window = scene()
        whole = inject(run, -1, inside=inside, window=window)
        assert whole.error is None, f"fails without an interrupt: {whole.error!r}"
    failures = {}
    tried = slow = 0
    for at in numbers:
        run, check, window = scene()
        shot = inject(run, at, error, inside=inside, twice=twice, window=window)
        if not shot.fired:
            break
        tried += 1
        try:
            assert shot.error is None or isinstance(shot.error, error), (
                f"the caller got {shot.error!r}"
            )
            check()
        except Exception as failure:  # noqa: BLE001 - listed below
            told = str(failure) if isinstance(failure, AssertionError) else repr(failure)
            where = " + ".join(shot.fired)
            failures.setdefault(told.split("\n")[0], {}).setdefault(where, []).append(at)
            mend()
            slow += "still waits" in told
            if slow >= MOST_SLOW or sum(map(len, failures.values())) >= MOST_FAILURES:
                break
    return tried, failures
