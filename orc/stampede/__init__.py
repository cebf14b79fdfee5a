"""Floor 2. One load for each key, however many ask.

May import: ``orc.model``, ``orc.errors``.
"""
