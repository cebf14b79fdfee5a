"""Templates over the arguments of a call: ``"user:{user_id}"``."""

from __future__ import annotations

from orc.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


class Field:
    """One field of a template.

    `names` are the arguments that it uses. With `made` they are given to it, in the manner of
    `keywords` or by position, and make what the field stands for; without, that is the argument.
    """

    __slots__ = ("keywords", "label", "made", "names")

    def __init__(
        self,
        label: str,
        names: tuple[str, ...],
        made: Callable[..., object] | None,
        *,
        keywords: bool,
    ) -> None:
        self.label = label
        self.names = names
        self.made = made
        self.keywords = keywords


def fields(template: str, names: Sequence[str], what: str) -> tuple[Field, ...]:
    """List the fields of a template, each once.

    ``{user}`` is the argument, and ``{user.id}`` and ``{user[id]}`` what is found in it, as they
    are; ``{user!r}`` and ``{price:.2f}`` are texts. Raises ``ConfigError``, naming `what`, for a
    template that cannot be read, and for a field that is no argument's name.
    """
    listed: dict[str, Field] = {}
    for field, spec, conversion in _parsed(template, template, what):
        if conversion not in CONVERSIONS:
            raise ConfigError(
                f"{what} {template!r} is not a template: !{conversion} is no conversion"
            )
        inner = [each[0] for each in _parsed(spec, template, what)]
        used = tuple(
            dict.fromkeys(each.partition(".")[0].partition("[")[0] for each in (field, *inner))
        )
        for name in used:
            if name not in names:
                raise ConfigError(
                    f"{what} {template!r} names {name!r}, and the arguments are {', '.join(names)}"
                )
        label = label_of(field, spec, conversion)
        if spec or conversion:
            listed[label] = Field(label, used, f"{{{label}}}".format, keywords=True)
        else:
            listed[label] = Field(label, used, _finder(field, template, what), keywords=False)
    return tuple(listed.values())


def label_of(field: str, spec: str | None, conversion: str | None) -> str:
    """Return a field as it is written between its braces."""
    return field + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")


CONVERSIONS = (None, "r", "s", "a")


def _parsed(part: str, template: str, what: str) -> list[tuple[str, str, str | None]]:
    import string

    try:
        parsed = list(string.Formatter().parse(part))
    except ValueError as error:
        raise ConfigError(f"{what} {template!r} is not a template: {error}") from error
    return [
        (field, spec or "", conversion)
        for _, field, spec, conversion in parsed
        if field is not None
    ]


def _finder(field: str, template: str, what: str) -> Callable[[Any], object] | None:
    """Return what finds ``user.id`` or ``user[id]`` in the user; none for ``user``."""
    from _string import formatter_field_name_split  # type: ignore[import-not-found]
    from operator import attrgetter, itemgetter

    steps: list[Callable[[Any], object]] = []
    try:
        for is_attribute, key in formatter_field_name_split(field)[1]:
            steps.append(attrgetter(key) if is_attribute else itemgetter(key))
    except ValueError as error:
        raise ConfigError(f"{what} {template!r} is not a template: {error}") from error
    if len(steps) < 2:  # noqa: PLR2004 - one step needs no other to go round it
        return steps[0] if steps else None

    def find(value: object) -> object:
        for step in steps:
            value = step(value)
        return value

    return find


def names_of(names: str | Sequence[str], what: str) -> tuple[str, ...]:
    """Return names as a tuple: one string is one name, not a sequence of letters."""
    if isinstance(names, str):
        return (names,)
    listed: tuple[Any, ...] = tuple(names) if hasattr(names, "__iter__") else (names,)
    if not all(isinstance(name, str) for name in listed):
        raise ConfigError(f"{what} is {names!r}: give strings")
    return listed
