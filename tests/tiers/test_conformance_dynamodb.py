"""The DynamoDB tier keeps the contract of a tier, against moto's server."""

from __future__ import annotations

import itertools

import pytest

from orc.testing.conformance import TierConformance
from orc.testing.servers.dynamodb import moto
from orc.tiers.dynamodb.tier import DynamoDB

_numbers = itertools.count()


@pytest.fixture(scope="module")
def client():
    """Return a client of moto's server: to make one takes longer than most of the tests."""
    import boto3

    with moto() as running:
        made = boto3.client(
            "dynamodb",
            region_name="us-east-1",
            endpoint_url=running.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - moto takes any
        )
        yield made
        made.close()


class TestDynamoDB(TierConformance):
    """Its times are those of the budget's clock, so that the test moves them."""

    @pytest.fixture
    def make_tier(self, client):
        table = f"orc-{next(_numbers)}"
        client.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        return lambda: DynamoDB(client, table=table, budget=5.0)
