"""A server that hangs is left: another is asked which took over, and those that hung come last."""

from __future__ import annotations

import pytest

from tests.deployments.servers import eventually, is_master

AFTER = 2.0 + 1.5
"""Seconds after the servers' own fail-over, or from the first call on, until all is found; and
what a busy machine may add."""

WAYS = ["one by one", "at once", "coroutines"]


def fail_over(made, way, replica):
    """Ask until a replica has taken over; return the least that was found meanwhile."""
    least = made.count(way)

    def taken_over():
        nonlocal least
        least = min(least, made.count(way))
        return is_master(replica)

    eventually(taken_over)
    return least


@pytest.mark.parametrize("way", WAYS)
def test_a_frozen_master_of_a_cluster_is_left(cluster, user, way):
    """Every row is found soon after its replica took over, and those of other nodes meanwhile."""
    made = user(cluster.url())
    made.fill()
    assert made.count(way) == 300
    cluster.masters[1].freeze()
    assert 100 < fail_over(made, way, cluster.replicas[1]) < 300
    eventually(lambda: made.count(way) == 300, AFTER)


@pytest.mark.once
def test_the_only_seed_that_is_frozen_is_left(cluster, user):
    """A tier that knows the cluster by one seed goes on by the nodes that this one named."""
    made = user(cluster.url(cluster.masters[0]))
    made.fill()
    assert made.found() == 300
    cluster.masters[0].freeze()
    fail_over(made, "one by one", cluster.replicas[0])
    eventually(lambda: made.found() == 300, AFTER)


@pytest.mark.once
def test_a_killed_master_of_a_cluster_is_left(cluster, user):
    """The same for one that is gone, whose host refuses connections."""
    made = user(cluster.url())
    made.fill()
    cluster.masters[2].kill()
    assert 100 < fail_over(made, "one by one", cluster.replicas[2]) < 300
    eventually(lambda: made.found() == 300, AFTER)


@pytest.mark.parametrize("way", WAYS)
def test_a_seed_that_is_frozen_at_the_start_is_left(cluster, user, way):
    """The second is asked, though the first accepts connections and says nothing."""
    first = user(cluster.url())
    first.fill()
    cluster.replicas[0].freeze()
    made = user(cluster.url(cluster.replicas[0], cluster.masters[1]))
    eventually(lambda: made.count(way) == 300, AFTER)


@pytest.mark.parametrize("way", ["one by one", "coroutines"])
def test_a_frozen_master_under_sentinel_is_left(sentinels, user, way):
    """Every row is found soon after the Sentinels named another master."""
    made = user(sentinels.url(), 50)
    made.fill()
    eventually(lambda: made.count(way) == 50)
    sentinels.master.freeze()
    assert fail_over(made, way, sentinels.replica) == 0
    eventually(lambda: made.count(way) == 50, AFTER)


@pytest.mark.parametrize("when", ["at the start", "with the master"])
def test_a_frozen_sentinel_is_left(sentinels, user, when):
    """Another Sentinel is asked."""
    made = user(sentinels.url(), 50)
    made.fill()
    sentinels.sentinels[0].freeze()
    if when == "with the master":
        sentinels.master.freeze()
        fail_over(made, "one by one", sentinels.replica)
    else:
        made = user(sentinels.url(), 50)
    eventually(lambda: made.found() == 50, AFTER)


@pytest.mark.parametrize("kind", ["cluster", "sentinels"])
def test_an_outage_of_one_server_is_told_with_its_address(kind, request, user, caplog):
    """Once, by the logger; and its end, be it that another server has taken over."""
    caplog.set_level("INFO", "orc")
    servers = request.getfixturevalue(kind)
    made = user(servers.url(), 50)
    made.fill()
    eventually(lambda: made.found() == 50)
    caplog.clear()
    server, replica = (
        (servers.masters[1], servers.replicas[1])
        if kind == "cluster"
        else (servers.master, servers.replica)
    )
    server.freeze()
    fail_over(made, "one by one", replica)
    eventually(lambda: made.found() == 50, AFTER)
    told = [(each.levelname, each.host) for each in caplog.records if each.name == "orc"]
    assert told == [("WARNING", f"127.0.0.1:{server.port}"), ("INFO", f"127.0.0.1:{server.port}")]
