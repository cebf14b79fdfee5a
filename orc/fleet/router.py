"""Which container serves an invocation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orc.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orc.fleet.container import Container

    Route = Callable[[list[Container]], Container]


def most_recent(idle: list[Container]) -> Container:
    """Choose the one that was used last, so that spare ones grow old."""
    return idle[-1]


def least_recent(idle: list[Container]) -> Container:
    """Choose the one that was not used for longest, so that all stay in use."""
    return idle[0]


def chosen_route(route: str | Route) -> Route:
    """Return the function for ``route=``. Raises ConfigError for a name that is none."""
    if callable(route):
        return route
    named = {"most-recent": most_recent, "least-recent": least_recent}
    if route not in named:
        raise ConfigError(f"route must be a callable or one of {', '.join(named)}")
    return named[route]


def candidates(containers: Sequence[Container], tenant: str | None) -> list[Container]:
    """Return those that may serve `tenant`: its own, and such as have not served anyone."""
    return [each for each in containers if each.tenant is None or each.tenant == tenant]
