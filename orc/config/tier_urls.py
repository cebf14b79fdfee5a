"""Addresses of tiers, as ``ORC_TIERS`` has them, into tiers.

::

    memory://?max_bytes=10%, disk://?max_bytes=256mb, rediss://cache:6379/0, dynamodb://table?region=eu-west-1
"""

from __future__ import annotations

from orc.config.environment import masked
from orc.config.values import size_bytes, time_span
from orc.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from orc.model.ports import Tier

SCHEMES = (
    "memory",
    "disk",
    "redis",
    "rediss",
    "unix",
    "redis+cluster",
    "rediss+cluster",
    "redis+sentinel",
    "rediss+sentinel",
    "dynamodb",
)

LONGEST_SHOWN = 15
"""Letters of a wrong scheme."""

_REMOTE: dict[str, Callable[[str], Any]] = {
    "budget": time_span,
    "max_value_bytes": size_bytes,
    "name": str,
}


class TierUrl:
    """One address: a scheme, what stands between it and the question mark, and the options."""

    __slots__ = ("place", "query", "scheme", "text")

    def __init__(self, text: str) -> None:
        scheme, mark, rest = text.partition("://")
        self.text = text
        self.scheme = scheme.lower().replace("valkey", "redis")
        self.place, _, query = rest.partition("?")
        self.query = [part for part in query.split("&") if part]
        if not mark or self.scheme not in SCHEMES:
            # What stands there is not shown: it may be a user, or half of a password.
            known = ", ".join(f"{each}://" for each in SCHEMES)
            shown = f"the scheme {self.scheme}://" if mark and is_word(self.scheme) else "no scheme"
            raise ConfigError(f"a tier's address has {shown}: known are {known}")

    def __repr__(self) -> str:
        return f"<TierUrl {masked(self.text)}>"

    def take(self, known: Mapping[str, Callable[[str], Any]], *, rest: bool = False) -> Any:
        """Take the options that are `known` off the query, and return their values by name.

        Unless the `rest` is somebody else's to read, what is left over is an error.
        """
        from urllib.parse import unquote

        if any("@" in part for part in self.query):
            raise ConfigError(
                f"{self.scheme}:// has an '@' behind the question mark: write a '?' in a password "
                "as %3F, and an '@' in an option as %40"
            )
        taken: dict[str, Any] = {}
        left: list[str] = []
        for part in self.query:
            name, _, text = part.partition("=")
            if name not in known:
                left.append(part)
                continue
            if name in taken:
                raise ConfigError(f"{self.scheme}:// has the option {name!r} twice")
            try:
                taken[name] = known[name](unquote(text))
            except ValueError:
                pass
            if name not in taken:  # raised here, the error has no context with the text in it
                raise ConfigError(
                    f"{self.scheme}://: the option {name}={masked(unquote(text))[:60]!r} is not "
                    f"allowed: {_WANTED.get(name, 'see the reference')}"
                )
        self.query = left
        if left and not rest:
            near = near_names(left[0].partition("=")[0], known)
            raise ConfigError(
                f"{self.scheme}:// has an option that is not known{near}: there are "
                f"{', '.join(known)}"
            )
        return taken

    @property
    def url(self) -> str:
        """The address again, without the options that were taken."""
        return f"{self.scheme}://{self.place}" + ("?" + "&".join(self.query) if self.query else "")


def is_word(scheme: str) -> bool:
    """Tell whether a wrong scheme may be shown: it is no user and no password."""
    return len(scheme) <= LONGEST_SHOWN and scheme.replace("+", "").isalpha()


def near_names(text: str, known: Iterable[str]) -> str:
    """Return a question for those known names that a text is near to: the text is not shown."""
    from difflib import get_close_matches

    near = get_close_matches(text, list(known), n=2, cutoff=0.7)
    return f" (did you mean {' or '.join(near)}?)" if near else ""


def _region(text: str) -> str:
    if not text.replace("-", "").isalnum():
        raise ValueError(text)
    return text


def _endpoint(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError(text)
    return text


_WANTED = {
    "region": "give the name of a region, such as eu-west-1",
    "endpoint": "give an address, such as http://localhost:8000",
    "budget": "give seconds (`0.05`) or milliseconds (`50ms`), more than 0",
    "max_bytes": "give a positive number of bytes, with a unit if you like (`64mb`)",
    "max_value_bytes": "give a positive number of bytes, with a unit if you like (`1mb`)",
    "max_items": "give a positive number",
}


def read(text: str) -> list[TierUrl]:
    """Read a list of addresses, with commas or spaces in between; the nearest tier first.

    A comma that no scheme follows belongs to the address: Sentinels and clusters have several
    hosts. Raises ``ConfigError`` that names the part, and shows no secret.
    """
    addresses: list[str] = []
    after_comma = True
    for part in text.replace(",", " , ").split():
        if part == ",":
            after_comma = True
            continue
        if "://" in part or not addresses:
            addresses.append(part)
        elif after_comma:
            addresses[-1] += f",{part}"
        else:
            raise ConfigError(  # neither half is shown: they may be of a password
                "a space stands in a tier's address: write it as %20, or name a tier behind it, "
                "such as redis://host"
            )
        after_comma = False
    urls = [TierUrl(each) for each in addresses]
    if not urls:
        raise ConfigError("ORC_TIERS is empty: leave it out, or name a tier, such as redis://host")
    if any(url.scheme == "memory" for url in urls[1:]):
        raise ConfigError("memory:// is the nearest tier: name it first, and once")
    return urls


def memory_options(url: TierUrl) -> dict[str, str]:
    """Return the options of ``memory://`` as texts, named as the settings of memory are."""
    _no_place(url)
    names = ("max_bytes", "max_items", "max_value_bytes", "policy")
    taken = url.take(dict.fromkeys(names, str))
    return {f"memory_{name}": text for name, text in taken.items()}


def tier_of(url: TierUrl) -> Tier:
    """Make the tier of an address; nothing is imported that it needs, or connected.

    Raises ``ConfigError`` for what it cannot be made of.
    """
    if url.scheme == "disk":
        from orc.tiers.disk.tier import Disk

        options = url.take({"max_bytes": size_bytes})
        return Disk(url.place or None, **options)
    if url.scheme == "dynamodb":
        from orc.tiers.dynamodb.tier import DynamoDB

        options = url.take({"region": _region, "endpoint": _endpoint, **_REMOTE})
        if not url.place:
            raise ConfigError("dynamodb:// names no table: dynamodb://table?region=eu-west-1")
        return DynamoDB(url.place, **options)
    from orc.tiers.redis.tier import Redis

    options = url.take(_REMOTE, rest=True)
    return Redis(url.url, **options)


def _no_place(url: TierUrl) -> None:
    if url.place:
        raise ConfigError(f"{url.scheme}:// takes no host and no path: write options behind a '?'")


def tiers_of(urls: Sequence[TierUrl]) -> list[Tier]:
    """Make the tiers behind memory."""
    return [tier_of(url) for url in urls if url.scheme != "memory"]
