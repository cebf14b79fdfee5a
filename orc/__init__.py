"""ORC: Occasionally Reliable Caching, for functions whose process may or may not live on.

``import orc`` imports nothing else: each name below is looked up in its module at its first use.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orc import errors as errors
    from orc import testing as testing
    from orc.config.cache import Cache as Cache
    from orc.config.default import cached as cached
    from orc.config.default import default_cache as default_cache
    from orc.errors import SourceUnavailable as SourceUnavailable
    from orc.model.entry import MISSING as MISSING
    from orc.stats.report import Report as Report
    from orc.tiers.memory import Memory as Memory

__version__ = "0.1.0"

_PLACES = {
    "Cache": "orc.config.cache",
    "MISSING": "orc.model.entry",
    "Memory": "orc.tiers.memory",
    "Report": "orc.stats.report",
    "SourceUnavailable": "orc.errors",
    "cached": "orc.config.default",
    "default_cache": "orc.config.default",
    "errors": "orc.errors",
    "testing": "orc.testing",
}

__all__ = (
    "MISSING",
    "Cache",
    "Memory",
    "Report",
    "SourceUnavailable",
    "__version__",
    "cached",
    "default_cache",
    "errors",
    "testing",
)


def __getattr__(name: str) -> object:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'orc' has no attribute {name!r}")
    module = __import__(place, fromlist=("",))
    found: object = module if place == f"orc.{name}" else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
