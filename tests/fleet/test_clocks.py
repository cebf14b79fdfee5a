"""Clocks that the fleet moves, in functions written as if nobody did."""

from __future__ import annotations

import pytest

from orc.errors import ConfigError

FUNCTION = """
    import asyncio, datetime, logging, threading, time
    class Holder:
        gmtime = time.gmtime
        read = time.time
    def handler(event, context):
        wall = time.time()
        utc = datetime.timezone.utc
        loop = asyncio.new_event_loop()
        timed = loop.time()
        loop.run_until_complete(asyncio.sleep(0.001))
        loop.close()
        threading.Event().wait(0.001)
        return {
            "wall": [wall, time.time_ns() / 1e9, time.clock_gettime(time.CLOCK_REALTIME),
                     time.clock_gettime_ns(time.CLOCK_REALTIME) / 1e9, Holder().read(),
                     datetime.datetime.now().timestamp(), datetime.datetime.now(tz=utc).timestamp(),
                     datetime.datetime.utcnow().replace(tzinfo=utc).timestamp(),
                     datetime.datetime.today().timestamp()],
            "monotonic": [time.monotonic(), time.monotonic_ns() / 1e9, time.perf_counter(),
                          time.perf_counter_ns() / 1e9, time.clock_gettime(time.CLOCK_MONOTONIC),
                          timed],
            "days": [datetime.date.today().isoformat(), time.strftime("%Y-%m-%d"),
                     time.strftime("%Y-%m-%d", time.gmtime()),
                     time.strftime("%Y-%m-%d", time.localtime()),
                     time.strftime("%Y-%m-%d", Holder().gmtime())],
            "years": [time.ctime()[-4:], time.asctime()[-4:]],
            "left": context.get_remaining_time_in_millis(),
            "log": logging.LogRecord("a", 1, "", 1, "", (), None).created,
        }
"""


def test_every_reading_moves(fleet):
    """All that reads a clock is moved alike; remaining time is not."""
    function = fleet(FUNCTION)
    before = function.invoke()
    before.container.advance(wall=400 * 86_400, monotonic=1_000)
    after = function.invoke()
    assert after.container == before.container
    for each in after.value["wall"]:
        assert 0 <= each - before.value["wall"][0] - 400 * 86_400 < 60
    assert 0 <= after.value["log"] - before.value["wall"][0] - 400 * 86_400 < 60
    for each in after.value["monotonic"]:
        assert 0 <= each - before.value["monotonic"][0] - 1_000 < 60
    assert len(set(after.value["days"])) == 1
    assert after.value["days"] != before.value["days"]
    assert set(after.value["years"]) == {after.value["days"][0][:4]}
    assert 0 < after.value["left"] <= 3_000


def test_time_may_pass_on_one_clock_only_and_backwards(fleet):
    """A monotonic clock that stood still, and a wall clock that was set back."""
    function = fleet(FUNCTION)
    before = function.invoke()
    before.container.advance(wall=-3_600)
    after = function.invoke().value
    assert -3_600 <= after["wall"][0] - before.value["wall"][0] < -3_500
    assert 0 <= after["monotonic"][0] - before.value["monotonic"][0] < 60


def test_the_whole_fleet_moves_also_what_starts_later(fleet):
    """Fleet.advance() moves the world, in which a new container has the same time as the old."""
    function = fleet(FUNCTION)
    old = function.invoke()
    function.advance(3_600)
    (new,) = function.start()
    walls = [function.invoke(container=each).value["wall"][0] for each in (old.container, new)]
    assert abs(walls[0] - walls[1]) < 60
    assert walls[0] - old.value["wall"][0] >= 3_600


def test_clocks_stay_over_a_reset(fleet):
    """A new process of the same environment has the same clocks."""
    function = fleet(FUNCTION)
    before = function.invoke()
    before.container.advance(3_600)
    before.container.crash()
    function.invoke()
    after = function.invoke()
    assert after.init == "reset"
    assert after.value["wall"][0] - before.value["wall"][0] >= 3_600


def test_without_shifted_clocks_nothing_can_be_moved(fleet):
    """advance() of a fleet with shift_clocks=False is a ConfigError."""
    function = fleet(FUNCTION, shift_clocks=False)
    container = function.invoke().container
    with pytest.raises(ConfigError):
        container.advance(1)
    with pytest.raises(ConfigError):
        function.advance(1)
