"""What servers answer that is no answer, and which error of a tier that is."""

from __future__ import annotations

from orc.errors import (
    TierError,
    TierReadOnlyError,
    TierRefusedError,
    TierTimeoutError,
    TierUnavailableError,
)
from orc.tiers.redis.mistakes import causes, of_tls, of_what_was_heard, remedy_for


class ServerError:
    """An error that stands in the place of a reply: the server's code, and the rest of its text."""

    __slots__ = ("code", "text")

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        self.text = text

    def __repr__(self) -> str:
        return f"<ServerError {self.code}>"


_CODES = {  # redis-py takes these words off the text, and makes classes of them
    "AskError": "ASK",
    "AuthenticationError": "NOAUTH",
    "BusyLoadingError": "LOADING",
    "ClusterCrossSlotError": "CROSSSLOT",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "MovedError": "MOVED",
    "NoPermissionError": "NOPERM",
    "NoScriptError": "NOSCRIPT",
    "OutOfMemoryError": "OOM",
    "ReadOnlyError": "READONLY",
    "TryAgainError": "TRYAGAIN",
}

_OF_ONE_REQUEST = frozenset(["ASK", "MOVED", "OOM", "TRYAGAIN"])
"""What says nothing of other requests: a server without room still reads and deletes."""

_READ_ONLY = frozenset(["MISCONF", "NOREPLICAS", "READONLY"])
"""What a server answers to writes alone: it is a replica, has too few of them, or a full disk."""

_UNAVAILABLE = frozenset(
    [
        "BUSY",
        "CLUSTERDOWN",
        "LOADING",
        "MASTERDOWN",
        "UNBLOCKED",
        "IOERR",
    ]
)


def server_error(error: Exception) -> ServerError:
    """Return what a ``ResponseError`` of redis-py stands for."""
    text = str(error)
    for kind in type(error).__mro__:
        if kind.__name__ in _CODES:
            return ServerError(_CODES[kind.__name__], text)
    code, _, rest = text.partition(" ")
    return ServerError(code, rest) if code.isupper() else ServerError("ERR", text)


def refusal(error: ServerError, where: str) -> TierError:
    """Return the error of a tier for one of a server."""
    # A server repeats what it was sent, and a key may hold a customer's secret.
    text = error.text.partition(", with args")[0].partition(" the 'orc1:")[0][:200].rstrip(".")
    said = f"{where} answered {error.code} {text}".rstrip()
    if error.code in _OF_ONE_REQUEST:
        return TierError(said)
    if error.code in _READ_ONLY:
        return TierReadOnlyError(said)
    if error.code in _UNAVAILABLE or text.startswith("max number of clients"):
        return TierUnavailableError(said)
    remedy = remedy_for(error.code, text, where)
    return TierRefusedError(f"{said}; {remedy}" if remedy else said)


def is_read_only(reply: object) -> bool:
    """Tell whether a server has answered that it takes no writes, being a replica."""
    return isinstance(reply, ServerError) and reply.code == "READONLY"


def failure(  # noqa: PLR0913 - what is known of it
    error: BaseException,
    where: str,
    *,
    above: BaseException | None = None,
    arriving: bool = False,
    heard: bytes = b"",
    tls: bool = False,
) -> TierError:
    """Return the error of a tier for one that a client raised.

    `above` is what a caller is handling; `arriving`: a part of the answer had come. `heard` is what
    a server said first that has never answered, and `tls` whether it was spoken to so.
    """
    errors = list(causes(error, above))
    for each in errors:
        if isinstance(each, TierError):
            return each
    mistake = of_what_was_heard(heard, where, tls=tls) or of_tls(errors, where)
    if mistake is not None:
        return mistake
    names = {kind.__name__ for kind in type(error).__mro__}
    # The cause is not chained: what a client raises may hold the address with its password.
    if "TimeoutError" in names:
        late = TierTimeoutError(f"{where} did not answer in time")
        late.arriving = arriving
        return late
    if not names.isdisjoint({"AuthenticationError", "AuthorizationError", "NoPermissionError"}):
        said = str(error).rstrip(".")[:200]
        remedy = remedy_for("NOAUTH" if "required" in said else "WRONGPASS", said, where)
        return TierRefusedError(f"{where} refused the user or its password: {said}; {remedy}")
    if "ResponseError" in names and isinstance(error, Exception):
        return refusal(server_error(error), where)
    if "InvalidResponse" in names:  # what it holds may be a part of a value
        return TierUnavailableError(f"{where} answered what is no answer of Redis")
    return TierUnavailableError(f"{where} cannot be reached: {error}"[:300].rstrip("."))
