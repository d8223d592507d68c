"""The dashboard of the pipeline: is it quick, complete and safe, and what holds it up.

Everything here is asked of Prometheus, from the metrics of workers and trainers
(`streams/README.md`). Panels in the order of reading: `NOW` has the numbers, `OVER_TIME` the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from grafana_foundation_sdk.models import dashboard as shapes

from deploy.grafana.assembly import assembled
from deploy.grafana.outcomes import DOORS, REASONS
from deploy.grafana.panels import COUNT, PER_MINUTE, SHARE, AnyPanel, Head, Step, number, series
from deploy.grafana.queries import promql
from deploy.grafana.texts import Say, Text, in_words
from deploy.grafana.values import SINKS as SINK_STATES
from schemas.doors import OF_EVENTS
from schemas.events import INPUTS

NAME: Final = "pipeline"
ABOUT: Final = Text(
    "Is the pipeline quick, complete and safe, and what holds it up? From the metrics of workers "
    "and trainers; the runbook is deploy/operations.md.",
    "管道是否够快、完整、安全，卡在哪里？数据来自 worker 和 trainer 的指标；对策见 "
    "deploy/operations.md。",
)

# What is promised, for a deployment that is not overloaded.
P50_SECONDS, P99_SECONDS = 0.3, 1.0  # from a message's append to its rows in ClickHouse
REJECTED: Final = 0.001  # of the messages of a month may be rejected
OBJECTIVE: Final = Text("objective", "目标")  # a dashed line
MOST_MESSAGES: Final = 400_000  # KOL_WORKER__WAITING_MESSAGES: above this, reading pauses

OUR_PROCESSES: Final = (  # every exporter has the metric
    "sum by (instance) (process_resident_memory_bytes)"
    " and on (instance) (kol_build_info or kol_trainer_info)"
)
SECONDS, BYTES, BYTES_PER_SECOND, PER_SECOND = "s", "bytes", "Bps", "eps"
ROWS: Final = Text("suffix:rows/s", "suffix:行/s")
REJECTS: Final = {  # as legends name them
    f"{topic} {reason.label}": Text(*(f"{topic} {word}" for word in REASONS[reason.label]))
    for topic in INPUTS
    for reason in OF_EVENTS
}

EMPTY: Final = Text(
    "No metrics. Does Prometheus scrape the workers (kol connect lists the addresses), and does "
    "one run (kol status)?",
    "没有指标。Prometheus 是否在抓取 worker（地址见 kol connect）？worker 是否在运行（kol status）"
    "？",
)
NO_TRAINER: Final = Text(
    "No metrics of a trainer. Does one run (kol status), and does Prometheus scrape it (kol "
    "connect)?",
    "没有 trainer 的指标。trainer 是否在运行（kol status）？Prometheus 是否在抓取它（kol connect）"
    "？",
)
NONE_IS_GOOD: Final = Text(
    "None in this period, as it should be. Or no metrics at all: see Workers.",
    "此时段没有，这是正常的。如果所有指标都没有，请看“worker 数”。",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A panel: what is asked, and how each series is named."""

    title: Text
    about: Text
    asks: Sequence[tuple[str, str | Text]]  # PromQL, and the name of its series
    unit: str | Text = COUNT
    steps: Sequence[Step] = ()
    empty: Text = EMPTY
    stacked: bool = False
    decimals: int | None = None
    span: int = 8
    names: Mapping[str, Text] = field(default_factory=dict)  # legend -> what is shown


def dashboard(say: Say) -> shapes.Dashboard:
    """The pipeline in a language."""
    panels = [
        *(_panel(one, say, is_number=True) for one in NOW),
        *(_panel(one, say, is_number=False) for one in OVER_TIME),
    ]
    return assembled(NAME, say, ABOUT, [], panels, "now-6h")


def _panel(one: Shown, say: Say, *, is_number: bool) -> AnyPanel:
    head = Head(
        title=say(one.title),
        about=say(one.about),
        empty=say(one.empty),
        unit=one.unit if isinstance(one.unit, str) else say(one.unit),
        names=in_words(one.names, say),
        decimals=one.decimals,
        span=one.span,
        height=4 if is_number else 8,
        steps=one.steps,
    )
    targets = [
        promql(expr, name if isinstance(name, str) else say(name), ref, now=is_number)
        for (expr, name), ref in zip(one.asks, "ABCDEFGH", strict=False)
    ]
    if is_number:
        return number(head, *targets)
    dashed = [say(OBJECTIVE)] if any(name == OBJECTIVE for _, name in one.asks) else []
    return series(head, *targets, stacked=one.stacked, dashed=dashed)


# ---------------------------------------------------------------- PromQL


def rate(metric: str, *by: str, span: str = "$__rate_interval") -> str:
    """What a counter rises by in a second.

    >>> rate("kol_events_total", "door")
    'sum by (door) (rate(kol_events_total[$__rate_interval]))'
    """
    return f"sum{_by(by)}(rate({metric}[{span}]))"


def rise(metric: str, *by: str, span: str = "$__rate_interval") -> str:
    """What a counter rises by."""
    return f"sum{_by(by)}(increase({metric}[{span}]))"


def quantile(q: float, histogram: str, *by: str, span: str = "$__rate_interval") -> str:
    """A quantile of a histogram, interpolated inside its bucket."""
    return f"histogram_quantile({q}, {rate(histogram + '_bucket', 'le', *by, span=span)})"


def age(metric: str, *by: str) -> str:
    """Seconds since the oldest of some moments."""
    return f"time() - min{_by(by)}({metric})"


def since(metric: str, *by: str) -> str:
    """Seconds since the newest of some moments: whoever did it, it is done."""
    return f"time() - max{_by(by)}({metric})"


def rejected(span: str) -> str:
    """The share of messages that were rejected.

    Where nothing was read there is no share.
    """
    bad, good = (rise(f"kol_{name}_total", span=span) for name in ("rejected", "events"))
    return f"{bad} / ({good} + {bad} > 0)"


def _by(labels: Sequence[str]) -> str:
    return f" by ({', '.join(labels)}) " if labels else ""


# ---------------------------------------------------------------- panels

_BEYOND_P99: Final = (Step("green"), Step("orange", P99_SECONDS), Step("red", 5 * P99_SECONDS))
_ANY_IS_BAD: Final = (Step("green"), Step("red", 1))

NOW: Final = (
    Shown(
        title=Text("Workers", "worker 数"),
        about=Text(
            "Workers that Prometheus reaches now. Exact. One partition is read by one worker at a "
            "time; fewer than there were, and the others take over after 30 s.",
            "Prometheus 此刻能抓取到的 worker 数，精确值。每个分区同一时刻只由一个 worker 读取；"
            "少了一个，其余的在 30 秒后接管它的分区。",
        ),
        asks=[("count(kol_build_info) or vector(0)", "")],
        steps=(Step("red"), Step("green", 1)),
        span=3,
    ),
    Shown(
        title=Text("End to end, p99", "端到端延迟 p99"),
        about=Text(
            "99 of 100 messages of the last 5 minutes were in ClickHouse within this time, from "
            f"their append to the broker on. Objective: {P99_SECONDS:g} s. From buckets 25 % "
            "apart, so exact to about a tenth.",
            "最近 5 分钟内 99% 的消息从写入 broker 到进入 ClickHouse 所用的时间不超过此值。"
            f"目标：{P99_SECONDS:g} 秒。由间隔 25% 的分桶插值得出，误差约十分之一。",
        ),
        asks=[(quantile(0.99, "kol_end_to_end_latency_seconds", span="5m"), "")],
        unit=SECONDS,
        decimals=2,
        steps=_BEYOND_P99,
        span=4,
    ),
    Shown(
        title=Text("Error budget used", "错误预算已用"),
        about=Text(
            f"Rejected messages of the period, against the {REJECTED:.1%} that may be: at 100 % "
            "the period has used up what it may. Exact counts; dropped duplicates are no errors.",
            f"时段内被拒收的消息占允许比例（{REJECTED:.1%}）的多少：达到 100% 表示预算用完。"
            "精确计数；重复消息被丢弃不算错误。",
        ),
        asks=[(f"({rejected('$__range')}) / {REJECTED}", "")],
        unit=SHARE,
        decimals=0,
        steps=(Step("green"), Step("orange", 0.5), Step("red", 1)),
        span=4,
    ),
    Shown(
        title=Text("Lag", "积压"),
        about=Text(
            "Messages that are on the brokers and not read yet, over all topics. What a producer's "
            "open transaction holds back is counted beside it, under Messages held back.",
            "已在 broker 上、尚未读取的消息数，所有 topic 合计。被未结束的事务挡住的消息另计，"
            "见“被挡住的消息”。",
        ),
        asks=[("sum(kol_lag_events)", "")],
        span=3,
    ),
    Shown(
        title=Text("Watermark", "最旧的水位线"),
        about=Text(
            "How far event time of the slowest partition is behind the clock. Minutes close at the "
            "watermark. Without any events it stands still and gets older, and nothing is wrong.",
            "最慢分区的事件时间落后于时钟多少。分钟在水位线处关闭。"
            "完全没有事件时水位线不动、年龄增长，属正常。",
        ),
        asks=[(age("kol_watermark_timestamp_seconds"), "")],
        unit=SECONDS,
        decimals=0,
        span=3,
    ),
    Shown(
        title=Text("Snapshot age", "最旧的快照"),
        about=Text(
            "Age of the oldest newest snapshot of a partition: what a crash would read again. It "
            "is taken every 5 s (KOL_WORKER__SNAPSHOT_SECONDS), later where it would cost more "
            "than a fifth of a core; a partition without new messages needs none and gets older.",
            "各分区最新快照中最旧的一个的年龄：崩溃后需要重读的部分。默认每 5 秒一次"
            "（KOL_WORKER__SNAPSHOT_SECONDS），若开销超过五分之一个核则推迟；"
            "没有新消息的分区不需要快照，年龄会增长。",
        ),
        asks=[(age("kol_snapshot_timestamp_seconds"), "")],
        unit=SECONDS,
        decimals=0,
        span=3,
    ),
    Shown(
        title=Text("Sinks not ok", "异常的 sink"),
        about=Text(
            "Tables whose inserts are being tried again or have stopped, over all workers. Exact. "
            "Retrying ends by itself once ClickHouse answers; a stopped worker says why in its "
            "log.",
            "正在重试或已停止写入的表的数量，所有 worker 合计，精确值。ClickHouse "
            "恢复后重试会自行结束；停止的 worker 会在日志中说明原因。",
        ),
        asks=[('sum(kol_sink_state{state=~"retrying|stopped"})', "")],
        steps=_ANY_IS_BAD,
        span=4,
    ),
)

FLOW: Final = (
    Shown(
        title=Text("End-to-end latency", "端到端延迟"),
        about=Text(
            "From a message's append to the broker until its rows are acknowledged by ClickHouse. "
            f"Objectives: p50 {P50_SECONDS:g} s, p99 {P99_SECONDS:g} s. From buckets 25 % apart, "
            "so exact to about a tenth; a message that is read again after a restart counts again.",
            f"从消息写入 broker 到其行被 ClickHouse 确认。目标：p50 {P50_SECONDS:g} 秒，p99 "
            f"{P99_SECONDS:g} 秒。由间隔 25% 的分桶插值得出，误差约十分之一；"
            "重启后重读的消息会再计一次。",
        ),
        asks=[
            (quantile(0.5, "kol_end_to_end_latency_seconds"), "p50"),
            (quantile(0.99, "kol_end_to_end_latency_seconds"), "p99"),
            (f"vector({P99_SECONDS:g})", OBJECTIVE),
        ],
        unit=SECONDS,
        span=12,
    ),
    Shown(
        title=Text("Events by door", "各出口的事件数"),
        about=Text(
            "Messages that workers accepted or dropped, per second, and why. Exact; after a "
            "restart what is read again counts again, totals since the log began are in v_door.",
            "worker 每秒接受或丢弃的消息数及去向。精确值；重启后重读的会再计一次，"
            "自日志开始的总数见 v_door。",
        ),
        asks=[(rate("kol_events_total", "door"), "{{door}}")],
        unit=PER_SECOND,
        span=12,
        stacked=True,
        names=DOORS,
    ),
    Shown(
        title=Text("Share rejected", "拒收比例"),
        about=Text(
            "Rejected of all messages read, over an hour and over a day. Objective: at most "
            f"{REJECTED:.1%}. Exact counts; with few messages one reject is much.",
            f"一小时和一天内，被拒收的消息占全部已读消息的比例。目标：不超过 {REJECTED:.1%}。"
            "精确计数；消息很少时，一条拒收就会显得很高。",
        ),
        asks=[
            (rejected("1h"), Text("1 hour", "1 小时")),
            (rejected("1d"), Text("1 day", "1 天")),
            (f"vector({REJECTED})", OBJECTIVE),
        ],
        unit=SHARE,
        decimals=2,
    ),
    Shown(
        title=Text("Rejected by reason", "拒收原因"),
        about=Text(
            "Messages rejected per minute, by topic and reason. Each is a dead letter: kol dlq "
            "list has them, kol dlq retry sends them again once the cause is mended.",
            "每分钟被拒收的消息数，按 topic 和原因。每条都成为死信：用 kol dlq list 查看，"
            "原因修好后用 kol dlq retry 重发。",
        ),
        asks=[
            (f"60 * ({rate('kol_rejected_total', 'topic', 'reason')}) > 0", "{{topic}} {{reason}}")
        ],
        unit=PER_MINUTE,
        names=REJECTS,
        empty=NONE_IS_GOOD,
    ),
    Shown(
        title=Text("Lag by topic", "各 topic 的积压"),
        about=Text(
            "Messages not read yet. It rises while a worker restarts and falls faster than it "
            "rose; one that rises for long needs one more worker.",
            "尚未读取的消息数。worker 重启时上升，之后下降得比上升快；长时间上升说明需要增加 "
            "worker。",
        ),
        asks=[("sum by (topic) (kol_lag_events)", "{{topic}}")],
    ),
    Shown(
        title=Text("Messages held back", "被挡住的消息"),
        about=Text(
            "Messages behind a producer's transaction that has been open for seconds: they cannot "
            "be read yet. kol status names the producer.",
            "位于生产者未结束事务之后、暂时不能读取的消息数（事务已持续数秒）。kol status "
            "会指出是哪个生产者。",
        ),
        asks=[("sum by (topic) (kol_held_messages) > 0", "{{topic}}")],
        empty=NONE_IS_GOOD,
        span=6,
    ),
    Shown(
        title=Text("Reading paused", "暂停读取的时间占比"),
        about=Text(
            "Share of the time in which a worker did not read because ClickHouse was behind, or "
            "because a topic that is read beside the inputs was. 100 %: it stands still.",
            "worker 因 ClickHouse 跟不上、或因需要同步读取的 topic 跟不上而不读取的时间占比。100% "
            "表示完全停顿。",
        ),
        asks=[
            (rate("kol_backpressure_seconds_total", "instance"), "ClickHouse {{instance}}"),
            (rate("kol_read_ahead_seconds_total", "instance", "topic"), "{{topic}} {{instance}}"),
        ],
        unit=SHARE,
        span=10,
    ),
    Shown(
        title=Text("Folded, not yet acknowledged", "已处理、未确认的消息"),
        about=Text(
            "Messages whose rows ClickHouse has not acknowledged, by worker, and rows of event "
            f"that wait. Above {MOST_MESSAGES:,} messages reading pauses "
            "(KOL_WORKER__WAITING_MESSAGES).",
            "行尚未被 ClickHouse 确认的消息数（按 worker），以及等待写入的 event 行数。"
            f"超过 {MOST_MESSAGES:,} 条消息时暂停读取（KOL_WORKER__WAITING_MESSAGES）。",
        ),
        asks=[
            (
                "sum by (instance) (kol_waiting_messages)",
                Text("messages {{instance}}", "消息 {{instance}}"),
            ),
            (
                "sum by (instance) (kol_waiting_events)",
                Text("events {{instance}}", "event 行 {{instance}}"),
            ),
        ],
    ),
)

SAFE: Final = (
    Shown(
        title=Text("Watermark behind the clock", "水位线落后时钟"),
        about=Text(
            "How far event time of the slowest partition of each side is behind. A minute closes, "
            "and its scores become final, when the watermark passes it.",
            "每一侧最慢分区的事件时间落后多少。水位线越过某一分钟时，该分钟关闭，其评分成为最终值。",
        ),
        asks=[(age("kol_watermark_timestamp_seconds", "side"), "{{side}}")],
        unit=SECONDS,
    ),
    Shown(
        title=Text("Since the last commit", "距上次提交"),
        about=Text(
            "Age of the oldest commit of a partition, by topic. What is committed is in ClickHouse "
            "and in a snapshot. A topic without new messages gets older, and nothing is wrong.",
            "各 topic 分区中最旧的一次提交的年龄。已提交意味着已进入 ClickHouse 和快照。"
            "没有新消息的 topic 年龄会增长，属正常。",
        ),
        asks=[(age("kol_commit_timestamp_seconds", "topic"), "{{topic}}")],
        unit=SECONDS,
    ),
    Shown(
        title=Text("Since the last snapshot", "距上次快照"),
        about=Text(
            "Age of the oldest newest snapshot of a partition, by side: what a crash would read "
            "again.",
            "每一侧各分区最新快照中最旧的一个的年龄：崩溃后需要重读的部分。",
        ),
        asks=[(age("kol_snapshot_timestamp_seconds", "side"), "{{side}}")],
        unit=SECONDS,
    ),
    Shown(
        title=Text("Time of a snapshot", "快照耗时"),
        about=Text(
            "Time to write one snapshot, p99 by side; folding waits only for its copy, some ten "
            "milliseconds. From buckets about twice as wide as the one before, so roughly.",
            "写一次快照的耗时 p99，按侧。处理只等待内存复制（几十毫秒）。由约两倍间隔的分桶插值，"
            "只是大致值。",
        ),
        asks=[(quantile(0.99, "kol_snapshot_seconds", "side"), "{{side}}")],
        unit=SECONDS,
    ),
    Shown(
        title=Text("Snapshots written", "快照写入量"),
        about=Text(
            "Bytes per second written to the state topics, by side. Exact. Chunks that did not "
            "change are not written again.",
            "每秒写入状态 topic 的字节数，按侧，精确值。没有变化的块不会重写。",
        ),
        asks=[(rate("kol_snapshot_bytes_total", "side"), "{{side}}")],
        unit=BYTES_PER_SECOND,
    ),
    Shown(
        title=Text("Rebalances", "重新分配"),
        about=Text(
            "Assignments that a worker received, by worker. Starting, stopping or losing a worker "
            "makes one for each; with KOL_WORKER__NAME a quick restart makes none for the others.",
            "各 worker 收到的分区分配次数。启动、停止或失去一个 worker 时各一次；设置了 "
            "KOL_WORKER__NAME 时，快速重启不影响其他 worker。",
        ),
        asks=[(f"{rise('kol_rebalances_total', 'instance')} > 0", "{{instance}}")],
        empty=NONE_IS_GOOD,
    ),
)

SINKS: Final = (
    Shown(
        title=Text("Insert time by table", "各表写入耗时"),
        about=Text(
            "Time until rows of a table are acknowledged, p99. From buckets about twice as wide as "
            "the one before, so roughly.",
            "某表的行得到确认所需的时间 p99。由约两倍间隔的分桶插值，只是大致值。",
        ),
        asks=[(quantile(0.99, "kol_sink_flush_seconds", "table"), "{{table}}")],
        unit=SECONDS,
    ),
    Shown(
        title=Text("Rows written", "写入行数"),
        about=Text(
            "Rows acknowledged per second, by table. A row replaces the former one with its key, "
            "so this is more than a table grows by.",
            "每秒得到确认的行数，按表。一行会取代同键的旧行，所以这个数大于表的增长。",
        ),
        asks=[(f"{rate('kol_sink_rows_total', 'table')} > 0", "{{table}}")],
        unit=ROWS,
    ),
    Shown(
        title=Text("Inserts tried again", "重试的写入"),
        about=Text(
            "Inserts that failed and were tried again, per minute, by table. An insert whose "
            "answer was lost counts once in the tables all the same.",
            "每分钟失败后重试的写入次数，按表。回应丢失的写入在表中也只计一次。",
        ),
        asks=[(f"60 * ({rate('kol_sink_retries_total', 'table')}) > 0", "{{table}}")],
        unit=PER_MINUTE,
        empty=NONE_IS_GOOD,
    ),
    Shown(
        title=Text("Rows not acknowledged", "未确认的行"),
        about=Text(
            "Rows sent to ClickHouse that it has not acknowledged, by table, now. More and more of "
            "them: ClickHouse is slow or away.",
            "已发往 ClickHouse、尚未确认的行数，按表。持续增多说明 ClickHouse 变慢或不可用。",
        ),
        asks=[("sum by (table) (kol_sink_buffer_rows) > 0", "{{table}}")],
        empty=NONE_IS_GOOD,
    ),
    Shown(
        title=Text("State of the sinks", "sink 状态"),
        about=Text(
            "How many sinks are in each state, over tables and workers: ok, retrying (ends by "
            "itself), stopped (a person is needed; the log says why).",
            "处于各状态的 sink 数（按表和 worker 合计）：正常（ok），重试中（retrying，"
            "会自行结束），已停止（stopped，需要人工处理，日志说明原因）。",
        ),
        asks=[("sum by (state) (kol_sink_state)", "{{state}}")],
        names=SINK_STATES,
    ),
    Shown(
        title=Text("Rows refused", "被拒绝的行"),
        about=Text(
            "Rows that ClickHouse refused, by table and reason. Each is a dead letter with the "
            "row; the others of its insert are written.",
            "被 ClickHouse 拒绝的行数，按表和原因。每行都成为带内容的死信；同批其他行照常写入。",
        ),
        asks=[(f"{rise('kol_rows_refused_total', 'table', 'reason')} > 0", "{{table}} {{reason}}")],
        empty=NONE_IS_GOOD,
    ),
)

SIZE: Final = (
    Shown(
        title=Text("Memory", "内存"),
        about=Text(
            "Memory of each process, and of that the arrays of each side, over its partitions. "
            "Exact. Arrays grow with users and KOLs of the last weeks.",
            "各进程的内存，以及其中每一侧的数组（所有分区合计），精确值。数组随最近几周的用户和 "
            "KOL 数增长。",
        ),
        asks=[
            (OUR_PROCESSES, Text("process {{instance}}", "进程 {{instance}}")),
            (
                "sum by (side) (kol_memory_bytes)",
                Text("arrays, {{side}} side", "数组，{{side}} 侧"),
            ),
        ],
        unit=BYTES,
    ),
    Shown(
        title=Text("Names and open minutes", "名称与未关闭的分钟"),
        about=Text(
            "KOLs, brands and words of orders in memory, by side, and minutes of KOLs that can "
            "still change. Names that keep growing: a producer invents them. Minutes that keep "
            "growing: a source partition is behind.",
            "内存中的 KOL、品牌和订单词汇数（按侧），以及仍可能变化的 KOL 分钟数。名称持续增长："
            "生产者在凭空造名；分钟持续增长：有源分区落后。",
        ),
        asks=[
            ("sum by (side) (kol_names)", Text("names, {{side}} side", "名称，{{side}} 侧")),
            ("sum(kol_open_minutes)", Text("open minutes", "未关闭的分钟")),
        ],
    ),
    Shown(
        title=Text("CPU by step of folding", "各处理步骤占用的核"),
        about=Text(
            "Cores that the user side spends in each step, over all workers: 100 % is one core. "
            "Exact.",
            "用户侧各处理步骤占用的核，所有 worker 合计：100% 为一个核，精确值。",
        ),
        asks=[(rate("kol_fold_step_seconds_total", "step"), "{{step}}")],
        unit=SHARE,
        stacked=True,
    ),
    Shown(
        title=Text("Versions", "版本"),
        about=Text(
            "How many workers run each version, code path and generation of the formulas. Two at a "
            "time are a restart in turn; versions with other state formats never run together.",
            "运行各版本、代码路径和公式代的 worker 数。同时有两个版本说明正在轮流重启；"
            "状态格式不同的版本不会同时运行。",
        ),
        asks=[
            ("count by (version, native) (kol_build_info)", "{{version}} native {{native}}"),
            (
                "count by (version) (kol_model_info)",
                Text("formulas {{version}}", "公式 {{version}}"),
            ),
            ("count by (version) (kol_trainer_info)", "trainer {{version}}"),
        ],
        span=12,
    ),
    Shown(
        title=Text("Partitions", "分区"),
        about=Text(
            "Partitions that workers own, by side. Fewer than the topics have: nobody reads the "
            "others.",
            "worker 持有的分区数，按侧。少于 topic 的分区数说明有分区无人读取。",
        ),
        asks=[
            ("sum by (side) (kol_partitions)", Text("owned, {{side}} side", "持有，{{side}} 侧")),
            ("max(kol_topic_partitions)", Text("of a topic", "topic 分区数")),
        ],
        span=12,
    ),
)

TRAINER: Final = (
    Shown(
        title=Text("Trainer: since the last turn", "trainer：距上次成功"),
        about=Text(
            "Time since each turn of the trainer last succeeded, of whichever process: roll-ups "
            "and dimensions every 5 s, consents each hour, the night's once a day.",
            "trainer 各任务距上次成功的时间（不论由哪个进程完成）：汇总和维度每 5 秒，授权每小时，"
            "夜间任务每天一次。",
        ),
        asks=[(since("kol_trainer_last_success_timestamp_seconds", "turn"), "{{turn}}")],
        unit=SECONDS,
        empty=NO_TRAINER,
    ),
    Shown(
        title=Text("Trainer: time of a turn", "trainer：每次耗时"),
        about=Text(
            "Time of a turn that succeeded, p99. The next one comes five times as long later, so "
            "that is more than its usual pause. From wide buckets, so roughly.",
            "成功的一次任务的耗时 p99。若五倍耗时长于平时的间隔，下一次就在五倍耗时之后。"
            "由较宽的分桶插值，只是大致值。",
        ),
        asks=[(quantile(0.99, "kol_trainer_turn_seconds", "turn"), "{{turn}}")],
        unit=SECONDS,
        empty=NO_TRAINER,
    ),
    Shown(
        title=Text("Trainer: failures", "trainer：失败"),
        about=Text(
            "Turns that failed; the next one does what is left. Its log and kol status say why.",
            "失败的任务次数；下一次会补做剩余部分。原因见其日志和 kol status。",
        ),
        asks=[(f"{rise('kol_trainer_failures_total', 'turn')} > 0", "{{turn}}")],
        empty=NONE_IS_GOOD,
    ),
    Shown(
        title=Text("Trainer: what waits", "trainer：待处理"),
        about=Text(
            "Roll-ups by day whose source has changed since old days were last added up (every 10 "
            "minutes), and records of reference topics that are in no dimension yet.",
            "源数据已变化、旧日期尚未重新汇总的按日汇总数（每 10 分钟处理），以及参考 topic "
            "中尚未进入维度表的记录数。",
        ),
        asks=[
            ("max(kol_trainer_waiting_rollups)", Text("roll-ups", "汇总")),
            ("max by (topic) (kol_trainer_behind)", "{{topic}}"),
        ],
        empty=NO_TRAINER,
    ),
    Shown(
        title=Text("Age of numbered values", "编号取值的年龄"),
        about=Text(
            "Age of what workers take for known of contents and KOLs. It gets older while nothing "
            "changes; kept back: a change that looks like a mishap waits for a person (kol "
            "snapshots).",
            "worker 所依据的内容和 KOL 取值的年龄。没有变化时年龄会增长；“被扣留”："
            "看似事故的变化在等人确认（kol snapshots）。",
        ),
        asks=[(since("kol_trainer_number_timestamp_seconds", "kind"), "{{kind}}")],
        unit=SECONDS,
        empty=NO_TRAINER,
    ),
    Shown(
        title=Text("Numbers kept back, holders", "被扣留的编号与持锁者"),
        about=Text(
            "Kinds whose change is kept back: 0 is right. Trainers that hold the lock: 1 is right, "
            "any others stand by.",
            "变化被扣留的种类数：应为 0。持锁的 trainer 数：应为 1，其余待命。",
        ),
        asks=[
            (
                "sum by (kind) (kol_trainer_number_refused)",
                Text("kept back: {{kind}}", "被扣留：{{kind}}"),
            ),
            ("sum(kol_trainer_is_holder)", Text("holders of the lock", "持锁者")),
        ],
        empty=NO_TRAINER,
    ),
)

OVER_TIME: Final = (*FLOW, *SAFE, *SINKS, *SIZE, *TRAINER)
