"""Findings about a deployment: what is wrong, and how to mend it."""
