"""Floor 2. The life of one execution environment: its clock.

May import: ``orc.model``, ``orc.errors``.
"""
