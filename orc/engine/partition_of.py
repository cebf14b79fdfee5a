"""Which partition a call of a function belongs to, where the function tells by its arguments."""

from __future__ import annotations

from string import Formatter

from orc.engine.template import fields, label_of
from orc.errors import ConfigError, PartitionError
from orc.lifecycle.scope import request_tenant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from orc.engine.template import Field
    from orc.engine.wrapper import Parameters

OF_REQUEST = "request"


def partition_of(
    partition: str | Callable[..., str], parameters: Parameters, title: str
) -> tuple[str, list[Callable[..., object]]]:
    """Return the expression that makes the partition of a call, and the callables that it uses.

    `partition` is ``"request"``, a template of the arguments, or a callable that takes them. Raises
    ``ConfigError`` for anything else.
    """
    if callable(partition):
        return f"@parts[0]({parameters.forwarding()})", [_checked(partition, title)]
    if partition == OF_REQUEST:
        return "@parts[0]()", [lambda: _of_request(title)]
    if not isinstance(partition, str):
        raise ConfigError(
            f"partition={partition!r} is not allowed: give a callable, a template of the "
            'arguments, or "request"'
        )
    what = f"the partition of {title}"
    found = fields(partition, parameters.names, what)
    if not found:
        raise ConfigError(
            f"{what} is {partition!r}, and names no argument: give a template such as "
            f'"{{tenant}}", a callable, or "request"; for one tenant alone use '
            f"cache.partition({partition!r}).cached"
        )
    used = list(dict.fromkeys(name for field in found for name in field.names))
    given = ", ".join(f"{name}={name}" for name in used)
    return f"@parts[0]({given})", [_filled(partition, found, what)]


def _of_request(title: str) -> str:
    tenant = request_tenant()
    if tenant is None:
        raise PartitionError(
            f"{title} is cached for the tenant of the running request, and there is none: open the "
            "request with a tenant, as orc.request_scope(tenant=...), or use .partition(tenant)"
        )
    return tenant


def _checked(partition: Callable[..., str], title: str) -> Callable[..., str]:
    def of_call(*args: Any, **kwargs: Any) -> str:
        found = partition(*args, **kwargs)
        if not isinstance(found, str) or not found:
            raise PartitionError(
                f"the partition of {title} is {found!r}: return a string that is not empty"
            )
        return found

    return of_call


def _filled(template: str, found: Sequence[Field], what: str) -> Callable[..., str]:
    """Return what fills in a template, so that no two tenants have one text."""
    by_label = {field.label: field for field in found}
    parts: list[tuple[str, Field | None]] = []
    for literal, name, spec, conversion in Formatter().parse(template):
        field = None if name is None else by_label[label_of(name, spec, conversion)]
        parts.append((literal, field))
    inside = [literal for literal, field in parts[1:] if field is not None]
    if not all(inside):
        raise ConfigError(
            f"{what} is {template!r}: two fields stand side by side, so two tenants may have one "
            "text; put a character between them"
        )
    escaped = {ord(char): f"%{ord(char):02x}" for literal in inside for char in literal}
    if escaped:
        escaped[ord("%")] = "%25"

    def of_call(**arguments: Any) -> str:
        made = []
        for literal, field in parts:
            made.append(literal)
            if field is not None:
                given = {name: arguments[name] for name in field.names}
                value: Any = given[field.names[0]]
                if field.made is not None:
                    value = field.made(**given) if field.keywords else field.made(value)
                if type(value) is not int and (not isinstance(value, str) or not value):
                    raise PartitionError(
                        f"{what} is {template!r}, and {field.label} is {value!r}: give a string "
                        "that is not empty, or an int"
                    )
                text = str(value) if type(value) is int else str.__str__(value)
                made.append(text.translate(escaped) if escaped else text)
        return "".join(made)

    return of_call
