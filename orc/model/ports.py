"""The contracts between floors. Imported by type checkers only, but by name a place to read.

A shared tier is one that other containers see. Between it and the engine go entries and canonical
keys (:func:`orc.model.key.compose`); how it keeps them is its own affair.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Protocol

    from orc.model.entry import Entry, Found

    Fill = tuple[bytes, Entry, bytes | None]
    """A key, its new entry, and the token that it is filled with; no token replaces the row."""

    class ClockLike(Protocol):
        """Two callables that return seconds."""

        @property
        def wall(self) -> Callable[[], float]:
            """The clock that other containers share."""

        @property
        def monotonic(self) -> Callable[[], float]:
            """A clock that nobody sets."""

    class SharedTier(Protocol):
        """A store outside the process; each call is one round trip, whatever the number of keys."""

        @property
        def name(self) -> str:
            """The word for it in statistics."""

        def get_many(self, keys: Sequence[bytes], /) -> Sequence[Found]:
            """Answer for each key in order, with a token where a fill may follow."""

        def set_many(self, fills: Sequence[Fill], /) -> None:
            """Store; a fill whose token is no longer live is dropped."""

        def delete_many(self, keys: Sequence[bytes], /) -> None:
            """Drop the entries, and the tokens of those who are loading them."""

        async def aget_many(self, keys: Sequence[bytes], /) -> Sequence[Found]:
            """Do as :meth:`get_many`, for coroutines."""

        async def aset_many(self, fills: Sequence[Fill], /) -> None:
            """Do as :meth:`set_many`, for coroutines."""

        async def adelete_many(self, keys: Sequence[bytes], /) -> None:
            """Do as :meth:`delete_many`, for coroutines."""
