"""Which server is asked for what, and which is left alone: rules, on made-up servers."""

from __future__ import annotations

from functools import partial

import pytest

from orc.errors import TierError, TierRefusedError, TierTimeoutError, TierUnavailableError
from orc.model.row import Budget, Row
from orc.testing import ManualClock
from orc.tiers.redis import operations
from orc.tiers.redis.layout import pack
from orc.tiers.redis.nodes import Nodes
from orc.tiers.redis.replies import ServerError
from orc.tiers.redis.routes import route_for
from orc.tiers.redis.url import DATA, SENTINEL, parse

A, B, C, D = [(f"10.0.0.{n}", 6379, DATA) for n in range(1, 5)]
S1, S2, S3 = [(f"10.0.1.{n}", 26379, SENTINEL) for n in range(1, 4)]
ADDRESSES = [f"orc1:{n}" for n in range(30)]
VALUE = pack(b"etag-of-12-b", b"v")
FOUND = b"v"


def late():
    return TierTimeoutError("it did not answer in time")


def gone():
    return TierUnavailableError("no listener")


class World:
    """Servers that answer as they are told, and the log of what they were asked."""

    def __init__(self, url):
        self.clock = ManualClock()
        self.route = route_for(parse(url))
        self.down = {}
        self.masters = [A, B, C]
        self.master = A
        self.waited = 0.0
        self.asked = []

    def budget(self):
        return Budget(self.clock, 0.05)

    def read(self, addresses=ADDRESSES, budget=None):
        """Read rows; return the payloads, or the kinds of the errors in their place."""
        budget = budget or self.budget()
        begin = partial(operations.reading, addresses, budget, self.route.where)
        steps = self.route.steps(begin, budget)
        try:
            sends = next(steps)
            while True:
                sends = steps.send([self.answer(*each, budget) for each in sends])
        except StopIteration as end:
            rows = end.value
        return [row.payload if isinstance(row, Row) else type(row) for row in rows]

    def answer(self, node, commands, budget):
        words = commands[-1][1]
        self.asked.append((node, words[0]))
        if node in self.down:
            error = self.down[node]()
            if isinstance(error, TierTimeoutError):
                self.clock.advance(budget.left())
            return error
        budget.waited += self.waited
        if words[0] == b"CLUSTER":
            return [[self.slots(n) for n in range(3)]]
        if words[0] == b"SENTINEL":
            return [[self.master[0].encode(), b"%d" % self.master[1]]]
        return [self.reply(each) for _, each in commands]

    def slots(self, n):
        host, port, _ = self.masters[n]
        return [n * 16_384 // 3, (n + 1) * 16_384 // 3 - 1, [host.encode(), port, b"id"]]

    def reply(self, words):
        return [VALUE] * (len(words) - 1) if words[0] == b"MGET" else VALUE

    def of(self, node):
        """Return an address that a master of the cluster has."""
        place = self.masters.index(node)
        first, last, _ = self.slots(place)
        return next(
            each for each in map(str, range(1000)) if first <= operations.slot_of(each) <= last
        )

    def count(self, word, nodes=None):
        """Count the questions by their word, and forget them."""
        found = [node for node, each in self.asked if each == word and node in (nodes or [node])]
        self.asked.clear()
        return len(found)


@pytest.fixture
def cluster():
    made = World("redis+cluster://10.0.0.1,10.0.0.2,10.0.0.3")
    assert made.read() == [FOUND] * 30
    made.asked.clear()
    return made


@pytest.fixture
def sentinel():
    made = World("redis+sentinel://10.0.1.1,10.0.1.2,10.0.1.3/main")
    assert made.read() == [FOUND] * 30
    made.asked.clear()
    return made


def test_a_node_that_timed_out_is_left_alone_and_the_others_are_not(cluster):
    """For five seconds it is not asked for its rows, which are errors that cost no time."""
    one, other = cluster.of(B), cluster.of(C)
    cluster.down[B] = late
    assert cluster.read([one]) == [TierTimeoutError]
    cluster.asked.clear()
    began = cluster.clock.monotonic()
    for _ in range(40):
        assert cluster.read([one]) == [TierUnavailableError]
        assert cluster.read([other]) == [FOUND]
        cluster.clock.advance(0.1)
    assert cluster.clock.monotonic() - began == pytest.approx(4.0)
    assert B not in {node for node, _ in cluster.asked}


@pytest.mark.parametrize("error", [late, gone])
def test_another_node_is_asked_for_the_slots_once_a_second(cluster, error):
    """While a node is left alone; and each time another one."""
    cluster.down[B] = error
    cluster.read([cluster.of(B)])
    cluster.asked.clear()
    seen = []
    for _ in range(450):
        cluster.read([cluster.of(B)])
        cluster.read([cluster.of(C)])
        cluster.clock.advance(0.01)
        seen += [node for node, word in cluster.asked if word == b"CLUSTER" and node != B]
        cluster.asked.clear()
    assert 4 <= len(seen) <= 6
    assert set(seen) == {A, C}


def test_a_node_that_took_over_is_used_at_once(cluster):
    """Not after the rest of the old one."""
    cluster.down[B] = late
    one = cluster.of(B)
    assert cluster.read([one]) == [TierTimeoutError]
    cluster.masters[1] = D
    assert cluster.read([one]) == [FOUND]
    assert cluster.read() == [FOUND] * 30
    assert cluster.count(b"GET", [B]) == 1


def test_after_its_rest_one_call_asks_a_node_whether_it_is_back(cluster):
    """The others do not, until that one knows."""
    cluster.down[B] = late
    one = cluster.of(B)
    cluster.read([one])
    cluster.clock.advance(5.1)
    budget = cluster.budget()
    begin = partial(operations.reading, [one], budget, "")
    probe = cluster.route.steps(begin, budget)
    sends = next(probe)
    while sends[0][1][0][1][0] == b"CLUSTER":
        sends = probe.send([cluster.answer(*each, budget) for each in sends])
    assert sends[0][0] == B
    assert cluster.read([one]) == [TierUnavailableError]
    with pytest.raises(StopIteration):
        probe.send([[VALUE]])
    assert cluster.down.pop(B)
    assert cluster.read([one]) == [FOUND]


@pytest.mark.parametrize("how", ["killed", "cancelled"])
def test_a_probe_that_never_ended_is_given_up(cluster, how):
    """A request that was killed, or cancelled, does not keep a node from being asked for ever."""
    cluster.down[B] = late
    one = cluster.of(B)
    cluster.read([one])
    del cluster.down[B]
    cluster.clock.advance(5.1)
    budget = cluster.budget()
    probe = cluster.route.steps(partial(operations.reading, [one], budget, ""), budget)
    sends = next(probe)
    while sends[0][1][0][1][0] == b"CLUSTER":
        sends = probe.send([cluster.answer(*each, budget) for each in sends])
    assert cluster.read([one]) == [TierUnavailableError]
    if how == "cancelled":
        probe.close()
    else:
        cluster.clock.advance(5.1)
    assert cluster.read([one]) == [FOUND]


def test_a_refused_connection_rests_for_a_second(cluster):
    """It costs no time to ask again, and a node that is restarted is soon back."""
    cluster.down[B] = gone
    one = cluster.of(B)
    assert cluster.read([one]) == [TierUnavailableError]
    assert cluster.count(b"GET", [B]) == 2
    del cluster.down[B]
    assert cluster.read([one]) == [TierUnavailableError]
    cluster.clock.advance(1.1)
    assert cluster.read([one]) == [FOUND]


def test_when_all_hang_each_is_asked_once(cluster):
    """What a dead cluster costs is a budget for each node, and nothing until their rest is over."""
    cluster.down |= {A: late, B: late, C: late}
    for node in (A, B, C):
        cluster.read([cluster.of(node)])
    for _ in range(5):
        cluster.read()
    cluster.asked.clear()
    began = cluster.clock.monotonic()
    for _ in range(20):
        assert TierUnavailableError in cluster.read()
    assert cluster.clock.monotonic() == began
    assert not cluster.asked


def test_a_large_batch_that_timed_out_makes_the_map_be_asked_for_only(cluster):
    """It may have been too large; but a node that has changed is found all the same."""
    many = [
        each for each in map(str, range(200)) if cluster.route._node(operations.slot_of(each)) == B
    ]
    assert len(many) > 10
    cluster.down[B] = late
    assert set(cluster.read(many)) == {TierTimeoutError}
    cluster.asked.clear()
    assert set(cluster.read(many)) == {TierTimeoutError}
    assert cluster.count(b"CLUSTER") == 1
    cluster.clock.advance(1.1)
    cluster.masters[1] = D
    assert cluster.read(many) == [FOUND] * len(many)


def test_large_batches_that_time_out_again_and_again_cost_three_budgets(cluster):
    """Not one byte came of any of them: the node hangs."""
    many = [each for each in map(str, range(200)) if cluster.route.known(each) == B]
    cluster.down[B] = late
    kinds = [cluster.read(many)[0] for _ in range(5)]
    assert kinds == [TierTimeoutError] * 3 + [TierUnavailableError] * 2
    assert cluster.read([cluster.of(C)]) == [FOUND]


def test_the_question_for_the_slots_leaves_half_of_the_time(cluster):
    """Where the node that is asked hangs as well, what was asked for is still found."""
    one = cluster.of(C)
    cluster.down |= {A: late, B: late}
    cluster.read([cluster.of(A)])
    for _ in range(3):
        assert cluster.read([one]) == [FOUND]


def test_keys_of_a_slot_that_moves_are_asked_for_one_by_one(cluster):
    """TRYAGAIN says that a command for several keys cannot be done now."""
    slot = operations.slot_of("0")
    addresses = [each for each in map(str, range(100_000)) if operations.slot_of(each) == slot]
    assert len(addresses) > 1
    seen = []
    cluster.reply = lambda words: (
        ServerError("TRYAGAIN", "Multiple keys request during rehashing of slot")
        if words[0] == b"MGET" and not seen.append(words)
        else VALUE
    )
    assert cluster.read(addresses) == [FOUND] * len(addresses)
    assert len(seen) == 1


def test_an_answer_that_had_begun_is_of_a_node_that_is_there(cluster):
    """It is asked again at once."""

    def slowly():
        error = late()
        error.arriving = True
        return error

    cluster.down[B] = slowly
    assert cluster.read([cluster.of(B)]) == [TierTimeoutError]
    del cluster.down[B]
    assert cluster.read([cluster.of(B)]) == [FOUND]


def test_a_seed_that_hangs_at_the_start_is_asked_last():
    """The second call goes to the second seed."""
    made = World("redis+cluster://10.0.0.1,10.0.0.2,10.0.0.3")
    made.down[A] = late
    assert set(made.read()) == {TierTimeoutError}
    one = made.of(B)
    assert made.read([one]) == [FOUND]
    assert [node for node, word in made.asked if word == b"CLUSTER"] == [A, B]


def test_seeds_that_refuse_do_not_keep_the_next_from_being_asked():
    """All within one call."""
    made = World("redis+cluster://10.0.0.4,10.0.0.2")
    made.down[D] = gone
    assert made.read() == [FOUND] * 30


@pytest.mark.parametrize("waited", [0.03, 0.024])  # the second by whole parts of a budget
def test_five_slow_replies_are_as_a_time_out(cluster, waited):
    """Of the node that was slow; the others go on."""
    cluster.route.nodes.slow_from = 0.025
    one, other = cluster.of(B), cluster.of(C)
    cluster.waited = waited
    for _ in range(5):
        assert cluster.read([one]) == [FOUND]
    assert cluster.read([one]) == [TierUnavailableError]
    cluster.waited = 0.0
    assert cluster.read([other]) == [FOUND]


def test_what_a_server_that_is_left_alone_says(cluster):
    """The error names it, for how long, and why."""
    cluster.down[B] = late
    cluster.read([cluster.of(B)])
    refused = cluster.route.nodes.refusal(B, cluster.budget())
    assert str(refused).startswith("10.0.0.2:6379 is left alone for ")
    assert str(refused).endswith("s more: it did not answer in time")


def test_a_cluster_down_is_asked_for_its_slots_again(cluster):
    """CLUSTERDOWN is for as long as no replica has taken over."""
    cluster.reply = lambda _: ServerError("CLUSTERDOWN", "The cluster is down")
    for _ in range(10):
        assert set(cluster.read([cluster.of(B)])) == {TierUnavailableError}
    assert cluster.count(b"CLUSTER") == 1
    del cluster.reply
    cluster.clock.advance(1.1)
    cluster.masters[1] = D
    assert cluster.read() == [FOUND] * 30


def test_a_master_that_hangs_is_left_for_the_one_that_sentinels_name(sentinel):
    """They are asked at once, and then once a second, each in turn."""
    sentinel.down[A] = late
    assert sentinel.read(["1"]) == [TierTimeoutError]
    sentinel.asked.clear()
    seen = []
    for _ in range(30):
        assert sentinel.read(["1"]) == [TierError]
        sentinel.clock.advance(0.1)
        seen += [node for node, word in sentinel.asked if word == b"SENTINEL"]
        assert A not in {node for node, _ in sentinel.asked}
        sentinel.asked.clear()
    assert len(seen) == 3
    assert set(seen) == {S1, S2, S3}
    sentinel.master = B
    sentinel.clock.advance(1.0)
    assert sentinel.read(["1"]) == [FOUND]


def test_a_sentinel_that_hangs_is_asked_last():
    """At the start the second call asks the second one."""
    made = World("redis+sentinel://10.0.1.1,10.0.1.2,10.0.1.3/main")
    made.down |= {S1: late, S2: late}
    assert made.read(["1"]) == [TierTimeoutError]
    assert made.read(["1"]) == [TierTimeoutError]
    assert made.read(["1"]) == [FOUND]
    assert [node for node, word in made.asked if word == b"SENTINEL"] == [S1, S2, S3]


def test_a_master_that_refuses_is_asked_again_after_a_second(sentinel):
    """And the Sentinels not more often than once a second."""
    sentinel.down[A] = gone
    assert sentinel.read(["1"]) == [TierUnavailableError]
    sentinel.asked.clear()
    for _ in range(20):
        sentinel.read(["1"])
        sentinel.clock.advance(0.01)
    assert sentinel.count(b"SENTINEL") == 1
    del sentinel.down[A]
    sentinel.clock.advance(1.0)
    assert sentinel.read(["1"]) == [FOUND]


def test_a_node_that_will_not_do_is_left_alone_for_a_minute(cluster):
    """One whose certificate is not accepted costs the others no handshakes."""
    cluster.down[B] = lambda: TierRefusedError("its certificate is not accepted")
    assert cluster.read([cluster.of(B)]) == [TierRefusedError]
    cluster.clock.advance(30)
    cluster.asked.clear()
    assert cluster.read([cluster.of(B)]) == [TierUnavailableError]
    assert cluster.count(b"GET") == 0


def test_a_connection_that_broke_is_tried_again_at_once(sentinel, cluster):
    """After a freeze a dead connection fails first, and that is no reason to leave a server."""
    for world, node in ((sentinel, A), (cluster, B)):
        errors = [gone()]

        def once(world=world, node=node, errors=errors):
            del world.down[node]
            return errors.pop()

        world.down[node] = once
        one = "1" if world is sentinel else world.of(B)
        assert world.read([one]) == [FOUND]
        assert not world.route.nodes.hangs(node)


@pytest.mark.parametrize("mistake", ["speaks TLS", "does not exist", "is no Redis server"])
def test_a_node_that_is_another_server_by_now_is_replaced(cluster, sentinel, mistake):
    """What was learned may be wrong by now: it is asked for anew, without a rest of a minute."""
    for world, node in ((sentinel, A), (cluster, B)):
        one = "1" if world is sentinel else world.of(B)
        world.down[node] = lambda: TierRefusedError(mistake)
        world.master = D
        world.masters[1] = D
        assert world.read([one]) == [FOUND]


def test_an_address_that_goes_on_being_wrong_is_told(sentinel):
    """Where the Sentinels go on naming it; and then it is left alone."""
    sentinel.down[A] = lambda: TierRefusedError("speaks TLS")
    assert sentinel.read(["1"]) == [TierRefusedError]
    sentinel.asked.clear()
    for _ in range(10):
        assert sentinel.read(["1"]) == [TierError]
    assert sentinel.count(b"GET") == 0


def test_a_master_that_is_back_is_found_by_the_next_probe(sentinel):
    """A refused probe has it rest for a second again, and not for five."""
    sentinel.down[A] = gone
    sentinel.read(["1"])
    sentinel.clock.advance(1.1)
    assert sentinel.read(["1"]) == [TierUnavailableError]
    del sentinel.down[A]
    sentinel.clock.advance(1.1)
    assert sentinel.read(["1"]) == [FOUND]


def test_a_probe_whose_answer_had_begun_has_found_the_node(cluster):
    """It is there, though it was slow."""
    cluster.down[B] = late
    one = cluster.of(B)
    cluster.read([one])
    cluster.clock.advance(5.1)

    def slowly():
        error = late()
        error.arriving = True
        return error

    cluster.down[B] = slowly
    assert cluster.read([one]) == [TierTimeoutError]
    del cluster.down[B]
    assert cluster.read([one]) == [FOUND]


def test_many_rows_in_one_command_are_many_rows(sentinel):
    """At one master an MGET of 500 that is slow, or late, says nothing of the master."""
    sentinel.route.nodes.slow_from = 0.025
    many = [f"orc1:{n}" for n in range(500)]
    sentinel.waited = 0.04
    for _ in range(10):
        assert sentinel.read(many) == [FOUND] * 500
    sentinel.down[A] = late
    sentinel.read(many)
    sentinel.route.nodes.given_up(A, [("", [b"MGET", *(b"k",) * 500])], 0.04, sentinel.budget())
    del sentinel.down[A]
    sentinel.waited = 0.0
    assert sentinel.read(["1"]) == [FOUND]


def test_a_node_that_was_replaced_for_good_is_asked_about_no_more(cluster):
    """Once another node has its slots, the map is as good as any."""
    cluster.down[B] = late
    one = cluster.of(B)
    cluster.read([one])
    cluster.masters[1] = D
    assert cluster.read([one]) == [FOUND]
    cluster.asked.clear()
    for _ in range(100):
        cluster.read([one])
        cluster.clock.advance(1.0)
    assert cluster.count(b"CLUSTER") == 0


def test_one_sentinel_that_knows_nothing_is_no_mistake_while_others_are_down():
    """It may have been started a moment ago."""
    made = World("redis+sentinel://10.0.1.1,10.0.1.2,10.0.1.3/main")
    made.down |= {S2: gone, S3: gone}
    real = made.answer

    def answer(node, commands, budget):
        return [None] if node == S1 else real(node, commands, budget)

    made.answer = answer
    assert made.read(["1"]) == [TierUnavailableError]
    made.down.clear()
    made.clock.advance(1.1)
    assert made.read(["1"]) == [FOUND]


def test_moved_at_one_address_is_refused_by_name():
    """Whatever else of the operation was answered."""
    made = World("rediss://10.0.0.1")
    made.reply = lambda _: ServerError("MOVED", "3999 10.0.0.2:6379")
    with pytest.raises(TierRefusedError, match=r"write rediss\+cluster://10\.0\.0\.1:6379"):
        made.read()


def test_without_a_clock_nothing_is_left_alone(cluster):
    """prewarm() has none, and may go on to the next server."""

    class Unclocked(Budget):
        def now(self):
            return None

    nodes = Nodes([A])
    nodes.told(A, [("", [b"TIME"])], late(), 0.0, Unclocked(cluster.clock, 1.0))
    assert nodes.refusal(A, cluster.budget()) is None
