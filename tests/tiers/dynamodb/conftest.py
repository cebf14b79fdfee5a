"""Servers that speak DynamoDB, and tables in them."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from orc.cli.dynamodb.table import ensure
from orc.model.row import Budget
from orc.testing.servers.dynamodb import dynamodb_local, moto
from orc.tiers.dynamodb.tier import DynamoDB

NUMBERS = count()


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def moto_server():
    with moto() as server:
        yield server


@pytest.fixture(scope="session")
def local_server():
    folder = os.environ.get("ORC_TEST_DYNAMODB_LOCAL", "")  # noqa: TID251 - the tests' own
    if not (Path(folder) / "DynamoDBLocal.jar").is_file():
        yield None
        return
    with dynamodb_local(folder) as server:
        yield server


@pytest.fixture(params=["moto", "dynamodb-local"])
def server(request, moto_server, require):
    if request.param == "moto":
        return moto_server
    found = request.getfixturevalue("local_server")
    require("dynamodb-local", found)
    return found


@pytest.fixture
def table(server):
    """Return the name of an empty table of the test's own."""
    return make_table(server.url)


@pytest.fixture
def tier(server, table):
    made = DynamoDB(table, endpoint=server.url, budget=10)
    made.prewarm()
    yield made
    made.close()


@pytest.fixture
def budget(clock):
    return Budget(clock, 10)


def client_of(url):
    return boto3.client(
        "dynamodb", endpoint_url=url, config=Config(retries={"total_max_attempts": 1})
    )


def make_table(url):
    name = f"orc-test-{next(NUMBERS)}"
    client = client_of(url)
    list(ensure(client, name))
    client.close()
    return name
