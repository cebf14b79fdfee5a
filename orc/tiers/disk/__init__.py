"""The disk tier: rows in one SQLite file of the temporary directory, for all processes there."""
