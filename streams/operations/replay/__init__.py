"""A second app that reads everything again, and the swap of the views to its tables."""
