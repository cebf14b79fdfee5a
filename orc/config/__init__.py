"""Floor 5. Where a cache is put together: settings, the environment, the public ``Cache``.

May import: floor 4 and below. ``assemble`` alone names concrete tiers.
"""
