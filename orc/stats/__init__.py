"""Floor 2. What happened: counters, and the reports made of them.

May import: ``orc.model``, ``orc.errors``.
"""
