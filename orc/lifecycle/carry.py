"""Handing a request to another thread."""

from __future__ import annotations

from functools import update_wrapper

from orc.errors import ConfigError
from orc.lifecycle.runner import is_coroutine_function
from orc.lifecycle.scope import Entered, current_request
from orc.model.loading import Within, current_load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")


def carry(function: Callable[P, R], /) -> Callable[P, R]:
    """Return `function` so that it runs in this request, on whatever thread it is called.

    ``pool.submit(orc.carry(work), item)``. It may be called many times, at the same time too.
    Once the request has ended it still runs, in a scope that is closed: what it reads of the
    request raises ``ScopeClosedError``, and what it writes is dropped and counted. Raises
    ``NoRequestError`` where no request is open, and ``ConfigError`` for what is not callable.
    """
    if not callable(function):
        raise ConfigError(f"carry({function!r}): give a function")
    scope, load = current_request(), current_load.get()
    if is_coroutine_function(function):

        async def carried(*args: Any, **kwargs: Any) -> Any:
            with Entered(scope, carried=True), Within(current_load.get() or load):
                return await function(*args, **kwargs)  # type: ignore[misc]

    else:

        def carried(*args: Any, **kwargs: Any) -> Any:  # type: ignore[misc]
            with Entered(scope, carried=True), Within(current_load.get() or load):
                return function(*args, **kwargs)

    try:
        return update_wrapper(carried, function)  # type: ignore[return-value]
    except AttributeError:
        return carried  # type: ignore[return-value]
