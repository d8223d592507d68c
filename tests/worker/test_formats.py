"""Workers of two formats never run together; the product's version does not matter."""

import importlib.metadata
from pathlib import Path
from typing import Any, cast

import pytest

from streams.core.sides import Side
from streams.settings import Settings
from streams.worker import formats
from streams.worker.assembly import build
from streams.worker.formats import UNNAMED, Formats, conflict, formats_of, protocol

OWN = Formats(user=3, kol=1, blocks=1)


@pytest.mark.parametrize("of", [UNNAMED, OWN, Formats(12, 3, 40)])
def test_a_protocol_names_its_formats(of: Formats) -> None:
    assert formats_of(protocol(of)) == of


def test_versions_before_had_the_protocol_of_faust_and_the_first_named_formats() -> None:
    """So a rolling restart from such a version works; a fixed fact, not one of today."""
    assert formats_of("faust") == Formats(user=2, kol=1, blocks=1)


def test_workers_of_one_format_may_run_together() -> None:
    assert conflict("kol", protocol(OWN), OWN) is None
    assert conflict("kol", "faust", UNNAMED) is None


@pytest.mark.parametrize("theirs", [UNNAMED, Formats(1, 1, 1)])
def test_older_ones_have_to_be_stopped(theirs: Formats) -> None:
    fault = conflict("kol", protocol(theirs), OWN)

    assert fault is not None
    assert f"user side {theirs.user}, KOL side 1" in fault
    assert "stop all of them, then start" in fault


@pytest.mark.parametrize("theirs", [Formats(4, 1, 1), Formats(3, 2, 1), Formats(2, 1, 2)])
def test_newer_ones_name_the_way_back(theirs: Formats) -> None:
    """One part that is newer is enough: this version could not read it."""
    fault = conflict("kol", protocol(theirs), OWN)

    assert fault is not None
    assert "The way back to this one is a replay" in fault


@pytest.mark.parametrize("other", ["range", "kol-formats-3-1", "faust-2"])
def test_consumers_that_are_no_workers_are_named(other: str) -> None:
    assert "are no workers" in str(conflict("kol", other, OWN))


@pytest.mark.parametrize("side", list(Side))
def test_a_conversion_more_is_another_protocol(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    before = formats.formats()
    conversions = formats.CONVERSIONS[side]
    monkeypatch.setitem(
        formats.CONVERSIONS, side, lambda names: (*conversions(names), lambda arrays: arrays)
    )
    fault = conflict("kol", protocol(before), formats.formats())

    assert "stop all of them" in str(fault)
    assert "never run together" in str(conflict("kol", protocol(formats.formats()), before))


def _protocol(datadir: Path) -> str:
    """What a worker as the product builds it joins its group with."""
    name: str = cast("Any", build(Settings(), datadir)).assignor.name
    return name


def test_the_protocol_of_a_worker_has_nothing_of_the_products_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {_protocol(tmp_path)}
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "99.0")
    monkeypatch.setattr("streams.worker.assembly.version", lambda _: "99.0")
    names |= {_protocol(tmp_path)}

    assert names == {protocol(formats.formats())}
