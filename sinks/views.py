"""Statements that change views without changing what they read.

comment_columns(target, comments)           # unit and meaning of columns
replay_view(target, replay, view, given)    # a view shows what a replay's view shows
"""

from collections.abc import Mapping

from schemas.replay_views import replay_comment
from schemas.views import COLUMNS


def comment_columns(target: str, comments: Mapping[str, str]) -> str:
    """The statement that comments columns of a table or view; what it reads stays as it is.

    >>> print(comment_columns("kol.v_door", {"n": "how many [count]"}))
    ALTER TABLE kol.v_door
        COMMENT COLUMN IF EXISTS `n` 'how many [count]'
    """
    lines = [
        f"    COMMENT COLUMN IF EXISTS `{name}` {literal(text)}" for name, text in comments.items()
    ]
    return f"ALTER TABLE {target}\n" + ",\n".join(lines)


def replay_view(target: str, replay: str, view: str, given: Mapping[str, str]) -> list[str]:
    """The statements that let a view show what a replay's view shows.

    Args:
        target: database and name of the view that is made.
        replay: the replay's database.
        view: the name of its view.
        given: `sinks.migrate.variables`.

    """
    comments = {name: column.comment for name, column in COLUMNS[view].items()}
    made = f"CREATE OR REPLACE VIEW {target} {given['on_cluster']} {given['definer']}"
    made += f" AS SELECT * FROM {replay}.{view}"  # noqa: S608  # names of ours
    made += f" COMMENT {literal(replay_comment(replay))}"
    return [made, comment_columns(f"{target} {given['on_cluster']}", comments)]


def literal(value: str) -> str:
    r"""A literal of ClickHouse.

    >>> print(literal("a key's"))
    'a key\'s'
    """
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
