"""The embedded stack, the demo's events and the data sets."""
