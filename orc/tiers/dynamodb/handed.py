"""What a user may hand in for a table: a boto3 Table, or a client beside the table's name."""

from __future__ import annotations

from orc.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def handed_in(source: Any, table: str | None) -> tuple[Any, str]:
    """Return the client and the table's name.

    Raises ``ConfigError`` where they do not agree, and for a client for coroutines.
    """
    packages = {kind.__module__.partition(".")[0] for kind in type(source).__mro__}
    if not packages.isdisjoint({"aiobotocore", "aioboto3"}):
        raise ConfigError(
            "DynamoDB() takes no client of aiobotocore or aioboto3: hand in one of boto3, or the "
            "table's name; both serve coroutines too"
        )
    named = getattr(source, "table_name", None) or getattr(source, "name", None)
    if isinstance(named, str) and hasattr(source.meta, "client"):
        if table is not None and table != named:
            raise ConfigError(f"DynamoDB(): the table is {named!r}, and table= says {table!r}")
        return source.meta.client, named
    if table is None:
        raise ConfigError("DynamoDB(client): say which table, by table=")
    return source, table
