"""ORC: Occasionally Reliable Caching, for functions whose process may or may not live on.

``import orc`` imports nothing else: each name below is looked up in its module at its first use.
"""

from __future__ import annotations

from time import monotonic as _monotonic
from time import time as _time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orc import errors as errors
    from orc import fleet as fleet
    from orc import testing as testing
    from orc.codecs.registry import register as register
    from orc.config.cache import Cache as Cache
    from orc.config.default import cached as cached
    from orc.config.default import default_cache as default_cache
    from orc.engine.request_memo import request_cached as request_cached
    from orc.errors import SourceUnavailable as SourceUnavailable
    from orc.lifecycle.carry import carry as carry
    from orc.lifecycle.container import Container as Container
    from orc.lifecycle.container import container as container
    from orc.lifecycle.handler import handler as handler
    from orc.lifecycle.request_var import RequestVar as RequestVar
    from orc.lifecycle.scope import RequestScope as RequestScope
    from orc.lifecycle.scope import current_request as current_request
    from orc.lifecycle.scope import request_scope as request_scope
    from orc.model.entry import MISSING as MISSING
    from orc.model.unavailable import is_unavailable as is_unavailable
    from orc.stats.report import Report as Report
    from orc.tiers.disk.tier import Disk as Disk
    from orc.tiers.dynamodb.tier import DynamoDB as DynamoDB
    from orc.tiers.memory import Memory as Memory
    from orc.tiers.redis.tier import Redis as Redis

__version__ = "0.1.0"

_imported = _time(), _monotonic()
"""When this process began, as far as ORC can tell: read by ``orc.lifecycle.life``."""

_PLACES = {
    "register": "orc.codecs.registry",
    "Redis": "orc.tiers.redis.tier",
    "DynamoDB": "orc.tiers.dynamodb.tier",
    "Disk": "orc.tiers.disk.tier",
    "Cache": "orc.config.cache",
    "Container": "orc.lifecycle.container",
    "MISSING": "orc.model.entry",
    "Memory": "orc.tiers.memory",
    "Report": "orc.stats.report",
    "RequestScope": "orc.lifecycle.scope",
    "RequestVar": "orc.lifecycle.request_var",
    "SourceUnavailable": "orc.errors",
    "cached": "orc.config.default",
    "carry": "orc.lifecycle.carry",
    "container": "orc.lifecycle.container",
    "current_request": "orc.lifecycle.scope",
    "default_cache": "orc.config.default",
    "errors": "orc.errors",
    "fleet": "orc.fleet",
    "handler": "orc.lifecycle.handler",
    "is_unavailable": "orc.model.unavailable",
    "request_cached": "orc.engine.request_memo",
    "request_scope": "orc.lifecycle.scope",
    "testing": "orc.testing",
}

__all__ = (
    "MISSING",
    "Cache",
    "Container",
    "Disk",
    "DynamoDB",
    "Memory",
    "Redis",
    "Report",
    "RequestScope",
    "RequestVar",
    "SourceUnavailable",
    "__version__",
    "cached",
    "carry",
    "container",
    "current_request",
    "default_cache",
    "errors",
    "fleet",
    "handler",
    "is_unavailable",
    "register",
    "request_cached",
    "request_scope",
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
