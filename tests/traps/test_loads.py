"""Loads that do not end as planned, in real runtime processes."""

from __future__ import annotations

import pytest

from orc.testing.servers.valkey import Valkey


@pytest.fixture(scope="module")
def valkey():
    """Return a Valkey for the tests of this file."""
    with Valkey() as server:
        yield server


def test_a_load_that_was_frozen_in_the_init_is_not_followed(fleet_of):
    """A provisioned container waits an hour for its first request, which loads for itself."""
    with fleet_of("loads.age", mode="provisioned", env={"PREFETCH": "1"}) as fleet:
        (ahead,) = fleet.start(1)
        assert ahead.state == "frozen"
        ahead.advance(3600)
        answer = fleet.invoke({}, container=ahead)
        assert answer.error is None
        assert answer.value < 60


@pytest.mark.parametrize("who", ["the same container", "another container"])
def test_what_a_request_gave_up_keeps_no_other_one_waiting(fleet_of, valkey, who):
    """Neither the next one in this container, nor one in another, though Redis had its claim."""
    import redis

    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    env = {"ORC_TIERS": valkey.url, "ORC_NAMESPACE": "shop"}
    with (
        fleet_of("loads.patient", env=env | {"SLOW": "1"}, timeout=10) as first,
        fleet_of("loads.patient", env=env, timeout=10) as other,
    ):
        assert first.invoke({"patience": 0.3}).value[0] == "gave up"
        asked = first if who == "the same container" else other
        value, seconds = asked.invoke({"patience": 5}).value
        assert value[1] == "k"
        assert seconds < 1  # of which the first connection takes the most
