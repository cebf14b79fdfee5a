"""Find in a value what cannot be stored, and say where it is."""

from __future__ import annotations

from orc.codecs import kinds
from orc.errors import UnstorableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_LONGEST_KEY = 40
_DEEPEST = 512
_NOTHING: tuple[str, Any] = ("", None)
_NATIVE = frozenset({type(None), bool, int, float, bytes, bytearray})


def explained(value: object, error: Exception, strangers: frozenset[type]) -> UnstorableError:
    """Return the error for a value that was not packed, with the path of the first cause.

    Meant for the path of errors: it walks through the whole value. Raises nothing.
    """
    try:
        found = _first(value, strangers)
    except Exception:  # noqa: BLE001 - a value may be anything
        found = None
    if found is None:
        if isinstance(error, UnstorableError):
            found = f"value: {error}"
        elif isinstance(error, MemoryError):
            found = "value: there is no memory for its bytes"
        elif isinstance(error, (ValueError, RecursionError)):
            found = "value: contains itself, is nested deeper than msgpack goes, or is too large"
        else:
            found = f"value: {kinds.name_of(type(error))} while it was packed"
    return UnstorableError(f"cannot be stored: {found}")


def _first(value: object, strangers: frozenset[type]) -> str | None:
    # Each object once: what is shared has paths without number, and a cycle has no end.
    seen: set[int] = set()
    strangers -= _NATIVE
    level: Iterator[tuple[str, Any]] = iter([("value", value)])
    above: list[Iterator[tuple[str, Any]]] = []
    while True:
        path, each = next(level, _NOTHING)
        if not path:
            if not above:
                return None
            level = above.pop()
            continue
        cls = type(each)
        if cls is str:
            try:
                each.encode("utf-8")
            except UnicodeEncodeError:
                return f"{path}: str with half of a surrogate pair, which UTF-8 has no bytes for"
            continue
        if cls in strangers:
            return f"{path}: {kinds.name_of(cls)} would not come back as it is; store bytes"
        if cls in _NATIVE or id(each) in seen:
            continue
        seen.add(id(each))
        try:
            below = _below(path, each, cls)
        except UnstorableError as error:
            return f"{path}: {error}"
        except Exception as error:  # noqa: BLE001 - as above
            return f"{path}: {kinds.name_of(cls)} raised {kinds.name_of(type(error))}"
        if len(above) < _DEEPEST:
            above.append(level)
            level = below


def _below(path: str, value: Any, cls: type) -> Iterator[tuple[str, Any]]:
    if cls is list:
        return _numbered(path, value)
    if cls is dict:
        return _of_dict(path, list(value.items()))
    parts = kinds.take_apart(value)
    if isinstance(parts, tuple):
        return iter(())
    if parts[0] == kinds.RECORD:
        return ((f"{path}.{n}", each) for n, each in zip(parts[2::2], parts[3::2], strict=True))
    if parts[0] in {kinds.SET, kinds.FROZENSET}:
        return ((f"an item of {path}", each) for each in parts[1:])
    return _numbered(path, parts[1:])


def _of_dict(path: str, items: list[tuple[Any, Any]]) -> Iterator[tuple[str, Any]]:
    for key, each in items:
        yield f"a key of {path}", key
        yield f"{path}[{_shown(key)}]", each


def _numbered(path: str, items: list[Any]) -> Iterator[tuple[str, Any]]:
    return ((f"{path}[{number}]", each) for number, each in enumerate(items))


def _shown(key: object) -> str:
    if type(key) is str:
        text = key if len(key) <= _LONGEST_KEY else f"{key[:_LONGEST_KEY]}..."
        return '"' + "".join(c if c.isprintable() else "?" for c in text) + '"'
    if type(key) in {int, bool} and -(10**20) < key < 10**20:  # type: ignore[operator]
        return repr(key)
    return f"a {kinds.name_of(type(key))}"
