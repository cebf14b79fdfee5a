"""A malformed address shows no user and no password: not in an error, a cause, a warning, a repr.

Users and passwords are of words that are told apart from all others, with what should have been
quoted in between: no word of them may be seen, however the address is cut.
"""

from __future__ import annotations

import random
import re
import traceback
import warnings
from urllib.parse import quote

import pytest

import orc
from orc.cli.main import main
from orc.config.environment import masked

SECRET = re.compile(r"zq\w", re.IGNORECASE)
SEPARATORS = [
    "",
    "@",
    ":",
    "/",
    "?",
    "#",
    "&",
    "=",
    ";",
    " ",
    ",",
    "%",
    "//",
    "://",
    "]",
    "[",
    "'",
    "\n",
    "é",
]
SCHEMES = [
    "redis", "rediss", "valkey", "redis+cluster", "rediss+cluster", "redis+sentinel", "unix",
    "dynamodb", "disk", "memory", "http", "REDIS", "redi", "",
]  # fmt: skip
TEMPLATES = [
    "{scheme}://{user}:{password}@host",
    "{scheme}://{user}:{password}@host:port",
    "{scheme}://{user}:{password}@host:99999/0",
    "{scheme}://:{password}@host/database",
    "{scheme}://{password}@host?db=x",
    "{scheme}://host?password={password}",
    "{scheme}://host?username={user}&password={password}&what=1",
    "{scheme}://{user}:{password}@host?budget=often",
    "{scheme}://{user}:{password}@host?{password}={password}",
    "{scheme}://{user}:{password}",
    "{scheme}:{user}:{password}@host",
    "{scheme}:/{user}:{password}@host",
    "{user}:{password}@host",
    "{user}:{password}",
    "{scheme}://table?endpoint={user}:{password}@host",
    "{scheme}://table?endpoint=http://{user}:{password}@host&region=a_b",
    "{scheme}://{user}:{password}@table?region=eu-west-1",
    "{scheme}://host/{password}@service",
    "{scheme}://one,{user}:{password}@two/name",
    "{scheme}://{user}:{password}@[::1/name",
    "{scheme}://{user}:{password}@host {scheme}://{user}:{password}@host",
    "memory:// {scheme}://{user}:{password}@host:x",
    "{scheme}://host?ssl_ca_certs=/{password}&sentinel_password={password}",
    "{scheme}://host#{password}",
]  # fmt: skip


def words(rng, letter):
    """Return a secret of several words."""
    made = "".join(
        f"zq{letter}{number}{rng.choice(SEPARATORS)}" for number in range(rng.randrange(1, 5))
    )
    return quote(made, safe="") if rng.random() < 0.3 else made


def ways():
    """Yield what takes an address."""
    yield "Cache(tiers=)", lambda address: orc.Cache(tiers=address, namespace="test")
    yield "Redis()", orc.Redis
    yield "DynamoDB()", orc.DynamoDB
    yield "DynamoDB(endpoint=)", lambda address: orc.DynamoDB("table", endpoint=address)
    yield "Disk()", lambda address: orc.Disk(address) if "://" in address else None


def all_that_is_said(work, address):
    """Return whatever is shown of an address by a call: text, causes, warnings, repr."""
    said = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            made = work(address)
        except Exception as error:  # noqa: BLE001 - it is what is judged
            lines = traceback.TracebackException.from_exception(error, lookup_lines=False)
            seen: list = [lines]
            while seen:
                each = seen.pop()
                said += list(each.format_exception_only())
                seen += [other for other in (each.__cause__, each.__context__) if other]
        else:
            said += [repr(made), str(made)]
    return said + [str(each.message) for each in caught]


@pytest.mark.parametrize("way", dict(ways()))
@pytest.mark.parametrize("seed", range(4))
def test_an_address_never_shows_its_user_or_its_password(way, seed):
    """Whatever is wrong with it, and however it is quoted."""
    rng = random.Random(seed)
    work = dict(ways())[way]
    for _ in range(500):
        address = rng.choice(TEMPLATES).format(
            scheme=rng.choice(SCHEMES), user=words(rng, "u"), password=words(rng, "p")
        )
        for said in all_that_is_said(work, address):
            assert not SECRET.search(said), (address, said)


@pytest.mark.parametrize("seed", range(2))
def test_the_environment_shows_neither(monkeypatch, seed):
    """``ORC_TIERS`` and the endpoint of AWS's own variables, when a cache is made of them."""
    rng = random.Random(100 + seed)
    for _ in range(300):
        address = (
            rng.choice(TEMPLATES)
            .format(scheme=rng.choice(SCHEMES), user=words(rng, "u"), password=words(rng, "p"))
            .replace("\0", "")
        )
        monkeypatch.setenv("ORC_TIERS", address)
        for said in all_that_is_said(lambda _: orc.Cache(namespace="test"), address):
            assert not SECRET.search(said), (address, said)


def test_the_command_line_shows_neither(capsys):
    """`orc bench` takes addresses, too."""
    rng = random.Random(7)
    for _ in range(60):
        address = rng.choice(TEMPLATES).format(
            scheme=rng.choice(SCHEMES), user=words(rng, "u"), password=words(rng, "p")
        )
        try:
            main(["bench", address, "--seconds", "nonsense"])
        except SystemExit:
            pass
        out, err = capsys.readouterr()
        assert not SECRET.search(out + err), (address, out, err)


def test_what_is_masked_still_says_where():
    """The host and the options that are no secrets."""
    assert (
        masked("redis://user:pass@host:1/2?db=3&password=x")
        == "redis://***@host:1/2?db=3&password=***"
    )
