"""A seeded world with a known truth: believable traffic for the demo, tests and benchmarks."""
