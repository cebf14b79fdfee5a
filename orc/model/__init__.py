"""Floor 1. Values and rules: what an entry is, how a key is made, what is fresh.

Pure: nothing here reads a clock, draws a random number, starts a thread or does I/O.
May import: ``orc.errors``.
"""
