"""Addresses that are nearly right are refused by name, with what to write instead, once."""

from __future__ import annotations

import asyncio
import socket
import warnings

import pytest
import redis
import redis.asyncio

import orc
from orc.errors import OrcWarning, TierRefusedError, TierUnavailableError
from orc.lifecycle.clock import SYSTEM
from orc.model.row import Budget, Claim, Write
from orc.testing.servers.process import HOST, ServerProcess, accepts, free_port
from orc.testing.servers.valkey import Valkey, binary
from orc.tiers.redis.tier import Redis
from tests.deployments.servers import served

USES = ["prewarm", "calls", "coroutines"]


def use(address, way):
    """Make a cache of an address, and use it; return the warnings of ORC."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tier = Redis(address)
        cache = orc.Cache(tiers=[tier], namespace="addresses")

        @cache.cached(namespace="load")
        def load(number):
            return number

        @cache.cached(namespace="aload")
        async def aload(number):
            return number

        async def calls():
            for number in range(5):
                assert await aload(number) == number

        if way == "prewarm":
            cache.prewarm()
        for number in range(5):  # after it no second warning comes
            assert way == "coroutines" or load(number) == number
        if way == "coroutines":
            asyncio.run(calls())
        tier.close()
    return [str(each.message) for each in caught if issubclass(each.category, OrcWarning)]


def greets(connection):
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
    connection.recv(1000)
    connection.close()


def greets_in_bytes(connection):
    connection.sendall(b"J\x00\x00\x00\n8.0.33\x00abcdefghijk")
    connection.recv(1000)
    connection.close()


def is_http(connection):
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    connection.close()


def closes(connection):
    connection.recv(1000)
    connection.close()


OTHERS = {
    "of SSH": ("redis", greets, "is no Redis server: it answered b'SSH-2.0"),
    "of MySQL": ("redis", greets_in_bytes, "is no Redis server"),
    "of HTTP": ("redis", is_http, "is no Redis server: it answered b'HTTP/1.1 400"),
    "of HTTP, with TLS": ("rediss", is_http, "speaks no TLS"),
    "of PostgreSQL": ("redis", closes, "closes each new connection without an answer"),
    "of a cluster of SSH": ("redis+cluster", greets, "is no Redis server"),
}


@pytest.mark.parametrize("way", USES)
@pytest.mark.parametrize("name", OTHERS)
def test_a_port_of_something_else(name, way):
    """What answered is shown."""
    scheme, answer, said = OTHERS[name]
    with served(answer) as port:
        (told,) = use(f"{scheme}://{HOST}:{port}", way)
    assert said in told
    assert f"{HOST}:{port}" in told


PLAIN = {
    "TLS where there is none": ("rediss://{place}", "write redis:// for rediss://"),
    "TLS to a cluster where there is none": ("rediss+cluster://{place}", "speaks no TLS"),
    "a cluster where there is none": ("redis+cluster://{place}", "write redis://{place}"),
    "no Sentinel": ("redis+sentinel://{place}/main", "is no Sentinel: write redis://{place}"),
    "a wrong user": ("redis://nobody:s3cret@{place}", "check the user and the password"),
    "a password where none is": ("redis://:s3cret@{place}", "leave the password out"),
    "a database that is not there": ("redis://{place}/99", "database that is not there"),
}


@pytest.mark.parametrize("way", USES)
@pytest.mark.parametrize("name", PLAIN)
def test_an_address_that_does_not_fit_a_plain_server(plain, name, way):
    """It is warned of once, with what to write; no warning shows a password."""
    address, said = PLAIN[name]
    place = f"{HOST}:{plain.port}"
    (told,) = use(address.format(place=place), way)
    assert said.format(place=place) in told
    assert place in told
    assert "s3cret" not in told


@pytest.mark.parametrize("way", USES)
def test_a_password_that_is_missing(way):
    """The warning says how to write it."""
    with Valkey(requirepass="s3cret") as server:
        (told,) = use(server.url, way)
    assert "redis://user:password@host" in told


TLS = {
    "no TLS": ("redis://{place}", "write rediss:// for redis://"),
    "no TLS to a cluster": ("redis+cluster://{place}", "write rediss:// for redis://"),
    "no TLS to a Sentinel": ("redis+sentinel://{place}/main", "write rediss:// for redis://"),
    "an unknown authority": ("rediss://{place}", "?ssl_ca_certs="),
    "another authority": ("rediss://{place}?ssl_ca_certs={folder}/other.pem", "ssl_ca_certs="),
    "another name": (
        "rediss://localhost:{port}?ssl_ca_certs={folder}/ca.pem",
        "write the host name that the certificate has",
    ),
    "no file": ("rediss://{place}?ssl_ca_certs=/nowhere/ca.pem", "ssl_ca_certs=/nowhere/ca.pem"),
    "an empty file": ("rediss://{place}?ssl_ca_certs={folder}/empty.pem", "no certificate in PEM"),
    "a folder": ("rediss://{place}?ssl_ca_certs={folder}", "cannot be read: Is a directory"),
    "no folder": ("rediss://{place}?ssl_ca_path={folder}/ca.pem", "is no folder"),
    "another's key": (
        "rediss://{place}?ssl_certfile={folder}/server.pem&ssl_keyfile={folder}/other.key",
        "the key is not that of the certificate",
    ),
    "no such cipher": (
        "rediss://{place}?ssl_ca_certs={folder}/ca.pem&ssl_ciphers=rot13",
        "ssl_ciphers",
    ),
}


@pytest.mark.parametrize("way", USES)
@pytest.mark.parametrize("name", TLS)
def test_an_address_that_does_not_fit_a_server_with_tls(tls_server, certificates, name, way):
    """The option or file is named."""
    address, said = TLS[name]
    port = tls_server.port
    (told,) = use(address.format(place=f"{HOST}:{port}", port=port, folder=certificates), way)
    assert said in told


@pytest.mark.parametrize("way", USES)
@pytest.mark.parametrize("own", ["missing", "refused"])
def test_a_certificate_of_the_client(mutual_tls_server, certificates, own, way):
    """The options for it are named."""
    address = f"rediss://{HOST}:{mutual_tls_server.port}?ssl_ca_certs={certificates}/ca.pem"
    if own == "refused":
        address += f"&ssl_certfile={certificates}/other.pem&ssl_keyfile={certificates}/other.key"
    (told,) = use(address, way)
    assert "ssl_certfile" in told


@pytest.mark.parametrize("way", USES)
def test_one_address_of_a_cluster(masters, way):
    """MOVED is no miss: the form for a cluster is named."""
    place = f"{HOST}:{masters.servers[1].port}"
    (told,) = use(f"redis://{place}", way)
    assert f"write redis+cluster://{place}" in told
    (told,) = use(f"redis://{place}/3", way)
    assert "a cluster has 0 only" in told


@pytest.mark.parametrize("way", USES)
def test_a_name_that_does_not_exist(monkeypatch, way):
    """It is no outage: the resolver knows no such name."""

    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    (told,) = use("redis://cache.exmaple:6379", way)
    assert "the name 'cache.exmaple' does not exist" in told


def test_a_service_that_no_sentinel_knows(sentinels):
    """The warning says which name is meant."""
    (told,) = use(sentinels.url().replace("/main", "/mian"), "calls")
    assert "'mian'" in told


def test_a_password_that_sentinels_want():
    """It is another one than the master's, and written elsewhere."""
    files = {"s.conf": b""}
    with Valkey() as master:
        port = free_port()
        written = (
            f"port {port}\nbind {HOST}\nsentinel monitor main {HOST} {master.port} 1\n"
            "requirepass s3cret\n"
        )
        files["s.conf"] = written.encode()
        line = [binary(), "s.conf", "--sentinel"]
        with ServerProcess(line, lambda: accepts(port), files=files):
            address = f"redis+sentinel://{HOST}:{port}/main"
            for each in (address, f"{address}?sentinel_password=wrong"):
                (told,) = use(each, "calls")
                assert "sentinel_password in the query" in told
            assert use(f"{address}?sentinel_password=s3cret", "calls") == []


def test_a_right_that_is_missing_shows_no_key(plain):
    """The command is named, and the page that lists the rights."""
    with redis.Redis(host=HOST, port=plain.port) as client:
        client.acl_setuser("poor", enabled=True, nopass=True, commands=["+get", "+mget"])
        client.acl_setuser("poorer", enabled=True, nopass=True, keys=["orc1:*"])
    (told,) = use(f"redis://poor:x@{HOST}:{plain.port}", "calls")
    assert "NOPERM" in told
    assert "docs/howto/redis.md" in told
    assert "orc1:" not in told
    (told,) = use(f"redis://poorer:x@{HOST}:{plain.port}", "calls")
    assert "'get'" in told.lower()


@pytest.mark.parametrize("way", ["threads", "coroutines"])
def test_a_cluster_behind_one_address_works(of_all_slots, way):
    """Several keys go one by one from the first CROSSSLOT on; with one warning."""
    tier = Redis(of_all_slots.url)
    addresses = [f"orc1:slots:{way}:{n}" for n in range(100)]
    writes = [Write(each, each.encode(), b"etag-of-12-b", 60) for each in addresses]
    claims = [Claim(each + "c", b"token-of-12b", 5) for each in addresses]

    def call(name, asked):
        budget = Budget(SYSTEM, 5)
        if way == "threads":
            return getattr(tier, f"{name}_many")(asked, budget)
        return asyncio.run(getattr(tier, f"a{name}_many")(asked, budget))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert all(call("set", writes))
        assert [row.payload for row in call("get", addresses)] == [w.payload for w in writes]
        assert all(row.etag == b"token-of-12b" for row in call("claim", claims))
        call("delete", addresses)
        assert all(row.payload is None for row in call("get", addresses))
    (told,) = caught
    assert "write redis+cluster://" in str(told.message)
    tier.close()


def test_a_server_without_room_for_clients_is_no_mistake(budget_of):
    """It is left alone for as long as one that cannot be reached, and not warned of."""
    with Valkey(maxclients=1) as server:
        first, second = Redis(server.url), Redis(server.url)
        first.get_many(["orc1:a"], budget_of(5))
        (answer,) = second.get_many(["orc1:a"], budget_of(5))
        assert isinstance(answer, TierUnavailableError)
        assert not isinstance(answer, TierRefusedError)
        first.close()
        second.close()


@pytest.mark.parametrize("client", [redis.Redis, redis.asyncio.Redis])
def test_a_client_of_one_server_that_is_handed_in_for_a_cluster(masters, of_all_slots, client):
    """The same holds for it: MOVED is refused by name, and CROSSSLOT works with one warning."""

    def read(port, addresses):
        made = client(host=HOST, port=port)
        tier = Redis(made)
        budget = Budget(SYSTEM, 5)
        if client is redis.Redis:
            with made:
                return tier.get_many(addresses, budget)

        async def story():
            async with made:
                return await tier.aget_many(addresses, budget)

        return asyncio.run(story())

    addresses = [f"orc1:handed:{n}" for n in range(20)]
    with pytest.warns(OrcWarning, match="hand in a RedisCluster"):
        assert all(row.payload is None for row in read(of_all_slots.port, addresses))
    with pytest.raises(TierRefusedError, match="hand in a RedisCluster"):
        read(masters.servers[0].port, addresses)
