"""A user is forgotten, and searched for afterwards."""
