"""The measurement of restores runs once, small; figures come from `kol bench --restore`."""

import asyncio
from pathlib import Path

import pytest

from deploy.embedded import kafka
from schemas.topics import KOL_STATE, USER_STATE, plan
from streams.bench.restoring import Size, measure
from tests.integration.topics import create_topics

pytestmark = pytest.mark.integration

SMALL = Size(
    users=2_000, kols=200, events=2_000, cells=50, minutes=3, snapshots=4, restores=1, patience_s=1
)


def test_both_sides_are_kept_and_restored(tmp_path: Path) -> None:
    with kafka.broker(tmp_path) as bootstrap:
        for topic in (USER_STATE, KOL_STATE):
            settings = {name.replace(".", "__"): of for name, of in plan(1)[topic][1].items()}
            asyncio.run(create_topics(bootstrap, [topic], 1, **settings))
        found = asyncio.run(measure(bootstrap, tmp_path, SMALL, lambda _: None))

    for side in ("user", "kol"):
        first, later, compacted = (found[side][when] for when in ("first", "later", "compacted"))
        assert later["held_mb"] >= first["held_mb"] > 0
        assert compacted["restore"]["read_mb"]["max"] > 0
