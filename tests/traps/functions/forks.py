"""A process that forks while one of its threads is loading."""

from __future__ import annotations

import json
import os
import threading

import orc

cache = orc.Cache(ttl=60)
lock = threading.Lock()
inside = threading.Event()
over = threading.Event()


@cache.cached
def slow(key):
    if threading.current_thread() is not threading.main_thread():
        inside.set()
        over.wait(10)
    return [key, os.getpid()]


def plain_lock(event, context):
    """Fork while another thread has a lock; tell whether the child could get it."""

    def hold():
        with lock:
            inside.set()
            over.wait(10)

    return _fork_beside(hold, lambda: lock.acquire(timeout=0.5))


@orc.handler
def cache_of_the_child(event, context):
    """Fork while another thread loads a key; tell what the child gets for it, and who it is."""
    parent = orc.container().process_id
    told = _fork_beside(lambda: slow("x"), _child)
    return {"child": told, "parent": parent, "after": orc.container().process_id}


def _child():
    value = slow("x")
    return {
        "mine": value == ["x", os.getpid()],
        "process": orc.container().process_id,
        "loads": cache.stats().loads,
        "request": orc.current_request().id,
    }


def _fork_beside(work, in_child):
    inside.clear()
    over.clear()
    thread = threading.Thread(target=work)
    thread.start()
    inside.wait(10)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, json.dumps(in_child()).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    over.set()
    thread.join(10)
    return json.loads(told)
