"""Names of servers to addresses, within a time: what the system's resolver does not offer.

``getaddrinfo`` waits for name servers for as long as ``resolv.conf`` says: 5 s, twice, unless told
otherwise. Here a thread of its own asks, so that the caller can give up; what it finds is kept for
a while, and is there for the next caller.
"""

from __future__ import annotations

from _thread import RLock, allocate_lock

from orc.errors import TierRefusedError, TierTimeoutError, TierUnavailableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    class Time(Protocol):
        """A budget, as far as it is needed here."""

        @property
        def wall(self) -> Callable[[], float]:
            """Seconds since the epoch, now."""

        def left(self) -> float:
            """Seconds that are left."""

    Found = list[tuple[Any, ...]]
    """What ``getaddrinfo`` returns."""

KEPT_FOR = 60.0
"""Seconds for which an address is used without asking again. A fail-over behind a name is told by
a connection that breaks, and then the name is asked for anew."""


class Look:
    """One question to the resolver, and the callers that wait for its answer."""

    __slots__ = ("done", "error", "found", "wakers", "wall")

    def __init__(self, wall: float) -> None:
        self.wall = wall
        self.done = False
        self.found: Found = []
        self.error: OSError | None = None
        self.wakers: list[Callable[[], object]] = []


_known: dict[tuple[str, int], tuple[Found, float]] = {}
"""Addresses by host and port, with the wall clock's instant at which they were found."""
_looks: dict[tuple[str, int], Look] = {}
_lock = RLock()


def known(host: str, port: int, wall: float) -> Found | None:
    """Return addresses that were found a short while ago, or that `host` is itself."""
    kept = _known.get((host, port))
    if kept is not None and abs(wall - kept[1]) <= KEPT_FOR:
        return kept[0]
    if host.replace(".", "").isdigit() or ":" in host:
        import socket

        try:  # an address: nothing is asked for it
            return _ask(host, port, socket.AI_NUMERICHOST)
        except OSError:
            pass
    return None


def forget(host: str, port: int) -> None:
    """Ask anew next time: a connection to what was found has failed."""
    _known.pop((host, port), None)


def forked() -> None:
    """Go on in the child of a fork, where no thread brings an answer."""
    global _lock  # noqa: PLW0603 - another thread of the parent may have had it
    _lock = RLock()
    _looks.clear()


def resolve(host: str, port: int, budget: Time) -> Found:
    """Return the addresses of a server. Raises ``TierTimeoutError``, ``TierUnavailableError``."""
    wall = budget.wall()
    found = known(host, port, wall)
    if found is not None:
        return found
    woken = allocate_lock()
    woken.acquire()

    def wake() -> None:
        try:
            woken.release()
        except RuntimeError:
            pass

    look = _look(host, port, wall, wake)
    if not look.done:
        woken.acquire(timeout=max(0.0, budget.left()))
    return _answer(look, host)


async def aresolve(host: str, port: int, budget: Time) -> Found:
    """Do as :func:`resolve`, for coroutines."""
    wall = budget.wall()
    found = known(host, port, wall)
    if found is not None:
        return found
    from asyncio import get_running_loop, wait

    loop = get_running_loop()
    woken = loop.create_future()

    def note() -> None:
        if not woken.done():
            woken.set_result(None)

    def wake() -> None:
        try:
            loop.call_soon_threadsafe(note)
        except RuntimeError:
            pass  # the loop has ended

    look = _look(host, port, wall, wake)
    if not look.done:
        await wait([woken], timeout=max(0.0, budget.left()))
    return _answer(look, host)


def _answer(look: Look, host: str) -> Found:
    if not look.done:
        raise TierTimeoutError(f"the name {host!r} was not resolved in time")
    if look.error is not None:
        from socket import EAI_NONAME

        if look.error.errno == EAI_NONAME:  # other codes are of resolvers that cannot tell now
            raise TierRefusedError(
                f"the name {host!r} does not exist ({look.error.strerror}): "
                "check the host in the address"
            )
        raise TierUnavailableError(f"the name {host!r} cannot be resolved: {look.error}")
    return look.found


def _look(host: str, port: int, wall: float, waker: Callable[[], object]) -> Look:
    """Have a thread ask, unless one does already."""
    with _lock:
        look = _looks.get((host, port))
        if look is None:
            look = _looks[host, port] = Look(wall)
            begin = True
        else:
            begin = False
        look.wakers.append(waker)
    if begin:
        from threading import Thread

        try:
            Thread(target=_work, args=(look, host, port), name="orc-names", daemon=True).start()
        except RuntimeError as error:  # no thread can be had
            _looks.pop((host, port), None)
            raise TierUnavailableError(f"the name {host!r} cannot be resolved: {error}") from None
    return look


def _work(look: Look, host: str, port: int) -> None:
    try:
        look.found = _ask(host, port)
        _known[host, port] = (look.found, look.wall)
    except OSError as error:
        look.error = error
    except UnicodeError as error:  # a label that is empty or too long
        look.error = OSError(str(error))
    finally:
        with _lock:
            _looks.pop((host, port), None)
            look.done = True
            wakers = look.wakers[:]
        for wake in wakers:
            wake()


def _ask(host: str, port: int, flags: int = 0) -> Found:
    import socket

    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
