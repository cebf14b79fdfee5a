"""Looks at a server that has never answered, to tell a wrong address from a server that is down."""

from __future__ import annotations

from orc.errors import TierRefusedError, TierTimeoutError
from orc.tiers.redis.mistakes import has_no_tls, of_tls, says_nothing, wants_tls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket
    from ssl import SSLContext
    from typing import Any

    from orc.errors import TierError

    Address = tuple[Any, ...]
    """One that ``getaddrinfo`` has found."""

LEAST = 0.005
"""Seconds below which there is no use in looking."""
LONGEST = 0.5


def examined(  # noqa: PLR0913, PLR0917 - what is known of a failure
    address: Address,
    host: str,
    where: str,
    so_far: TierError,
    seconds: float,
    tls: SSLContext | None,
    *,
    closed: bool,
) -> TierError:
    """Return what the first attempt to speak to a server has failed of; `so_far`, or better.

    `address` is where it was connected to, and `closed` says that it closed the connection. Takes
    so many seconds at most. Never raises.
    """
    in_doubt = closed or isinstance(so_far, TierTimeoutError)
    if not in_doubt or isinstance(so_far, TierRefusedError) or seconds < LEAST:
        return so_far
    seconds = min(seconds, LONGEST)
    if tls is None and speaks_tls(address, host, seconds):
        return wants_tls(where)
    if tls is not None:
        if speaks_plainly(address, seconds / 2):
            return has_no_tls(where)
        alert = closed and of_tls([alert_of(address, host, tls, seconds / 2)], where)
        if alert:
            return alert
    return says_nothing(where) if closed else so_far


def connect(address: Address, seconds: float) -> socket:
    """Connect; a part of the seconds each is for this, and for what follows."""
    from socket import socket

    family, kind, protocol, _, place = address
    made = socket(family, kind, protocol)
    try:
        made.settimeout(seconds / 3)  # to connect, to send and to receive
        made.connect(place)
    except BaseException:
        made.close()
        raise
    return made


def alert_of(address: Address, host: str, tls: SSLContext, seconds: float) -> BaseException:
    """Return what comes after a handshake to which we add nothing. Never raises.

    A server may refuse a certificate after the handshake (TLS 1.3). What it says of that is lost
    where it has closed the connection before our first command arrives.
    """
    try:
        with (
            connect(address, seconds) as made,
            tls.wrap_socket(made, server_hostname=host) as spoken,
        ):
            spoken.recv(1)
    except (OSError, ValueError) as error:
        return error
    return EOFError()


def speaks_tls(address: Address, host: str, seconds: float) -> bool:
    """Tell whether a server answers a TLS handshake, be it by refusing us. Never raises."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with connect(address, seconds) as made:
            context.wrap_socket(made, server_hostname=host).close()
    except ssl.SSLError as error:
        return "ALERT" in str(error)
    except (OSError, ValueError):
        return False
    return True


def speaks_plainly(address: Address, seconds: float) -> bool:
    """Tell whether a server answers a PING without TLS. Never raises."""
    try:
        with connect(address, seconds) as made:
            made.sendall(b"PING\r\n")
            return made.recv(64)[:1] in {b"+", b"-"}
    except (OSError, ValueError):
        return False
