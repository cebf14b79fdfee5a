"""Floor 2. Objects to bytes and back: values, the envelope round them, compression, encryption.

May import: ``orc.model``, ``orc.errors``.
"""
