"""docs/reference/tiers.md has every scheme, every option and every default of addresses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import orc
from orc.config.settings import Settings
from orc.config.tier_urls import SCHEMES, memory_options, read, tier_of, tiers_of
from orc.config.values import size_bytes, time_span
from orc.errors import ConfigError

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "tiers.md").read_text("utf-8")
INTRODUCTION, *SECTIONS = re.split(r"^## ", PAGE, flags=re.MULTILINE)
SAMPLES = {
    "memory": "memory://",
    "disk": "disk:///mnt/cache",
    "redis": "redis://host",
    "rediss": "rediss://host",
    "unix": "unix:///run/valkey.sock",
    "redis+cluster": "redis+cluster://host",
    "rediss+cluster": "rediss+cluster://host",
    "redis+sentinel": "redis+sentinel://host/main",
    "rediss+sentinel": "rediss+sentinel://host/main",
    "dynamodb": "dynamodb://table",
}
VALUES = {
    "budget": "20ms",
    "db": "0",
    "endpoint": "http://localhost:8000",
    "max_bytes": "8mb",
    "max_items": "7",
    "max_value_bytes": "64kb",
    "policy": "s3fifo",
    "ssl_cert_reqs": "optional",
    "ssl_check_hostname": "false",
}


def rows(text: str) -> dict[str, str]:
    """Return the first two cells of a table's rows whose first cell is code."""
    found = re.findall(r"^\| `([^`|]+)` \| ([^|]+) \|", text, flags=re.MULTILINE)
    return {name: cell.strip() for name, cell in found}


def section(scheme: str) -> str:
    """Return the part of the page that is about a scheme: by its heading, or by an "Also"."""
    mine = f"`{scheme}://`"
    (text,) = [
        each
        for each in SECTIONS
        if each.startswith(mine)
        or any(mine in also for also in re.findall(r"^Also [^.]+\.", each, re.MULTILINE))
    ]
    return text


def options(scheme: str) -> set[str]:
    """Return the options that the page gives to a scheme, those of other schemes included."""
    text = section(scheme)
    others = re.findall(r"`([^`]+)://`", "".join(re.findall(r"The options of .+", text)))
    return set(rows(text)).union(*(options(other) for other in others))


def make(address: str) -> object:
    """Read one address, and make what it names."""
    (url,) = read(address)
    return memory_options(url) if url.scheme == "memory" else tier_of(url)


def known(scheme: str) -> set[str]:
    """Return the options that an address of that scheme may have, as its error lists them."""
    with pytest.raises(ConfigError, match="there are ") as caught:
        make(f"{SAMPLES[scheme]}?unheard_of=1")
    listed = set(str(caught.value).rpartition("there are ")[2].split(", "))
    if "redis" in scheme or scheme == "unix":
        listed |= {"budget", "max_value_bytes", "name"}  # taken off before the rest is read
    return listed


def test_every_scheme_is_on_the_page() -> None:
    """The table of schemes has those that are known, and no other."""
    listed = [name.removesuffix("://") for name in rows(INTRODUCTION)]
    assert listed == list(SCHEMES) == list(SAMPLES)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_option_is_on_the_page(scheme: str) -> None:
    """An address takes the options that the page gives to its scheme, and lists no other."""
    assert options(scheme) == known(scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_option_on_the_page_is_taken(scheme: str) -> None:
    """Each of them is accepted, with a value of the kind that the page says."""
    for name in options(scheme):
        make(f"{SAMPLES[scheme]}?{name}={VALUES.get(name, 'text')}")


def test_defaults_are_those_of_the_tiers() -> None:
    """What the page calls a default is what a tier has without the option."""
    defaults = {scheme: rows(section(scheme)) for scheme in ("memory", "disk", "redis", "dynamodb")}

    def said(scheme: str, name: str) -> str:
        return defaults[scheme][name].strip("`")

    for scheme, tier in (("redis", orc.Redis("redis://host")), ("dynamodb", orc.DynamoDB("table"))):
        assert time_span(said(scheme, "budget")) == tier.budget
        assert size_bytes(said(scheme, "max_value_bytes")) == tier.max_value_bytes
        assert said(scheme, "name") == tier.name
    assert size_bytes(said("disk", "max_bytes")) == orc.Disk("/mnt/cache").max_bytes
    settings = Settings({})
    assert said("memory", "max_bytes") == settings["memory_max_bytes"]
    assert said("memory", "policy") == settings["memory_policy"]
    assert settings["memory_max_items"] is settings["memory_max_value_bytes"] is None


def test_addresses_on_the_page_are_read() -> None:
    """Each address that is given in full can be made a tier of; so can the list of four."""
    (listed,) = re.findall(r"^ORC_TIERS=(.+)$", PAGE, flags=re.MULTILINE)
    assert [type(tier).__name__ for tier in tiers_of(read(listed))] == ["Disk", "Redis", "DynamoDB"]
    schemes = "|".join(map(re.escape, SCHEMES))
    examples = set(re.findall(rf"`((?:{schemes})://[^`]+)`", PAGE))
    assert len(examples) >= 3
    for each in examples:
        make(each)
    for place in ("host:7000,host:7001", "host:26379,host:26379/main"):
        assert f"`{place}`" in PAGE
        make(f"redis+{'sentinel' if '/' in place else 'cluster'}://{place}")
    make("valkeys+cluster://host")


def test_escapes_are_as_the_page_says() -> None:
    """A percent sign, an ampersand and a comma can be in the value of an option."""
    assert "`%25`" in PAGE
    assert "`%26`" in PAGE
    assert "`%2C`" in PAGE
    tier = make("redis://host?name=a%26b%2Cc%25")
    assert getattr(tier, "name", "") == "a&b,c%"
