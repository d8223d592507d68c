"""`kol bench`: CPU per event of our worker and of others, and the cost of snapshots."""
