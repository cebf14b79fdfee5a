"""Every error ORC raises, and the one warning it gives.

::

    OrcError
    ├── ConfigError         (ValueError)    an argument or an ORC_* variable is not allowed
    ├── UnkeyableError      (TypeError)     a key, or an argument of a call, cannot be in a key
    ├── UncacheableError    (TypeError)     the value can be used only once, as a coroutine
    │   ├── UncopyableError                 the value has no copy, as a lock (``strict=True``)
    │   ├── UnstorableError                 it would not come back as it is (``strict=True``)
    │   └── RequestReadError                it depends on one request (``strict=True``)
    ├── PartitionError      (ValueError)    a partition was asked for without a tenant
    ├── RecursiveLoadError  (RuntimeError)  a loader asked for the very key it is loading
    ├── ScopeError          (RuntimeError)  something of a request was asked for at the wrong time
    │   ├── NoRequestError                  no request is open here
    │   └── ScopeClosedError                the request that this code belongs to has ended
    ├── NotSetError         (LookupError)   a RequestVar has no value in this request
    ├── TierError           (OSError)       a tier outside the process did not do its work
    │   ├── TierTimeoutError      (TimeoutError)     not within its budget
    │   ├── TierUnavailableError  (ConnectionError)  it cannot be reached, or is left alone
    │   ├── TierThrottledError                       it has more to do than was paid for
    │   ├── TierReadOnlyError                        it takes no writes now, and is still read
    │   └── TierRefusedError      (PermissionError)  no such table, right or user: yours to mend
    ├── ThrottledError      (RuntimeError)  every container of a fleet is busy, and no more may be
    └── SourceUnavailable                   yours to raise: "the origin cannot be reached"

    OrcWarning              (UserWarning)   said once for each cause

Each also derives from the built-in error that a caller would catch without knowing ORC. What a
loader raises reaches the caller as it is, and is never wrapped.
"""

from __future__ import annotations

__all__ = (
    "ConfigError",
    "NoRequestError",
    "NotSetError",
    "OrcError",
    "OrcWarning",
    "PartitionError",
    "RecursiveLoadError",
    "RequestReadError",
    "ScopeClosedError",
    "ScopeError",
    "SourceUnavailable",
    "ThrottledError",
    "TierError",
    "TierReadOnlyError",
    "TierRefusedError",
    "TierThrottledError",
    "TierTimeoutError",
    "TierUnavailableError",
    "UncacheableError",
    "UncopyableError",
    "UnkeyableError",
    "UnstorableError",
)


class OrcError(Exception):
    """The root of all that ORC raises."""


class ConfigError(OrcError, ValueError):
    """An argument, or a variable of the environment, has a value that is not allowed."""

    value: object = None
    """What a loader returned, where no ttl could be computed from it (``strict=True``)."""


class UnkeyableError(OrcError, TypeError):
    """A key is not a string, or an argument of a call has no canonical form to make a key of."""


class UncacheableError(OrcError, TypeError):
    """A loader returned something that can be used once only, such as a coroutine."""


class UncopyableError(UncacheableError):
    """A value cannot be copied, so it cannot be kept apart from what a caller does to it.

    Reaches callers of a cache made with ``strict=True`` only; else the value is returned, not
    stored, counted, and warned of once.
    """


class UnstorableError(UncacheableError):
    """A value would not come back from a shared tier exactly as it is, so it is not sent there.

    Reaches callers of a cache made with ``strict=True`` only; else memory has the value, and what
    the shared tiers lack is counted, and warned of once.
    """


class TooLargeError(UnstorableError):
    """A value is larger than a shared tier takes, so it is not sent there. Reaches no caller."""


class RequestReadError(UncacheableError):
    """A loader read something of the running request that its key does not hold.

    Reaches callers of a cache made with ``strict=True`` only; else the value is returned to the
    caller whose request it was, not stored, counted, and warned of once.
    """


class PartitionError(OrcError, ValueError):
    """A partition was asked for without a tenant to name it."""


class RecursiveLoadError(OrcError, RuntimeError):
    """A loader asked the cache for the key that it is itself loading."""


class ScopeError(OrcError, RuntimeError):
    """Something of a request was asked for where there is no such request."""


class NoRequestError(ScopeError):
    """No request is open here: before the first one, between two, or on a thread of its own."""


class ScopeClosedError(ScopeError):
    """The request that this code belongs to has ended; what it held is gone."""


class NotSetError(OrcError, LookupError):
    """A ``RequestVar`` without a default was read in a request that has not set it."""


class SourceUnavailable(OrcError):
    """Raise it in a loader to say that the origin cannot be reached.

    ``orc.is_unavailable`` is true of it, so a stale value may be served in its place.
    """


class TierError(OrcError, OSError):
    """A tier outside the process did not do what it was asked to.

    In a handler it is a miss and a count. It reaches callers of a cache made with ``strict=True``,
    and of `delete` and `invalidate`, where it would mean that an old value can still be served.
    """

    repeated = False
    """Whether it was told already: an earlier error of the same cause, or a warning, said so."""


class TierTimeoutError(TierError, TimeoutError):
    """A tier did not answer within its budget. What it was asked to write may be written."""

    arriving = False
    """Whether a part of the answer was there: then the tier is alive, and is not left alone."""


class TierUnavailableError(TierError, ConnectionError):
    """A tier cannot be reached; or it could not a moment ago, and is left alone for a while."""

    doubtful = False
    """Whether the address itself may be wrong, which is warned of."""


class TierThrottledError(TierError):
    """A tier refuses work because there is too much of it."""


class TierReadOnlyError(TierError):
    """A tier takes no writes now, as a replica after a fail-over; it is still read."""


class TierRefusedError(TierError, PermissionError):
    """A tier answers that this will never work as it is set up: a table, a right, a password."""


class ThrottledError(OrcError, RuntimeError):
    """Every container of a fleet is busy, and no other may be started: Lambda's 429."""


class OrcWarning(UserWarning):
    """Something works, but not as its author will have meant it."""
