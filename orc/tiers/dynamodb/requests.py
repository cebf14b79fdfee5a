"""Rows as items of a table, and what is asked of DynamoDB, without asking it.

An item: ``pk`` (S) the address, ``v`` (B) the payload, ``t`` (B) the etag or token, ``l`` (N) when
the lease or rest ends, ``f`` (BOOL) whether that is a rest after a failed load, ``e`` (N) when the
payload is past its keep, ``x`` (N) when DynamoDB may sweep the item. ``l`` and ``e`` are
milliseconds since the epoch, ``x`` is in seconds, as DynamoDB wants it. The sweeper may take days,
so ``e`` is compared on every read and in every condition.

An address ends with a hash, and DynamoDB hashes a partition key once more: items spread evenly.
"""

from __future__ import annotations

from orc.model.row import Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from orc.model.row import Claim, Write

KEY = "pk"
EXPIRY = "x"
"""The attribute by which DynamoDB's time to live sweeps."""

LONGEST_LEASE = 60.0
"""Seconds. A lease or a rest that ends later than this from now was written by a clock that is
ahead; it is not believed, or one wrong clock could keep all others out while it is wrong."""

CLAIM_STAYS = 60.0
"""Seconds for which a claim stays beyond its lease, so that a slow load can still be stored."""

SWEEP_AFTER = 3600.0
"""Seconds between the end of a row and its sweeping: more than clocks differ, and more than a
lease lasts that is granted at the row's end."""

_NO_INSTANT = 1e15
"""Seconds that are no time of day any more; not a number is not less than it, either."""

READS, WRITES = 100, 25
"""Most items of one BatchGetItem and of one BatchWriteItem (service quotas of DynamoDB)."""

_FREE = "(attribute_not_exists(l) OR l <= :now OR l > :far%s)"
_CLAIM_NOTHING = f"(attribute_not_exists(v) OR attribute_not_exists(e) OR e <= :now) AND {_FREE}"
_THERE = "(e > :now OR l BETWEEN :past AND :far)"
_CLAIM_SEEN = f"t = :seen AND {_THERE} AND {_FREE}"
_LIVE_TOKEN = f"t = :token AND {_THERE}"
_ON_REFUSAL = "ALL_OLD"  # a refused claim then needs no second request to tell what is there


def key_of(address: str) -> dict[str, Any]:
    """Return the primary key of an item."""
    return {KEY: {"S": address}}


def row_of(item: Mapping[str, Any] | None, now: float) -> Row:
    """Return what of an item counts now; a row that is not there if nothing does, or it is odd."""
    if not item:
        return Row()
    etag = _binary(item.get("t"))
    keep_until, lease_until = _seconds(item.get("e")), _seconds(item.get("l"))
    if etag is None or keep_until is None:
        return Row()
    held = 0.0 if lease_until is None else lease_until - now
    if held > LONGEST_LEASE:
        held = 0.0
        if keep_until <= now:
            return Row()
    if keep_until <= now and held < -CLAIM_STAYS:
        return Row()
    if lease_until is None and keep_until <= now:
        return Row()
    payload = _binary(item.get("v")) if keep_until > now else None
    if held <= 0:
        return Row(payload, etag)
    return Row(payload, etag, held, failed=_plain(item.get("f")) is True)


def get(table: str, address: str, *, consistent: bool) -> dict[str, Any]:
    """Word a GetItem."""
    asked: dict[str, Any] = {
        "TableName": table,
        "Key": key_of(address),
        "ReturnConsumedCapacity": "TOTAL",
    }
    if consistent:
        asked["ConsistentRead"] = True
    return asked


def batch_get(table: str, addresses: Sequence[str], *, consistent: bool) -> dict[str, Any]:
    """Word a BatchGetItem of at most 100 items."""
    keys: dict[str, Any] = {"Keys": [key_of(each) for each in addresses]}
    if consistent:
        keys["ConsistentRead"] = True
    return {"RequestItems": {table: keys}, "ReturnConsumedCapacity": "TOTAL"}


def address_in(key: Mapping[str, Any]) -> str:
    """Return the address in an item or in a key that DynamoDB answered with."""
    return str(_plain(key.get(KEY)))


def claim(table: str, claim: Claim, now: float, *, of_nothing: bool) -> dict[str, Any]:
    """Word a claim: of a row without a payload, or of the row that was seen."""
    lease_until = now + min(claim.lease, LONGEST_LEASE)
    values = {
        ":now": _milliseconds(now),
        ":far": _milliseconds(now + LONGEST_LEASE),
        ":t": {"B": claim.token},
        ":l": _milliseconds(lease_until),
    }
    if of_nothing:
        change = "SET t = :t, l = :l, e = :e, x = :x REMOVE v, f"
        values[":e"] = _milliseconds(lease_until + CLAIM_STAYS)
        values[":x"] = _sweep_at(lease_until + CLAIM_STAYS)
    else:
        change = "SET t = :t, l = :l REMOVE f"
        values[":seen"] = {"B": claim.seen}
        values[":past"] = _milliseconds(now - CLAIM_STAYS)
    own = {f":own{n}": {"B": token} for n, token in enumerate(claim.own)}
    values |= own
    or_own = f" OR t IN ({', '.join(own)})" if own else ""
    return {
        "TableName": table,
        "Key": key_of(claim.address),
        "UpdateExpression": change,
        "ConditionExpression": (_CLAIM_NOTHING if of_nothing else _CLAIM_SEEN) % or_own,
        "ExpressionAttributeValues": values,
        "ReturnValues": "ALL_NEW",
        "ReturnValuesOnConditionCheckFailure": _ON_REFUSAL,
        "ReturnConsumedCapacity": "TOTAL",
    }


def refuses(row: Row, claim: Claim) -> bool:
    """Tell whether a claim is refused by what is there; see ``orc.model.ports.Tier``."""
    if row.etag == claim.token:
        return False
    held = row.held > 0 and row.etag not in claim.own
    return held or (row.payload is not None and row.etag != claim.seen)


def item_of(write: Write, now: float) -> dict[str, Any]:
    """Return the item that a write with a payload makes."""
    return {
        KEY: {"S": write.address},
        "v": {"B": write.payload},
        "t": {"B": write.etag},
        "e": _milliseconds(now + write.keep),
        EXPIRY: _sweep_at(now + write.keep),
    }


def put(table: str, write: Write, now: float) -> dict[str, Any]:
    """Word a PutItem: unconditional, or a fill, which needs its token to be live."""
    asked: dict[str, Any] = {
        "TableName": table,
        "Item": item_of(write, now),
        "ReturnConsumedCapacity": "TOTAL",
    }
    if write.token is not None:
        asked.update(_if_live(write, now))
    return asked


def give_back(table: str, write: Write, now: float) -> dict[str, Any]:
    """Word the end of a claim without a payload, and of its rest if the load has failed."""
    asked = {
        "TableName": table,
        "Key": key_of(write.address),
        **_if_live(write, now),
        "ReturnConsumedCapacity": "TOTAL",
    }
    values = asked["ExpressionAttributeValues"]
    values[":t"] = {"B": write.etag}
    if write.rest > 0:
        values[":l"] = _milliseconds(now + min(write.rest, LONGEST_LEASE))
        values[":f"] = {"BOOL": True}
        asked["UpdateExpression"] = "SET t = :t, l = :l, f = :f"
    else:
        asked["UpdateExpression"] = "SET t = :t REMOVE l, f"
    return asked


def delete(table: str, address: str) -> dict[str, Any]:
    """Word a DeleteItem."""
    return {"TableName": table, "Key": key_of(address), "ReturnConsumedCapacity": "TOTAL"}


def batch_write(table: str, changes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Word a BatchWriteItem of at most 25 changes; a change is an item, or the key of one."""
    wanted = [
        {"DeleteRequest": {"Key": each}} if len(each) == 1 else {"PutRequest": {"Item": each}}
        for each in changes
    ]
    return {"RequestItems": {table: wanted}, "ReturnConsumedCapacity": "TOTAL"}


def unprocessed(answer: Mapping[str, Any]) -> set[str]:
    """Return the addresses that DynamoDB left for another BatchGetItem or BatchWriteItem."""
    left: set[str] = set()
    for keys in (answer.get("UnprocessedKeys") or {}).values():
        left.update(address_in(each) for each in keys["Keys"])
    for changes in (answer.get("UnprocessedItems") or {}).values():
        for each in changes:
            put_request = each.get("PutRequest")
            of = put_request["Item"] if put_request else each["DeleteRequest"]["Key"]
            left.add(address_in(of))
    return left


def _if_live(write: Write, now: float) -> dict[str, Any]:
    return {
        "ConditionExpression": _LIVE_TOKEN,
        "ExpressionAttributeValues": {
            ":token": {"B": write.token},
            ":now": _milliseconds(now),
            ":past": _milliseconds(now - CLAIM_STAYS),
            ":far": _milliseconds(now + LONGEST_LEASE),
        },
        "ReturnValuesOnConditionCheckFailure": _ON_REFUSAL,
    }


def _milliseconds(instant: float) -> dict[str, str]:
    return {"N": str(int(instant * 1000))}


def _sweep_at(end: float) -> dict[str, str]:
    return {"N": str(-int(-(end + SWEEP_AFTER) // 1))}


def _plain(value: Any) -> Any:
    """Return a value of an item; those that ``boto3.resource`` answers with have no type beside."""
    if type(value) is dict and len(value) == 1:
        return next(iter(value.values()))
    return value


def _binary(value: Any) -> bytes | None:
    plain = _plain(value)
    plain = getattr(plain, "value", plain)  # boto3.dynamodb.types.Binary
    if type(plain) is bytearray:
        plain = bytes(plain)
    return plain if type(plain) is bytes else None


def _seconds(value: Any) -> float | None:
    try:
        found = float(_plain(value)) / 1000
    except (TypeError, ValueError, OverflowError):
        return None
    return found if abs(found) < _NO_INSTANT else None


def is_table(name: str) -> bool:
    """Tell whether this may be a table's name, or its ARN ("Naming rules", DynamoDB Guide)."""
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    if name.startswith("arn:"):
        return ":table/" in name and not any(each.isspace() for each in name)
    return 3 <= len(name) <= 255 and plain.isascii() and plain.isalnum()  # noqa: PLR2004 - as there
