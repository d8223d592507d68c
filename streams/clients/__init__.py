"""Connections to brokers, ClickHouse and workers, for commands and for the start of a worker."""
