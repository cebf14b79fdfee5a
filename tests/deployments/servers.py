"""Deployments as production has them: clusters with replicas, three Sentinels, TLS."""

from __future__ import annotations

import os
import socket
import subprocess
from asyncio import gather, run
from contextlib import contextmanager
from threading import Event, Thread

from orc.errors import TierError
from orc.lifecycle.clock import SYSTEM
from orc.model.row import Budget, Write
from orc.testing.servers.process import HOST, ServerProcess, accepts, free_port
from orc.testing.servers.valkey import Valkey, binary, command_line
from orc.tiers.guard import Guard
from orc.tiers.redis.tier import Redis

NODE_TIMEOUT = 1000
"""Milliseconds until the nodes of a cluster, or Sentinels, take a server for dead."""


def eventually(true, within=20.0):
    """Wait until something is true; return how long that took."""
    began = SYSTEM.monotonic()
    while True:
        try:
            if true():
                return SYSTEM.monotonic() - began
        except OSError:
            pass
        assert SYSTEM.monotonic() - began < within, "it never came true"
        Event().wait(0.01)


def ask(server, *words, **options):
    """Have a server do something, and return its reply."""
    import redis

    settings = {"host": HOST, "port": server.port, "socket_timeout": 5}
    with redis.Redis(**settings, **server_options(server), **options) as client:
        return client.execute_command(*words)


def is_master(server):
    """Tell whether a server takes itself for a master."""
    return ask(server, "ROLE")[0] == b"master"


def server_options(server):
    """Return what redis-py needs beside the port."""
    return getattr(server, "tls_options", {})


@contextmanager
def served(answer):
    """Serve connections in a thread, each by `answer(connection)`; return the port."""
    with socket.create_server((HOST, 0)) as server:
        kept = []

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                kept.append(connection)
                Thread(target=quietly, args=(connection,), daemon=True).start()

        def quietly(connection):
            try:
                answer(connection)
            except OSError:
                pass

        Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        for each in kept:
            each.close()


KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
SIGNER = ["-addext", "keyUsage=critical,keyCertSign", "-subj", "/CN=tests"]


def openssl(folder, *words):
    """Run openssl in a folder."""
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)  # noqa: S607


def certify(folder):
    """Make an authority in a folder, and a certificate of it for 127.0.0.1."""
    # All that X.509 asks for, since CPython 3.13 insists on it (VERIFY_X509_STRICT).
    (folder / "names").write_text(
        "subjectAltName=IP:127.0.0.1\n"
        "keyUsage=critical,digitalSignature\n"
        "subjectKeyIdentifier=hash\n"
        "authorityKeyIdentifier=keyid:always\n"
    )
    openssl(folder, "req", "-x509", *KEY, "-keyout", "ca.key", "-out", "ca.pem", *SIGNER)
    openssl(folder, "req", *KEY, "-keyout", "server.key", "-out", "request", "-subj", "/CN=server")
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"]
    openssl(folder, "x509", "-req", "-in", "request", *signed, "-out", "server.pem")


class TlsServer(ServerProcess):
    """A Redis that speaks TLS only."""

    def __init__(self, program, certificates, **options):
        self.port = free_port()
        self.tls_options = {"ssl": True, "ssl_ca_certs": f"{certificates}/ca.pem"}
        line = command_line(
            program,
            self.port,
            {
                "port": 0,
                "tls_port": self.port,
                "tls_cert_file": certificates / "server.pem",
                "tls_key_file": certificates / "server.key",
                "tls_ca_cert_file": certificates / "ca.pem",
                "tls_auth_clients": "no",
                **options,
            },
        )
        super().__init__(line, lambda: accepts(self.port))


class Cluster:
    """Masters with a third of the slots each, and a replica of each behind them."""

    def __init__(self, servers, replicas):
        self.servers = servers
        number = len(servers) - replicas
        self.masters, self.replicas = servers[:number], servers[number:]
        for place, server in enumerate(self.masters):
            first, last = place * 16_384 // number, (place + 1) * 16_384 // number - 1
            ask(server, "CLUSTER", "SET-CONFIG-EPOCH", place + 1)
            ask(server, "CLUSTER", "ADDSLOTSRANGE", first, last)
        eventually(self._met, 40.0)
        for master, replica in zip(self.masters, self.replicas, strict=False):
            eventually(lambda m=master, r=replica: self._follow(r, m))
        for server in servers:
            eventually(lambda server=server: self._formed(server))

    def _met(self):
        """Have the servers meet, again if need be: one that was busy forgets that it was to."""
        for server in self.servers[1:]:
            ask(server, "CLUSTER", "MEET", HOST, self.servers[0].port)
        began = SYSTEM.monotonic()
        while SYSTEM.monotonic() - began < 5:
            if all(len(self._known(each)) == len(self.servers) for each in self.servers):
                return True
            Event().wait(0.01)
        return False

    @staticmethod
    def _known(server):
        return [each for each in str(ask(server, "CLUSTER", "NODES")).split("@") if each][1:]

    @staticmethod
    def _follow(replica, master):
        import redis

        try:
            ask(replica, "CLUSTER", "REPLICATE", ask(master, "CLUSTER", "MYID"))
        except redis.ResponseError:
            return False  # it has not heard of its master yet
        return True

    def _formed(self, server):
        slots = ask(server, "CLUSTER", "SLOTS")
        whole = "cluster_state:ok" in str(ask(server, "CLUSTER", "INFO"))
        with_replicas = all(len(each) >= 3 + bool(self.replicas) for each in slots)
        linked = server not in self.replicas or ask(server, "ROLE")[3] == b"connected"
        return whole and len(slots) == len(self.masters) and with_replicas and linked

    def url(self, *seeds):
        """Return the address with these servers as seeds; with all masters unless told."""
        hosts = ",".join(f"{HOST}:{each.port}" for each in seeds or self.masters)
        authority = server_options(self.servers[0]).get("ssl_ca_certs")
        if authority:
            return f"rediss+cluster://{hosts}?ssl_ca_certs={authority}"
        return f"redis+cluster://{hosts}"


class Sentinels:
    """A master, its replica, and three Sentinels."""

    def __init__(self, stack):
        self.master = stack.enter_context(Valkey())
        self.replica = stack.enter_context(Valkey(replicaof=[HOST, self.master.port]))
        eventually(lambda: ask(self.replica, "ROLE")[3] == b"connected")
        self.sentinels = []
        for _ in range(3):
            port = free_port()
            written = (
                f"port {port}\nbind {HOST}\nsentinel monitor main {HOST} {self.master.port} 2\n"
                f"sentinel down-after-milliseconds main {NODE_TIMEOUT}\n"
                "sentinel failover-timeout main 3000\n"
            )
            files = {"s.conf": written.encode()}
            line = [binary(), "s.conf", "--sentinel"]
            made = ServerProcess(line, lambda port=port: accepts(port), files=files)
            made.port = port
            self.sentinels.append(stack.enter_context(made))
        for each in self.sentinels:
            eventually(lambda each=each: len(ask(each, "SENTINEL", "SENTINELS", "main")) == 2)
            eventually(lambda each=each: len(ask(each, "SENTINEL", "REPLICAS", "main")) == 1)

    def url(self):
        """Return the address."""
        hosts = ",".join(f"{HOST}:{each.port}" for each in self.sentinels)
        return f"redis+sentinel://{hosts}/main"


class Clock:
    """The machine's clock, with a freeze of the process behind it."""

    def __init__(self):
        self.frozen = 0.0

    def monotonic(self):
        """Return the seconds of the monotonic clock, which stands still in a freeze."""
        return SYSTEM.monotonic()

    def wall(self):
        """Return the seconds since the epoch."""
        return SYSTEM.wall() + self.frozen


class User:
    """A guarded tier, as a cache has it, and rows in it."""

    def __init__(self, url, number=300, clock=SYSTEM):
        self.tier = Redis(url)
        self.clock = clock
        self.guard = Guard(self.tier, clock, lambda: None)
        self.addresses = [f"orc1:deployment:{n}" for n in range(number)]

    def fill(self):
        """Write all rows."""
        writes = [Write(each, b"v", os.urandom(12), 600) for each in self.addresses]
        eventually(
            lambda: all(one is True for one in self.tier.set_many(writes, Budget(SYSTEM, 5)))
        )

    def count(self, way):
        """Return how many rows are found: one by one, at once, or by coroutines."""
        if way == "coroutines":
            return run(self.afound())
        return self.found_at_once() if way == "at once" else self.found()

    def found(self):
        """Return how many rows are found, each by a call of its own."""
        return sum(self._is_found([address]) for address in self.addresses)

    def found_at_once(self):
        """Return how many rows are found by one call."""
        return self._is_found(self.addresses)

    def _is_found(self, addresses):
        try:
            rows = self.guard.get_many(addresses, Budget(self.clock, 1))
        except TierError:
            return 0
        return sum(getattr(row, "payload", None) == b"v" for row in rows)

    async def afound(self):
        """Return how many rows are found by coroutines, some at a time."""
        total = 0
        for n in range(0, len(self.addresses), 10):
            total += sum(await gather(*map(self._a_is_found, self.addresses[n : n + 10])))
        return total

    async def _a_is_found(self, address):
        try:
            (row,) = await self.guard.aget_many([address], Budget(self.clock, 1))
        except TierError:
            return 0
        return getattr(row, "payload", None) == b"v"

    async def afound_at_once(self):
        """Return how many rows are found by one call of a coroutine."""
        try:
            rows = await self.guard.aget_many(self.addresses, Budget(self.clock, 1))
        except TierError:
            return 0
        return sum(getattr(row, "payload", None) == b"v" for row in rows)

    def close(self):
        """Let go of the connections."""
        self.tier.close()
