"""Templates over the arguments of a call: ``"user:{user_id}"``."""

from __future__ import annotations

from orc.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def fields(template: str, names: Sequence[str], what: str) -> tuple[tuple[str, bool], ...]:
    """List the arguments that a template uses, each with whether it is used as it is.

    ``{user}`` uses the argument as it is; ``{user.id}``, ``{user[id]}``, ``{user!r}`` and
    ``{price:.2f}`` make something else of it. Raises ``ConfigError``, naming `what`, for a template
    that cannot be read, and for a field that is no argument's name.
    """
    import string

    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ConfigError(f"{what} {template!r} is not a template: {error}") from error
    used = []
    for _, field, spec, conversion in parsed:
        if field is None:
            continue
        name = field.partition(".")[0].partition("[")[0]
        if name not in names:
            raise ConfigError(
                f"{what} {template!r} names {name!r}, and the arguments are {', '.join(names)}"
            )
        used.append((name, field == name and not spec and not conversion))
    return tuple(used)


def names_of(names: str | Sequence[str], what: str) -> tuple[str, ...]:
    """Return names as a tuple: one string is one name, not a sequence of letters."""
    listed = (names,) if isinstance(names, str) else tuple(names)
    if not all(isinstance(name, str) for name in listed):
        raise ConfigError(f"{what} is {names!r}: give strings")
    return listed
