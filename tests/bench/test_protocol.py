"""Rounds, windows, intervals and the input of `kol bench`, without a broker."""

import os
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from statistics import median

import pytest

from schemas.codec import decode
from schemas.columns import Rejected
from schemas.doors import RejectReason
from schemas.keyed_names import KeyedNames
from streams.bench import quick
from streams.bench.against import tree_at
from streams.bench.checkout import USUAL, Peer, peers
from streams.bench.cpu import cpu_seconds
from streams.bench.intervals import interval
from streams.bench.messages import MALFORMED, ODD, START_MS, Messages
from streams.bench.page import page
from streams.bench.rounds import measure_rounds
from streams.bench.windows import MeasureError, Run, measure_child, window
from tests.builders import record_batch
from tests.cli.stand_ins import comparison

COUNT = 20_000
LATER = START_MS + 86_400_000  # record time of all


# ---------------------------------------------------------------- input


@pytest.fixture(scope="module")
def taken() -> tuple[Messages, list[tuple[str, bytes, bytes]]]:
    messages = Messages(seed=3, count=COUNT)
    return messages, list(messages)


Taken = tuple[Messages, list[tuple[str, bytes, bytes]]]


def test_the_same_seed_gives_the_same_bytes(taken: Taken) -> None:
    again = Messages(seed=3, count=COUNT)

    assert list(again) == taken[1]
    assert again.sha256 == taken[0].sha256


def test_another_seed_gives_others(taken: Taken) -> None:
    other = Messages(seed=4, count=COUNT)
    list(other)

    assert other.sha256 != taken[0].sha256


def test_the_sum_is_over_everything_that_is_sent(taken: Taken) -> None:
    messages, sent = taken
    whole = sha256()
    for topic, key, value in sent:
        for part in (topic.encode(), key, value):
            whole.update(len(part).to_bytes(4) + part)

    assert whole.hexdigest() == messages.sha256


def test_a_hundredth_is_odd_and_a_thousandth_malformed(taken: Taken) -> None:
    messages, _ = taken
    # six standard deviations of a binomial: sqrt(n p (1 - p))
    for found, share in ((messages.odd, ODD), (messages.malformed, MALFORMED)):
        assert abs(found - COUNT * share) < 6 * (COUNT * share * (1 - share)) ** 0.5


def test_what_is_malformed_is_rejected_and_what_is_odd_is_not(taken: Taken) -> None:
    messages, sent = taken
    rejected: list[Rejected] = []
    for topic in {topic for topic, _, _ in sent}:
        values = [value for of, _, value in sent if of == topic]
        rejected += decode(
            record_batch(topic, values, received_at=LATER), KeyedNames(b"k" * 32)
        ).rejected

    reasons = {one.reason for one in rejected}
    assert len(rejected) >= messages.malformed  # a copy of one is malformed, too
    assert len(rejected) <= 1.2 * messages.malformed + 10
    assert reasons == {RejectReason.NOT_JSON.label, RejectReason.INVALID.label}


# ---------------------------------------------------------------- rounds


def costs(*values: float) -> Callable[[], Run]:
    """Measures one value after the other, the last one again and again."""
    left = list(values)
    return lambda: {"cpu_us_per_event": left.pop(0) if len(left) > 1 else left[0]}


def named(name: str, order: list[str]) -> Callable[[], Run]:
    def measure() -> Run:
        order.append(name)
        return {"cpu_us_per_event": 1.0}

    return measure


def test_the_order_changes_with_every_round() -> None:
    order: list[str] = []

    measure_rounds({name: named(name, order) for name in "ab"}, {"c": costs(1.0)}, 3)

    assert order == ["a", "b", "b", "a", "a", "b"]


def test_a_round_whose_ceiling_moved_is_measured_again() -> None:
    found = measure_rounds({"a": costs(5.0, 6.0, 7.0)}, {"c": costs(1.0, 1.2, 1.2, 1.25)}, 2)

    assert [one.runs["a"]["cpu_us_per_event"] for one in found.kept] == [6.0, 7.0]
    assert len(found.repeated) == 1
    assert found.disturbed == 0


def test_it_is_not_measured_again_for_ever() -> None:
    found = measure_rounds({"a": costs(1.0)}, {"c": costs(*(2.0**n for n in range(20)))}, 4)

    assert len(found.kept) == 4
    assert len(found.repeated) == 2  # half as many
    assert found.disturbed == 4


def test_who_may_not_fail_ends_everything() -> None:
    def fail() -> Run:
        raise MeasureError("the worker ended")

    with pytest.raises(MeasureError):
        measure_rounds({"ours": fail}, {"c": costs(1.0)}, 2)

    found = measure_rounds(
        {"ours": costs(1.0), "peer": fail}, {"c": costs(1.0)}, 2, may_fail=["peer"]
    )
    assert found.failed == {"peer": "the worker ended"}
    assert found.runs.keys() == {"c", "ours"}


def test_a_ratio_is_one_of_runs_of_the_same_round() -> None:
    found = measure_rounds(
        {"a": costs(1.0, 10.0, 4.0), "b": costs(2.0, 20.0, 8.0)}, {"c": costs(1.0)}, 3
    )

    assert found.ratio("b", "a") == (2.0, 2.0, 2.0)


def test_an_interval_holds_its_median_and_narrows_with_more() -> None:
    few, many = [1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0] * 20

    assert interval(few).median == median(few)
    assert interval(few).low <= 3.0 <= interval(few).high
    assert interval(many).high - interval(many).low < interval(few).high - interval(few).low


def test_an_interval_of_five_is_what_the_binomial_says() -> None:
    # The median of five draws is at most the least value if three of five draws are it:
    # the sum over k >= 3 of C(5, k) 0.2^k 0.8^(5-k) is 0.0579, above a twentieth; so low is it.
    found = interval([1.0, 2.0, 3.0, 4.0, 5.0])

    assert (found.low, found.high) == (1.0, 5.0)


# ---------------------------------------------------------------- windows


CHILD = """
import sys, time
from streams.bench.windows import Marks
marks = Marks(warm=10, events=20)
x = 0
while not marks.count_done(5):
    until = time.process_time() + 0.05
    while time.process_time() < until:
        x += 1
marks.print_mark()
"""


def test_a_window_begins_after_what_warms_up() -> None:
    found = measure_child("child", [sys.executable, "-c", CHILD], {"beside": os.getpid()}, 60)

    assert found["events"] == 20
    # four steps of 0.05 s of CPU are in the window: 0.2 s over 20 events
    assert found["cpu_us_per_event"] == pytest.approx(10_000, rel=0.25)
    assert set(found["cpu_us"]) == {"child", "beside"}


def test_who_fails_is_quoted() -> None:
    with pytest.raises(MeasureError, match=r"child gave no figure.*no such thing"):
        measure_child("child", [sys.executable, "-c", "raise SystemExit('no such thing')"], {}, 60)


def test_who_is_too_slow_is_ended() -> None:
    begun = time.monotonic()
    with pytest.raises(MeasureError, match="exit code -9"):
        measure_child("child", [sys.executable, "-c", "import time; time.sleep(300)"], {}, 0.2)

    assert time.monotonic() - begun < 200


def test_cpu_of_a_process_is_what_it_says_of_itself() -> None:
    spent = sum(os.times()[:2])

    assert cpu_seconds(os.getpid()) == pytest.approx(spent, abs=0.1)


def test_figures_are_by_event() -> None:
    found = window(events=2_000, wall=0.5, cpu={"worker": 0.01, "broker": 0.004}, name="worker")

    assert found["events_per_second"] == 4_000
    assert found["cpu_us_per_event"] == 5.0
    assert found["cpu_us"] == {"worker": 5.0, "broker": 2.0}


# ---------------------------------------------------------------- peers, trees, the stored ratio


def test_peers_that_need_nothing_more_can_run_here() -> None:
    able, why = peers(USUAL)

    assert [peer.name for peer in able] == list(USUAL)
    assert why == {}


def test_what_a_peer_lacks_is_said_by_name() -> None:
    lacking = [
        Peer("x", "x", "x", needs="no_such_module"),
        Peer("x", "x", "x", own="no-such-env"),
        Peer("x", "x", "no.Such", language="java"),
    ]

    module, own, java = [peer.missing() for peer in lacking]
    assert module == "no_such_module is not installed: `make setup` does it"
    assert own == "no-such-env is not installed: `make peers` does it"
    assert "`make peers`" in java


def test_a_folder_without_a_checkout_is_named(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="is no checkout"):
        tree_at(tmp_path)


def test_a_checkout_that_is_not_set_up_is_named(tmp_path: Path) -> None:
    (tmp_path / "streams" / "cli").mkdir(parents=True)

    with pytest.raises(MeasureError, match="run `make setup` there"):
        tree_at(tmp_path)


def test_a_stored_ratio_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "quick.json"
    report = {
        "ratios": {"client": {"median": 0.2}},
        "path": "compiled",
        "rounds": 3,
        "input": {"events": 1, "sha256": "x"},
        "machine": {"cores": 2, "cpu": "c", "python": "3"},
    }

    quick.store(report, file)
    quick.store(report | {"path": "readable", "ratios": {"client": {"median": 0.1}}}, file)

    assert quick.stored_ratio("compiled", file) == 5.0
    assert quick.stored_ratio("readable", file) == 10.0


def test_without_a_stored_ratio_a_sentence_says_so(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"readable": {"ours_by_client": 5}}')

    with pytest.raises(quick.SlowerError, match="no ratio is stored"):
        quick.stored_ratio("readable", tmp_path / "quick.json")
    with pytest.raises(quick.SlowerError, match="of the compiled path"):
        quick.stored_ratio("compiled", tmp_path / "other.json")


def test_the_stored_ratio_of_the_repository_is_one() -> None:
    assert all(quick.stored_ratio(path) > 1 for path in ("compiled", "readable"))


# ---------------------------------------------------------------- the page


def test_a_page_holds_its_plots_and_shows_text_as_it_is() -> None:
    run = {"cpu_us_per_event": 3.0}
    given = comparison("a<b")
    given["runs"] = {"a<b": [run, run], "ours": [run]}
    given["input"] |= {"warm": 1, "topics": 3, "codec": "lz4", "seed": 7}

    text = page(given)

    assert text.count("<svg") == 2
    assert "a<b" not in text
    assert text.count("<circle") == 3  # one for each run
