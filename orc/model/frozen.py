"""Records that are made once, and looked at."""

from __future__ import annotations


class Frozen:
    """The base of records that do not change; a subclass names its fields in ``__slots__``.

    (A frozen dataclass would cost the import of ``dataclasses``.) Made with a value for each field,
    by name.
    """

    __slots__ = ()

    def __init__(self, **values: object) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a {type(self).__name__} does not change: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a {type(self).__name__} does not change: {name} cannot be deleted")
