"""Whether a load depends on the running request by more than its key says.

Such a result is one request's own. It is neither stored nor shared, whatever the settings are: the
next request, of another tenant, would be answered with it.
"""

from __future__ import annotations

from orc import notices
from orc.errors import RequestReadError
from orc.model.entry import MISSING
from orc.model.key import local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from orc.engine.keyspace import Keyspace
    from orc.engine.operations import Ask
    from orc.stampede.flight import Flight


def is_own(keyspace: Keyspace, ask: Ask, flight: Flight, *, failed: bool) -> bool:
    """Tell whether a load has read of the request what is not in its key; count and warn of it.

    A load that this one was made for then depends on it too, and is told. Under a partition nothing
    counts for the load itself, and for a function with ``reads_request=True`` nothing at all. An
    error of the loader (`failed`) is not told: its caller has that. Raises ``RequestReadError``
    where the terms are strict.
    """
    if keyspace.reads_request:
        return False
    if keyspace.partition is not None:
        if any(type(v) is not str or v != keyspace.partition for _, v in flight.seen):
            flight.pass_on()
        return False
    for name, value in flight.seen:
        if not _holds(keyspace, ask, value):
            flight.pass_on()
            if not failed:
                _tell(keyspace, name)
            return True
    return False


def _tell(keyspace: Keyspace, name: str) -> None:
    counters = keyspace.counters
    first = counters.add("unshared") == 1
    loader, remedy = f"a loader of {counters.name}", "put it into the key, or use cache.partition()"
    if keyspace.name is not None:
        loader = f"{keyspace.name}()"
        remedy = 'pass it as an argument, or use @cached(partition="request")'
    said = (
        f"{loader} reads {name} of the running request, and its key does not hold it. The result "
        f"is not stored, and no other caller gets it. To cache it, {remedy}. If the result does "
        "not depend on it, "
    )
    if name.startswith("RequestVar"):
        said += "declare RequestVar(..., affects_values=False), or "
    said += (
        "use @cached(reads_request=True)."
        if keyspace.name is not None
        else "read it outside of the loader."
    )
    if keyspace.terms.strict:
        raise RequestReadError(said)
    if first:
        notices.warn(said)


def _holds(keyspace: Keyspace, ask: Ask, value: object) -> bool:
    """Tell whether the key holds a value, so that no request with another one has this key."""
    try:
        return _is_held(keyspace, ask, value)
    except Exception:  # noqa: BLE001 - code of the user's classes does not say that they are equal
        return False


def _is_held(keyspace: Keyspace, ask: Ask, value: object) -> bool:
    kind = type(value)
    if value is None or kind is bool or value is MISSING:
        return False  # too many arguments have one of these, and mean something else
    first = ask.values[0] if keyspace.made_text and len(ask.values) == 1 else None
    if type(first) is str and kind in {str, int} and _has_word(first, str(value)):
        return True  # an explicit key, or one text that a template or a callable makes
    if ask.bound is None or local(ask.values) != ask.key:
        return False  # the load itself has changed an argument, which holds what it has put there
    arguments = _arguments(keyspace, ask, ask.bound)
    return any(type(each) is kind and _equal(each, value) for each in arguments)


def _equal(one: object, other: object) -> bool:
    try:
        return one is other or bool(one == other)
    except Exception:  # noqa: BLE001 - an __eq__ that raises does not say that they are equal
        return False


def _arguments(keyspace: Keyspace, ask: Ask, bound: tuple[object, ...]) -> Iterator[object]:
    """List the arguments in the key, and what they and the key are made of.

    That is what lies in ``*args``, ``**kwargs``, a tuple that ``key=`` returns, or a tuple or the
    one value that an ``__orc_key__()`` returns.
    """
    for each in (*(bound[place] for place in keyspace.counting), *ask.values):
        yield each
        made = each
        if hasattr(type(each), "__orc_key__"):
            made = each.__orc_key__()  # type: ignore[attr-defined]
            yield made
        if type(made) is tuple:
            yield from made
        elif type(made) is dict:
            yield from list(made.values())


def _has_word(text: str, word: str) -> bool:
    """Tell whether a word stands in a text, and is not a part of a longer one."""
    place = text.find(word) if word else -1
    while place >= 0:
        around = (text[place - 1 : place], text[place + len(word) : place + len(word) + 1])
        if not any(each.isalnum() for each in around):
            return True
        place = text.find(word, place + 1)
    return False
