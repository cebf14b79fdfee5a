"""Which file the rows are in, how all processes agree on it, and how it is given up.

A file is never repaired, emptied or used under its name again. It has a name that nobody had before
(``orc-rows-1-<boot>-<random>.db``), and the symbolic link ``orc-rows-1`` says which one is used. To
give a file up is to remove the link, then the file; whoever opens next makes another, and the first
who lays the link has made it for all. SQLite opens and removes its log *by name*, so under a name
of its own the log of one file can never be taken for that of another.

What writes, claims or deletes, and what is to be consistent, first looks whether the link still
leads to the file that it has open. One that looked just before the file was given up works on rows
that nobody will see again. That loses no delete: all that the new file ever holds was claimed or
set after it was made, which is after the delete began.

Other reads look every tenth of a second. For so long a process may answer from a file that another
has just given up, which is far less than for how long processes trust what they have in memory.

The number in the names is the format's. Files of other formats are left alone, and are not counted
within the bound: an execution environment is never handed on to another deployment.
"""

from __future__ import annotations

import errno
import os
import stat

from orc.tiers.disk.faults import BROKEN, Broken, faults, kind_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from sqlite3 import Connection

FORMAT = 1
LINK = f"orc-rows-{FORMAT}"
APPLICATION_ID = 0x4F524344
"""``ORCD``, in the header of the file."""
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
ATTEMPTS = 4
LEFT_BEHIND = 60.0
"""Seconds after which a file that no link leads to is removed."""
PAGE_BYTES = 4096
BESIDE = ("-wal", "-shm")
"""What SQLite has beside a file: its log, and the index of the log."""

_ROWS = """CREATE TABLE rows (
id INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE, dead_at REAL NOT NULL,
keep_until REAL NOT NULL, lease_until REAL NOT NULL, changed_at REAL NOT NULL,
failed INTEGER NOT NULL, etag BLOB NOT NULL, payload BLOB)"""
"""`address` is a hash's text. Of times, `keep_until` is the payload's end, `lease_until` that of a
claim or of a rest that began at `changed_at`, `dead_at` that of the row: seconds, wall clock. The
payload is last, so that the rest of a row is on the first of its pages."""
SCHEMA = (_ROWS, "CREATE INDEX by_death ON rows (dead_at)")


class File:
    """A connection to the file that the link led to, and how to see whether it still does."""

    __slots__ = (
        "connection",
        "folder",
        "forks",
        "inodes",
        "link",
        "log",
        "looked_at",
        "name",
        "patience",
        "reader",
    )

    def __init__(self, connection: Connection, folder: str, name: str) -> None:
        self.connection = connection
        self.reader = connection.cursor()
        """For one row; it is read to its end, or else it would keep the log from being emptied."""
        self.folder = folder
        self.name = name
        self.link = os.path.join(folder, LINK)
        self.log = os.path.join(folder, name + BESIDE[0])
        self.inodes = self.found()
        self.looked_at = 0.0
        """When a read last saw that the link leads to it: seconds, wall clock."""
        self.forks = 0
        """How often processes had forked when it was opened."""
        self.patience = -1
        """Milliseconds that SQLite now waits for a lock."""

    def found(self) -> tuple[int, int, int]:
        """Return the inodes of the file that the link leads to, of the log, and of its index."""
        log = self.log
        index = log[: -len(BESIDE[0])] + BESIDE[1]
        return os.stat(self.link).st_ino, os.stat(log).st_ino, os.stat(index).st_ino


def private_folder(directory: str) -> str:
    """Return the folder in a directory that nobody else can write to, made if need be.

    Raises ``OSError`` if there cannot be one.
    """
    user = os.geteuid()
    os.makedirs(directory, PRIVATE_FOLDER, exist_ok=True)
    folder = os.path.join(directory, f"orc-disk-{user}")
    try:
        os.mkdir(folder, PRIVATE_FOLDER)
    except FileExistsError:
        pass
    found = os.lstat(folder)  # not through a link, which somebody else may have laid
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user:
        raise NotADirectoryError(errno.ENOTDIR, "not a folder of this user", folder)
    if stat.S_IMODE(found.st_mode) != PRIVATE_FOLDER:
        os.chmod(folder, PRIVATE_FOLDER)
    return folder


def open_file(
    folder: str, max_pages: int, log_bytes: int, wait: float, gave_up: Callable[[], object]
) -> File:
    """Open the file that the link leads to, or make one; wait for a lock for so many seconds.

    Calls `gave_up` for each that was there and could not be used. Raises ``OSError`` or
    ``sqlite3.Error`` where neither is possible.
    """
    boot = _boot()
    for _ in range(ATTEMPTS):
        name = _linked(folder)
        made = name is None
        if name is None:
            name = f"{LINK}-{boot}-{os.urandom(8).hex()}.db"
        try:
            if made:
                _make(folder, name)
            elif not name.startswith(f"{LINK}-{boot}-"):
                # Nothing is synced, so only what this boot of the machine has written is whole.
                raise Broken("left from before the machine was started")
            file = _connect(folder, name, max_pages, log_bytes, wait)
        except FileExistsError:  # somebody else was first to lay the link, or has taken it away
            continue
        except faults() as error:
            gone = isinstance(error, FileNotFoundError)  # or a part of it
            if not gone and (made or kind_of(error) != BROKEN):
                raise
            abandon(folder, name)
            gave_up()
            continue
        _sweep(folder, name)
        return file
    raise BlockingIOError(errno.EAGAIN, "others begin new files all the time", folder)


def in_use(file: File) -> bool:
    """Tell whether the link still leads to this very file, and its log is the one that is open.

    Raises ``OSError`` if nobody can say.
    """
    try:
        return file.found() == file.inodes
    except FileNotFoundError:
        return False


def see_off(file: File) -> None:
    """Give a file up whose name the link still has: somebody has replaced it, or its log.

    What is there now does not belong together.
    """
    if _target(file.link) == file.name:
        abandon(file.folder, file.name)


def give_up_linked(directory: str) -> None:
    """Give up the file that is used in a directory, if there is one, without opening it.

    Raises ``OSError`` if its rows may still be read.
    """
    folder = os.path.join(directory, f"orc-disk-{os.geteuid()}")
    try:
        os.lstat(os.path.join(folder, LINK))
    except FileNotFoundError:
        return
    name = _linked(folder)
    if name is not None:
        abandon(folder, name)


def used_bytes(directory: str) -> int:
    """Return the bytes that the file in use takes, with what is beside it; 0 if there is none."""
    folder = os.path.join(directory, f"orc-disk-{os.geteuid()}")
    name = _target(os.path.join(folder, LINK))
    used = 0
    for end in ("", *BESIDE) if name else ():
        try:
            used += os.stat(os.path.join(folder, f"{name}{end}")).st_size
        except OSError:  # removed meanwhile
            pass
    return used


def abandon(folder: str, name: str) -> None:
    """Give a file up, for all processes. Raises ``OSError`` if its rows may still be read."""
    link = os.path.join(folder, LINK)
    if _target(link) == name:
        _unlink(link)
    for end in ("", *BESIDE):
        try:
            _unlink(os.path.join(folder, name + end))
        except OSError:  # nobody is led to it any more
            pass


def _linked(folder: str) -> str | None:
    """Return the name of the file that is used; none if there is none."""
    link = os.path.join(folder, LINK)
    try:
        name = os.readlink(link)
    except FileNotFoundError:
        return None
    except OSError:  # something else lies there
        name = ""
    if name.startswith(LINK + "-") and name.endswith(".db") and "/" not in name:
        return name
    try:
        _unlink(link)
    except (IsADirectoryError, PermissionError):
        os.rename(link, f"{link}-{os.urandom(8).hex()}.aside")
    return None


def _make(folder: str, name: str) -> None:
    path = os.path.join(folder, name)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE))
        connection = _sqlite(path)
        try:
            for order in (
                f"PRAGMA page_size={PAGE_BYTES}",
                "PRAGMA journal_mode=WAL",
                "PRAGMA synchronous=OFF",
                "BEGIN IMMEDIATE",
                f"PRAGMA application_id={APPLICATION_ID}",
                f"PRAGMA user_version={FORMAT}",
                *SCHEMA,
                "COMMIT",
            ):
                connection.execute(order)
        finally:
            connection.close()
        os.symlink(name, os.path.join(folder, LINK))
    except BaseException:
        for end in ("", *BESIDE):
            try:
                _unlink(path + end)
            except OSError:
                pass
        raise


def _connect(folder: str, name: str, max_pages: int, log_bytes: int, wait: float) -> File:
    path = os.path.join(folder, name)
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        raise Broken(f"{name} is not a file of this user")
    connection = _sqlite(path, wait)
    try:
        _check(connection, name, max_pages)
        for order in (
            # A file of another boot is not opened, so nothing needs to be synced; elsewhere than on
            # Linux boots have no name.
            f"PRAGMA synchronous={'NORMAL' if f'-{UNKNOWN}-' in name else 'OFF'}",
            "PRAGMA mmap_size=0",  # a mapped file that gets shorter ends the process
            "PRAGMA secure_delete=OFF",  # some builds overwrite what is deleted, at a price
            "PRAGMA cell_size_check=ON",
            "PRAGMA trusted_schema=OFF",
            "PRAGMA temp_store=MEMORY",
            "PRAGMA cache_spill=OFF",  # so that a page is in the log once for each transaction
            f"PRAGMA max_page_count={max_pages}",
            f"PRAGMA journal_size_limit={log_bytes}",
            f"PRAGMA wal_autocheckpoint={max(log_bytes // PAGE_BYTES, 1)}",
        ):
            connection.execute(order).fetchall()
        # The log was opened by the reading above, thus before anybody gave the file up.
        file = File(connection, folder, name)
        if file.inodes[0] == found.st_ino:
            return file
    except BaseException:
        connection.close()
        raise
    connection.close()
    raise FileExistsError(errno.EEXIST, "given up meanwhile", name)


def _check(connection: Connection, name: str, max_pages: int) -> None:
    said = [connection.execute(f"PRAGMA {each}").fetchone() for each in _SIGNS]
    schema = connection.execute("SELECT sql FROM sqlite_master WHERE sql NOTNULL ORDER BY rowid")
    texts = [text for (text,) in schema]
    if said != _SAID or texts != [each.encode() for each in SCHEMA]:
        raise Broken(f"{name} is not a file of this format")
    if connection.execute("PRAGMA page_count").fetchone()[0] > max_pages:
        raise Broken(f"{name} is larger than the bound, and files do not shrink")


_SIGNS = ("application_id", "user_version", "page_size", "journal_mode")
_SAID = [(APPLICATION_ID,), (FORMAT,), (PAGE_BYTES,), (b"wal",)]


def _sqlite(path: str, wait: float = 0.0) -> Connection:
    from sqlite3 import connect

    plain = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = connect(
        f"file:{plain}?mode=rw",  # makes no file where one was just removed
        uri=True,
        timeout=wait,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = bytes  # a broken text must not be an error
    return connection


def _sweep(folder: str, name: str) -> None:
    """Remove what was left by those who were killed while they began a file, or gave one up."""
    try:
        ages = {
            os.path.join(folder, each): os.lstat(os.path.join(folder, each)).st_mtime
            for each in os.listdir(folder)
            if each.startswith(LINK)
        }
        # By the file system's clock. What is young may be somebody's who is about to lay a link.
        since = max(ages.values()) - LEFT_BEHIND
        for path, written in ages.items():
            mine = path.startswith(os.path.join(folder, name)) or path.endswith(LINK)
            if written < since and not mine:
                _unlink(path)
    except OSError:  # another process sweeps too
        pass


UNKNOWN = "unknown"


def _boot() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read(8)
    except (OSError, ValueError):
        return UNKNOWN


def _target(link: str) -> str | None:
    try:
        return os.readlink(link)
    except OSError:
        return None


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
