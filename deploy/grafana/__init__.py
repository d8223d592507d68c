"""Grafana dashboards over the views: a program writes their JSON, which is committed."""
