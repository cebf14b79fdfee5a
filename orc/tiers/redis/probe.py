"""Looks at a server that has never answered, to tell a wrong address from a server that is down."""

from __future__ import annotations

from orc.errors import TierRefusedError, TierTimeoutError
from orc.tiers.redis.mistakes import has_no_tls, of_tls, says_nothing, wants_tls, was_closed
from orc.tiers.redis.url import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ssl import SSLContext

    from orc.errors import TierError
    from orc.tiers.redis.url import Node

LEAST = 0.005
"""Seconds below which there is no use in looking."""
LONGEST = 0.5


def examined(
    node: Node,
    error: BaseException,
    so_far: TierError,
    seconds: float,
    tls: SSLContext | None,
) -> TierError:
    """Return what the first attempt to speak to a server has failed of; `so_far`, or better.

    It takes the seconds that are left, at most. Never raises.
    """
    closed = was_closed(error)
    in_doubt = closed or isinstance(so_far, TierTimeoutError)
    if not in_doubt or isinstance(so_far, TierRefusedError) or not node[1] or seconds < LEAST:
        return so_far
    where = shown(node)
    if tls is None and speaks_tls(node, seconds / 2):
        return wants_tls(where)
    if tls is not None:
        if speaks_plainly(node, seconds / 4):
            return has_no_tls(where)
        alert = closed and of_tls(alert_of(node, tls, seconds / 4), where)
        if alert:
            return alert
    return says_nothing(where) if closed else so_far


def alert_of(node: Node, tls: SSLContext, seconds: float) -> BaseException:
    """Return what comes after a handshake to which we add nothing. Never raises.

    A server may refuse a certificate after the handshake (TLS 1.3). What it says of that is lost
    where it has closed the connection before our first command arrives.
    """
    import socket

    try:
        with (
            socket.create_connection(node[:2], timeout=min(seconds, LONGEST)) as made,
            tls.wrap_socket(made, server_hostname=node[0]) as spoken,
        ):
            spoken.recv(1)
    except (OSError, ValueError) as error:
        return error
    return EOFError()


def speaks_tls(node: Node, seconds: float) -> bool:
    """Tell whether a server answers a TLS handshake, be it by refusing us. Never raises."""
    import socket
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection(node[:2], timeout=min(seconds, LONGEST)) as made:
            context.wrap_socket(made, server_hostname=node[0]).close()
    except ssl.SSLError as error:
        return "ALERT" in str(error)
    except (OSError, ValueError):
        return False
    return True


def speaks_plainly(node: Node, seconds: float) -> bool:
    """Tell whether a server answers a PING without TLS. Never raises."""
    import socket

    try:
        with socket.create_connection(node[:2], timeout=min(seconds, LONGEST)) as made:
            made.sendall(b"PING\r\n")
            return made.recv(64)[:1] in {b"+", b"-"}
    except (OSError, ValueError):
        return False
