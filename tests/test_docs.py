"""What the pages say exists, and what exists is on a page."""

import re
import shlex
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest

from schemas.codec import decode
from schemas.doors import Door, RejectReason
from schemas.events import INPUTS, KINDS
from schemas.partitioner import partition_of
from schemas.queries import QUERIES
from schemas.rows import TABLES, VIEWS
from schemas.topics import TOPICS
from schemas.views import COLUMNS
from streams.core.kol import memory as kol_memory
from streams.core.moments import HORIZON_MS
from streams.core.user import door_counts
from streams.settings import NOT_SETTINGS, descriptions
from streams.trainer import telemetry as trainer
from streams.worker.telemetry import METRICS
from tests.builders import NAMES, record_batch
from tests.docs import GENERATED, PAGES, ROOT, commands, meanings, options, with_tables

ROOMS: Final = ("schemas", "streams", "sinks", "deploy", "tests")
DECISIONS: Final = sorted((ROOT / "deploy" / "decisions").glob("*.md"))
GUIDES: Final = [ROOT / "README.md", *(ROOT / room / "README.md" for room in ROOMS)]
CHINESE: Final = ROOT / "README.zh.md"
EVERY_PAGE: Final = [
    *GUIDES,
    CHINESE,
    ROOT / "deploy" / "operations.md",
    ROOT / "sinks" / "tables.md",
    *DECISIONS,
    ROOT / "CHANGELOG.md",
]

EXAMPLES: Final = {"kol_2", "kol_forget"}  # the database of a replay, an account

TARGET: Final = re.compile(r"[a-z][a-z-]*")
FENCED: Final = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)

page = pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.relative_to(ROOT).as_posix()) for path in EVERY_PAGE]
)


# ---------------------------------------------------------------- what stands on a page


def blocks(text: str) -> list[str]:
    """What stands between fences."""
    return FENCED.findall(text)


def spans(text: str) -> list[str]:
    """What stands between single backticks."""
    return re.findall(r"`([^`\n]+)`", re.sub(FENCED, "", text))


def command_lines(text: str, program: str) -> Iterator[list[str]]:
    """Calls of a program in the blocks, without comments, as words."""
    for line in "\n".join(blocks(text)).replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|\|\||;|·", line):
            words = shlex.split(part, comments=True)
            if words and words[0].rsplit("/", 1)[-1] == program:
                yield words[1:]


def mentions(text: str, program: str) -> Iterator[list[str]]:
    """Calls of a program within sentences."""
    for span in spans(text):
        words = span.split()
        if words[0].rsplit("/", 1)[-1] == program:
            yield words[1:]


def test_fences_comments_and_sentences_are_told_apart() -> None:
    text = "a `kol up --fresh` b\n```\nkol up && kol drain  # kol nothing\n```\n`make x`\n"

    assert list(command_lines(text, "kol")) == [["up"], ["drain"]]
    assert list(mentions(text, "kol")) == [["up", "--fresh"]]
    assert list(mentions(text, "make")) == [["x"]]


# ---------------------------------------------------------------- commands


def named(words: list[str]) -> str:
    """The longest command the words begin with, empty where there is none."""
    known = commands()
    return next((name for n in (2, 1) if (name := " ".join(words[:n])) in known), "")


def understood(words: list[str]) -> bool:
    """Whether `kol` takes these words as they are; it says why not by an exception."""
    name = named(words)
    command = commands()[name]
    with command.make_context(f"kol {name}", words[len(name.split()) :]):
        return True


@page
def test_a_command_line_on_a_page_is_one_that_kol_takes(path: Path) -> None:
    for words in command_lines(path.read_text("utf-8"), "kol"):
        assert understood(words), words


@page
def test_a_command_in_a_sentence_exists_with_its_options(path: Path) -> None:
    groups = {name.split()[0] for name in commands()}
    for words in mentions(path.read_text("utf-8"), "kol"):
        if not words or not re.fullmatch(r"[a-z-]+", words[0]) or words == ["--help"]:
            continue  # `kol …`, `kol --help`
        name = named(words)
        known = [*options(commands()[name]), "--help"] if name else ["--help"]
        asked = [word.split("=")[0] for word in words if word.startswith("--")]

        assert name or words[0] in groups, words
        assert set(asked) <= set(known), words


@page
def test_what_make_hands_on_to_kol_is_understood(path: Path) -> None:
    text = path.read_text("utf-8")
    for target, args in re.findall(r'make (\w+) ARGS="([^"]*)"', text):
        if target in commands():
            assert understood([target, *shlex.split(args)]), args


def test_the_makefile_hands_on_what_kol_understands() -> None:
    for line in (ROOT / "Makefile").read_text("utf-8").splitlines():
        for words in re.findall(r"\$\(BIN\)/kol ([^$\n]+)", line):
            assert understood(shlex.split(words)), words
        for target, args in re.findall(r'^(\w+):.*\(ARGS="([^"]*)"\)', line):
            assert target not in commands() or understood([target, *shlex.split(args)]), args


# ---------------------------------------------------------------- make


def targets() -> set[str]:
    """The names in the Makefile that are for people."""
    text = (ROOT / "Makefile").read_text("utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    return set(phony.split())


@page
def test_a_target_on_a_page_is_in_the_makefile(path: Path) -> None:
    text = path.read_text("utf-8")
    calls = [*command_lines(text, "make"), *mentions(text, "make")]

    assert {words[0] for words in calls if words and TARGET.fullmatch(words[0])} <= targets()


def test_make_alone_lists_every_target_with_a_sentence() -> None:
    make = shutil.which("make")
    assert make is not None
    listing = subprocess.run([make, "-s", "-C", ROOT], check=True, capture_output=True, text=True)

    listed = dict(re.findall(r"^  make ([\w-]+) +(\S.*)$", listing.stdout, re.MULTILINE))
    assert listed.keys() == targets()


# ---------------------------------------------------------------- two languages


def code_lines(text: str) -> list[list[str]]:
    """The lines of each block without comments: the same in every language."""
    return [[re.sub(r"\s+#.*", "", line) for line in block.splitlines()] for block in blocks(text)]


def tables(text: str) -> list[list[list[str]]]:
    """Of each table its rows, of each row the code between backticks."""
    lines = [line if line.startswith("|") else "" for line in re.sub(FENCED, "", text).splitlines()]
    found = [part.strip().splitlines() for part in "\n".join(lines).split("\n\n") if part.strip()]
    return [[re.findall(r"`([^`]+)`", row) for row in rows] for rows in found]


def outline(text: str) -> list[tuple[str, int]]:
    """Of each heading its level, and how many items of lists stand below it."""
    parts = re.split(r"^(#+) .*$", re.sub(FENCED, "", text), flags=re.MULTILINE)[1:]
    items = re.compile(r"^(?:\d+\.|-) ", re.MULTILINE)
    return [
        (level, len(items.findall(part)))
        for level, part in zip(parts[::2], parts[1::2], strict=True)
    ]


@pytest.mark.parametrize("part", [code_lines, tables, outline])
def test_the_readme_says_the_same_in_both_languages(part: Callable[[str], object]) -> None:
    english, chinese = (path.read_text("utf-8") for path in (ROOT / "README.md", CHINESE))

    assert part(chinese) == part(english)
    assert part(english)


@pytest.mark.parametrize("path", [ROOT / "README.md", CHINESE], ids=["en", "zh"])
def test_the_readme_links_every_page(path: Path) -> None:
    links = {
        (ROOT / link).resolve() for link in re.findall(r"\]\(([^)]+)\)", path.read_text("utf-8"))
    }
    folders = {page.parent for page in DECISIONS} | {ROOT / "schemas" / "wire"}

    assert {*EVERY_PAGE, *folders} - {*DECISIONS, path} <= links


def test_each_readme_begins_with_a_link_to_the_other() -> None:
    for path, other in ((ROOT / "README.md", CHINESE), (CHINESE, ROOT / "README.md")):
        _, link = path.read_text("utf-8").split("\n\n")[:2]

        assert link.endswith(f"({other.name})")


@pytest.mark.parametrize("path", [ROOT / "README.md", CHINESE], ids=["en", "zh"])
def test_the_readme_names_every_door_and_the_horizon(path: Path) -> None:
    text = path.read_text("utf-8")
    doors = {door.label for door in Door} | {reason.label for reason in RejectReason}

    assert doors <= {word for span in spans(text) for word in span.split()}
    assert HORIZON_MS == 2 * 3_600_000
    assert "**Two hours.**" in text or "**两小时规则。**" in text


def test_an_event_is_the_same_in_both_languages() -> None:
    assert examples(CHINESE) == examples(ROOT / "README.md")


# ---------------------------------------------------------------- names


@page
def test_every_setting_on_a_page_exists(path: Path) -> None:
    names = set(re.findall(r"\bKOL_[A-Z_]+\b", path.read_text("utf-8")))

    assert names <= descriptions().keys() | NOT_SETTINGS


@page
def test_every_name_that_begins_like_ours_exists(path: Path) -> None:
    """Files of secrets, metrics, tables, columns and views."""
    columns = {name for table in TABLES.values() for name in table.all_columns}
    events = {kind for kinds in KINDS.values() for kind in kinds}
    known = {
        *(name.lower() for name in descriptions()),
        *METRICS,
        *trainer.METRICS,
        *TABLES,
        *columns,
        *VIEWS,
        *events,
        *EXAMPLES,
    }
    names = set(re.findall(r"\b(?:kol|v)_[a-z_0-9]+\b(?!\.py)", path.read_text("utf-8")))

    assert names <= known


@page
def test_every_topic_on_a_page_exists(path: Path) -> None:
    names = [span for span in spans(path.read_text("utf-8")) if re.fullmatch(r"kol-[a-z-]+", span)]

    assert set(names) <= TOPICS.keys()


@page
def test_every_link_leads_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
        assert link.startswith("https://") or (path.parent / link).exists(), link


@page
def test_a_page_does_not_speak_of_files_that_are_not_there(path: Path) -> None:
    """Of the forms `name.py`, `folder/` and `folder/name.py`, from the page or from the root."""
    for span in spans(path.read_text("utf-8")):
        if re.fullmatch(r"[\w./-]+(\.py|\.sql|\.jsonl|\.md|[a-z]/)", span) and ".kol" not in span:
            found = [*path.parent.rglob(span.rstrip("/")), *ROOT.glob(span.rstrip("/"))]

            assert found, span


# ---------------------------------------------------------------- tables made from the code


@pytest.mark.parametrize("path", PAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_tables_of_a_page_are_current(path: Path) -> None:
    text = path.read_text("utf-8")

    assert with_tables(text) == text, "run `make docs`"


def test_every_table_stands_on_one_page() -> None:
    text = "".join(path.read_text("utf-8") for path in EVERY_PAGE)

    for name in GENERATED:
        assert text.count(f"<!-- table: {name} -->\n| ") == 1
        assert text.count(f"|\n<!-- end: {name} -->") == 1


@pytest.mark.parametrize("name", GENERATED)
def test_a_table_leaves_no_meaning_empty(name: str) -> None:
    head, _, *rows = (line[2:-2].split(" | ") for line in GENERATED[name]().splitlines())

    meaning = -2 if name == "commands" else -1
    assert rows
    assert all(row[0] and row[meaning] for row in rows)
    assert {len(row) for row in rows} <= {len(head), len(head) - 1}  # an empty cell is no text


def test_every_door_reason_and_counter_is_explained() -> None:
    labels = [one.label for doors in (Door, RejectReason) for one in doors]
    counters = [name for _, name in door_counts.COUNTERS] + list(kol_memory.COUNTERS)
    explained = re.findall(r"^\| `(\w+)` \|", GENERATED["doors"](), re.MULTILINE)

    assert sorted(explained) == sorted({*labels, *counters})
    assert [*meanings(Door), *meanings(RejectReason)] == labels


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("commands", [f"kol {name}" for name in commands()]),
        ("settings", list(descriptions())),
        ("metrics", [*METRICS, *trainer.METRICS]),
        ("tables", list(TABLES)),
        ("views", list(VIEWS)),
    ],
)
def test_a_table_has_everything_that_works(name: str, wanted: list[str]) -> None:
    first = re.findall(r"^\| `([^`]+)` \|", GENERATED[name](), re.MULTILINE)

    assert [re.sub(r" \[?[A-Z].*", "", words) for words in first] == wanted


def sections(text: str) -> dict[str, str]:
    """What stands below each heading of the third level."""
    _, *parts = re.split(r"^### (\w+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_page_of_tables_has_every_column_with_unit_and_meaning() -> None:
    found = sections((ROOT / "sinks" / "tables.md").read_text("utf-8"))
    described = {
        **{view: {n: (c.unit, c.meaning) for n, c in of.items()} for view, of in COLUMNS.items()},
        **{
            name: {n: (table.unit(n), table.meaning(n)) for n in table.all_columns}
            for name, table in TABLES.items()
        },
    }

    assert found.keys() == described.keys() == {*VIEWS, *TABLES}
    for name, columns in described.items():
        row = r"^\| `(\w+)` \|(?: `[^`]+` \|)? ?(.*?) ?\| (.+) \|$"
        rows = re.findall(row, found[name], re.MULTILINE)
        assert {n: (unit, text.replace(r"\<", "<")) for n, unit, text in rows} == columns


def test_every_view_has_a_query_with_its_columns() -> None:
    assert QUERIES.keys() == VIEWS.keys()
    for view, query in QUERIES.items():
        assert f"FROM {view}\n" in query.sql
        assert query.question.endswith("?")


# ---------------------------------------------------------------- rooms, decisions, changes


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_a_page_that_walks_through_it(room: str) -> None:
    text = (ROOT / room / "README.md").read_text("utf-8")
    written = " ".join(spans(text))

    assert text.startswith(f"# {room}: ")
    for name in inside(ROOT / room):
        assert re.search(rf"(^|[ /]){re.escape(name)}", written), name


def inside(room: Path) -> Iterator[str]:
    """The modules and folders of a room that its page has to name."""
    for path in sorted(room.iterdir()):
        if path.suffix == ".py":
            if not path.name.startswith(("__", "test_")) and path.name != "tables.py":
                yield path.name
        elif path.is_dir() and path.name != "__pycache__" and room.name != "tests":
            yield f"{path.name}/"


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_says_why_what_and_what_it_cost(path: Path) -> None:
    text = path.read_text("utf-8")
    parts = [text.find(f"\n**{part}.** ") for part in ("Context", "Choice", "What we gave up")]

    assert text.startswith(f"# {int(path.name[:4])}. ")
    assert -1 not in parts
    assert parts == sorted(parts)


def test_decisions_are_numbered_one_by_one() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_changes_stand_under_unreleased_in_sentences() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    first, *_ = re.findall(r"^## (.*)$", text, re.MULTILINE)
    kinds = re.findall(r"^### (.*)$", text, re.MULTILINE)
    changes = re.findall(r"^- (.*)$", text, re.MULTILINE)

    assert first == "Unreleased"
    assert set(kinds) <= {"Added", "Changed", "Fixed"}
    assert changes
    assert all(change.endswith(".") for change in changes)
    assert max(Counter(changes).values()) == 1


# ---------------------------------------------------------------- events


def examples(path: Path) -> list[tuple[str, bytes]]:
    """Topic and event of each row of a table that shows one."""
    shown = re.compile(r"^\| `([\w-]+)` \|.*\| `(\{.*\})` \|$", re.MULTILINE)
    found = shown.findall(path.read_text("utf-8"))
    return [(topic, event.encode()) for topic, event in found]


def test_the_readme_shows_an_event_of_every_topic() -> None:
    assert [topic for topic, _ in examples(ROOT / "README.md")] == list(INPUTS)


@pytest.mark.parametrize(("topic", "event"), examples(ROOT / "README.md"))
def test_an_event_of_the_readme_is_read_as_it_stands(topic: str, event: bytes) -> None:
    sent = msgspec.json.decode(event)
    partition = partition_of(sent["user_id"].encode(), 8)
    read = decode(record_batch(topic, [event], partition, 8, received_at=sent["ts"]), NAMES)

    assert not read.rejected
    assert read.facts.at.tolist() == [sent["ts"]]


def test_what_the_readme_says_an_event_needs_it_needs() -> None:
    for topic, event in examples(ROOT / "README.md"):
        sent = msgspec.json.decode(event)
        for name in {"event_id", "ts", "user_id", "order_id", "pay_cents", "kind"} & sent.keys():
            rest = {key: value for key, value in sent.items() if key != name}
            batch = record_batch(topic, [rest], received_at=sent["ts"])

            assert [one.reason for one in decode(batch, NAMES).rejected] == ["invalid"], (
                topic,
                name,
            )
