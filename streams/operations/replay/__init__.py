"""A second app that reads everything again, and whose rows people read."""
