"""Floor 2. The life of one execution environment: clock and chance, its states, its requests.

May import: ``orc.model``, ``orc.errors``.
"""
