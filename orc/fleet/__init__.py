"""Floor 6. A local fleet: real runtimes of AWS Lambda behind a Runtime API of ours.

May import: ``orc.errors``. Names are looked up at their first use, as in ``orc`` itself: the plugin
of pytest lies in here, and every run of a user's tests imports it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orc.errors import ThrottledError as ThrottledError
    from orc.fleet.answer import Answer as Answer
    from orc.fleet.blocking import BlockingFleet as BlockingFleet
    from orc.fleet.container import Container as Container
    from orc.fleet.fleet import Fleet as Fleet

_PLACES = {
    "Answer": "orc.fleet.answer",
    "BlockingFleet": "orc.fleet.blocking",
    "Container": "orc.fleet.container",
    "Fleet": "orc.fleet.fleet",
    "ThrottledError": "orc.errors",
}

__all__ = ("Answer", "BlockingFleet", "Container", "Fleet", "ThrottledError")


def __getattr__(name: str) -> object:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'orc.fleet' has no attribute {name!r}")
    found: object = getattr(__import__(place, fromlist=("",)), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
