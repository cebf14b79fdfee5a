"""TLS costs handshakes, and nothing else: rows that are there are found from the first call on."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest

from orc.errors import TierRefusedError
from orc.testing.servers.process import HOST
from orc.tiers.redis.tier import Redis
from orc.tiers.redis.tls import context_for
from orc.tiers.redis.url import parse
from tests.deployments.servers import Clock

ROOT = Path(__file__).parents[2]
PERIOD = 0.1
"""Seconds in which a process runs for its share, as the kernel gives a container its quota."""


def read(url, *words, share=1.0):
    """Run a reader in a process of its own, for so much of the time; return what it printed."""
    line = [sys.executable, "-m", "tests.deployments.reader", url, *words]
    pause = Event()
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            while share < 1 and process.poll() is None:
                pause.wait(PERIOD * share)
                process.send_signal(signal.SIGSTOP)
                pause.wait(PERIOD * (1 - share))
                process.send_signal(signal.SIGCONT)
            printed, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0
    return json.loads(printed)


_filled = set()


@pytest.fixture
def filled(tls_server, certificates):
    """Return the address of a server with TLS, which has the rows of the readers."""
    url = f"rediss://{HOST}:{tls_server.port}?ssl_ca_certs={certificates}/ca.pem"
    if url not in _filled:
        assert read(url, "fill", "1", "0", "cold")["loads"] > 0
        _filled.add(url)
    return url


def check(*words, **options):
    """Have 99 of 100 values found. Of two processes one will do: this machine has other work."""
    for _ in range(2):
        seen = read(*words, **options)
        assert seen["asked"] > 0
        if seen["loads"] <= seen["asked"] / 100:
            return
    raise AssertionError(seen)


@pytest.mark.parametrize("warm", ["cold", "prewarmed"])
@pytest.mark.parametrize("at_once", [1, 4, 16, 64])
@pytest.mark.parametrize("way", ["coroutines", "threads"])
def test_rows_are_found_in_a_new_process(filled, way, at_once, warm):
    """Whatever asks first, and however many of them."""
    check(filled, way, str(at_once), "0.3", warm)


@pytest.mark.once
@pytest.mark.parametrize("warm", ["cold", "prewarmed"])
@pytest.mark.parametrize("at_once", [1, 4, 16])
@pytest.mark.parametrize("way", ["coroutines", "loops"])
def test_rows_are_found_with_a_share_of_a_processor(filled, way, at_once, warm):
    """With 29 % of it, as a function of 512 MB has."""
    check(filled, way, str(at_once), "2", warm, share=0.29)


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("way", ["at once", "one by one", "coroutine", "coroutines"])
def test_a_cluster_by_one_address(tls_cluster, user, way, warm):
    """All 100 rows are found at once, by the first call, and again after a freeze."""
    clock = Clock()
    url = tls_cluster.url(tls_cluster.masters[0])
    user(url, 100).fill()
    made = user(url, 100, clock)
    found = {
        "at once": lambda runner: made.found_at_once(),
        "one by one": lambda runner: made.found(),
        "coroutine": lambda runner: runner.run(made.afound_at_once()),
        "coroutines": lambda runner: runner.run(made.afound()),
    }[way]
    if warm:
        made.guard.prewarm()
    with asyncio.Runner() as runner:
        assert found(runner) == 100
        assert found(runner) == 100
        clock.frozen += 61
        assert found(runner) == 100
        assert made.guard.counts()["opened"] == 0


def test_authorities_are_read_once(filled, monkeypatch):
    """Threads and coroutines share one context, made before the first call."""
    made = []
    real = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lambda **k: made.append(k) or real(**k))
    tier = Redis(filled)
    tier.load()
    assert len(made) == 1
    tier.prewarm()
    tier.load()
    assert tier._threads._tls is tier._coroutines._tls is not None
    assert len(made) == 1
    tier.close()


@pytest.mark.parametrize(
    ("options", "mode", "checked"),
    [
        ("", ssl.CERT_REQUIRED, True),
        ("?ssl_cert_reqs=optional", ssl.CERT_OPTIONAL, True),
        ("?ssl_check_hostname=false", ssl.CERT_REQUIRED, False),
        ("?ssl_cert_reqs=none", ssl.CERT_NONE, False),
    ],
)
def test_a_context_is_as_the_address_says(options, mode, checked):
    """What is checked of the server's certificate."""
    context = context_for(parse(f"rediss://{HOST}{options}"))
    assert context.verify_mode is mode
    assert context.check_hostname is checked


def test_an_address_that_names_authorities_trusts_no_other(redis_server, certificates):
    """Those of the system are not read then."""
    context = context_for(parse(f"rediss://{HOST}?ssl_ca_certs={certificates}/ca.pem"))
    assert len(context.get_ca_certs()) == 1
    assert context_for(parse(f"redis://{HOST}")) is None


def test_a_key_with_a_password_asks_nobody(redis_server, certificates):
    """A password that is missing is an error, and no question on the terminal."""
    subprocess.run(
        ["openssl", "ec", "-aes128", "-passout", "pass:s3cret", "-in", "server.key",  # noqa: S607
         "-out", "locked.key"],
        cwd=certificates, check=True, capture_output=True,
    )  # fmt: skip
    own = f"ssl_certfile={certificates}/server.pem&ssl_keyfile={certificates}/locked.key"
    with pytest.raises(TierRefusedError, match=r"locked\.key.*needs ssl_password"):
        context_for(parse(f"rediss://{HOST}?{own}"))
    assert context_for(parse(f"rediss://{HOST}?{own}&ssl_password=s3cret"))


@pytest.mark.parametrize("kind", ["single", "cluster"])
def test_prewarm_connects_for_the_loop_that_runs(filled, tls_cluster, budget_of, kind):
    """Its task has a connection to each server before the first call, which then uses it."""
    tier = Redis(filled if kind == "single" else tls_cluster.url())

    async def story():
        tier.prewarm()
        await asyncio.gather(*tier._coroutines._warming)
        (mine,) = tier._coroutines._loops.values()
        before = {node: waiting[0][1] for node, waiting in mine.idle._waiting.items()}
        await tier.aget_many([f"orc1:warm:{n}" for n in range(64)], budget_of(5))
        after = {node: waiting[0][1] for node, waiting in mine.idle._waiting.items()}
        return before, after

    before, after = asyncio.run(story())
    assert len(before) == (1 if kind == "single" else 3)
    assert before == after
    tier.close()
