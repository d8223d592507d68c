"""What the gateway counts, and the page that shows it."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

# Words a label may hold; any other first word of a statement is OTHER.
KINDS = (
    "ALTER", "CREATE", "DESC", "DESCRIBE", "DROP", "EXISTS", "EXPLAIN", "FROM", "INSERT",
    "OPTIMIZE", "SELECT", "SET", "SHOW", "SYSTEM", "TRUNCATE", "USE", "WITH",
)  # fmt: skip
READS = frozenset(
    {"DESC", "DESCRIBE", "EXISTS", "EXPLAIN", "FROM", "SELECT", "SET", "SHOW", "USE", "WITH"}
)
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60)


def kind(word: str) -> str:
    """A statement's first word, if it is one of the few that are counted.

    >>> kind("SELECT"), kind("secret")
    ('SELECT', 'OTHER')
    """
    return word if word in KINDS else "OTHER"


class Metrics:
    """The counters of one gateway."""

    def __init__(self) -> None:
        """Start at zero, in a registry of their own."""
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "kol_gateway_requests_total",
            "Requests that were answered, by first word of the statement and HTTP status.",
            ("kind", "status"),
            registry=self._registry,
        )
        self.seconds = Histogram(
            "kol_gateway_request_seconds",
            "Time from the head of a request to the last byte of its answer.",
            ("kind",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.received = Counter(
            "kol_gateway_received_bytes_total",
            "Bytes of bodies on the wire, as they came.",
            registry=self._registry,
        )
        self.rows = Counter(
            "kol_gateway_written_rows_total",
            "Rows that inserts wrote, materialized views included.",
            registry=self._registry,
        )
        self.in_flight = Gauge(
            "kol_gateway_in_flight", "Requests under way.", registry=self._registry
        )
        self.sessions = Gauge("kol_gateway_sessions", "Open sessions.", registry=self._registry)
        ProcessCollector(registry=self._registry)

    def page(self) -> bytes:
        """All of them, in Prometheus' text format."""
        return generate_latest(self._registry)
