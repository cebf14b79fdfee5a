"""The price store: a real query of a real SQLite file, as slow as a database across a network.

SQLite answers within microseconds, so each query also waits for the network that is not there.
Each is counted by a byte in a file, which no process can forget to tell of.
"""

from __future__ import annotations

import os
import sqlite3
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

NETWORK = float(os.environ["STORE_SECONDS"])
"""Seconds that a query waits."""

database = sqlite3.connect(f"file:{os.environ['STORE']}?mode=ro", uri=True, check_same_thread=False)
loads_file = os.open(os.environ["STORE_LOADS"], os.O_WRONLY | os.O_APPEND)
loads = 0


def load(item: int) -> dict[str, Any]:
    """Ask the store for the price of an item, and for how often it has changed."""
    global loads
    loads += 1
    os.write(loads_file, b".")
    time.sleep(NETWORK)
    cents, version = database.execute(
        "SELECT cents, version FROM prices WHERE item = ?", (item,)
    ).fetchone()
    return {"item": item, "cents": cents, "version": version}


def page(find: Callable[[int], dict[str, Any]], items: list[int]) -> dict[str, Any]:
    """Find the price of each item of a page; tell versions, milliseconds, and loads."""
    before = loads
    versions, milliseconds = [], []
    for item in items:
        began = time.perf_counter()
        price = find(item)
        milliseconds.append((time.perf_counter() - began) * 1000)
        versions.append(price["version"])
    return {"versions": versions, "milliseconds": milliseconds, "loads": loads - before}
