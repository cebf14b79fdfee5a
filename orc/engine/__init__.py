"""Floor 4. The tiered cache: plans of reading and writing, their drivers, and the decorator.

May import: floor 3 and below, but no concrete tier.
"""
