"""Time zones of dateutil and pytz as plain values, and back: both key and row are made of these.

Answers of AWS's SDK have times in zones of dateutil. None of the two libraries is imported for a
zone that is at hand.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Parts = tuple[str | int | None, ...]

DATEUTIL, PYTZ = "dateutil.tz.tz", "pytz"

_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/")


def parts_of(zone: Any) -> Parts | None:
    """Return what a zone is made of, its kind first; ``None`` for a zone that is not known.

    Equal parts are equal zones, in whatever process.
    """
    cls = type(zone)
    tz: Any = sys.modules.get(DATEUTIL)
    if tz is not None:
        if cls is tz.tzutc:
            return ("tzutc",)
        if cls is tz.tzoffset:
            return ("tzoffset", zone._name, *_whole(zone._offset))  # noqa: SLF001
        if cls is tz.tzlocal:
            return ("tzlocal", *_local(zone))
        if issubclass(cls, tz.tzfile) and cls.__module__ in {DATEUTIL, "dateutil.zoneinfo"}:
            name = _name_of(tz, zone._filename)  # noqa: SLF001
            if name is not None and (found := _named(tz, name)) is not None and found == zone:
                return ("gettz", name)
            return None
    pytz: Any = sys.modules.get(PYTZ)
    if pytz is not None and isinstance(zone, (pytz.tzinfo.BaseTzInfo, pytz._FixedOffset)):  # noqa: SLF001
        parts: Parts = ("pytz", *zone.__reduce__()[1])
        return parts if zone_of(parts) is zone else None
    return None


def zone_of(parts: Any) -> object:
    """Return the zone of some parts. Imports its library, and raises where they are no zone's.

    A local zone that is not the one of this machine is none here: the same time would be another
    instant.
    """
    kind, *rest = parts
    if kind == PYTZ:
        __import__(PYTZ)
        pytz: Any = sys.modules[PYTZ]
        if not rest:
            return pytz.UTC
        if type(rest[0]) is int:
            return pytz.FixedOffset(*rest)
        return _of_pytz(pytz, *rest)
    __import__(DATEUTIL)
    tz: Any = sys.modules[DATEUTIL]
    if kind == "tzutc":
        return tz.tzutc()
    if kind == "tzoffset":
        from datetime import timedelta

        name, *offset = rest
        if abs(timedelta(*offset)) >= timedelta(days=1):
            raise ValueError("no offset of a zone")
        return tz.tzoffset(name, timedelta(*offset))
    if kind == "tzlocal":
        zone = tz.tzlocal()
        if (*_local(zone),) != (*rest,):
            raise ValueError("the local zone is another one here")
        return zone
    (name,) = rest
    zone = _named(tz, name) if kind == "gettz" and _is_name(name) else None
    if zone is None:
        raise ValueError("no zone")
    return zone


MOST_ZONES = 1024

_zones: dict[str, object] = {}
"""Zones of dateutil by name, at most as many as there are: to read one takes a millisecond."""


def _named(tz: Any, name: str) -> object:
    found = _zones.get(name)
    if found is None:
        found = tz.gettz(name)
        if len(_zones) >= MOST_ZONES:
            _zones.clear()
        if isinstance(found, tz.tzfile):  # not the rule that a text such as "EST5EDT4" makes
            _zones[name] = found
        elif found != tz.UTC:
            return None
    return found


def _of_pytz(pytz: Any, name: str, *period: Any) -> object:
    zone = pytz.timezone(name)
    if not period:
        return zone
    from datetime import timedelta

    offset, saving, short = period
    return zone._tzinfos[timedelta(seconds=offset), timedelta(seconds=saving), short]  # noqa: SLF001


def _whole(offset: Any) -> tuple[int, int, int]:
    return offset.days, offset.seconds, offset.microseconds


def _local(zone: Any) -> Parts:
    return (*_whole(zone._std_offset), *_whole(zone._dst_offset), *zone._tznames)  # noqa: SLF001


def _name_of(tz: Any, file: object) -> str | None:
    """Return the name of a zone that was read from a file of the system's, or of dateutil's own."""
    if not isinstance(file, str):
        return None
    for path in tz.TZPATHS:
        if file.startswith(path + "/"):
            file = file[len(path) + 1 :]
            break
    return file if _is_name(file) else None


def _is_name(name: object) -> bool:
    # A row may come from an attacker who can write to the store: no path out of the zones' folder.
    return (
        isinstance(name, str)
        and _NAME.issuperset(name)
        and all(name.split("/"))
        and name not in {"localtime", "posixrules"}
    )
