"""The processes of a replay and the faults that are done to them, drawn from a seed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from orc.testing.proxy import FaultProxy
from orc.testing.servers.process import HOST, free_port
from orc.testing.servers.valkey import Valkey
from tests.replay.checker import ALWAYS, Answer, Fault, Operation, Rules, Verdict, judge
from tests.replay.truth import KEYS, TTLS, Truth, now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT = Path(__file__).parents[2]
"""The folder that has the folder ``tests``."""
WORKERS = 6
MEMORY_TTL = 1.0
BUDGET = 0.1
"""Seconds of one operation of the tier; the two cores are busy, so it is twice the default."""
BREAKER_OPEN = 0.4
GRACE = max(MEMORY_TTL, 1.0) + 0.05 + BUDGET
ENDING = 20.0
"""Seconds that workers have to end."""
PROGRESS = 5.0
"""Seconds between two lines of progress."""

START = """
import sys, orc  # of the checkout: PYTHONPATH has it
sys.path.insert(0, sys.argv[1])
from tests.replay.worker import main
main(sys.argv[2])
"""


@dataclass(slots=True)
class Outcome:
    """What a run has found, and what it was."""

    verdict: Verdict
    faults: list[Fault]
    seconds: float
    began: float
    troubles: list[str] = field(default_factory=list)
    """What went wrong in the replay itself."""


class Processes:
    """The workers: started, killed, stopped, and all ended in the end."""

    def __init__(
        self, folder: Path, checkout: Path, url: str, seed: int, broken: Sequence[str] = ()
    ) -> None:
        self._broken = list(broken)
        self._folder = folder
        self._checkout = checkout
        self._url = url
        self._random = Random(seed)
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._started = 0
        self.troubles: list[str] = []

    def start(self) -> None:
        """Start one more. By the main thread: workers end with the thread that started them."""
        number, self._started = self._started, self._started + 1
        settings = {
            "number": number,
            "seed": self._random.randrange(1 << 30),
            "truth": str(self._folder / "truth"),
            "log": str(self._folder / f"{number}.log"),
            "url": self._url,
            "broken": self._broken,
            "memory_ttl": MEMORY_TTL,
            "breaker_open": BREAKER_OPEN,
            "budget": BUDGET,
        }
        environment = {**os.environ, "PYTHONPATH": str(self._checkout)}  # noqa: TID251 - handed on
        with (self._folder / f"{number}.err").open("wb") as errors:
            self._running[number] = subprocess.Popen(
                [sys.executable, "-P", "-W", "ignore", "-c", START, ROOT, json.dumps(settings)],
                cwd=self._folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=errors,
                stderr=errors,
            )

    def some(self, random: Random) -> int:
        """Draw a worker."""
        return random.choice(sorted(self._running))

    def kill(self, number: int) -> None:
        """End a worker by SIGKILL."""
        process = self._running.pop(number)
        process.kill()
        process.communicate()

    def signal(self, number: int, what: signal.Signals) -> None:
        """Send a worker a signal."""
        self._running[number].send_signal(what)

    def end(self) -> None:
        """Wait until all have ended by themselves; then make those that have not."""
        until = now() + ENDING
        for number, process in self._running.items():
            try:
                process.wait(max(0.0, until - now()))
            except subprocess.TimeoutExpired:
                self.troubles.append(f"worker {number} did not end")
            if process.poll():
                said = (self._folder / f"{number}.err").read_text("utf-8", "replace")
                self.troubles.append(f"worker {number}: {process.poll()}\n{said[-2000:]}")
        self.kill_all()

    def kill_all(self) -> None:
        """Leave none behind."""
        for number in list(self._running):
            self.kill(number)

    def operations(self) -> list[Operation]:
        """Return all that the workers have logged."""
        found = []
        for path in sorted(self._folder.glob("*.log")):
            for line in path.read_text().splitlines():
                kind, begin, end, answers, error, counted = json.loads(line)
                of_keys = tuple(Answer(*each) for each in answers)
                found.append(Operation(int(path.stem), kind, begin, end, of_keys, error, counted))
        return found


class Faults:
    """What can be done to a server, to the way to it, and to workers. All context managers."""

    def __init__(self, server: Valkey, proxy: FaultProxy, processes: Processes, seed: int) -> None:
        self._server = server
        self._proxy = proxy
        self._processes = processes
        self._random = Random(seed)
        self.process: int | None = None
        """The worker that the last one was done to."""

    def ask(self, *words: object) -> None:
        """Have the server do something; not through the proxy."""
        import redis

        with redis.Redis(host=HOST, port=self._server.port, socket_timeout=3) as client:
            client.execute_command(*words)

    @contextmanager
    def server_killed(self) -> Iterator[None]:
        self._server.kill()
        yield
        self._server.restart()

    @contextmanager
    def server_stopped(self) -> Iterator[None]:
        self._server.freeze()
        yield
        self._server.thaw()

    @contextmanager
    def flushed(self) -> Iterator[None]:
        self.ask("FLUSHALL")
        yield

    @contextmanager
    def full(self) -> Iterator[None]:
        self.ask("CONFIG", "SET", "maxmemory", 1)
        yield
        self.ask("CONFIG", "SET", "maxmemory", 0)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        self.ask("REPLICAOF", HOST, free_port())
        yield
        self.ask("REPLICAOF", "NO", "ONE")

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.ask("CLIENT", "PAUSE", 400, "ALL")
        yield

    @contextmanager
    def scripts_flushed(self) -> Iterator[None]:
        self.ask("SCRIPT", "FLUSH")
        yield

    @contextmanager
    def refused(self) -> Iterator[None]:
        self._proxy.refuse = True
        self._proxy.reset_all()
        yield
        self._proxy.heal()

    @contextmanager
    def reset(self) -> Iterator[None]:
        self._proxy.requests.reset_after = 0
        self._proxy.replies.reset_after = 0
        yield
        self._proxy.heal()

    @contextmanager
    def black_hole(self) -> Iterator[None]:
        self._proxy.requests.black_hole = self._proxy.replies.black_hole = True
        yield
        self._proxy.heal()

    @contextmanager
    def answers_delayed(self) -> Iterator[None]:
        self._proxy.replies.delay = self._random.uniform(0.03, 0.08)
        yield
        self._proxy.heal()

    @contextmanager
    def answers_lost(self) -> Iterator[None]:
        self._proxy.replies.black_hole = True
        yield
        self._proxy.heal()

    @contextmanager
    def worker_killed(self) -> Iterator[None]:
        self.process = number = self._processes.some(self._random)
        self._processes.kill(number)
        yield
        self._processes.start()

    @contextmanager
    def worker_stopped(self) -> Iterator[None]:
        self.process = number = self._processes.some(self._random)
        self._processes.signal(number, signal.SIGSTOP)
        yield
        self._processes.signal(number, signal.SIGCONT)

    def of_workers(self) -> list[Callable[[], Any]]:
        """List those that are done to a worker."""
        return [self.worker_killed, self.worker_stopped]

    def of_server(self) -> list[Callable[[], Any]]:
        """List all others."""
        of_server = [self.server_killed, self.server_stopped, self.flushed, self.full]
        of_server += [self.read_only, self.paused, self.scripts_flushed, self.refused, self.reset]
        return [*of_server, self.black_hole, self.answers_delayed, self.answers_lost]


class Replay:
    """One run of so many seconds or operations, whose chance comes from `seed`."""

    def __init__(
        self,
        seconds: float,
        seed: int,
        *,
        checkout: Path = ROOT,
        operations: int | None = None,
        sets: str = ALWAYS,
        broken: Sequence[str] = (),
    ) -> None:
        self._broken = broken
        self._sets = sets
        self._seconds = seconds
        self._seed = seed
        self._checkout = checkout
        self._operations = operations
        self._random = Random(seed)
        self._done: list[Fault] = []
        self._pause = threading.Event()
        self._began = now()

    def run(self, say: Callable[[str], object]) -> Outcome:
        """Run the workers through the faults, and judge what they have logged.

        `say` is given a line of progress now and then.
        """
        with ExitStack() as stack:
            made = tempfile.TemporaryDirectory(prefix="orc-replay-")
            folder = Path(stack.enter_context(made))
            truth = Truth.create(folder / "truth")
            server = stack.enter_context(Valkey())
            proxy = stack.enter_context(FaultProxy(HOST, server.port, seed=self._seed))
            url = f"redis://{HOST}:{proxy.port}/0"
            processes = Processes(folder, self._checkout, url, self._seed, self._broken)
            stack.callback(processes.kill_all)
            for _ in range(WORKERS):
                processes.start()
            self._began = now()
            faults = Faults(server, proxy, processes, self._seed)
            self._disturb(faults, truth, say)
            truth.stop()
            seconds = now() - self._began
            processes.end()
            rules = Rules(grace=GRACE, ttls=TTLS, sets=self._sets)
            instants = {key: truth.instants(key) for key in KEYS}
            verdict = judge(processes.operations(), instants, self._done, rules)
            return Outcome(verdict, self._done, seconds, self._began, processes.troubles)

    def _over(self, truth: Truth) -> bool:
        enough = self._operations is not None and truth.counted() >= self._operations
        return enough or now() - self._began >= self._seconds

    def _disturb(self, faults: Faults, truth: Truth, say: Callable[[str], object]) -> None:
        """Do one fault after the other, with calm between, until the run is over.

        Each is drawn before any comes again; some together with one that is done to a worker.
        """
        chance = self._random
        next_line = PROGRESS
        waiting: list[Callable[[], Any]] = []
        self._wait(1.5, truth)
        while not self._over(truth):
            if not waiting:
                waiting = faults.of_server() + faults.of_workers() * 2
                chance.shuffle(waiting)
            drawn = [waiting.pop()]
            if drawn[0] in faults.of_server() and chance.random() < 0.3:
                drawn.append(chance.choice(faults.of_workers()))
            self._do(drawn, chance.uniform(0.3, 2.0), faults, truth)
            self._wait(chance.uniform(1.0, 2.0), truth)
            seconds = now() - self._began
            if seconds >= next_line:
                next_line = seconds + PROGRESS
                say(
                    f"{seconds:6.1f} s  {truth.counted():9,} operations  "
                    f"{len(self._done):4} faults, the last: {self._done[-1].name}"
                )

    def _do(
        self, drawn: list[Callable[[], Any]], seconds: float, faults: Faults, truth: Truth
    ) -> None:
        begun = []
        with ExitStack() as stack:
            for each in drawn:
                begin, faults.process = now(), None
                stack.enter_context(each())
                begun.append((each.__name__.replace("_", " "), begin, faults.process))
            self._wait(seconds, truth)
        ended = now()
        self._done += [Fault(name, begin, ended, process) for name, begin, process in begun]

    def _wait(self, seconds: float, truth: Truth) -> None:
        until = now() + seconds
        while now() < until and not self._over(truth):
            self._pause.wait(min(0.05, max(0.0, until - now())))
