"""Statements that give an account of a server what it needs, and no more.

    grants("grafana", "kol", user="grafana", definer="migrator")        # may read the views
    grants("grafana", "kol", user="anmi", definer="m", brand="brand-1")  # rows of one brand
    script(statements)                                                   # as a file to run

They are for a real server; the embedded engine has two accounts of its own. Views read their
tables with the rights of their definer, so a reader needs no right on a table. The statements can
be run again, as after an upgrade: whatever a former version made, limits, rows, quota and rights
are then those of this one. An account gets one role; of two it would have what either may. The
password is a parameter of the statement that has it, so it stands in no file and in no log of
queries.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from schemas.cells import BRAND
from schemas.views import COLUMNS
from sinks.views import literal

Role = Literal["grafana"]
PASSWORD: Final = "{password:String}"  # noqa: S105  # a parameter of the client

# The driver of Grafana's plugin asks for five seconds more than its own time-out, 20 s: a greatest
# value of 20 would refuse every query. 0 would be no limit, hence the least values.
LIMITS: Final = {
    "readonly": "2",  # no writing, but settings: the plugin sends some with each query
    "max_execution_time": "20 MIN 1 MAX 30",  # seconds
    "max_result_rows": "200000 MIN 1 MAX 200000",  # a panel shows some thousands
    "max_memory_usage": "2000000000 MIN 1 MAX 2000000000",  # bytes
}
A_MINUTE: Final = "FOR INTERVAL 1 minute MAX queries = 600, read_rows = 2000000000"  # of an account

WITHHELD: Final[Mapping[str, frozenset[str] | None]] = {  # view -> columns, or all of it
    "v_dead_letter": frozenset({"payload"}),  # messages as they came, ids of users among them
    "v_identity": None,  # which anonymous id is whose: no panel needs it
}

# What a reader of one brand sees beside views with the brand in each row. KOLs are everybody's.
_KOLS_AND_THE_BRAND: Final = (
    *("v_minute", "v_cell_1h", "v_cell_1d"),
    *("v_score", "v_score_1h", "v_score_1d", "v_trust_node"),
)
_WHOLE: Final = ("v_kol", "v_content", "v_policy", "v_notice")


def grants(
    role: Role,
    database: str,
    *,
    user: str,
    definer: str = "",
    brand: str | None = None,
    cluster: str = "",
) -> list[str]:
    """The statements of a role, in the order in which they are run.

    Args:
        role: what the account is for.
        database: whose views it reads.
        user: the account, of this role alone; it is made where there is none, and keeps its
            password where it is.
        definer: whose rights the views have from now on, also those that were made without one;
            empty: they stay as they are.
        brand: whose rows it reads alone; None: everybody's.
        cluster: for `ON CLUSTER`.

    """
    on = f" ON CLUSTER {name(cluster)}" if cluster else ""
    own = name(f"{database}_{role}" + ("" if brand is None else f"_{brand}"))
    limits = ", ".join(f"{setting} = {value}" for setting, value in LIMITS.items())
    read = readable() if brand is None else readable_of_a_brand()
    rights = f"MODIFY DEFINER = {name(definer)} SQL SECURITY DEFINER"
    of = name(database)
    return [
        *(f"ALTER TABLE {of}.{view}{on} {rights}" for view, _ in read if definer),
        *_made("SETTINGS PROFILE", f"{own}{on} SETTINGS {limits}"),
        f"CREATE ROLE IF NOT EXISTS {own}{on} SETTINGS PROFILE {own}",
        *(
            statement
            for view, condition in ([] if brand is None else conditions(brand).items())
            for statement in _made(
                "ROW POLICY", f"{own}{on} ON {of}.{view} FOR SELECT USING {condition} TO {own}"
            )
        ),
        f"REVOKE{on} ALL ON {of}.* FROM {own}",
        *(f"GRANT{on} SELECT{_of(columns)} ON {of}.{view} TO {own}" for view, columns in read),
        *_made("QUOTA", f"{own}{on} KEYED BY user_name {A_MINUTE} TO {own}"),
        f"CREATE USER IF NOT EXISTS {name(user)}{on} IDENTIFIED WITH sha256_password BY {PASSWORD}",
        f"GRANT{on} {own} TO {name(user)}",
    ]


def _made(kind: str, what: str) -> tuple[str, str]:
    """The statements that make something where it is missing, and as it is to be where it is."""
    return f"CREATE {kind} IF NOT EXISTS {what}", f"ALTER {kind} {what}"


def readable() -> list[tuple[str, tuple[str, ...]]]:
    """Each view that a reader may read, and of which columns; none: of all of them."""
    return [
        (view, tuple(one for one in columns if one not in withheld) if withheld else ())
        for view, columns in COLUMNS.items()
        if (withheld := WITHHELD.get(view, frozenset())) is not None
    ]


def readable_of_a_brand() -> list[tuple[str, tuple[str, ...]]]:
    """The views that a reader of one brand may read.

    Left out is what adds up all brands (`v_credit_1d` and its kin, `v_detector`), and what is
    of the pipeline as a whole (`v_door`, `v_dead_letter`).
    """
    seen = conditions("").keys() | set(_WHOLE)
    return [(view, columns) for view, columns in readable() if view in seen]


def conditions(brand: str) -> dict[str, str]:
    r"""View -> the condition of its rows that a reader of one brand sees.

    >>> print(conditions("it's")["v_order"])
    brand_id = 'it\'s'
    """
    is_own = f"brand_id = {literal(brand)}"
    own = literal(BRAND + brand)
    is_shared = f"(NOT startsWith(kol_id, {literal(BRAND)}) OR kol_id = {own})"
    return {
        **{view: is_own for view, columns in COLUMNS.items() if "brand_id" in columns},
        **dict.fromkeys(_KOLS_AND_THE_BRAND, is_shared),
    }


def script(statements: Iterable[str]) -> str:
    """Statements as a file that ClickHouse's client runs."""
    return "".join(f"{statement};\n" for statement in statements)


def name(text: str) -> str:
    r"""A name as ClickHouse reads it, whatever is in it.

    >>> print(name("a`b"))
    `a\`b`
    """
    escaped = text.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def _of(columns: Iterable[str]) -> str:
    names = ", ".join(name(one) for one in columns)
    return f"({names})" if names else ""
