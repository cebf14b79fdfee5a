"""Addresses of servers, read without importing a client and without I/O."""

from __future__ import annotations

from orc.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Node = tuple[str, int, str]
    """Host, port and role; a socket's path with port 0."""

PORT, SENTINEL_PORT = 6379, 26379
DATA, SENTINEL = "data", "sentinel"
MOST_PORT = 65_535

_SCHEMES = {
    "redis": ("single", False),
    "rediss": ("single", True),
    "unix": ("unix", False),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
}
LONGEST_SHOWN = 15
"""Letters of a wrong scheme that are shown: others may be of a user or a password."""
_SHAPES = {
    "single": "redis://host:port/db",
    "unix": "unix:///path/to/socket?db=0",
    "cluster": "redis+cluster://host:port,host:port",
    "sentinel": "redis+sentinel://host:port,host:port/service?db=0",
}


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError("a whole number is wanted")
    return int(text)


def _flag(text: str) -> bool:
    found = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in found:
        raise ValueError("true or false is wanted")
    return found[text.lower()]


def _requirement(text: str) -> str:
    if text not in {"none", "optional", "required"}:
        raise ValueError("none, optional or required is wanted")
    return text


_OPTIONS: dict[str, Callable[[str], Any]] = {
    "db": _number,
    "username": str,
    "password": str,
    "client_name": str,
}
_TLS_OPTIONS: dict[str, Callable[[str], Any]] = {
    "ssl_ca_certs": str,
    "ssl_ca_data": str,
    "ssl_ca_path": str,
    "ssl_cert_reqs": _requirement,
    "ssl_certfile": str,
    "ssl_check_hostname": _flag,
    "ssl_ciphers": str,
    "ssl_keyfile": str,
    "ssl_password": str,
}
_SENTINEL_OPTIONS: dict[str, Callable[[str], Any]] = {
    "sentinel_username": str,
    "sentinel_password": str,
}


class Target:
    """What an address says: the kind of deployment, its servers, and how to speak to them."""

    __slots__ = ("kind", "nodes", "options", "sentinel_options", "service", "tls")

    def __init__(self, kind: str, nodes: list[Node], *, tls: bool, service: str = "") -> None:
        self.kind = kind
        self.nodes = nodes
        self.tls = tls
        self.service = service
        self.options: dict[str, Any] = {}
        """Keywords of redis-py's connections."""
        self.sentinel_options: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<Target {self.shown()}>"

    def shown(self) -> str:
        """Return the address without what is secret in it."""
        scheme = next(
            name for name, (kind, tls) in _SCHEMES.items() if (kind, tls) == (self.kind, self.tls)
        )
        if self.kind == "unix":
            return f"unix://{self.nodes[0][0]}"
        hosts = ",".join(shown(node) for node in self.nodes)
        return f"{scheme}://{hosts}" + (f"/{self.service}" if self.service else "")


def shown(node: Node) -> str:
    """Return a server's address as people write it."""
    host, port, _ = node
    if not port:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def named(node: Node) -> str:
    """Return what an error calls a server."""
    return f"the Sentinel {shown(node)}" if node[2] == SENTINEL else shown(node)


def parse(url: str) -> Target:
    """Read an address. Raises ``ConfigError``, which names the part and shows no secret."""
    from urllib.parse import unquote

    scheme, mark, rest = url.partition("://")
    scheme = scheme.lower().replace("valkey", "redis")
    if not mark or scheme not in _SCHEMES:
        # Without a scheme, what stands there may be a password.
        shown = mark and scheme.isalpha() and len(scheme) <= LONGEST_SHOWN
        said = f"the scheme {scheme!r}" if shown else "no scheme that is known"
        raise ConfigError(
            f"the address of a Redis tier has {said}: known are {', '.join(_SCHEMES)}, "
            "each with valkey in place of redis too"
        )
    kind, tls = _SCHEMES[scheme]
    rest, _, query = rest.partition("?")
    if "#" in rest or "#" in query:
        raise ConfigError(
            f"the address of a Redis tier has a '#': write it as %23 ({_SHAPES[kind]})"
        )
    user, at, place = rest.rpartition("@")
    path = ""
    if kind != "unix":
        place, _, path = place.partition("/")
    nodes = _unix(unquote(place)) if kind == "unix" else _nodes(place, kind)
    service = unquote(path) if kind == "sentinel" else ""
    if kind == "sentinel" and (not service or "/" in service):
        raise ConfigError(f"the address names no service of Sentinel: {_SHAPES[kind]}")
    target = Target(kind, nodes, tls=tls, service=service)
    if at:
        name, _, password = user.partition(":")
        # An empty user name is the default user's.
        target.options |= {"username": unquote(name)} if name else {}
        target.options |= {"password": unquote(password)} if password else {}
    if kind in {"single", "cluster"} and path:
        try:
            target.options["db"] = _number(path)
        except ValueError:
            raise ConfigError(  # not shown: it may be a part of a password
                f"the path of the address is no number of a database: {_SHAPES[kind]}"
            ) from None
    _read_query(query, target)
    if kind == "cluster" and target.options.get("db"):
        raise ConfigError("db: a Redis Cluster has database 0 only")
    if tls:
        target.options.setdefault("ssl_cert_reqs", "required")
    return target


def _unix(path: str) -> list[Node]:
    if not path.startswith("/"):
        raise ConfigError(f"the path of a socket begins with '/': {_SHAPES['unix']}")
    return [(path, 0, DATA)]


def _nodes(place: str, kind: str) -> list[Node]:
    port = SENTINEL_PORT if kind == "sentinel" else PORT
    role = SENTINEL if kind == "sentinel" else DATA
    parts = place.split(",") if kind != "single" else [place]
    nodes = [_node(part, port, role) for part in parts if part or kind == "single"]
    if not nodes:
        raise ConfigError(f"the address names no host: {_SHAPES[kind]}")
    return nodes


def _node(text: str, port: int, role: str) -> Node:
    if text.startswith("["):
        host, bracket, tail = text[1:].partition("]")
        colon, digits = tail[:1], tail[1:]
        if not bracket or (tail and colon != ":"):
            raise ConfigError("the address has an IPv6 host that is not written as [::1]:6379")
    else:
        host, colon, digits = text.partition(":")
    if colon:
        if not (digits.isascii() and digits.isdigit() and 0 < int(digits) <= MOST_PORT):
            # Not shown: a password with an @ or a / in it may have come to stand here.
            raise ConfigError("the port of the address is no number from 1 to 65535")
        port = int(digits)
    return (host or "localhost", port, role)


_OF_CLIENTS = ("socket_", "ssl_", "retry", "health_check", "decode_", "max_conn", "timeout")


def _shown_option(name: str) -> str:
    """Return the name of an unknown option; it is masked where it may be a part of a password."""
    from difflib import get_close_matches

    known = [*_OPTIONS, *_TLS_OPTIONS, *_SENTINEL_OPTIONS]
    if name.startswith(_OF_CLIENTS) and name.isidentifier():
        return repr(name)
    return repr(name) if get_close_matches(name, known, n=1, cutoff=0.8) else "'***'"


def _read_query(query: str, target: Target) -> None:
    from urllib.parse import parse_qsl

    known = dict(_OPTIONS)
    if target.tls:
        known |= _TLS_OPTIONS
    if target.kind == "sentinel":
        known |= _SENTINEL_OPTIONS
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            hint = ""
            if name in _TLS_OPTIONS:
                hint = ", and the ssl_ options with rediss:// only"
            elif "timeout" in name or "retry" in name:
                hint = "; times come from the tier's budget"
            raise ConfigError(
                f"the address has the option {_shown_option(name)}, which a Redis tier does not "
                f"know: there are {', '.join(sorted(known))}{hint}"
            )
        try:
            made = known[name](value)
        except ValueError as error:
            raise ConfigError(f"the option {name!r} of the address: {error}") from None
        if name in _SENTINEL_OPTIONS:
            target.sentinel_options[name.removeprefix("sentinel_")] = made
        else:
            target.options[name] = made
