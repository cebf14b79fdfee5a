"""What does a hit cost when 8 threads read at once? Seconds on the wall, for one hit."""

from __future__ import annotations

from threading import Thread
from time import perf_counter

from benchmarks import loops, peers
from benchmarks.harness import Contender, together

VALUE = "an immutable value of some length"
KEYS = [f"item:{number}" for number in range(1000)]


def source(a):
    return VALUE


def shared_out(call, threads):
    """Return a function that has a batch done by several threads, a part each."""

    def run(batch):
        workers = [Thread(target=call, args=(batch[n::threads],)) for n in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    return run


def scene(threads):
    contenders = []
    for peer in peers.installed():
        cached = peer.decorate(source)
        loops.one(cached, KEYS)
        run = shared_out(loops.calling(cached), threads)
        contenders.append(Contender(peer.name, run, loops.randomly(KEYS), perf_counter))
    return contenders


SCENES = {"1": lambda: scene(1), "8": lambda: scene(8)}
TITLES = {
    "threads.1": "hit, 1,000 keys at random, 1 thread",
    "threads.8": "hit, 1,000 keys at random, 8 threads",
}


def measure(name, effort):
    count = max(3, effort.rounds // 2)
    return together(__name__, name, processes=effort.processes, count=count, seconds=0.04)
