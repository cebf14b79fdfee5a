"""The program in a container: moves its clocks, or makes the snapshot, then is the runtime.

Run as ``python -P inside.py <handler> <options as JSON>``. It imports no module of ORC, so that the
function under test decides what is loaded, and leaves ``sys.argv`` as ``-m awslambdaric`` has it.

Options: ``clock`` is the path of the two offsets (int64 nanoseconds: wall, monotonic), or null;
``control`` the number of a socket on which the fleet asks a SnapStart template for clones, or null.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import runpy
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

WALL = 0
MONOTONIC = 1
NANOSECOND = 1_000_000_000


class Offsets:
    """What is added to the kernel's clocks, in nanoseconds: written by the fleet, read here."""

    __slots__ = ("view",)

    def __init__(self, path: str) -> None:
        self.view: memoryview[int]
        self.map(path)

    def map(self, path: str) -> None:
        """Read the offsets of the file `path` from now on."""
        with open(path, "r+b") as file:  # noqa: PTH123 - pathlib is for the function to import
            self.view = memoryview(mmap.mmap(file.fileno(), 16)).cast("q")


class Builtin:
    """A callable that, as a builtin one and unlike a function, binds to no instance.

    ``logging.Formatter.converter = time.gmtime`` is how programs keep such functions.
    """

    __slots__ = ("__name__", "__qualname__", "_function")

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.__name__ = self.__qualname__ = name
        self._function = function

    def __call__(self, *args: Any) -> Any:  # noqa: D102 - as the function does
        return self._function(*args)

    def __repr__(self) -> str:
        return f"<function {self.__name__} in a container of the fleet>"


def shift_time(offsets: Offsets) -> None:
    """Replace the readings of the module `time`. Waiting stays on the kernel's clock."""
    clocks = {
        time.CLOCK_REALTIME: WALL,
        time.CLOCK_TAI: WALL,
        5: WALL,  # CLOCK_REALTIME_COARSE, which Python does not name
        time.CLOCK_MONOTONIC: MONOTONIC,
        time.CLOCK_MONOTONIC_RAW: MONOTONIC,
        time.CLOCK_BOOTTIME: MONOTONIC,
        6: MONOTONIC,  # CLOCK_MONOTONIC_COARSE
    }

    def shifted_ns(read: Callable[[], int], kind: int) -> Callable[[], int]:
        def read_ns() -> int:
            return read() + offsets.view[kind]

        return read_ns

    def shifted(read: Callable[[], float], kind: int) -> Callable[[], float]:
        def read_seconds() -> float:
            return read() + offsets.view[kind] / NANOSECOND

        return read_seconds

    gettime, gettime_ns = time.clock_gettime, time.clock_gettime_ns

    def clock_gettime(clock: int, /) -> float:
        kind = clocks.get(clock)
        return gettime(clock) + (0 if kind is None else offsets.view[kind] / NANOSECOND)

    def clock_gettime_ns(clock: int, /) -> int:
        kind = clocks.get(clock)
        return gettime_ns(clock) + (0 if kind is None else offsets.view[kind])

    replacements: dict[str, Any] = {
        "time": shifted(time.time, WALL),
        "time_ns": shifted_ns(time.time_ns, WALL),
        "monotonic": shifted(time.monotonic, MONOTONIC),
        "monotonic_ns": shifted_ns(time.monotonic_ns, MONOTONIC),
        "perf_counter": shifted(time.perf_counter, MONOTONIC),
        "perf_counter_ns": shifted_ns(time.perf_counter_ns, MONOTONIC),
        "clock_gettime": clock_gettime,
        "clock_gettime_ns": clock_gettime_ns,
        **_defaults_of_now(),
    }
    for name, function in replacements.items():
        setattr(time, name, Builtin(name, function))


def _defaults_of_now() -> dict[str, Any]:
    real_gmtime, real_localtime = time.gmtime, time.localtime
    real_ctime, real_asctime, real_strftime = time.ctime, time.asctime, time.strftime

    def gmtime(seconds: float | None = None, /) -> time.struct_time:
        return real_gmtime(time.time() if seconds is None else seconds)

    def localtime(seconds: float | None = None, /) -> time.struct_time:
        return real_localtime(time.time() if seconds is None else seconds)

    def ctime(seconds: float | None = None, /) -> str:
        return real_ctime(time.time() if seconds is None else seconds)

    def asctime(*when: Any) -> str:
        return real_asctime(*(when or (localtime(),)))

    def strftime(text: str, *when: Any) -> str:
        return real_strftime(text, *(when or (localtime(),)))

    return {
        "gmtime": gmtime,
        "localtime": localtime,
        "ctime": ctime,
        "asctime": asctime,
        "strftime": strftime,
    }


def shift_datetime() -> None:
    """Replace what reads the clock in `datetime`, in the dicts of its two static types."""
    import ctypes
    import datetime as dt
    import warnings

    def now(cls: type[dt.datetime], tz: dt.tzinfo | None = None) -> dt.datetime:
        return cls.fromtimestamp(time.time(), tz)

    def utcnow(cls: type[dt.datetime]) -> dt.datetime:
        if sys.version_info >= (3, 12):
            warnings.warn(
                "datetime.datetime.utcnow() is deprecated and scheduled for removal in a future "
                "version. Use timezone-aware objects to represent datetimes in UTC: "
                "datetime.datetime.now(datetime.UTC).",
                DeprecationWarning,
                stacklevel=2,
            )
        return cls.fromtimestamp(time.time(), dt.UTC).replace(tzinfo=None)

    def today(cls: type[dt.date]) -> dt.date:
        return cls.fromtimestamp(time.time())

    for kind, functions in ((dt.datetime, (now, utcnow)), (dt.date, (today,))):
        # The mapping that a class shows is read-only; the dict behind it is not.
        attributes = gc.get_referents(kind.__dict__)[0]
        for function in functions:
            attributes[function.__name__] = classmethod(function)
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))


def move_files(old: str, new: str) -> None:
    """Let everything of this process that leads into the folder `old` lead to its copy `new`.

    That is `tempfile`'s folder, the current one, open files, and shared mappings of files. Paths
    that the function has kept as text stay as they are.
    """
    import fcntl

    tempfile: Any = sys.modules.get("tempfile")
    if tempfile is not None and f"{tempfile.tempdir}/".startswith(f"{old}/"):
        tempfile.tempdir = new + tempfile.tempdir[len(old) :]
    real = os.path.realpath(old)

    def copy_of(path: str) -> str | None:
        return new + path[len(real) :] if f"{path}/".startswith(f"{real}/") else None

    here = copy_of(os.getcwd())  # noqa: PTH109 - as above
    if here is not None:
        os.chdir(here)
    moved: dict[int, int] = {}  # file descriptors, by the inode of the file that each had open
    for fd in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - as above
        try:
            path = copy_of(os.readlink(f"/proc/self/fd/{fd}"))  # noqa: PTH115 - as above
        except FileNotFoundError:
            continue  # it was the listing's own
        found = os.fstat(fd)
        if path is not None and found.st_mode & 0o170000 in {_REGULAR, _FOLDER}:
            moved[found.st_ino] = fd
            _reopen(fd, path, new, fcntl.fcntl(fd, fcntl.F_GETFL) & _KEPT_FLAGS)
    _map_again(moved)


_REGULAR, _FOLDER = 0o100000, 0o040000
_KEPT_FLAGS = os.O_ACCMODE | os.O_APPEND | os.O_NONBLOCK | os.O_SYNC


def _reopen(fd: int, path: str, folder: str, flags: int) -> None:
    """Put the file at `path` in the place of an open one; a copy of that if it has no name."""
    try:
        file = os.open(path, flags)
    except FileNotFoundError:
        name = f"{folder}/{os.urandom(8).hex()}"
        source = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
        with open(source, "rb") as old, open(name, "xb") as copy:  # noqa: PTH123 - as above
            while data := old.read(1 << 20):
                copy.write(data)
        file = os.open(name, flags)
        os.unlink(name)  # noqa: PTH108 - as above
    if os.fstat(file).st_mode & 0o170000 == _REGULAR:
        os.lseek(file, os.lseek(fd, 0, os.SEEK_CUR), os.SEEK_SET)
    os.dup2(file, fd, inheritable=os.get_inheritable(fd))
    os.close(file)


def _map_again(moved: dict[int, int]) -> None:
    """Replace the shared mappings of files whose descriptors now lead to copies."""
    import ctypes

    libc = ctypes.PyDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    place, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    libc.mmap.argtypes = (place, size, number, number, number, ctypes.c_long)
    with open("/proc/self/maps", encoding="utf-8") as file:  # noqa: PTH123 - as above
        lines = file.read().splitlines()
    for line in lines:
        addresses, rights, offset, _, inode, *_ = line.split()
        fd = moved.get(int(inode))
        if fd is None or rights[3] != "s":
            continue
        first, end = (int(each, 16) for each in addresses.split("-"))
        protection = sum(1 << bit for bit, right in enumerate("rwx") if right in rights)
        mode = os.O_RDWR if "w" in rights else os.O_RDONLY
        copy = os.open(f"/proc/self/fd/{fd}", mode)
        flags = mmap.MAP_SHARED | _MAP_FIXED
        if libc.mmap(first, end - first, protection, flags, copy, int(offset, 16)) != first:
            raise OSError(ctypes.get_errno(), "a mapped file cannot be mapped in the clone")
        os.close(copy)


_MAP_FIXED = 0x10  # which Python does not name


class Template:
    """A process that has run its init, and of which the fleet orders clones. SnapStart."""

    __slots__ = ("_connect", "_control", "_libc", "_offsets", "_pid", "_tmp")

    def __init__(self, control: int, offsets: Offsets | None) -> None:
        import ctypes

        self._control = control
        self._offsets = offsets
        self._pid = os.getpid()
        self._tmp = os.environ["TMPDIR"]
        self._connect: Callable[[], object] = lambda: None
        # PyDLL keeps the interpreter's lock over the call, as os.fork does; but, as in a snapshot
        # taken from outside, nothing in the process is told of it: no at-fork hook runs.
        self._libc = ctypes.PyDLL(None)

    def install(self) -> None:
        """Let the runtime be cloned where it waits for its restore."""
        import posix
        from types import ModuleType

        # The real one takes its address from the environment when it is imported, and keeps it:
        # so only a clone imports it. Up to the restore the runtime does without.
        stand_in: Any = ModuleType("runtime_client")

        def initialize_client(*args: Any) -> None:
            def connect() -> None:
                del sys.modules["runtime_client"]
                import runtime_client  # type: ignore[import-not-found]
                from awslambdaric import lambda_runtime_client

                lambda_runtime_client.runtime_client = runtime_client
                runtime_client.initialize_client(*args)

            self._connect = connect

        stand_in.initialize_client = initialize_client
        sys.modules["runtime_client"] = stand_in
        from awslambdaric.lambda_runtime_client import BaseLambdaRuntimeClient

        real_getpid = os.getpid
        kept = [self._pid]

        def getpid() -> int:
            return kept[0]

        def in_child() -> None:  # of a fork that the function makes, which Python knows of
            kept[0] = real_getpid()

        os.register_at_fork(after_in_child=in_child)
        for module in (os, posix):
            setattr(module, "getpid", Builtin("getpid", getpid))  # noqa: B010 - for the type checker

        real_restore_next = BaseLambdaRuntimeClient.restore_next
        template = self

        def restore_next(client: Any) -> None:
            BaseLambdaRuntimeClient.restore_next = real_restore_next
            template.serve(client)
            real_restore_next(client)

        BaseLambdaRuntimeClient.restore_next = restore_next

    def serve(self, client: Any) -> None:
        """Make a clone for each line of orders. Returns in the clones, never in the template."""
        import select

        self._say({"ready": True})
        children: dict[int, int] = {}
        buffer = b""
        while True:
            readable, _, _ = select.select([self._control, *children], [], [])
            for fd in readable:
                if fd in children:
                    pid = children.pop(fd)
                    os.close(fd)
                    self._reap(pid)
            if self._control not in readable:
                continue
            data = os.read(self._control, 65536)
            if not data:
                os._exit(0)
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = self._fork()
                if pid == 0:
                    for fd in children:
                        os.close(fd)
                    self._become(order, client)
                    return
                os.setpgid(pid, pid)
                children[os.pidfd_open(pid)] = pid
                self._say({"cloned": pid})

    def _fork(self) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        time.sleep(0)  # who wants the interpreter's lock now gets it, and not in the child
        return int(self._libc.fork())

    def _become(self, order: dict[str, Any], client: Any) -> None:
        os.setpgid(0, 0)
        os.close(self._control)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        os.environ.update(order["env"])
        move_files(self._tmp, order["env"]["TMPDIR"])
        if self._offsets is not None:
            self._offsets.map(order["clock"])
        client.lambda_runtime_address = order["env"]["AWS_LAMBDA_RUNTIME_API"]
        self._connect()

    def _reap(self, pid: int) -> None:
        try:
            os.killpg(pid, 9)
        except ProcessLookupError:
            pass
        _, status = os.waitpid(pid, 0)
        self._say({"exited": pid, "status": os.waitstatus_to_exitcode(status)})

    def _say(self, message: dict[str, Any]) -> None:
        os.write(self._control, json.dumps(message).encode() + b"\n")


def main() -> None:
    """Prepare the process, then become awslambdaric."""
    handler, options = sys.argv[1], json.loads(sys.argv[2])
    offsets = None
    if options["clock"] is not None:
        offsets = Offsets(options["clock"])
        shift_time(offsets)
        shift_datetime()
    if options["control"] is not None:
        Template(options["control"], offsets).install()
    sys.argv[:] = [sys.argv[0], handler]
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
