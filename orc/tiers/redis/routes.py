"""Which route leads to the servers of a deployment."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from orc.tiers.redis.cluster import Cluster
    from orc.tiers.redis.sentinel import Master
    from orc.tiers.redis.single import Single
    from orc.tiers.redis.url import Target


def route_for(target: Target) -> Single | Master | Cluster:
    """Return the route to a target: one server, the master of a service, or a cluster's nodes."""
    if target.kind == "cluster":
        from orc.tiers.redis.cluster import Cluster

        return Cluster(target)
    if target.kind == "sentinel":
        from orc.tiers.redis.sentinel import Master

        return Master(target)
    from orc.tiers.redis.single import Single

    return Single(target)
