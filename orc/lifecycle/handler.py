"""``@orc.handler``: one request scope for each invocation of a function."""

from __future__ import annotations

from contextvars import copy_context
from functools import update_wrapper
from types import CoroutineType

from orc.errors import ConfigError
from orc.lifecycle import pending
from orc.lifecycle.chance import token
from orc.lifecycle.clock import SYSTEM
from orc.lifecycle.life import life
from orc.lifecycle.runner import end_tasks, is_coroutine_function, run_to_the_end, running_loop
from orc.lifecycle.scope import Entered, RequestScope, current_scope

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, ParamSpec, Protocol, TypeVar, overload

    P = ParamSpec("P")
    R = TypeVar("R")

    class HandlerDecorator(Protocol):
        """What ``handler()`` returns."""

        @overload
        def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Callable[P, R]: ...
        @overload
        def __call__(self, function: Callable[P, R], /) -> Callable[P, R]: ...


MARK = "__orc_handler__"
GENERATORS = 0x20 | 0x200
"""Flags of a code object (``inspect`` has names for them, and costs milliseconds)."""

if TYPE_CHECKING:

    @overload
    def handler(function: Callable[P, Coroutine[Any, Any, R]], /) -> Callable[P, R]: ...
    @overload
    def handler(function: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def handler(function: None = None, /) -> HandlerDecorator: ...


def handler(function: Any = None, /) -> Any:
    """Give every invocation of a Lambda handler a scope of its own. Use it bare or called.

    Opens a new scope each time, also for a request id seen before (Lambda repeats asynchronous
    events under the same id), and closes it whatever the function does. Id, tenant and deadline are
    taken from the context object, as far as it has them. The function runs in a copy of the
    context, so that a ``ContextVar`` that it sets, in whatever library, is as before afterwards.

    An ``async def`` handler is called without ``await`` by Lambda: it runs on one event loop, kept
    for the container; tasks that it leaves are cancelled and counted. Called where a loop runs
    already, as in a test, it gives an awaitable.

    The wrapper has the signature of the function, which is its ``__wrapped__``, and raises what the
    function raises. To decorate twice is to decorate once. Raises ``ConfigError`` for what is not
    callable.
    """
    if function is None:
        return handler
    if not callable(function):
        raise ConfigError(f"handler({function!r}): decorate a function")
    if getattr(function, MARK, None) is function:  # not so in a wrapper that has copied it
        return function
    code = getattr(function, "__code__", None)
    if code is not None and code.co_flags & GENERATORS:
        raise ConfigError(
            f"handler({function.__qualname__}): it is a generator function, which does nothing "
            "until somebody reads it, and Lambda does not: return a value"
        )
    life().expect_requests()
    if is_coroutine_function(function):

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if running_loop() is not None:
                return _serve_in_a_copy(function, args, kwargs)
            return run_to_the_end(_serve_async(function, args, kwargs, own_loop=True))

    else:

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if _same_invocation(args, kwargs):
                return function(*args, **kwargs)
            return copy_context().run(_serve, function, args, kwargs)

    update_wrapper(wrapper, function)
    setattr(wrapper, MARK, wrapper)
    return wrapper


def _serve(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    with Entered(_scope_of(args, kwargs)):
        try:
            result = function(*args, **kwargs)
        finally:
            pending.settle_threads()
        if type(result) is CoroutineType and running_loop() is None:
            # An ``async def`` inside of a decorator that does not look like one.
            result = run_to_the_end(_run_async(lambda: result, (), {}, own_loop=True))
        return result


async def _serve_in_a_copy(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    import asyncio

    serving = _serve_async(function, args, kwargs)
    return await asyncio.create_task(serving, context=copy_context())


async def _serve_async(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    own_loop: bool = False,
) -> Any:
    if _same_invocation(args, kwargs):
        return await _run_async(function, args, kwargs, own_loop=own_loop)
    with Entered(_scope_of(args, kwargs)):
        return await _run_async(function, args, kwargs, own_loop=own_loop)


async def _run_async(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    own_loop: bool,
) -> Any:
    try:
        return await function(*args, **kwargs)
    finally:
        await pending.settle()
        if own_loop:
            await end_tasks()  # while the scope is open: they belong to it to their end


def _same_invocation(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Tell whether a handler round this one, decorated too, has opened the scope."""
    scope = current_scope()
    return (
        scope is not None and scope.context is not None and scope.context is _context(args, kwargs)
    )


def _context(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Find the context object: the last argument with a request id, else the last of many."""
    given = [*reversed(kwargs.values()), *reversed(args)]
    for each in given:
        if _told(each, "aws_request_id") is not None:
            return each
    return given[0] if len(given) > 1 else None


def _scope_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> RequestScope:
    context = _context(args, kwargs)
    request_id = _told(context, "aws_request_id")
    tenant = _told(context, "tenant_id")
    scope = RequestScope(
        request_id if isinstance(request_id, str) and request_id else token().hex(),
        tenant if isinstance(tenant, str) and tenant else None,
        _deadline(context),
    )
    scope.context = context
    return scope


def _deadline(context: Any) -> float | None:
    """Return when the invocation will be ended; none where the context does not tell."""
    ask = _told(context, "get_remaining_time_in_millis")
    try:
        left = ask() if callable(ask) else None
    except Exception:  # noqa: BLE001 - as below
        return None
    if isinstance(left, bool) or not isinstance(left, (int, float)):
        return None
    if left != left:  # noqa: PLR0124 - NaN
        return None
    return SYSTEM.wall() + left / 1000


def _told(context: Any, name: str) -> Any:
    try:
        return getattr(context, name, None)
    except Exception:  # noqa: BLE001 - somebody's imitation of a context: it is served all the same
        return None
