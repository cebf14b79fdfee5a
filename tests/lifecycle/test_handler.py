"""``@orc.handler`` on plain functions."""

from __future__ import annotations

import contextvars
import decimal
import functools
import inspect
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

import orc
from orc.errors import ConfigError
from orc.lifecycle.life import life
from orc.lifecycle.scope import current_scope

var = orc.RequestVar("var", default=None)


def request():
    """Return the request that this runs in."""
    return orc.current_request()


@orc.handler
def bare(event, context):
    """Serve."""
    return request()


@orc.handler()
def called(event, context):
    """Serve."""
    return request()


@pytest.mark.parametrize("handler", [bare, called])
def test_each_invocation_has_a_scope_of_its_own(handler, context) -> None:
    """Also the second one under the same id, as Lambda repeats asynchronous events."""
    first, second = handler({}, context("r1", "t", 3000)), handler({}, context("r1"))
    assert first is not second
    assert (first.id, first.tenant, second.tenant) == ("r1", "t", None)
    assert first.deadline is not None
    assert first.closed
    assert second.closed
    assert life().invocations == 2
    assert current_scope() is None


def test_no_value_outlives_its_invocation(context) -> None:
    """The same context object, the same thread, and nothing is left."""

    @orc.handler
    def handler(event, context):
        before = var.get()
        var.set(event)
        return before

    same = context()
    assert [handler(number, same) for number in range(5)] == [None] * 5


def test_the_remaining_time_is_the_contexts(context) -> None:
    """In seconds, and not more than the context says."""
    handler = orc.handler(lambda event, context: request().remaining())
    assert 2.9 < handler({}, context(left=3000)) <= 3
    assert handler({}, context(left=-5)) == 0
    for left in (None, "soon", True):
        assert handler({}, context(left=left)) is None


def fails():
    """Fail, as somebody's imitation of a context may."""
    raise RuntimeError


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        "",
        MagicMock(),
        SimpleNamespace(),
        SimpleNamespace(aws_request_id=None, tenant_id=None),
        SimpleNamespace(aws_request_id="", tenant_id=""),
        SimpleNamespace(aws_request_id=5, tenant_id=5, get_remaining_time_in_millis=fails),
    ],
)
def test_a_context_may_be_anything(given) -> None:
    """What it does not tell is drawn, or unknown."""
    scope = bare({}, given)
    assert isinstance(scope.id, str)
    assert len(scope.id) == 24
    assert (scope.tenant, scope.deadline) == (None, None)


def test_the_context_is_found_however_it_is_given(context) -> None:
    """By position, by keyword in any order, behind ``self``, and without an event."""
    given = context("r1", "t")
    assert bare(event={}, context=given).id == "r1"
    assert bare(context=given, event={}).id == "r1"
    assert bare({}, context=given).id == "r1"

    class Function:
        @orc.handler
        def serve(self, event, context):
            return request()

        @orc.handler
        def alone(self, context):
            return request()

    assert Function().serve({}, given).id == "r1"
    assert Function().alone(given).id == "r1"
    assert orc.handler(request)().id
    assert orc.handler(lambda event: request())({}).id


def test_a_context_without_a_request_id_is_the_last_argument() -> None:
    """Also by keyword: a tenant in the event is nobody's word."""
    event = SimpleNamespace(tenant_id="forged")
    given = SimpleNamespace(tenant_id="verified")
    assert bare(event, given).tenant == "verified"
    assert bare(event=event, context=given).tenant == "verified"
    assert bare(event=event, context=None).tenant is None


def test_to_decorate_twice_is_to_decorate_once(context) -> None:
    """One scope, one count, the same function."""
    assert orc.handler(bare) is bare
    assert orc.handler()(called) is called


@pytest.mark.parametrize("wraps", [True, False])
def test_another_decorator_may_stand_between_two(wraps, context) -> None:
    """One scope for both, whether it copies attributes or not."""
    scopes = []

    def between(function):
        def wrapper(event, context):
            request()  # what stands between them belongs to the request, too
            return function({"wrapped": event}, context)

        return functools.wraps(function)(wrapper) if wraps else wrapper

    @orc.handler
    @between
    @orc.handler
    def handler(event, context):
        scopes.append(request())
        return event

    for _ in range(2):
        assert handler(1, context()) == {"wrapped": 1}
    assert len({id(scope) for scope in scopes}) == life().invocations == 2


def test_another_invocation_inside_one_has_a_scope_of_its_own(context) -> None:
    """A handler that calls another one in this process, with another context."""
    inner = orc.handler(lambda event, context: (request(), var.get()))

    @orc.handler
    def outer(event, given):
        var.set("outer's")
        found, value = inner(event, context("r2"))
        assert (found.id, value) == ("r2", None)
        assert found.closed
        assert inner(event, given) == (request(), "outer's")
        return request().id

    assert outer({}, context("r1")) == "r1"


def test_a_method_and_a_callable_object_are_handlers(context) -> None:
    """Whatever can be called."""

    class Function:
        def serve(self, event, context):
            return request()

        def __call__(self, event, context):
            return request()

    for function in (Function().serve, Function(), functools.partial(Function.serve, None)):
        assert orc.handler(function)({}, context()).id == "r1"


@pytest.mark.parametrize("given", [5, "name", {}])
def test_what_is_not_callable_is_refused(given) -> None:
    """When it decorates, by name."""
    with pytest.raises(ConfigError, match="decorate a function"):
        orc.handler(given)


def test_signature_and_annotations_are_kept() -> None:
    """Frameworks read them."""

    def handler(event: dict[str, str], context: object, *, more: int = 1) -> str:
        """Say it."""
        return event["it"]

    handler.attribute = 1
    decorated = orc.handler(handler)
    assert inspect.signature(decorated) == inspect.signature(handler)
    assert decorated.__annotations__ == handler.__annotations__
    assert (decorated.__name__, decorated.__doc__, decorated.attribute) == ("handler", "Say it.", 1)
    assert decorated.__wrapped__ is handler


def test_context_variables_of_any_library_are_as_before() -> None:
    """Lambda calls each invocation in the same context, which would keep them."""
    users = contextvars.ContextVar("users", default="none")

    @orc.handler
    def handler(event, context):
        before = users.get(), decimal.getcontext().prec
        users.set(event)
        decimal.setcontext(decimal.Context(prec=5))
        return before

    precision = decimal.getcontext().prec
    for _ in range(2):
        assert handler("alice", None) == ("none", precision)
    assert (users.get(), decimal.getcontext().prec) == ("none", precision)
    users.set("mine")
    assert handler("alice", None)[0] == "mine"


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, StopIteration])
def test_errors_pass_through_unchanged_and_close_the_scope(error) -> None:
    """The very object, without a cause of ORC's."""
    raised, scopes = error("it"), []

    @orc.handler
    def handler(event, context):
        var.set("mine")
        scopes.append(request())
        raise raised

    with pytest.raises(error) as caught:
        handler({}, None)
    assert caught.value is raised
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert scopes[0].closed
    assert current_scope() is None


def test_what_a_timeout_left_open_is_closed_by_the_next(on_lambda, invocation, context) -> None:
    """In the context in which the runtime calls both."""

    def runtime():
        invocation("r1")
        left = orc.request_scope(id="r1").__enter__()
        var.set("secret")
        invocation("r2")
        assert orc.handler(lambda event, context: var.get())({}, context("r2")) is None
        assert left.closed
        assert orc.container().leftovers == 1
        invocation("r3")
        assert orc.handler(lambda event, context: var.get())({}, context("r3")) is None
        assert orc.container().leftovers == 1

    contextvars.copy_context().run(runtime)


def test_a_context_that_raises_is_served_all_the_same() -> None:
    """Somebody's imitation of Lambda's object must not cost the request."""

    class Hostile:
        @property
        def aws_request_id(self):
            raise RuntimeError

        @property
        def tenant_id(self):
            raise ValueError

        def get_remaining_time_in_millis(self):
            return float("nan")

    scope = bare({}, Hostile())
    assert scope.id
    assert scope.tenant is None
    assert scope.deadline is None


def test_a_generator_function_is_refused_when_it_is_decorated() -> None:
    """Nobody would read it, and its body would run in no request."""

    def handler(event, context):
        yield 1

    with pytest.raises(ConfigError, match="generator"):
        orc.handler(handler)
