"""Rounds: everybody is measured in turn, again and again, so that noise falls on all alike.

On a machine whose speed wanders, two numbers taken a minute apart say little of each other. So one
round takes a sample of every contender, a few milliseconds each, in an order that is new in each
round; a ratio is formed *within* a round, and the median over all rounds is reported, with its
quartiles. The rounds are spread over several fresh processes, since the seed of hashes and the
layout of memory are drawn anew in each.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_SECONDS = 0.004
WARM_UP_ROUNDS = 2


class Contender:
    """Someone who does a piece of work: `run` takes a batch, made before the time is taken.

    The time is the processor's, of all threads of this process: what other processes take from it
    is not counted. Give another `timer` where waiting is part of the work.
    """

    def __init__(self, name, run, batch, timer=time.process_time):
        self.name = name
        self.run = run
        self.batch = batch
        self.timer = timer
        self.size = 1

    def sample(self):
        """Return seconds for one operation."""
        batch = self.batch(self.size)
        began = self.timer()
        self.run(batch)
        return (self.timer() - began) / self.size

    def calibrate(self, seconds):
        """Find the size of a batch that takes about so long."""
        while self.size < 1_000_000:
            took = min(self.sample() for _ in range(3)) * self.size
            if took > seconds / 2:
                return
            self.size = min(self.size * 10, int(self.size * seconds / max(took, 1e-7)) + 1)


def rounds(contenders, count, seconds=SAMPLE_SECONDS):
    """Measure contenders in turn; return their samples, in seconds for one operation."""
    for contender in contenders:
        contender.calibrate(seconds)
    gc.collect()
    gc.freeze()  # what the set-up made is not walked again in the middle of somebody's sample
    samples = {contender.name: [] for contender in contenders}
    order = list(contenders)
    for number in range(-WARM_UP_ROUNDS, count):
        random.shuffle(order)
        for contender in order:
            taken = contender.sample()
            if number >= 0:
                samples[contender.name].append(taken)
    return samples


# -- processes -------------------------------------------------------------------------------------


def python(*arguments):
    """Run this interpreter with some arguments, and return the JSON that it printed last."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    result = subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(f"{arguments} failed:\n{result.stderr[-4000:]}")
    return json.loads(result.stdout.splitlines()[-1])


def together(module, scene, *, processes, count, seconds=SAMPLE_SECONDS):
    """Measure all contenders of a scene in one process, and do that in several processes."""
    samples = {}
    for _ in range(processes):
        found = python("-m", "benchmarks.harness", module, scene, str(count), str(seconds))
        for name, values in found.items():
            samples.setdefault(name, []).extend(values)
        progress(".")
    return samples


def apart(names, count, command):
    """Measure each contender in a process of its own; ``command(name)`` is what it is started with.

    The process prints one number, or a dict of numbers. Returns the samples by name; of dicts, by
    name and key.
    """
    samples = {}
    for _ in range(count):
        for name in random.sample(names, len(names)):
            found = python(*command(name))
            if isinstance(found, dict):
                for key, value in found.items():
                    samples.setdefault(f"{name}{key}", []).append(value)
            else:
                samples.setdefault(name, []).append(found)
        progress(".")
    return samples


def progress(text):
    """Say on stderr how far it is."""
    sys.stderr.write(text)
    sys.stderr.flush()


# -- statistics ------------------------------------------------------------------------------------


def spread(values):
    """Return median and quartiles."""
    if len(values) < 2:
        return {"median": values[0], "q1": values[0], "q3": values[0], "n": len(values)}
    q1, _, q3 = quantiles(values, n=4, method="inclusive")
    return {"median": median(values), "q1": q1, "q3": q3, "n": len(values)}


def ratio(above, below):
    """Return the spread of the ratio of two series of samples, round by round."""
    return spread([one / other for one, other in zip(above, below, strict=True)])


if __name__ == "__main__":
    module_name, scene_name, how_many, how_long = sys.argv[1:]
    made = importlib.import_module(module_name).SCENES[scene_name]()
    print(json.dumps(rounds(made, int(how_many), float(how_long))))
