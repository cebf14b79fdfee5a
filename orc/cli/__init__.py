"""Floor 7. The command line: parsing and printing only.

May import: everything below.
"""
