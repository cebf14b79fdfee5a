"""Addresses that are nearly right: what gives each of them away, and what to write instead.

Rules without I/O. A mistake is a ``TierRefusedError``: it will not go away by itself.
"""

from __future__ import annotations

from orc.errors import TierRefusedError, TierUnavailableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

RESP = b"+-:$*_#,(!=%~>|"
"""What the answer of a Redis server begins with (RESP 2 and 3, "Serialization protocol")."""
TLS_RECORDS = (b"\x15\x03", b"\x16\x03")
"""What an alert and a handshake begin with (RFC 8446, 5.1)."""

_NO_TLS = (
    "WRONG_VERSION_NUMBER",
    "RECORD_LAYER_FAILURE",
    "PACKET_LENGTH_TOO_LONG",
    "HTTP_REQUEST",
    "UNKNOWN_PROTOCOL",
)
_OWN_CERTIFICATE = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "DECRYPT_ERROR")
_OTHER_NAME = (
    "write the host name that the certificate has, or ?ssl_check_hostname=false where a cluster "
    "names its nodes otherwise"
)
_VERIFY = (
    ("mismatch", _OTHER_NAME),
    ("not valid for", _OTHER_NAME),
    ("expired", "the server needs a new one"),
    ("not yet valid", "check the clock of the server that made it"),
    ("", "name the file of the authority that signed it, as in ?ssl_ca_certs=/var/task/ca.pem"),
)

_REMEDIES = (
    (("unknown command", "SENTINEL"), "it is no Sentinel: write redis://{where}, or its port"),
    (
        ("unknown command",),
        "a Sentinel answers so: write redis+sentinel://{where}/name if it is one",
    ),
    (("cluster support disabled",), "write redis://{where}"),
    (("DB index",), "the address names a database that is not there; a cluster has 0 only"),
    (("SELECT is not allowed",), "leave the database out of the address: a cluster has 0 only"),
    (("NOAUTH",), "write the user and the password, as in redis://user:password@host"),
    (("NOPERM",), "give the user the rights that docs/howto/redis.md lists"),
    (("without any password configured",), "leave the password out of the address"),
    (("WRONGPASS",), "check the user and the password"),
)
"""What in an answer gives a mistake away, and what to write instead."""


def causes(error: BaseException, above: BaseException | None) -> Iterator[BaseException]:
    """Return an exception and those that it was raised for, the last first.

    `above` is what a caller further up is handling, which Python hangs below: none of ours.
    """
    each: BaseException | None = error
    for _ in range(8):  # a circle would never end
        if each is None or each is above:
            return
        yield each
        each = each.__cause__ or each.__context__


def of_what_was_heard(heard: bytes, where: str, *, tls: bool) -> TierRefusedError | None:
    """Return the mistake that the first bytes of a server give away that has never answered."""
    if not heard or heard[:1] in RESP:
        return None
    if heard[:2] in TLS_RECORDS and not tls:
        return wants_tls(where)
    return TierRefusedError(
        f"{where} is no Redis server: it answered {heard[:24]!r}. Check the host and the port of "
        "the address"
    )


def was_closed(errors: Iterable[BaseException]) -> bool:
    """Tell whether a connection that had been accepted was closed by the other side."""
    signs = {"ConnectionResetError", "BrokenPipeError", "EOFError", "SSLEOFError"}
    for each in errors:
        names = {kind.__name__ for kind in type(each).__mro__}
        if "closed" in str(each).lower() or not signs.isdisjoint(names):
            return True
    return False


def wants_tls(where: str) -> TierRefusedError:
    """Return the mistake of an address without TLS."""
    return TierRefusedError(f"{where} speaks TLS: write rediss:// for redis:// in the address")


def has_no_tls(where: str) -> TierRefusedError:
    """Return the mistake of an address with TLS."""
    return TierRefusedError(
        f"{where} speaks no TLS: write redis:// for rediss:// in the address, or the port that has "
        "TLS"
    )


def says_nothing(where: str) -> TierUnavailableError:
    """Return the doubt in a server that closes new connections without a word."""
    doubt = TierUnavailableError(
        f"{where} closes each new connection without an answer. If it is not being restarted, "
        "check the host and the port of the address: it may be no Redis server"
    )
    doubt.doubtful = True
    return doubt


def of_tls(errors: Iterable[BaseException], where: str) -> TierRefusedError | None:
    """Return the mistake that an error of TLS gives away."""
    for each in errors:
        text = str(each)
        if "CERTIFICATE_VERIFY_FAILED" in text:
            reason = text.partition("verify failed: ")[2].partition(" (_ssl")[0]
            remedy = next(remedy for sign, remedy in _VERIFY if sign in reason)
            return TierRefusedError(
                f"the certificate of {where} is not accepted: {reason.rstrip('.')}; {remedy}"
            )
        if "[SSL" not in text:
            continue
        if any(sign in text for sign in _NO_TLS) and "ALERT" not in text:
            return has_no_tls(where)
        if "ALERT" in text:
            if "REQUIRED" in text or "HANDSHAKE_FAILURE" in text:
                remedy = "it asks for a certificate: give ssl_certfile and ssl_keyfile"
            elif any(sign in text for sign in _OWN_CERTIFICATE):
                remedy = "check the certificate that ssl_certfile names"
            else:
                remedy = "check its version of TLS, and ssl_ciphers"
            return TierRefusedError(f"{where} ended the handshake ({_reason(text)}); {remedy}")
    return None


def _reason(text: str) -> str:
    """Return OpenSSL's word for what happened."""
    return text.partition("[SSL: ")[2].partition("]")[0].replace("_", " ").lower() or "TLS"


def remedy_for(code: str, text: str, where: str) -> str:
    """Return what to write instead, for an error that a server answered; else nothing."""
    said = f"{code} {text}"
    if where.startswith("the Sentinel") and code in {"NOAUTH", "WRONGPASS"}:
        return "write sentinel_username and sentinel_password in the query of the address"
    found = next((remedy for signs, remedy in _REMEDIES if all(s in said for s in signs)), "")
    return found.format(where=where.rpartition(" ")[2])
