"""Files that broke us, on a real stack: what counts in the end, and what is said of the others."""

import asyncio
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import zstandard

from schemas.partitioner import partition_of
from schemas.reference import Refused, Tombstone, read_reference
from schemas.reference_types import CONSENTS, PROFILES, REFERENCES
from schemas.wire import FOLDER
from streams.clients.kafka_admin import kafka_admin
from streams.clients.kafka_reader import TopicRecord, record_reader
from tests.commands import command
from tests.integration.conftest import Product, running
from tests.operations.ingest.cases import HOUR, T0, export, line, morning, paid, written

pytestmark = [pytest.mark.integration, pytest.mark.stack]

DAY = 24 * HOUR
LAST = T0 + 29 * DAY  # of the export


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("ingest") / "home") as started:
        yield started


def ingest(product: Product, *words: object) -> tuple[int, str]:
    """Exit code and text of both outputs, its lines joined."""
    done = command("ingest", *map(str, words), home=product.home)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def paid_orders(product: Product) -> int:
    product.kol("drain")
    return int(product.sql("SELECT count() AS n FROM v_order")[0]["n"])


def test_files_on_a_running_stack(product: Product, tmp_path: Path) -> None:
    """One story, since what topics hold already decides what is too late."""
    noon = written(tmp_path / "noon", morning(None, T0 + 5 * HOUR, "b"))
    early = written(tmp_path / "morning", morning(T0 * 1_000))
    assert ingest(product, noon, early)[0] == 0
    assert paid_orders(product) == 80  # none was too late

    days = written(tmp_path / "days", export(30)[2:])  # from the second day on
    assert ingest(product, days)[0] == 0
    assert paid_orders(product) == 80 + 29

    other = next(
        f"v{n}" for n in range(99) if partition_of(b"v%d" % n, 4) != partition_of(b"u1", 4)
    )
    code, text = ingest(product, written(tmp_path / "newest-first", export(30, other)[::-1]))
    assert code == 1
    assert "58 of 60 lines would be too late" in text
    assert "nothing was sent" in text

    code, text = ingest(product, days)  # the last day alone is not behind the topics
    assert code == 0
    assert "56 of them lie behind what the topics hold already" in text
    assert paid_orders(product) == 80 + 29  # each event counts once

    packed = b"".join(line(paid(f"z{n}", LAST + n)) for n in range(9_000))
    for suffix, pack in ((".gz", gzip.compress), (".zst", zstandard.compress)):
        path = tmp_path / f"cut{suffix}"
        path.write_bytes(pack(packed)[:-3_000])
        code, text = ingest(product, path)
        assert code == 1
        assert "cut short after line" in text
        assert "nothing was sent" in text
    assert paid_orders(product) == 80 + 29

    half = written(tmp_path / "half", [paid("half", LAST, note="\udc00", score=1.10)])
    assert ingest(product, half)[0] == 0
    assert paid_orders(product) == 80 + 29 + 1


def test_the_examples_of_reference_topics_arrive_under_their_keys(
    product: Product, tmp_path: Path
) -> None:
    examples = [
        (topic, path.read_bytes())
        for topic in REFERENCES
        for path in sorted((FOLDER / "examples" / topic / "v1").glob("*.json"))
    ]
    lines = [
        b'{"topic":"%b","value":%b}\n' % (topic.encode(), msgspec.json.format(raw, indent=-1))
        for topic, raw in examples
    ]
    path = tmp_path / "reference"
    path.write_bytes(b"".join(lines) + b'{"topic":"content","key":"c-1","raw":null}\n')

    code, text = ingest(product, path)
    records, counts = asyncio.run(reference_records(product))
    read = [
        read_reference(
            one.topic,
            one.key,
            one.value,
            one.at,
            partition=one.partition,
            partitions=counts[one.topic],
        )
        for one in records
    ]

    assert (code, "rejected" in text) == (0, False)
    assert len(read) == len(examples) + 1
    assert not [one for one in read if isinstance(one, Refused)]
    assert [one for one in read if isinstance(one, Tombstone)] == [Tombstone("content", ("c-1",))]
    assert all(one.by_broker for one in records)
    assert counts == dict.fromkeys(REFERENCES, 1) | {CONSENTS: 4}


async def reference_records(product: Product) -> tuple[list[TopicRecord], dict[str, int]]:
    """What stands on the reference topics, and how many partitions they have."""
    kafka = product.settings.kafka
    with kafka_admin(kafka) as broker:
        counts = {name: count for name, count in broker.counts().items() if name in REFERENCES}
    async with record_reader(kafka) as reader:
        places = [(topic, at) for topic, count in counts.items() for at in range(count)]
        return await reader.newest(places, 100), counts


def test_a_refused_reference_record_goes_back_unless_a_newer_one_stands(
    product: Product, tmp_path: Path
) -> None:
    path = tmp_path / "profiles"
    first, second = ({"kol_id": kol, "tier": "koc"} for kol in ("kol-once", "kol-twice"))
    wrong = [json.dumps({"topic": PROFILES, "key": "x", "value": one}) for one in (first, second)]
    right = json.dumps({"topic": PROFILES, "value": second | {"tier": "head"}})
    path.write_text("\n".join([*wrong, right]))
    code, text = ingest(product, path)
    assert (code, "2 as wrong_key" in text) == (0, True)
    product.kol("drain")

    done = product.json("dlq", "retry", "--topic", PROFILES, "--yes")
    product.kol("drain")
    letters = product.json("dlq", "list", "--topic", PROFILES)["letters"]

    (stays,) = done["refused"]
    assert "a newer record of its key stands" in stays["why_not"]
    assert {one["state"]: one["reason"] for one in letters} == {
        "retried": "wrong_key",
        "new": "wrong_key",
    }
    (retried,) = [one for one in letters if one["state"] == "retried"]
    assert product.json("dlq", "show", retried["id"])["value"] == first
    assert tiers(product) == {"kol-once": "koc", "kol-twice": "head"}


def tiers(product: Product) -> dict[str, str]:
    rows = product.sql("SELECT kol_id, tier FROM v_kol WHERE kol_id IN ('kol-once', 'kol-twice')")
    return {row["kol_id"]: row["tier"] for row in rows}


def test_an_order_that_was_too_late_is_explained(product: Product, tmp_path: Path) -> None:
    now = written(tmp_path / "now", [paid("now", LAST + DAY), paid("gone", LAST, currency="CNY")])
    assert ingest(product, now)[0] == 0
    product.kol("drain")

    done = command("explain", "order", "gone", home=product.home)

    assert done.returncode == 1
    assert "too_late" in done.stderr
    assert "only dead letters name it" in done.stderr
    assert command("explain", "order", "now", home=product.home).stderr == ""
    absent = command("explain", "order", "never", home=product.home)
    assert "not read yet, or another id" in absent.stderr
