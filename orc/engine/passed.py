"""The claims of one read: which rows it may fill, and which it leaves to others."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orc.errors import UnstorableError
    from orc.model.address import Address
    from orc.model.entry import Found
    from orc.model.ports import SharedTier
    from orc.stampede.flight import Flight


class Passed:
    """The shared tiers that a read has passed without finding what it looked for."""

    __slots__ = ("_flight", "_held", "address", "asked", "lost", "refused", "tokens")

    def __init__(self, address: Address, flight: Flight) -> None:
        self.address = address
        self._flight = flight
        self._held: set[SharedTier] = set()
        self.tokens: list[tuple[SharedTier, bytes]] = []
        """The claims that are ours, and not yet filled or given back; the nearest tier first."""
        self.asked: list[tuple[SharedTier, bytes]] = []
        """Claims that were asked for and not answered: they may be ours."""
        self.lost: list[SharedTier] = []
        """Those where another load has the claim, and no fill of ours is taken."""

        self.refused: dict[SharedTier, UnstorableError] = {}
        """Those that never take the value, and why."""

    def is_taken_nowhere(self, tiers: Sequence[SharedTier]) -> bool:
        """Tell whether none of a cache's tiers ever takes the value that was offered."""
        return is_taken_nowhere(self.refused, tiers)

    def asks(self, tier: SharedTier, token: bytes) -> None:
        """Note a claim before it is asked for."""
        self.asked.append((tier, token))
        self._held.add(tier)
        tier.hold(self.address, token, self._flight)

    def note(self, tier: SharedTier, found: Found) -> None:
        """Note what a tier without the entry has answered."""
        if found.token is None:
            self.lost.append(tier)
        else:
            self.tokens.append((tier, found.token))
            self.answered(tier)

    def answered(self, tier: SharedTier) -> None:
        """Note that no claim of a tier is in doubt any more."""
        self.asked[:] = [each for each in self.asked if each[0] is not tier]

    def remember(self) -> None:
        """Leave the claims that are ours to the next load of this process."""
        for tier, token in [*self.tokens, *self.asked]:
            tier.remember(self.address, token)

    def end(self) -> None:
        """End the read: what it still has is left to the next load, and it holds nothing."""
        self.remember()
        for tier in self._held:
            tier.release(self.address, self._flight)


def is_taken_nowhere(
    refused: Mapping[SharedTier, UnstorableError], tiers: Sequence[SharedTier]
) -> bool:
    """Tell whether none of a cache's tiers ever takes a value, by those that have refused it.

    A tier that could not be asked may take it: what is too large for one has room in another. But a
    tier of this environment alone is given nothing that those behind it do not have.
    """
    asked = [tier for tier in tiers if tier.fleetwide] or tiers
    return all(tier in refused for tier in asked)
