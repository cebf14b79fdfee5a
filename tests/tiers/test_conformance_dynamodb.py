"""The DynamoDB tier keeps the contract of a tier, against moto's server."""

from __future__ import annotations

import itertools

import pytest

from orc.testing.conformance import TierConformance
from orc.testing.servers.dynamodb import moto
from orc.tiers.dynamodb.tier import DynamoDB

_numbers = itertools.count()


@pytest.fixture(scope="module")
def server():
    with moto() as running:
        yield running


class TestDynamoDB(TierConformance):
    """Its times are those of the budget's clock, so that the test moves them."""

    @pytest.fixture
    def make_tier(self, server, monkeypatch):
        import boto3

        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        endpoint = server.url
        table = f"orc-{next(_numbers)}"
        client = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=endpoint)
        client.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        client.close()
        return lambda: DynamoDB(table, region="us-east-1", endpoint=endpoint)
