"""What does a cold start cost, as a whole process: from nothing to the first value out of a tier?

Measured from outside, by the clock on the wall: the interpreter's own start is in it, its end not.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time

from benchmarks.harness import progress
from benchmarks.tier_hits import KEYS, behind, disk_client, dynamodb_readers, redis_client
from benchmarks.tier_servers import TABLE, dynamodb_address, dynamodb_url, redis_url

ORC = "import orc; hit = orc.Cache(tiers={address!r}, namespace='bench', strict=True).get({key!r})"
REDIS = """
import msgpack, redis
hit = msgpack.unpackb(redis.Redis.from_url({url!r}).get('bare:' + {key!r}))
"""
RESOURCE = """
import boto3, msgpack
table = boto3.resource('dynamodb', endpoint_url={url!r}).Table({table!r})
hit = msgpack.unpackb(table.get_item(Key={{'pk': 'bare:' + {key!r}}})['Item']['v'].value)
"""
CLIENT = """
import boto3, msgpack
client = boto3.client('dynamodb', endpoint_url={url!r})
answer = client.get_item(TableName={table!r}, Key={{'pk': {{'S': 'bare:' + {key!r}}}}})
hit = msgpack.unpackb(answer['Item']['v']['B'])
"""
DISK = """
import msgpack, sqlite3
select = 'SELECT value FROM kept WHERE key = ?'
row = sqlite3.connect({url!r}).execute(select, ('bare:' + {key!r},)).fetchone()
hit = msgpack.unpackb(row[0])
"""
MEMORY = "import orc; cache = orc.Cache(tiers=[]); cache.set('a', 'b'); hit = cache.get('a')"
END = "\nimport sys; assert hit; sys.stdout.write('hit\\n'); sys.stdout.flush()"


def programs(folder):
    """Return what is run, by its name, with everything stored that it looks for."""
    disk = f"disk://{folder}"
    redis, table = f"{redis_url()}?budget=2", dynamodb_address()
    for address in (disk, redis, table):
        behind(address)
    disk_client(folder).close()
    redis_client().close()
    dynamodb_readers()

    def of(text, **parts):
        return text.format(key=KEYS[0], **parts)

    return {
        "python alone": "hit = True",
        "memory: orc": MEMORY,
        "disk: orc": of(ORC, address=disk),
        "disk: bare sqlite3": of(DISK, url=f"{folder}/bare.db"),
        "redis: orc": of(ORC, address=redis),
        "redis: bare redis-py": of(REDIS, url=redis_url()),
        "dynamodb: orc": of(ORC, address=table),
        "dynamodb: bare client": of(CLIENT, url=dynamodb_url(), table=TABLE),
        "dynamodb: boto3.resource": of(RESOURCE, url=dynamodb_url(), table=TABLE),
    }


def seconds(program):
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", program + END], stdout=subprocess.PIPE, text=True
    ) as process:
        said = process.stdout.readline()
        took = time.perf_counter() - began
    assert said == "hit\n", program
    return took


TITLES = {"start.process": "cold start to the first hit, whole process"}


def measure(name, effort):
    samples = {}
    with tempfile.TemporaryDirectory() as folder:
        found = programs(folder)
        for number in range(-1, 2 * effort.processes + 2):
            for who in random.sample(list(found), len(found)):
                took = seconds(found[who])
                if number >= 0:  # the first writes .pyc files
                    samples.setdefault(who, []).append(took)
            progress(".")
    return samples
