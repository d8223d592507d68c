"""What each command shows, with a text of the outside in every place that can hold one.

The functions that ask brokers, engine and processes are replaced; the commands are the real ones.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, NoReturn

from schemas.letters import Letter
from streams.errors import ExpectedError
from streams.operations.dlq.retry import Outcome
from streams.operations.dlq.target import RetryTarget
from streams.operations.doctor.findings import Finding, Severity
from streams.operations.explain_kol import Dimension, ExplainedKol
from streams.operations.forget.erase import Report
from streams.operations.forget.search import Traces
from streams.operations.ingest.check import Forecast, LateLine
from streams.operations.ingest.lines import Unusable
from streams.operations.ingest.send import Sent
from streams.operations.leaderboard import Fall, Leaderboard, Score, Split
from streams.operations.numbers import Holding, Listed
from streams.trainer.by_hand import ByHand
from streams.trainer.report import Report as Done

Replacements = Mapping[str, object]  # "module:name" -> what stands there instead

READER: Final = {"streams.clients.clickhouse:reader": lambda _: None}


def returns(value: object) -> Callable[..., Any]:
    return lambda *_, **__: value


def awaits(value: object) -> Callable[..., Any]:
    async def answer(*_: object, **__: object) -> object:
        return value

    return answer


def raises(error: BaseException) -> Callable[..., Any]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise error

    return refuse


def letter(text: str) -> Letter:
    return Letter(text, 0, 1, text, 0, text, text, text)


def forecast(text: str) -> Forecast:
    late = LateLine(Path(text), 1, (text, 0), 1)
    return Forecast(2, 1, Counter({text: 1}), 1, Counter({text: 1}), 1, late)


def leader(text: str) -> dict[str, Any]:
    names = ("trust", "trust_lo", "trust_hi", "resonance", "resonance_lo", "resonance_hi", "before")
    row: dict[str, Any] = dict.fromkeys(names, 0.5)
    amounts = {"n_eff": 1.0, "credit_cents": 1, "refunded_cents": 1, "currency": text}
    return row | amounts | {"kol_id": text, "display_name": f"{text}~", "is_new": True}


def leaderboard(text: str) -> Leaderboard:
    at = Score(0.5, 0.4, 0.6, datetime.fromtimestamp(0, UTC))
    split = Split(text, text, 1, [(text, 1)])
    names = {text: f"{text}~"}
    return Leaderboard([leader(text)], Fall(text, at, at), split, {text: 1}, {text: 1}, "", names)


def explained(text: str) -> dict[str, Any]:
    amounts = {"paid_cents": 1, "refunded_cents": 1, "excess_cents": 1, "reversed_cents": 1}
    amounts |= {"refunds_outside": 1, "refunds_foreign": 1}
    names = ("begin", "at", "kol_id", "class", "via")
    touch = dict.fromkeys(names, text) | {"display_name": f"{text}~", "age_minutes": 1}
    share = {
        "kol_id": text,
        "display_name": f"{text}~",
        "weight": 1,
        "credit_cents": 1,
        "refunded_cents": 1,
    }
    product = dict.fromkeys(("category", "price_tier", "sku", "size", "coupon_id"), text)
    amounts |= {"list_cents": 1, "discount_cents": 1, "margin_cents": -1, "promo": 1, "member": 1}
    refund = {"at": text, "cents": -1, "kind": text, "reason": text}
    return amounts | {
        **product,
        "qty": 0.5,
        "refunds": [refund],
        "order_id": text,
        "currency": text,
        "ordered_at": text,
        "brand_id": text,
        "platform": text,
        "touches": [touch],
        "paid_again": 1,
        "paid_again_cents": 1,
        "touches_after": 1,
        "first_after_ms": 15_000,
        "models": [{"model": text, "shares": [share], "total_weight": 1}],
    }


def imported(text: str) -> dict[str, Any]:
    sums = {"orders": 1, "paid_cents": 1, "refunded_cents": 1}
    model = {"model": text, "credited_cents": 1, "refunded_cents": 1, "organic_cents": 1}
    return {
        "dataset": text,
        "currency": text,
        "semi_synthetic": True,
        "lines": 1,
        "shifted_days": 1,
        "fates": {text: {"lines": 1, "cents": 1, "rule": text}},
        "balance": {
            "balanced": False,
            "expected": sums,
            "stands": sums,
            "models": [model],
            "known_answers": {text: {"cents": 1, "right_cents": 1}},
        },
    }


def status(text: str) -> dict[str, Any]:
    process = {"name": text, "pid": 1, "state": text, "restarts": 0}
    worker = {"name": text, "ready": [text], "live": [text], "partitions": [text], "lag": {text: 1}}
    return {
        "state": text,
        "processes": [process],
        "workers": [worker],
        "trainer": {
            "text": text,
            "fault": text,
            "numbers": text,
            "page": {"ready": [text], "live": [text], "turns": {text: {"waiting": [text]}}},
        },
        **{name: {text: 1} for name in ("doors", "rejected", "counters")},
        "replay_read": {"fault": text},
        "held": [{"text": text}],
    }


def by_hand(text: str) -> ByHand:
    return ByHand(1, Done({text: 1}, {text: 2}, [text]))


def connections(text: str) -> dict[str, Any]:
    names = ("url", "database", "username", "ca_file", "password_file", "jdbc_url", "curl")
    clickhouse = dict.fromkeys((*names, "clickhouse_connect", "clickhouse_client"), text)
    kafka = dict.fromkeys(("bootstrap", "security", "mechanism", "username", "partitioner"), text)
    topic = {"name": text, "key": text, "partitions": 1, "is_input": True, "is_reference": False}
    lines = {"topics": [topic], "client_properties": [text]}
    lines |= dict.fromkeys(("console_producer", "kcat"), text)
    return {
        "clickhouse": {**clickhouse, "is_read_only": True},
        "grafana": {"datasources": [], "dashboards": text, "provision": [text]},
        "kafka": {**kafka, **lines},
        "metrics": [text],
    }


def demo_report(text: str) -> dict[str, Any]:
    sums = {"credited_cents": {text: 1}, "refunded_cents": {text: 1}, "paid_cents": 1}
    counts = {"messages": 1, "orders": 1, "scores": 1, "end_to_end_ms": {"p50": 1, "p99": 1}}
    return sums | counts | {"currency": text, "dimensions": {text: {"rows": 1, "said": 1}}}


def comparison(text: str) -> dict[str, Any]:
    cost = {"median": 1.0, "low": 1.0, "high": 1.0}
    return {
        "first": "ours",
        "cpu_us_per_event": {text: cost, "ours": cost},
        "cpu_us": {text: {text: 1.0}, "ours": {"worker": 1.0, "broker": 1.0}},
        "events_per_second": {text: 1, "ours": 1},
        "ratios": {text: cost},
        "rounds": 1,
        "repeated": 0,
        "disturbed": 0,
        "output": {"checked": False, "reason": text},
        "peers": {text: {"work": text}},
        "not_run": {text: text},
        "input": {"events": 1, "sha256": text},
        "path": "compiled",
        "machine": {"cores": 1, "cpu": text, "python": text},
    }


def erasure(text: str) -> Report:
    traces = Traces({text: 1}, {text: 1})
    return Report(0, 1, {text: 1}, 1, traces, {text: 1.0}, anonymous=[text])


def topics(text: str) -> Callable[..., Any]:
    difference = SimpleNamespace(topic=text, what=text, fatal=True)

    @contextmanager
    def connect(*_: object) -> Iterator[Any]:
        yield SimpleNamespace(
            create=lambda: [text],
            differences=lambda: [difference],
            end_offsets=lambda _: {},
            counts=dict,
        )

    return connect


def app(text: str) -> SimpleNamespace:
    return SimpleNamespace(app_id=text, clickhouse=SimpleNamespace(database=text))


class Stack:
    """A stack that starts at once."""

    settings = None
    urls: Final[list[str]] = []

    def __init__(self, *_: object) -> None:
        self.start = self.stop = lambda: None


def explained_kol(text: str) -> ExplainedKol:
    """A score of which everything is `text`."""
    dimension = Dimension(
        text, 0.5, 0.4, 0.6, 1.0, 0.7, 20.0, 3.0, 1.0, 0.5, {"n": 1, "good": 1, "bad": 0}
    )
    said = {"kind": text, "events": 1, "contents": [text]}
    content = {"source": text, "n": 1, "contents": [text]}
    return ExplainedKol(
        kol_id=text,
        display_name=text,
        at=text,
        trust=0.5,
        low=0.4,
        high=0.6,
        fast=0.5,
        n_eff=1.0,
        is_node=True,
        final=True,
        number=1,
        missing=[text],
        dimensions=[dimension],
        moved=[(text, 0.1)],
        events=[said],
        contents=[content],
        cells=1,
        difference=0.0,
        differs="",
        unsure="",
    )


def stand_ins(text: str) -> dict[str, Replacements]:
    """Command -> what is replaced, so that it shows `text`."""
    found = [Finding(text, severity, text, text) for severity in Severity]
    letters = [letter(text)]
    outcome = Outcome([RetryTarget(letters[0], text), RetryTarget(letters[0], None)])
    dlq = "streams.operations.dlq"
    refused = raises(ExpectedError(text))
    second = {
        "streams.cli.replay:_apps": returns((app(text), app(text))),
        "streams.cli.replay:_report": returns({"app": text}),
        "streams.cli.replay:_exports": returns(text),
    }
    return {
        "bench": {"streams.cli.bench:_compare": returns(comparison(text))},
        "config": {
            "streams.settings:environment": returns({"KOL_APP_ID": text}),
            "streams.settings:descriptions": returns({"KOL_APP_ID": text}),
        },
        "connect": {"streams.operations.connect:connections": returns(connections(text))},
        "demo": {
            "streams.operations.stack:clear_demo_home": returns(None),
            "streams.operations.stack:RunningStack": Stack,
            "streams.cli.demo:_play": returns(demo_report(text)),
            "streams.operations.demo_report:violations": returns([text]),
        },
        "dlq list": READER
        | {
            f"{dlq}.letters:count_by_reason": returns(
                [dict.fromkeys(("topic", "reason", "state", "newest"), text) | {"letters": 1}]
            ),
            f"{dlq}.letters:find_letters": returns(letters),
        },
        "dlq retry": READER
        | {
            f"{dlq}.letters:find_letters": returns(letters),
            f"{dlq}.letters:count_by_reason": returns([]),
            f"{dlq}.retry:assess": awaits(outcome),
        },
        "dlq show": READER
        | {
            f"{dlq}.letters:letter_with_bytes": returns(
                (letters[0], text.encode(errors="surrogatepass"))
            )
        },
        "doctor": {"streams.operations.doctor.facts:examine": awaits(found)},
        "down": {"deploy.embedded.supervisor:stop": refused},
        "drain": {"streams.clients.kafka_admin:kafka_admin": refused},
        "explain order": READER
        | {
            "streams.operations.explain:explained_orders": returns([explained(text)]),
            "streams.operations.explain:letters_about": returns(letters),
        },
        "explain kol": READER
        | {
            "streams.operations.numbers:read_numbers": awaits(None),
            "streams.operations.explain_kol:explained_kol": returns(explained_kol(text)),
        },
        "forget": {"streams.operations.forget.erase:forget": awaits(erasure(text))},
        "grants": {"sinks.grants:grants": returns([text])},
        "import": {"streams.operations.import_dataset:import_dataset": returns(imported(text))},
        "ingest": {
            "streams.operations.ingest.check:known_greatest_times": awaits({}),
            "streams.operations.ingest.check:check_files": returns(forecast(text)),
            "streams.operations.ingest.send:send_files": awaits(
                Sent(Counter({text: 1}), 1, 1, [Unusable(Path(text), 1, text)], text)
            ),
        },
        "migrate": {"streams.clients.clickhouse:connect": refused},
        "replay back": second | {"streams.operations.replay.swap:back": returns(None)},
        "replay drop": second | {"streams.operations.replay.swap:drop": returns(text)},
        "replay run": second | {"streams.operations.replay.run:catch_up": refused},
        "replay swap": second
        | {"streams.operations.replay.run:swap_once_caught_up": returns(None)},
        "snapshots list": {
            "streams.operations.numbers:read_numbers": awaits(None),
            "streams.operations.numbers:listed": returns([Listed(text, 1, text, valid=True)]),
        },
        "snapshots publish": {
            "streams.operations.numbers:publish": returns(Done(refused={text: text}, others=text))
        },
        "snapshots show": {
            "streams.operations.numbers:read_numbers": awaits(None),
            "streams.operations.numbers:what_holds": returns(
                Holding(text, 0, 1, 0, 1, [{"id": text, "tier": text, "accounts": [text]}])
            ),
        },
        "sql": READER | {"streams.clients.clickhouse:query": returns([{text: text, "n": 1}])},
        "status": {"streams.operations.status:status_report": returns(status(text))},
        "top": {
            "streams.operations.leaderboard:leaders": returns([leader(text)]),
            "streams.operations.leaderboard:leaderboard": returns(leaderboard(text)),
        },
        "topics": {"streams.clients.kafka_admin:kafka_admin": topics(text)},
        "up": {
            "deploy.embedded.supervisor:detach": returns({"kafka": {"bootstrap": text}}),
        },
        "worker": {"streams.worker.process:run": refused},
        "trainer": {"streams.trainer.process:run": refused},
        "rollup": {"streams.trainer.by_hand:roll_up": awaits(by_hand(text))},
    }
