"""``orc demo``: four stories, told by real Lambda runtimes in a local fleet."""
