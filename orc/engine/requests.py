"""From what a caller says of explicit keys to a plan, everything checked on the way."""

from __future__ import annotations

from orc.engine.gate import BYPASS, DISABLED, OPEN
from orc.engine.operations import Ask
from orc.engine.read_plan import read_through
from orc.engine.template import names_of
from orc.engine.write_plan import remove_many, write_many
from orc.errors import ConfigError, UnkeyableError
from orc.model.entry import MISSING
from orc.model.freshness import ttl_seconds
from orc.model.key import explicit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from orc.engine.keyspace import Keyspace
    from orc.engine.operations import Plan


def reading(keyspace: Keyspace, keys: Iterable[str]) -> Plan:
    """Read several keys."""
    from orc.engine.read_many import read_many

    asked = _keys(keys)
    return read_many(keyspace, asked if keyspace.core.gate.mode == OPEN else [])


def loading(keyspace: Keyspace, key: str, loader: Any, ttl: Any, tags: str | Sequence[str]) -> Plan:
    """Read one key, loading it if need be."""
    if not callable(loader):
        raise ConfigError(f"get_or_set({key!r}): the loader is {loader!r}; give a callable")
    asked = explicit(key)
    ask = Ask(
        asked,
        (asked,),
        loader,
        ttl=_ttl(ttl),
        tags=names_of(tags, "tags"),
        anew=keyspace.core.gate.mode == BYPASS,
    )
    return read_through(keyspace, ask)


def writing(
    keyspace: Keyspace, values: Mapping[str, object], ttl: Any, tags: str | Sequence[str]
) -> Plan:
    """Store several values; with the cache switched off, remove what they would replace."""
    stored = {explicit(key): value for key, value in values.items()}
    checked = _ttl(ttl)
    names = names_of(tags, "tags")
    if keyspace.core.gate.mode == DISABLED:
        return removing(keyspace, stored)
    return write_many(keyspace, stored, checked, names)


def removing(keyspace: Keyspace, keys: Iterable[str], *, told: bool = False) -> Plan:
    """Remove several keys; with `told`, return how many of them any tier had."""
    gone = list(dict.fromkeys(_keys(keys)))
    return remove_many(keyspace, gone, [(key,) for key in gone], told=told)


def _ttl(ttl: Any) -> Any:
    """Return a ttl in seconds, what computes it, or ``None`` where the terms have it."""
    if ttl is MISSING:
        return None
    return ttl if callable(ttl) else ttl_seconds(ttl)


def _keys(keys: Iterable[str]) -> list[str]:
    if isinstance(keys, str):
        raise UnkeyableError(
            f"the keys are {keys!r}: give a list of keys, or use the method for one"
        )
    return [explicit(key) for key in keys]
