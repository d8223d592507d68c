"""The dimensions: what each reference topic fills, one table each, one row for each key.

A row is of a reading: the records of a topic from its beginning on, each under its offset. So
within a reading a later record of a key replaces an earlier one, whoever writes it and when. A
topic that was made anew is another reading. `dimension_cursor` says which one counts; rows of
others are as good as gone. Decision 0029 says why.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from schemas.rows import TABLES, Table

CURSOR: Final = "dimension_cursor"
INNER: Final = ("reading", "deleted", "version")  # columns that no view shows


@dataclass(frozen=True, slots=True)
class Dimension:
    """A reference topic and the table that it fills."""

    topic: str
    table: str
    view: str  # that people read; empty: none
    persons: tuple[str, ...] = ()  # columns by whose keyed name a row is a person's
    named: str = ""  # column that names a person beside: emptied where the person is forgotten

    @property
    def target(self) -> Table:
        """The table."""
        return TABLES[self.table]

    @property
    def key(self) -> tuple[str, ...]:
        """The columns of the key, without the reading."""
        return self.target.key[1:]

    @property
    def shown(self) -> tuple[str, ...]:
        """The columns that a reader wants, in order."""
        return tuple(name for name in self.target.columns if name not in INNER)

    def select(self, columns: str, database: str = "") -> str:
        """The rows that count, as a query.

        >>> print(OF_TOPIC["policy"].select("count()"))
        SELECT count()
        FROM policy_dim FINAL
        WHERE NOT deleted AND reading = (
            SELECT argMax(shown, version) FROM dimension_cursor FINAL WHERE topic = 'policy'
        )
        """
        of = f"{database}." if database else ""
        return (
            f"SELECT {columns}\nFROM {of}{self.table} FINAL\n"  # names of ours
            f"WHERE NOT deleted AND reading = (\n    {self.reading_shown(database)}\n)"
        )

    def reading_shown(self, database: str = "") -> str:
        """The reading that counts, as a query; 0 where the topic was never read to its end."""
        of = f"{database}." if database else ""
        return (
            f"SELECT argMax(shown, version) FROM {of}{CURSOR} FINAL"  # noqa: S608  # as above
            f" WHERE topic = '{self.topic}'"
        )


DIMENSIONS: Final = (
    Dimension("kol-profile", "kol_dim", "v_kol", named="user_hash"),
    Dimension("content", "content_dim", "v_content"),
    Dimension("campaign-spend", "spend_dim", "v_spend"),
    Dimension(
        "perception", "perception_dim", "v_perception", persons=("user_hash", "respondent_hash")
    ),
    Dimension("identity", "identity_dim", "v_identity", persons=("user_hash", "anon_hash")),
    Dimension("policy", "policy_dim", "v_policy"),
    Dimension("kol-notice", "notice_dim", "v_notice"),
    Dimension("kol-consents", "consent_dim", "", persons=("user_hash",)),
)
OF_TOPIC: Final[Mapping[str, Dimension]] = MappingProxyType({one.topic: one for one in DIMENSIONS})
