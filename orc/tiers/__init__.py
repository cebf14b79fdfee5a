"""Floor 2. The stores: one store, one file. A new tier goes here.

May import: ``orc.model``, ``orc.errors``.
"""
