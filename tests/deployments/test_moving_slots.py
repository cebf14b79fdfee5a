"""While slots move between masters, rows that are there are found, and no value is wrong."""

from __future__ import annotations

import asyncio
import os
import random
from threading import Event, Thread

import redis

from orc.errors import TierError
from orc.lifecycle.clock import SYSTEM
from orc.model.row import Budget, Claim, Write
from orc.testing.servers.process import HOST
from orc.tiers.redis.slots import slot_of
from orc.tiers.redis.tier import Redis
from tests.deployments.servers import ask


def sharing(slots, each):
    """Return addresses, so many of each slot: while it moves, some are at either node."""
    by_slot = {}
    for n in range(100_000):
        by_slot.setdefault(slot_of(f"orc1:moving:{n}"), []).append(f"orc1:moving:{n}")
    enough = [some[:each] for some in by_slot.values() if len(some) >= each]
    return [one for some in enough[:slots] for one in some]


ADDRESSES = sharing(50, 4)


class Move:
    """Moves slots between masters, one after the other; some stay half-way for a while."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.ids = {each.port: ask(each, "CLUSTER", "MYID") for each in cluster.servers}

    def owner(self, slot):
        """Return the master of a slot."""
        for first, last, (_, port, *_), *_ in ask(self.cluster.servers[0], "CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(each for each in self.cluster.servers if each.port == port)
        raise LookupError(slot)

    def begin(self, slot, source, target):
        """Begin to move a slot: from now on keys that are not there are asked for at the target."""
        ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", self.ids[source.port])
        ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", self.ids[target.port])
        keys = ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100)
        for key in keys:
            ask(source, "MIGRATE", HOST, target.port, key, 0, 1000)

    def end(self, slot, source, target):
        """Have everybody know where the slot is, but for a key that was written meanwhile."""
        keys = ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100)
        for key in keys:
            ask(source, "MIGRATE", HOST, target.port, key, 0, 1000)
        for each in (target, source, *self.cluster.servers):
            ask(each, "CLUSTER", "SETSLOT", slot, "NODE", self.ids[target.port])


class Load:
    """Threads and coroutines that write rows of their own, and read them."""

    def __init__(self, url):
        self.tier = Redis(url)
        self.over = Event()
        self.wrong = []
        self.missing = 0
        self.errors = []
        self.reads = 0

    def check(self, addresses, rows):
        """Judge what was read."""
        for address, row in zip(addresses, rows, strict=True):
            self.reads += 1
            if isinstance(row, TierError):
                self.errors.append(row)
            elif row.payload is None:
                self.missing += 1
            elif not row.payload.startswith(address.encode() + b"="):
                self.wrong.append((address, row.payload))

    def thread(self, seed):
        """Read and write until it is over."""
        chance = random.Random(seed)
        mine = ADDRESSES[seed * 50 : seed * 50 + 50]
        while not self.over.is_set():
            some = chance.sample(mine, chance.choice([1, 1, 10]))
            budget = Budget(SYSTEM, 5)
            if chance.random() < 0.3:
                self.tier.set_many([self.write(each, chance) for each in some], budget)
            else:
                self.check(some, self.tier.get_many(some, budget))

    async def coroutine(self, seed):
        """Do the same."""
        chance = random.Random(seed)
        mine = ADDRESSES[seed * 50 : seed * 50 + 50]
        while not self.over.is_set():
            some = chance.sample(mine, chance.choice([1, 1, 50]))
            budget = Budget(SYSTEM, 5)
            if chance.random() < 0.3:
                await self.tier.aset_many([self.write(each, chance) for each in some], budget)
            else:
                self.check(some, await self.tier.aget_many(some, budget))

    def write(self, address, chance):
        """Return the write of a value that tells which row it is of."""
        return Write(
            address, b"%s=%d" % (address.encode(), chance.getrandbits(64)), os.urandom(12), 600
        )

    def loop(self, seeds):
        """Run coroutines."""

        async def both():
            await asyncio.gather(*map(self.coroutine, seeds))

        asyncio.run(both())


def redirections(cluster):
    """Return how often the servers have sent a command on, by the word for it."""
    counts = {"MOVED": 0, "ASK": 0}
    for server in cluster.servers:
        with redis.Redis(host=HOST, port=server.port) as client:
            for name, stats in client.info("errorstats").items():
                word = name.removeprefix("errorstat_")
                if word in counts:
                    counts[word] += stats["count"]
    return counts


def test_slots_that_move_under_load(masters):
    """Reads, batches and writes go on; each MOVED and ASK is followed."""
    load = Load(masters.url())
    chance = random.Random(0)
    load.tier.set_many([load.write(each, chance) for each in ADDRESSES], Budget(SYSTEM, 5))
    threads = [Thread(target=load.thread, args=(n,)) for n in range(2)]
    threads.append(Thread(target=load.loop, args=([2, 3],)))
    before = redirections(masters)
    for each in threads:
        each.start()
    try:
        move = Move(masters)
        begun = []
        for slot in list(dict.fromkeys(map(slot_of, ADDRESSES)))[:25]:
            source = move.owner(slot)
            target = chance.choice([each for each in masters.servers if each is not source])
            move.begin(slot, source, target)
            begun.append((slot, source, target))
            if len(begun) > 10:  # so many stay half-way
                move.end(*begun.pop(0))
        for each in begun:
            move.end(*each)
    finally:
        load.over.set()
        for each in threads:
            each.join(20)
    assert not any(each.is_alive() for each in threads)
    assert not load.wrong
    assert not load.errors
    assert load.missing == 0
    assert load.reads > 200
    after = redirections(masters)
    assert after["MOVED"] > before["MOVED"]
    assert after["ASK"] > before["ASK"]
    claims = [Claim(each + "c", b"token-of-12b", 5) for each in ADDRESSES]
    assert all(row.etag for row in load.tier.claim_many(claims, Budget(SYSTEM, 5)))
    load.tier.close()
