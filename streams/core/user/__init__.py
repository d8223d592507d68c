"""The user side: events of a partition, folded into orders, credits and cells."""
