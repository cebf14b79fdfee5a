"""Claims in shared tiers that loads of this process have left behind.

A load that was interrupted, cancelled or abandoned may leave its lease in a row, and so may one
whose last word to the server had no answer. Other containers wait until it ends; the next load of
this process need not, through whatever cache or tier object it asks the same store: it claims with
the token that is remembered here, and takes the claim over.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orc.stampede.flight import Flight

MOST = 1024
"""Rows that are remembered. The first are forgotten where there are more: their readers wait."""

MOST_TOKENS = 4
"""Tokens of one row: where an answer was lost, either may be the live one."""

_tokens: dict[tuple[str, str], tuple[bytes, ...]] = {}

_live: dict[tuple[str, str], dict[Flight, bytes]] = {}
"""The claims of loads that are under way, of several caches; one of these loads may be left on a
loop that was closed."""


def hold(store: str, address: str, token: bytes, flight: Flight) -> None:
    """Note that a load has a claim, for as long as it is not stranded."""
    _live.setdefault((store, address), {})[flight] = token


def release(store: str, address: str, flight: Flight) -> None:
    """Note that a load has no claim any more."""
    loads = _live.get((store, address), {})
    loads.pop(flight, None)
    if not loads:
        _live.pop((store, address), None)


def remember(store: str, address: str, token: bytes) -> None:
    """Note that the claim with this token is of a load that has ended."""
    row = (store, address)
    known = _tokens.get(row, ())
    if token not in known:
        _tokens[row] = (*known, token)[-MOST_TOKENS:]
    while len(_tokens) > MOST:
        try:
            _tokens.pop(next(iter(_tokens)), None)
        except (RuntimeError, StopIteration):  # another thread was quicker
            break


def of(store: str, address: str) -> tuple[bytes, ...]:
    """Return the tokens of a row whose loads have ended, or will never end."""
    row = (store, address)
    tokens = _tokens.get(row, ()) if _tokens else ()
    for flight, token in list(_live.get(row, {}).items()):
        if flight.stranded():
            tokens = (*tokens, token)
    return tokens


def forget(store: str, address: str) -> None:
    """Note that a row has no claim any more of a load that has ended."""
    if _tokens:
        _tokens.pop((store, address), None)


def forget_all() -> None:
    """Go on in the child of a fork, or in a copy of a snapshot: the claims are another's."""
    _tokens.clear()
    _live.clear()
