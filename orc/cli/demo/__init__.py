"""``orc demo``: three stories, told by real Lambda runtimes in a local fleet."""
