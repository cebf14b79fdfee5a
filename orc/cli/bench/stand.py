"""Servers of the bench's own, on the loopback, where no tiers are named."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self
from urllib.request import Request, urlopen

from orc.config.tier_urls import TierUrl
from orc.errors import ConfigError
from orc.testing.servers import dynamodb, valkey

if TYPE_CHECKING:
    from orc.testing.servers.dynamodb import DynamoDBServer

TABLE = "orc-bench"
BUDGET = "2s"
"""What a server on two busy cores may take; a budget ends calls that the bench wants to time."""

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "orcbench",  # DynamoDB Local takes letters and digits only
    "AWS_SECRET_ACCESS_KEY": "nothing-is-signed-with-it-that-leaves-this-machine",
    "AWS_DEFAULT_REGION": "us-east-1",
}
SIGNED = (
    "AWS4-HMAC-SHA256 Credential=orcbench/20260101/us-east-1/dynamodb/aws4_request, "
    "SignedHeaders=host, Signature=0"
)


class Stand:
    """A disk tier in a folder of its own, and the servers that could be started; ends them."""

    def __init__(self) -> None:
        self.urls: list[TierUrl] = [TierUrl("memory://")]
        self.servers: list[str] = []
        """What was started, in words."""
        self.left_out: list[str] = []
        """What was not, and why."""
        self.corrected = False
        """Whether capacity is counted by moto, which counts it wrong."""
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def start(self, dynamodb_local: str | None) -> None:
        """Start what there is. A folder with DynamoDB Local has it in the place of moto's."""
        folder = self._open.enter_context(tempfile.TemporaryDirectory(prefix="orc-bench-"))
        self.urls.append(TierUrl(f"disk://{folder}"))
        try:
            server = self._open.enter_context(valkey.Valkey())
            self.urls.append(TierUrl(f"{server.url}?budget={BUDGET}"))
            self.servers.append("Valkey")
        except (ConfigError, ChildProcessError) as error:
            self.left_out.append(f"redis: {error}")
        try:
            if dynamodb_local is None:
                table = self._open.enter_context(dynamodb.moto())
                self.corrected = True
                self.servers.append("moto's DynamoDB")
            else:
                table = self._open.enter_context(dynamodb.dynamodb_local(dynamodb_local))
                self.servers.append("DynamoDB Local")
            self._make_table(table)
        except (ConfigError, ChildProcessError, OSError) as error:
            if dynamodb_local is not None:
                raise ConfigError(f"--dynamodb-local: {error}") from None
            self.left_out.append(f"dynamodb: {error}")

    def _make_table(self, server: DynamoDBServer) -> None:
        asked = {
            "TableName": TABLE,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        }
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "DynamoDB_20120810.CreateTable",
            "Authorization": SIGNED,
        }
        request = Request(server.url, json.dumps(asked).encode(), headers)  # noqa: S310 - loopback
        urlopen(request, timeout=30).close()  # noqa: S310 - the same
        variables = os.environ  # noqa: TID251 - boto3 finds credentials there and nowhere else
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            variables.pop(name, None)
        variables.update(CREDENTIALS)
        self.urls.append(
            TierUrl(f"dynamodb://{TABLE}?region=us-east-1&endpoint={server.url}&budget={BUDGET}")
        )
