"""What the replay must catch: rules of the library, taken away one by one in its workers."""

from __future__ import annotations

BROKEN = ("trust", "follow")
"""``trust``: memory trusts a load from its end, whether or not a tier has taken it. ``follow``: a
newcomer follows a load of any age."""


def take_away(rule: str) -> None:
    """Have this process go on without a rule."""
    from orc.engine.keyspace import Keyspace

    if rule == "follow":
        Keyspace.follow_for = lambda self, ask: float("inf")
        return
    store = Keyspace.store

    def trusting(self, *asked, checked_at=None, **how):
        return store(self, *asked, checked_at=None, **how)

    Keyspace.store = trusting
