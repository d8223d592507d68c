"""Files that broke us, on a real stack: what counts in the end, and what is said of the others."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from schemas.partitioner import partition_of
from tests.commands import command
from tests.integration.conftest import Product, running
from tests.operations.ingest.cases import HOUR, T0, export, line, morning, paid, written

pytestmark = pytest.mark.integration

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
