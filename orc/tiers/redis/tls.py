"""TLS for a deployment: one context, made before anything is connected.

To read the system's store of authorities takes 20 ms of a processor, which is half of a budget; so
it is read once, and not at all where the address names the authorities itself.
"""

from __future__ import annotations

from orc.errors import TierRefusedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ssl import SSLContext
    from typing import Any

    from orc.tiers.redis.url import Target

FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")


def context_for(target: Target) -> SSLContext | None:
    """Return the context for a target's connections, or ``None`` if it has no TLS. Reads files.

    Authorities are those that the address names (``ssl_ca_certs``, ``ssl_ca_path``,
    ``ssl_ca_data``), or else those of the system. Raises ``TierRefusedError``, which names the
    option and the file that will not do.
    """
    if not target.tls:
        return None
    import ssl

    options = target.options
    where = target.shown()
    _check_files(options, where)
    authorities: dict[str, Any] = {
        "cafile": options.get("ssl_ca_certs"),
        "capath": options.get("ssl_ca_path"),
        "cadata": options.get("ssl_ca_data"),
    }
    wanted = options.get("ssl_cert_reqs", "required")
    try:
        if wanted == "none":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            context = ssl.create_default_context(**authorities)
            context.check_hostname = options.get("ssl_check_hostname", True)
            if wanted == "optional":
                context.verify_mode = ssl.CERT_OPTIONAL
    except (OSError, ValueError) as error:
        path = options.get("ssl_ca_certs") or options.get("ssl_ca_path")
        named = f"{'ssl_ca_certs' if 'ssl_ca_certs' in options else 'ssl_ca_path'}={path}"
        raise TierRefusedError(
            f"{named if path else 'ssl_ca_data'} of {where} has no certificate in PEM form: {error}"
        ) from None
    _add_own_certificate(context, options, where)
    if "ssl_ciphers" in options:
        try:
            context.set_ciphers(options["ssl_ciphers"])
        except ssl.SSLError as error:
            raise TierRefusedError(f"ssl_ciphers of {where}: {error}") from None
    return context


def _check_files(options: dict[str, Any], where: str) -> None:
    """Raise for a file that cannot be read; OpenSSL's errors do not say which one it is."""
    for name in FILES:
        path = options.get(name)
        if path is None:
            continue
        try:
            with open(path, "rb"):  # noqa: PTH123 - pathlib costs a cold start milliseconds
                pass
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise TierRefusedError(
                f"{name}={path} of {where} cannot be read: {reason}. Write the path of a PEM file "
                "in the function's package or image"
            ) from None
    if (path := options.get("ssl_ca_path")) is not None:
        import os

        if not os.path.isdir(path):  # noqa: PTH112 - as above; OpenSSL says nothing of it
            raise TierRefusedError(f"ssl_ca_path={path} of {where} is no folder")


def _add_own_certificate(context: SSLContext, options: dict[str, Any], where: str) -> None:
    certificate, key = options.get("ssl_certfile"), options.get("ssl_keyfile")
    if certificate is None and key is None:
        return
    if certificate is None:
        raise TierRefusedError(f"ssl_keyfile of {where} needs ssl_certfile beside it")
    # An empty password keeps OpenSSL from asking for one on the terminal.
    password = options.get("ssl_password", "")
    try:
        context.load_cert_chain(certificate, key, password)
    except (OSError, ValueError) as error:
        files = f"ssl_certfile={certificate}" + (f", ssl_keyfile={key}" if key else "")
        reason = str(error)
        if "MISMATCH" in reason:
            reason = "the key is not that of the certificate"
        elif "ssl_password" not in options:
            reason += "; a key that is encrypted needs ssl_password"
        raise TierRefusedError(f"{files} of {where} cannot be used: {reason}") from None
