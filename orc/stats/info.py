"""What ``cache_info()`` of a decorated function returns."""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    from orc.stats.counters import Counters

    class _FourFields(NamedTuple):
        hits: int
        misses: int
        maxsize: int | None
        currsize: int
else:
    # Not typing.NamedTuple, which would cost the import of typing.
    _FourFields = namedtuple("CacheInfo", ("hits", "misses", "maxsize", "currsize"))  # noqa: PYI024


class CacheInfo(_FourFields):
    """The four fields of ``functools``, so that it unpacks; what ORC knows besides as attributes.

    `hits` are calls answered without calling the function, `misses` calls of the function.
    `maxsize` is the memory tier's bound in items (``None`` if it has one in bytes only), and
    `currsize` the entries that this function has there.
    """

    stale: int = 0
    """Hits past their ttl, served since the origin failed or was being asked."""
    shared: int = 0
    """Hits that waited for a load which another call had begun."""
    load_errors: int = 0
    """Misses whose call of the function raised."""
    load_seconds: float = 0.0
    """Seconds spent in the function."""
    uncopyable: int = 0
    """Results that were returned and not stored, for want of a copy."""
    oversize: int = 0
    """Results that were returned and not stored, for their size."""
    evicted: int = 0
    """Results that had to make room for others, of this function or of another."""

    _COUNTED = (
        "stale",
        "shared",
        "load_errors",
        "load_seconds",
        "uncopyable",
        "oversize",
        "evicted",
    )

    @classmethod
    def of(cls, counters: Counters, maxsize: int | None, currsize: int) -> CacheInfo:
        """Read the counters of a function."""
        hits = counters.hits.value() + counters.stale + counters.shared
        info = cls(hits, counters.loads, maxsize, currsize)
        for name in cls._COUNTED:
            setattr(info, name, getattr(counters, name))
        return info

    def since(self, earlier: CacheInfo) -> CacheInfo:
        """Return what was counted after `earlier`."""
        hits, misses = self.hits - earlier.hits, self.misses - earlier.misses
        info = CacheInfo(hits, misses, self.maxsize, self.currsize)
        for name in self._COUNTED:
            setattr(info, name, getattr(self, name) - getattr(earlier, name))
        return info
