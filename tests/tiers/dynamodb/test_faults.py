"""What a tier says when its table, its rights or its server are not there."""

from __future__ import annotations

import time

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from orc.cli.dynamodb.table import ensure
from orc.cli.dynamodb.template import ACTIONS
from orc.errors import (
    TierRefusedError,
    TierThrottledError,
    TierTimeoutError,
    TierUnavailableError,
)
from orc.lifecycle.clock import SYSTEM
from orc.model.row import Budget, Claim, Row, Write
from orc.testing.servers.dynamodb import moto
from orc.testing.servers.process import free_port
from orc.tiers.dynamodb import transport
from orc.tiers.dynamodb.tier import DynamoDB

HANGS = 5.0  # seconds no call here may take; a busy machine makes milliseconds seconds


class Raw:
    """The body of an answer that no server gave."""

    def __init__(self, body):
        self._body = body

    def stream(self):
        yield self._body


def answer(code, status=400):
    body = b'{"__type":"com.amazon#%s","message":"secret-ish"}' % code.encode()
    return AWSResponse("http://nowhere", status, {}, Raw(body))


def inject(tier, decide):
    """Have requests answered by `decide(operation)`, unless that is none."""
    tier._transport._connect()

    def handler(request, event_name, **_):
        return decide(event_name.rpartition(".")[2])

    tier._transport._client.meta.events.register("before-send.dynamodb", handler)


def everything(tier, budget):
    """Call all that a tier can do."""
    writes = [Write(f"k{each}", b"v", b"e", 60) for each in range(2)]
    yield lambda: tier.get_many(["a"], budget)
    yield lambda: tier.get_many(["a", "b"], budget)
    yield lambda: tier.claim_many([Claim("a", b"t", 5)], budget)
    yield lambda: tier.set_many([Write("a", b"v", b"e", 60, b"t")], budget)
    yield lambda: tier.set_many([Write("a", None, b"e2", 0, b"e", rest=1)], budget)
    yield lambda: tier.set_many(writes, budget)
    yield lambda: tier.set_many(writes[:1], budget)
    yield lambda: tier.delete_many(["a"], budget)
    yield lambda: tier.delete_many(["k0", "k1"], budget)


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("ProvisionedThroughputExceededException", 400, TierThrottledError),
        ("ThrottlingException", 400, TierThrottledError),
        ("RequestLimitExceeded", 400, TierThrottledError),
        ("InternalServerError", 500, TierUnavailableError),
        ("ServiceUnavailable", 503, TierUnavailableError),
        ("AccessDeniedException", 400, TierRefusedError),
        ("UnrecognizedClientException", 400, TierRefusedError),
        ("ExpiredTokenException", 400, TierRefusedError),
        ("ValidationException", 400, TierRefusedError),
        ("ResourceNotFoundException", 400, TierRefusedError),
    ],
)
def test_every_call_names_what_is_wrong(tier, budget, code, status, error):
    """Whatever DynamoDB answers is an error of tiers; what may pass is tried twice."""
    asked = []

    def decide(operation):
        asked.append(operation)
        return answer(code, status)

    inject(tier, decide)
    for call in everything(tier, budget):
        asked.clear()
        with pytest.raises(error, match=tier._transport.table):
            call()
        assert len(asked) == (1 if error is TierRefusedError else 2)
    if error is TierThrottledError:
        assert tier.counts()["throttled"] == 18


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>please log in</html>", "text/html; charset=utf-8"),
        (b"", "text/plain"),
        (b"{}", "application/json"),
        (b"[1]", "application/json"),
        (b"not even", None),
    ],
)
def test_an_answer_of_a_proxy_is_no_success(tier, budget, body, kind):
    """200 with something that is not DynamoDB's: each call raises, delete too, and says so."""
    headers = {"Content-Type": kind} if kind else {}
    inject(tier, lambda _: AWSResponse("http://nowhere", 200, headers, Raw(body)))
    for call in everything(tier, budget):
        # Of a list botocore itself says that it is none.
        with pytest.raises(TierUnavailableError, match=r"not DynamoDB's.*proxy|cannot be reached"):
            call()


def test_one_throttle_is_overcome(tier, budget):
    """The second attempt follows at once."""
    throttles = [answer("ThrottlingException")]
    inject(tier, lambda _: throttles.pop() if throttles else None)
    assert isinstance(tier.get_many(["a"], budget)[0], Row)
    assert tier.counts()["throttled"] == 1


def test_what_is_throttled_is_an_error_in_its_place(tier, budget):
    """Of two batches one is refused: the other's rows are answered."""
    tier.set_many([Write("k0", b"v", b"e", 60)], budget)
    seen = []

    def decide(_operation):
        seen.append(1)
        return answer("ThrottlingException") if len(seen) > 1 else None

    inject(tier, decide)
    rows = tier.get_many([f"k{each}" for each in range(150)], budget)
    bad = [isinstance(each, TierThrottledError) for each in rows]
    assert sorted({sum(bad[:100]), sum(bad[100:])}) in ([0, 50], [0, 100])


def test_a_table_that_is_absent_is_named(server, budget):
    """The error says which table, where, and how it is made."""
    tier = DynamoDB("no-such-table", endpoint=server.url, region="eu-west-3", budget=5)
    for call in everything(tier, budget):
        with pytest.raises(TierRefusedError, match=r"no-such-table.*eu-west-3.*create-table"):
            call()
    tier.close()


def test_the_rights_of_the_template_are_enough_and_all_needed(tier, budget):
    """Denied everything that the template does not grant, the tier does all its work."""
    used = set()

    def decide(operation):
        used.add(f"dynamodb:{operation}")
        return None if f"dynamodb:{operation}" in ACTIONS else answer("AccessDeniedException")

    inject(tier, decide)
    tier.prewarm()
    for call in everything(tier, budget):
        call()
    assert used == set(ACTIONS)


def test_without_credentials_or_region_the_remedy_is_named(monkeypatch, budget, moto_server):
    """Both are found when the client is made or first asked, and neither is waited for."""
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(TierRefusedError, match="AWS_REGION"):
        DynamoDB("table").get_many(["a"], budget)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    tier = DynamoDB("table", region="eu-west-1", endpoint=moto_server.url)
    with pytest.raises(TierRefusedError, match="AWS_ACCESS_KEY_ID"):
        tier.get_many(["a"], budget)
    with pytest.raises(TierRefusedError, match="AWS_ACCESS_KEY_ID"):
        tier.prewarm()


def test_a_closed_port_is_known_at_once(budget):
    """A port without a listener: both attempts are over long before the budget."""
    tier = DynamoDB("table", endpoint=f"http://127.0.0.1:{free_port()}")
    tier._transport._connect()
    before = time.perf_counter()
    with pytest.raises(TierUnavailableError):
        tier.get_many(["a"], Budget(SYSTEM, 60))
    assert time.perf_counter() - before < HANGS


def test_a_server_that_is_frozen_or_gone_costs_no_more_than_the_budget():
    """SIGSTOP and SIGKILL: an error within the budget; after the thaw it works again."""
    with moto() as server:
        client = boto3.client("dynamodb", endpoint_url=server.url)
        list(ensure(client, "cache"))
        client.close()
        tier = DynamoDB("cache", endpoint=server.url)
        tier.prewarm()

        def call():
            before = time.perf_counter()
            with pytest.raises((TierTimeoutError, TierUnavailableError)):
                tier.claim_many([Claim("a", b"t", 5)], Budget(SYSTEM, 0.2))
            assert time.perf_counter() - before < HANGS

        server.freeze()
        call()
        server.thaw()
        assert tier.get_many(["a"], Budget(SYSTEM, 5))[0].payload is None
        server.kill()
        call()
        tier.close()


def test_an_idle_connection_is_not_used_again(tier, budget, clock, monkeypatch):
    """After a minute without requests, by either direction of the clock, connections are new."""
    closed = []
    monkeypatch.setattr(transport, "_close", closed.append)
    for step, expected in ((59, 0), (61, 1), (-61, 2)):
        tier.get_many(["a"], budget)
        clock.advance(wall=step)
        tier.get_many(["a"], budget)
        assert len(closed) == expected


def test_too_little_time_starts_nothing(tier, clock):
    """What does not fit into the time that is left is not sent."""
    before = tier.counts()["requests"]
    for seconds in (0.0, -1.0, 0.1):
        with pytest.raises(TierTimeoutError):
            tier.get_many(["a"], Budget(clock, seconds))
    assert tier.counts()["requests"] == before


def test_what_this_process_wrote_it_reads_consistently(tier, budget, clock):
    """For 2 s after a write or delete, and for that address only."""
    strict = []

    def note(params, **_):
        strict.append("ConsistentRead" in params["body"].decode())

    tier._transport._client.meta.events.register("before-call.dynamodb.GetItem", note)
    tier.delete_many(["a"], budget)
    for address in ("a", "b"):
        tier.get_many([address], budget)
    clock.advance(wall=-3600)
    tier.get_many(["a"], budget)
    clock.advance(wall=2)
    tier.get_many(["a"], budget)
    tier.get_many(["a"], budget, consistent=True)
    assert strict == [True, False, True, False, True]
