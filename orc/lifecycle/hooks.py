"""What is called at the begin and at the end of each request."""

from __future__ import annotations

from orc import notices
from orc.lifecycle.life import life

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from orc.lifecycle.scope import RequestScope

    Hook = Callable[[RequestScope], object]

STARTED: list[Hook] = []
ENDING: list[Hook] = []


def on_start(hook: Hook) -> None:
    """Have `hook` called with each request that begins. For other floors; once per process.

    Its errors are counted and warned of once, and never reach a handler.
    """
    STARTED.append(hook)


def on_end(hook: Hook) -> None:
    """Have `hook` called with each request that ends, while its scope is still open."""
    ENDING.append(hook)


def safely(call: Callable[..., object], *args: object) -> None:
    """Call what must not keep a request from being served: its error is counted, and told."""
    try:
        call(*args)
    except Exception as error:  # noqa: BLE001 - the request is served, whatever its hooks do
        life().hook_errors += 1
        name = getattr(call, "__qualname__", type(call).__qualname__)
        notices.warn_once(
            "hooks",
            f"{name} failed at the begin or end of a request, and was passed over: "
            f"{type(error).__name__}: {error}",
            str(name),
        )
