"""How long a fail-over takes: ``python -m tests.deployments.fail_over``.

It stops a master in four ways, and prints when the servers had a new one, and when every row was
found. All seconds are from the moment at which the master was stopped.
"""

from __future__ import annotations

from contextlib import ExitStack

from orc.lifecycle.clock import SYSTEM
from orc.testing.servers.valkey import Valkey
from tests.deployments.servers import NODE_TIMEOUT, Cluster, Sentinels, User, is_master

OPTIONS = {
    "cluster_enabled": "yes",
    "cluster_node_timeout": NODE_TIMEOUT,
    "cluster_require_full_coverage": "no",
}


def measure(kind, how):
    """Return both times, and the longest that one read of a single row took."""
    with ExitStack() as stack:
        if kind == "cluster":
            made = Cluster([stack.enter_context(Valkey(**OPTIONS)) for _ in range(6)], 3)
            master, replica, number = made.masters[1], made.replicas[1], 300
        else:
            made = Sentinels(stack)
            master, replica, number = made.master, made.replica, 50
        user = User(made.url(), number)
        user.fill()
        assert user.found() == number
        (master.freeze if how == "frozen" else master.kill)()
        stopped = SYSTEM.monotonic()
        new_master, longest = None, 0.0
        while True:
            began = SYSTEM.monotonic()
            found = user.found()
            longest = max(longest, SYSTEM.monotonic() - began)
            if new_master is None and is_master(replica):
                new_master = SYSTEM.monotonic() - stopped
            if new_master is not None and found == number:
                user.close()
                return new_master, SYSTEM.monotonic() - stopped, longest


def main():
    """Print a line for each way."""
    print(f"{'':24}{'new master':>12}{'all found':>12}{'longest read of all rows':>28}")  # noqa: T201
    for kind in ("cluster", "Sentinel"):
        for how in ("frozen", "killed"):
            new_master, found, longest = measure(kind, how)
            name = f"{kind}, master {how}"
            print(f"{name:24}{new_master:10.1f} s{found:10.1f} s{longest:26.2f} s")  # noqa: T201


if __name__ == "__main__":
    main()
