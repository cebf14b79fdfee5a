"""A module-level variable. It is set when a container starts, and by whoever comes by."""

from __future__ import annotations

greeting = "hello"


def handler(event: object, context: object) -> str:
    """Return the greeting that was found, and leave another one."""
    global greeting
    found, greeting = greeting, "it's me"
    return found
