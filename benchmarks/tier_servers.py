"""Servers for the benchmarks of tiers; measuring processes find their addresses in variables."""

from __future__ import annotations

import os
from contextlib import contextmanager

from orc.testing.servers import dynamodb
from orc.testing.servers.valkey import Valkey

TABLE = "bench"
REDIS, DYNAMODB, FOLDER = "BENCH_REDIS", "BENCH_DYNAMODB", "BENCH_DYNAMODB_LOCAL"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@contextmanager
def servers(dynamodb_local):
    """Start Valkey and a DynamoDB, and name them in the variables of processes to come."""
    os.environ.update(CREDENTIALS)
    if dynamodb_local:
        os.environ[FOLDER] = dynamodb_local
    with Valkey() as valkey, table_server(dynamodb_local) as table:
        os.environ[REDIS], os.environ[DYNAMODB] = valkey.url, table.url
        yield


def table_server(dynamodb_local):
    """Start a DynamoDB with an empty table."""
    import boto3

    folder = dynamodb_local
    server = dynamodb.dynamodb_local(folder) if folder else dynamodb.moto()
    boto3.client("dynamodb", endpoint_url=server.url).create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    return server


def redis_url():
    return os.environ[REDIS]


def dynamodb_url():
    return os.environ[DYNAMODB]


def dynamodb_address(url=None, budget=2):
    return f"dynamodb://{TABLE}?region=us-east-1&endpoint={url or dynamodb_url()}&budget={budget}"
