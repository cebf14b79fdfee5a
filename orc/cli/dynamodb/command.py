"""The command ``orc dynamodb``: its arguments and its exit status."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse

FAILED, CANNOT = 1, 2
NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
"""What DynamoDB takes as a table's name (Naming Rules, in its developer guide)."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "dynamodb",
        help="make the table of the DynamoDB tier, or print a template that does",
        description="The table of the DynamoDB tier.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser(
        "create-table",
        help="make the table, unless it is there",
        description="Make the table, on demand, with time to live on the attribute x; wait until "
        "it is active. Where it is there already, complete it and say so.",
    )
    create.add_argument("table", metavar="NAME")
    create.add_argument("--region", help="AWS region; else as boto3 finds it")
    create.add_argument(
        "--endpoint-url", metavar="URL", help="another DynamoDB, such as a local one"
    )
    create.add_argument(
        "--billing", choices=("on-demand",), default="on-demand", help="how it is paid for"
    )
    create.set_defaults(run=_create)
    template = actions.add_parser(
        "template",
        help="print a template with the table, the least rights and the function's setting",
        description="Print a template with the table, the least IAM rights that the tier needs, "
        "and the variable ORC_TIERS.",
    )
    template.add_argument("--format", choices=("sam", "terraform", "cdk"), required=True)
    template.add_argument("--table", default="orc-cache", metavar="NAME")
    template.add_argument("--function", default="my-function", metavar="NAME")
    template.set_defaults(run=_template)


def _create(arguments: argparse.Namespace) -> int:
    if not NAME.fullmatch(arguments.table):
        return _complain(_wrong("a table", arguments.table))
    try:
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        return _complain('boto3 is missing: pip install "orc-cache[dynamodb]"')
    from orc.cli.dynamodb.table import DiffersError, ensure

    try:
        client: Any = boto3.client(
            "dynamodb", region_name=arguments.region, endpoint_url=arguments.endpoint_url
        )
        for line in ensure(client, arguments.table):
            print(line)
    except DiffersError as error:
        return _complain(str(error), FAILED)
    except (BotoCoreError, ClientError, ValueError) as error:
        return _complain(str(error), FAILED)
    return 0


def _template(arguments: argparse.Namespace) -> int:
    for what, name in (("a table", arguments.table), ("a function", arguments.function)):
        if not NAME.fullmatch(name):
            return _complain(_wrong(what, name))
    from orc.cli.dynamodb.template import template

    print(template(arguments.format, arguments.table, arguments.function), end="")
    return 0


def _wrong(what: str, name: str) -> str:
    return f"{name!r} is no name of {what}: 3 to 255 letters, digits, and the characters _ . -"


def _complain(text: str, status: int = CANNOT) -> int:
    print(f"orc dynamodb: {text}", file=sys.stderr)
    return status
