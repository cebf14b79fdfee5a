"""The Redis tier keeps the contract of a tier, against a real server."""

from __future__ import annotations

import threading

import pytest

from orc.testing.conformance import TierConformance
from orc.testing.servers.valkey import Valkey
from orc.tiers.redis.tier import Redis


@pytest.fixture(scope="module")
def server():
    with Valkey() as running:
        yield running


class TestRedis(TierConformance):
    """The server has a clock of its own, so a little time passes for real."""

    tick = 0.05

    @pytest.fixture
    def pass_time(self):
        return lambda seconds: threading.Event().wait(seconds + 0.005)

    @pytest.fixture
    def make_tier(self, server):
        import redis

        with redis.Redis.from_url(server.url) as client:
            client.flushall()
        return lambda: Redis(server.url)


class TestRedisWithoutItsServer(TierConformance):
    """What is left of the contract when the server is killed."""

    @pytest.fixture
    def victim(self):
        with Valkey() as running:
            yield running

    @pytest.fixture
    def make_tier(self, victim):
        return lambda: Redis(victim.url)

    @pytest.fixture
    def break_backend(self, victim):
        return victim.kill


# Only what needs a server of its own, which is slow to start.
for _name in [each for each in dir(TestRedisWithoutItsServer) if each.startswith("test_")]:
    if _name not in {"test_without_its_store", "test_a_removal_that_failed_is_told"}:
        setattr(TestRedisWithoutItsServer, _name, None)
