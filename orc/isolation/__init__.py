"""Floor 3. What one caller does to a value never reaches another caller.

May import: floor 2 and below.
"""
