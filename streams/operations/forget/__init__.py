"""Erasing a user, and searching for traces afterwards."""
