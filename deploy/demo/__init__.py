"""A seeded simulation with known true roles: events for the demo, tests and benchmarks."""
