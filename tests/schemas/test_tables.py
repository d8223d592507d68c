import re
from pathlib import Path

import pytest

from schemas.doors import RejectReason
from schemas.tables import README, fields_table, filled, topics_table, write
from schemas.topics import PLANNED, TOPICS
from schemas.wire import FOLDER, SENT


def test_the_tables_of_the_page_are_current() -> None:
    page = README.read_text("utf-8")

    assert filled(page) == page, "run `python -m schemas.tables`"


@pytest.mark.parametrize("topic", SENT)
def test_a_table_has_every_field_of_its_topic(topic: str) -> None:
    names = re.findall(r"^\| \**(\w+)\** \|", fields_table(topic), re.MULTILINE)

    assert names == ["field", *SENT[topic].__struct_fields__]
    assert fields_table(topic) in README.read_text("utf-8")


def test_the_table_of_topics_has_every_topic_in_use() -> None:
    listed = re.findall(r"^\| ([\w-]+) \|", topics_table(), re.MULTILINE)

    assert set(listed) - {"topic", "---"} == TOPICS.keys() - PLANNED
    assert topics_table() in README.read_text("utf-8")


def test_the_page_explains_every_reason_to_refuse() -> None:
    explained = re.findall(r"^\| `(\w+)` \|", README.read_text("utf-8"), re.MULTILINE)

    assert sorted(explained) == sorted(reason.label for reason in RejectReason)


def test_the_page_names_every_module_of_the_room() -> None:
    modules = {path.name for path in FOLDER.glob("*.py")} - {"__init__.py", "tables.py"}

    assert modules <= set(re.findall(r"`(\w+\.py)`", README.read_text("utf-8")))


def test_only_what_stands_between_the_marks_is_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table: topics -->\nold\n<!-- end: topics -->\nafter\n")
    write(page)

    assert page.read_text("utf-8") == (
        f"before\n<!-- table: topics -->\n{topics_table()}\n<!-- end: topics -->\nafter\n"
    )
