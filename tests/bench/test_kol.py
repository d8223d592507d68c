"""What the KOL side takes is measured once, small, so that the figures never rot."""

from tests.bench.kol import figures


def test_each_part_of_the_kol_side_is_measured() -> None:
    found = figures(["--kols", "20", "--minutes", "2", "--turns", "1"])

    assert found["cells"] == 40
    assert min(found[name] for name in ("written", "final", "both")) > 0
    assert found["midnight_ms"] > 0
