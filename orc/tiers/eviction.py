"""Who leaves memory next: LRU, S3-FIFO, or a class of cachetools.

A policy is told of copies that come (``admit``), of hits in the order in which they happened
(``touch``), and of copies that leave for another reason (``forget``); asked for a ``victim``, it
names one and forgets it. It is called under the lock of the memory tier, so it knows no threads.
Hits are told in batches: the path of a hit only notes them.

What a policy has to remember of a copy it keeps in the copy's own ``rank``.
"""

from __future__ import annotations

from collections import OrderedDict, deque

from orc.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, MutableMapping, Reversible, Sequence
    from typing import Any, Protocol

    class Ranked(Protocol):
        """What a policy sees of a copy."""

        rank: int
        weight: int

        @property
        def identity(self) -> Hashable:
            """Equal for two copies of one key."""

    class Policy(Protocol):
        """Who leaves next."""

        EXTRA_BYTES: int
        """What an entry costs more under this policy than under `LRU`."""

        def admit(self, copy: Any, /) -> None:
            """Take in a copy that is stored from now on."""

        def touch(self, copies: Sequence[Any], /) -> None:
            """Learn of hits, in the order in which they happened; some copies may be dead."""

        def forget(self, copy: Any, /) -> None:
            """Learn that a copy left: it was replaced, deleted, or has expired."""

        def victim(self) -> Any:
            """Name who leaves now, and forget it. There is one."""


DEAD = -1
"""The rank of a copy that its policy has forgotten. Its places in queues are skipped."""

_SEEN = -2


class LRU:
    """Least recently used first, exactly.

    One queue holds the history of uses, oldest first, and a copy's rank counts its places in it. A
    copy whose *last* place comes to the head has not been used since: it is the victim. A hit costs
    a fraction of an append and an entry one pointer, where a linked list would cost ten times the
    memory. Uses are not ranked before somebody has to leave.
    """

    EXTRA_BYTES = 0
    SLACK = 2048
    """Places for uses beyond four for each copy, before all but the latest are dropped."""

    __slots__ = ("_dead", "_living", "_recent", "_uses")

    def __init__(self) -> None:
        self._uses: deque[Ranked] = deque()
        self._recent: list[Ranked] = []
        self._living = 0
        self._dead = 0

    def admit(self, copy: Ranked) -> None:
        copy.rank = 0
        self._living += 1
        self._recent.append(copy)
        self._shorten()

    def touch(self, copies: Sequence[Ranked]) -> None:
        self._recent += copies
        self._shorten()

    def forget(self, copy: Ranked) -> None:
        copy.rank = DEAD
        self._living -= 1
        self._dead += 1
        self._shorten()

    def victim(self) -> Ranked:
        append = self._uses.append
        for copy in _latest(self._recent) if len(self._recent) > 1 else self._recent:
            if copy.rank != DEAD:
                copy.rank += 1
                append(copy)
        self._recent.clear()
        while True:
            copy = self._uses.popleft()
            if copy.rank == 1:
                copy.rank = DEAD
                self._living -= 1
                return copy
            if copy.rank != DEAD:
                copy.rank -= 1

    def _shorten(self) -> None:
        # Afterwards each copy has a place or two, and the dead have none; the cost is spread over
        # the uses that come until there are four for each again, or the dead who come until there
        # is one for every eight of the living: each keeps a copy's shell in memory.
        if len(self._uses) + len(
            self._recent
        ) > 4 * self._living + self.SLACK or self._dead > _most_dead(self._living):
            self._dead = 0
            self._recent = _latest(self._recent)
            self._uses = deque(_latest(self._uses))
            for copy in self._uses:
                copy.rank = 1


def _most_dead(living: int) -> int:
    return living // 8 + 64


def _latest(uses: Reversible[Ranked]) -> list[Ranked]:
    """Keep of several uses of one copy the last, and none of the dead."""
    # Who was seen is marked in its rank: a set of all would be a tenth of the memory's budget.
    latest = []
    for copy in reversed(uses):
        if copy.rank > DEAD:
            copy.rank = _SEEN - copy.rank
            latest.append(copy)
    for copy in latest:
        copy.rank = _SEEN - copy.rank
    latest.reverse()
    return latest


class _Fifo:
    """A queue of copies that knows its weight in bytes, and skips copies that died inside it."""

    __slots__ = ("_copies", "living", "weight")

    def __init__(self) -> None:
        self._copies: deque[Ranked] = deque()
        self.weight = 0
        self.living = 0

    def push(self, copy: Ranked) -> None:
        self._copies.append(copy)
        self.weight += copy.weight
        self.living += 1

    def pop(self) -> Ranked:
        copy = self._copies.popleft()
        while copy.rank == DEAD:
            copy = self._copies.popleft()
        self.lose(copy)
        return copy

    def lose(self, copy: Ranked) -> None:
        self.weight -= copy.weight
        self.living -= 1
        if len(self._copies) > self.living + _most_dead(self.living):
            self._copies = deque(copy for copy in self._copies if copy.rank != DEAD)


class S3FIFO:
    """Small and main queue, with a memory of who left the small one (Yang et al., SOSP 2023).

    New copies enter the small queue, a tenth of the whole. At its end, one that was used more than
    once since it came moves to the main queue, and any other leaves, its key remembered in the
    ghost queue; a key that comes back from there enters the main queue. At the end of the main
    queue, one that was used goes round again with one use less. A scan of keys that are asked for
    once only passes through the tenth, and the rest stays.
    """

    EXTRA_BYTES = 176  # its share of the ghosts
    SMALL_SHARE = 0.1
    MOST_USES = 3
    IN_MAIN = 4  # added to the uses, which are 0 to 3, in the rank of a copy in the main queue

    __slots__ = ("_ghosts", "_main", "_small")

    def __init__(self) -> None:
        self._small = _Fifo()
        self._main = _Fifo()
        self._ghosts: OrderedDict[int, None] = OrderedDict()

    def admit(self, copy: Ranked) -> None:
        ghost = hash(copy.identity)
        if ghost in self._ghosts:
            del self._ghosts[ghost]
            copy.rank = self.IN_MAIN
            self._main.push(copy)
        else:
            copy.rank = 0
            self._small.push(copy)

    def touch(self, copies: Sequence[Ranked]) -> None:
        for copy in copies:
            if copy.rank != DEAD and copy.rank % self.IN_MAIN < self.MOST_USES:
                copy.rank += 1

    def forget(self, copy: Ranked) -> None:
        queue = self._main if copy.rank >= self.IN_MAIN else self._small
        copy.rank = DEAD
        queue.lose(copy)

    def victim(self) -> Ranked:
        small, main = self._small, self._main
        while True:
            if small.weight >= self.SMALL_SHARE * (small.weight + main.weight):
                copy = small.pop()
                if copy.rank <= 1:
                    self._remember(copy)
                    break
                copy.rank = self.IN_MAIN
            else:
                copy = main.pop()
                if copy.rank == self.IN_MAIN:
                    break
                copy.rank -= 1
            main.push(copy)
        copy.rank = DEAD
        return copy

    def _remember(self, copy: Ranked) -> None:
        # As many ghosts as the main queue can hold copies, as in the paper. Whoever leaves, leaves
        # a full cache, so what lives now is what it can hold.
        most = (1 - self.SMALL_SHARE) * (self._small.living + self._main.living)
        self._ghosts[hash(copy.identity)] = None
        while len(self._ghosts) > max(most, 1):
            self._ghosts.popitem(last=False)


class Foreign:
    """A cachetools class (``LFUCache``, ``FIFOCache``, ``RRCache``, your own) as a policy.

    It is given no bound of its own, and asked by ``popitem()`` who leaves: the budgets are the
    memory tier's.
    """

    EXTRA_BYTES = 304  # two dictionaries of cachetools, and for some of its classes a list

    __slots__ = ("_order",)

    def __init__(self, cache_class: Any) -> None:
        self._order: MutableMapping[Ranked, None] = cache_class(float("inf"))

    def admit(self, copy: Ranked) -> None:
        copy.rank = 0
        self._order[copy] = None

    def touch(self, copies: Sequence[Ranked]) -> None:
        for copy in copies:
            if copy.rank != DEAD:
                self._order[copy]  # a look-up is a use, to cachetools

    def forget(self, copy: Ranked) -> None:
        copy.rank = DEAD
        self._order.pop(copy, None)

    def victim(self) -> Ranked:
        copy, _ = self._order.popitem()
        copy.rank = DEAD
        return copy


NAMED: dict[str, type[LRU | S3FIFO]] = {"lru": LRU, "s3fifo": S3FIFO}


def policy(name_or_class: object) -> Policy:
    """Make a policy: ``"lru"``, ``"s3fifo"``, or a cachetools class without a TTL of its own.

    Raises ``ConfigError`` for anything else, and for ``TTLCache`` and ``TLRUCache``: entries have
    their expiry from ORC, by two clocks.
    """
    if isinstance(name_or_class, str) and name_or_class.lower() in NAMED:
        return NAMED[name_or_class.lower()]()
    if isinstance(name_or_class, type) and hasattr(name_or_class, "popitem"):
        if hasattr(name_or_class, "expire"):
            raise ConfigError(
                f"policy={name_or_class.__name__} has a time to live of its own, and entries have "
                "one from ORC: use LRUCache, LFUCache, FIFOCache or RRCache, and ttl="
            )
        try:
            return Foreign(name_or_class)
        except TypeError:
            pass  # a mapping, and none that is made with a bound as cachetools' are
    raise ConfigError(f"policy is {name_or_class!r}: use 'lru', 's3fifo', or a class of cachetools")
