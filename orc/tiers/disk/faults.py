"""What can go wrong with a file, and what a tier's callers are told of it."""

from __future__ import annotations

import errno

from orc.errors import TierError, TierRefusedError, TierTimeoutError, TierUnavailableError

BUSY, FULL, REFUSED, FAILED, BROKEN = "busy", "full", "refused", "failed", "broken"
"""Somebody else writes; no space is left; no right to; the device or the system says no; and a file
that is none of ours, or of which only a part is."""

KINDS = (BUSY, FULL, REFUSED, FAILED, BROKEN)

_ERRORS = {
    BUSY: TierTimeoutError,
    FULL: TierError,
    REFUSED: TierRefusedError,
    FAILED: TierUnavailableError,
    BROKEN: TierUnavailableError,
}

_RESULT_CODES = {
    3: REFUSED,  # SQLITE_PERM
    5: BUSY,  # SQLITE_BUSY
    6: BUSY,  # SQLITE_LOCKED
    7: FAILED,  # SQLITE_NOMEM
    8: REFUSED,  # SQLITE_READONLY
    10: FAILED,  # SQLITE_IOERR
    13: FULL,  # SQLITE_FULL
    14: REFUSED,  # SQLITE_CANTOPEN
    15: BUSY,  # SQLITE_PROTOCOL: lost too many races for the lock of the log
    18: FAILED,  # SQLITE_TOOBIG
    23: REFUSED,  # SQLITE_AUTH
}
"""Primary result codes (sqlite.org/rescode.html); what is not here says that the file is broken."""

_EXTENDED = {
    10 | (2 << 8): BROKEN,  # SQLITE_IOERR_SHORT_READ: the file was made shorter
    8 | (4 << 8): BROKEN,  # SQLITE_READONLY_DBMOVED: the file was moved away
}

_NUMBERS = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EFBIG: FULL,
    errno.EAGAIN: BUSY,
    errno.EEXIST: REFUSED,
    errno.EACCES: REFUSED,
    errno.EPERM: REFUSED,
    errno.EROFS: REFUSED,
    errno.ENOTDIR: REFUSED,
    errno.ELOOP: REFUSED,
}


class Busy(Exception):  # noqa: N818 - it is caught in this folder, and nobody else sees it
    """Another thread or process has the file, and the time to wait for it is over."""


class Broken(Exception):  # noqa: N818 - as above
    """A file that has to be given up, as seen without SQLite's help."""


class Full(Exception):  # noqa: N818 - as above
    """No room may be taken on the disk for this."""


def faults() -> tuple[type[Exception], ...]:
    """Return what is caught; evaluated only when something was raised."""
    from sqlite3 import Error

    return (Error, OSError, MemoryError, UnicodeError, Busy, Broken, Full)


def kind_of(error: Exception) -> str:
    """Name the kind of what was caught."""
    if isinstance(error, OSError):
        return _NUMBERS.get(error.errno or 0, FAILED)
    for cls, kind in ((Busy, BUSY), (Broken, BROKEN), (Full, FULL), (MemoryError, FAILED)):
        if isinstance(error, cls):
            return kind
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # of the module itself: what stands in the file does not fit Python's types
        return BROKEN
    return _EXTENDED.get(code) or _RESULT_CODES.get(code & 0xFF, BROKEN)


def tier_error(kind: str, error: Exception, folder: str) -> TierError:
    """Return what is raised in place of what was caught."""
    return _ERRORS[kind](f"the disk tier in {folder} is {kind}: {error or type(error).__name__}")
