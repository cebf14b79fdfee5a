"""The table of the DynamoDB tier: made, or found and completed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY, EXPIRY = "pk", "x"
"""The attributes that a table has to be told of; see ``orc/tiers/dynamodb/requests.py``."""


class DiffersError(Exception):
    """There is a table of that name, and it is not one for the tier."""


def ensure(client: Any, table: str) -> Iterator[str]:
    """Make a table, or complete the one that is there; yield what was done, line by line.

    Raises ``DiffersError`` for a table with another key, and what boto3 raises.
    """
    try:
        client.create_table(
            TableName=table,
            AttributeDefinitions=[{"AttributeName": KEY, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": KEY, "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        made = True
    except client.exceptions.ResourceInUseException:
        made = False
    client.get_waiter("table_exists").wait(
        TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    if made:
        yield f"table {table} is made, on demand"
    else:
        _check(client.describe_table(TableName=table)["Table"])
        yield f"table {table} is there already"
    live = client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    if live.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}:
        if live.get("AttributeName") != EXPIRY:
            raise DiffersError(
                f"table {table} has its time to live on the attribute "
                f"{live.get('AttributeName')!r}, and not on {EXPIRY!r}: rows would never be swept"
            )
        yield f"time to live is on already, on the attribute {EXPIRY}"
        return
    client.update_time_to_live(
        TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRY}
    )
    yield f"time to live is switched on, on the attribute {EXPIRY}"


def _check(found: dict[str, Any]) -> None:
    types = {each["AttributeName"]: each["AttributeType"] for each in found["AttributeDefinitions"]}
    schema = [(each["AttributeName"], each["KeyType"]) for each in found["KeySchema"]]
    if schema != [(KEY, "HASH")] or types.get(KEY) != "S":
        there = ", ".join(f"{name} ({types.get(name)}, {kind})" for name, kind in schema)
        raise DiffersError(
            f"table {found['TableName']} is there with the key {there}; the tier needs "
            f"{KEY} (S, HASH) and no other: name another table"
        )
