"""The command ``orc dynamodb``: a table for the tier, and templates that have one."""
