"""Real servers for tests, the demo and the benchmarks, on free ports of the loopback."""
