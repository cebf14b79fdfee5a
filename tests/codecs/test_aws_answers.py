"""Answers of AWS's SDK, and the zones in them, come back from shared tiers as they were."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
from decimal import Decimal

import boto3
import pytest
import pytz
from boto3.dynamodb.types import Binary
from botocore.stub import ANY, Stubber
from dateutil import tz

import orc
from orc.codecs import kinds
from orc.codecs.codec import Codec
from orc.errors import UnstorableError
from orc.model import zones
from orc.model.address import Address
from orc.model.entry import Entry

MINE = Address(b"k", "orc1:n:f", None, "1")
NOW = dt.datetime(2026, 7, 1, 12, 30, 1, 5)  # noqa: DTZ001 - to be put into zones
BERLIN = tz.gettz("Europe/Berlin")


def there_and_back(value):
    codec = Codec()
    found = codec.open(codec.seal(Entry(value, 1.0, 2.0), MINE), MINE)
    assert found is not None
    return found.value


ZONES = [
    tz.tzutc(),
    tz.UTC,
    tz.tzlocal(),
    tz.tzoffset(None, 3600),
    tz.tzoffset("CET", dt.timedelta(hours=1)),
    tz.tzoffset("odd", -61.5),
    BERLIN,
    tz.gettz("America/New_York"),
    tz.tz.tzfile(BERLIN._filename),
    pytz.UTC,
    pytz.FixedOffset(90),
    pytz.timezone("Europe/Berlin"),
    pytz.timezone("Asia/Kathmandu"),
    pytz.timezone("Europe/Berlin").localize(NOW).tzinfo,
    pytz.timezone("Europe/Berlin").localize(NOW.replace(month=1)).tzinfo,
]


@pytest.mark.parametrize("zone", ZONES, ids=repr)
def test_a_zone_comes_back(zone):
    for value in (
        zone,
        NOW.replace(tzinfo=zone),
        dt.time(1, fold=1, tzinfo=zone),
        {"a": [NOW.replace(tzinfo=zone)] * 2},
    ):
        found = there_and_back(value)
        assert found == value
        assert repr(found) == repr(value)
    found = there_and_back(NOW.replace(tzinfo=zone))
    assert type(found.tzinfo) is type(zone) or found.tzinfo == zone
    assert found.utcoffset() == NOW.replace(tzinfo=zone).utcoffset()


@pytest.mark.parametrize(
    "zone", [tz.tzrange("EST"), tz.tzstr("EST5EDT4"), tz.tz.tzfile("/etc/localtime")]
)
def test_a_zone_whose_parts_are_not_known_is_refused(zone):
    with pytest.raises(UnstorableError, match="tz"):
        there_and_back(NOW.replace(tzinfo=zone))


def test_a_local_zone_elsewhere_is_none(monkeypatch):
    """The same time of day would be another instant there."""
    parts = zones.parts_of(tz.tzlocal())
    assert zones.zone_of(parts) == tz.tzlocal()
    for changed in (["tzlocal", 0, 3600, 0, *parts[4:]], ["tzlocal"]):
        if tuple(changed) == parts:
            continue
        with pytest.raises(ValueError, match="another one here"):
            zones.zone_of(changed)


@pytest.mark.parametrize(
    "parts",
    [
        *[
            ["gettz", "../../etc/passwd"],
            ["gettz", "/etc/localtime"],
            ["gettz", ""],
            ["gettz", ":x"],
        ],
        *[
            ["gettz", "Europe/Nowhere"],
            ["gettz", "EST5EDT4"],
            ["gettz", 5],
            ["gettz"],
            ["nothing", 1],
        ],
        *[["tzoffset", None, 5, 0, 0], ["tzoffset", None, 10**30, 0, 0], ["tzoffset", []], []],
        *[["pytz", "../x"], ["pytz", 10**6], ["pytz", "Europe/Berlin", 1, 2, "x"], ["pytz", None]],
        *[["pytz", "Europe/Berlin", 1], {}, None, 5, "tzutc", [[]]],
    ],
    ids=repr,
)
def test_what_names_no_zone_is_a_miss(parts):
    leaf = json.dumps(parts).encode()
    with pytest.raises(Exception):  # noqa: B017 - whatever: the codec takes each for a miss
        kinds.leaf(kinds.FOREIGN_ZONE, leaf)


def test_zones_of_pytz_do_not_grow_from_rows():
    before = len(pytz.timezone("Europe/Berlin")._tzinfos)
    for number in range(50):
        with pytest.raises(KeyError):
            zones.zone_of(["pytz", "Europe/Berlin", number, 0, "x"])
    assert len(pytz.timezone("Europe/Berlin")._tzinfos) == before


def test_an_item_of_dynamodb_comes_back():
    item = {
        "price": Decimal("12.50"),
        "labels": {"x", "y"},
        "raw": Binary(b"\0bytes"),
        "raws": {Binary(b"a")},
        "when": None,
        "deep": [{"n": Decimal(1)}, True],
    }
    found = there_and_back(item)
    assert found == item
    assert type(found["raw"]) is Binary


@pytest.mark.parametrize(
    ("service", "operation", "asked", "answer"),
    [
        (
            "ssm",
            "get_parameter",
            {"Name": "/a"},
            {
                "Parameter": {
                    "Name": "/a",
                    "Value": "v",
                    "LastModifiedDate": NOW.replace(tzinfo=tz.tzlocal()),
                }
            },
        ),
        (
            "secretsmanager",
            "get_secret_value",
            {"SecretId": "a"},
            {"SecretBinary": b"x", "CreatedDate": NOW.replace(tzinfo=tz.tzlocal())},
        ),
        (
            "sts",
            "get_session_token",
            {},
            {
                "Credentials": {
                    "AccessKeyId": "A" * 16,
                    "SecretAccessKey": "b",
                    "SessionToken": "c",
                    "Expiration": NOW.replace(tzinfo=tz.tzutc()),
                }
            },
        ),
        (
            "dynamodb",
            "describe_table",
            {"TableName": "abc"},
            {"Table": {"TableName": "abc", "CreationDateTime": NOW.replace(tzinfo=tz.tzlocal())}},
        ),
    ],
)
def test_an_answer_of_a_client_is_shared_by_two_containers(
    service, operation, asked, answer, clock
):
    from orc.testing.reference_tier import ReferenceTier, Store

    keys = dict.fromkeys(("aws_access_key_id", "aws_secret_access_key"), "x")
    client = boto3.client(service, region_name="eu-west-1", **keys)
    stubber, store = Stubber(client), Store()
    stubber.add_response(operation, answer, dict.fromkeys(asked, ANY))

    def load():
        return getattr(client, operation)(**asked)

    def container():
        tiers = [orc.Memory(), ReferenceTier(store)]
        return orc.Cache(tiers=tiers, clock=clock, namespace="test", strict=True)

    with stubber:
        got = [container().get_or_set("answer", load) for _ in range(2)]
    assert got[0] == got[1]
    assert answer.items() <= got[1].items()


# -- what an object keeps on itself ---------------------------------------------------------------


@orc.register
@dataclasses.dataclass
class Order:
    lines: list[int]
    seen: int = dataclasses.field(default=0, compare=False)

    @functools.cached_property
    def total(self):
        return sum(self.lines)

    def digest(self):
        self._digest = 5
        return self._digest


@orc.register
@dataclasses.dataclass(frozen=True)
class Frozen:
    number: int

    @functools.cached_property
    def total(self):
        return self.number


@orc.register
@dataclasses.dataclass
class Prepared:
    """What is made after the constructor cannot be told from what was handed in."""

    number: int

    def __post_init__(self):
        self._table = {self.number: 1}


def test_what_is_computed_and_kept_is_not_stored():
    codec = Codec()
    for value in (Order([1, 2]), Frozen(1)):
        before = codec.seal(Entry(value, 1.0, 2.0), MINE)
        assert value.total
        if isinstance(value, Order):
            value.digest()
        assert codec.seal(Entry(value, 1.0, 2.0), MINE) == before
        found = there_and_back(value)
        assert found == value
        assert found.total == value.total


def test_a_field_that_is_not_compared_is_stored():
    value = Order([1], seen=7)
    assert there_and_back(value).seen == 7


def test_what_a_constructor_has_put_there_is_refused():
    with pytest.raises(UnstorableError, match="_table"):
        there_and_back(Prepared(1))
    value = Order([1])
    value.note = "public"
    with pytest.raises(UnstorableError, match="note"):
        there_and_back(value)
