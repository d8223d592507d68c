"""A real Kafka and a real ClickHouse engine on one plain machine, loopback only."""
