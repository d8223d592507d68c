"""An account that `kol grants` makes reads the views, and nothing else; of one brand its rows."""

import re
from collections.abc import Iterator

import pytest

from schemas.cells import BRAND as PREFIX
from schemas.views import COLUMNS
from sinks.grants import (
    LIMITS,
    PASSWORD,
    conditions,
    grants,
    readable,
    readable_of_a_brand,
    script,
)
from tests.sinks.accounts import OWNER, Account, Accounts, engine, users_file

BRAND = "it's & <b>\\"
ALL = grants("grafana", "kol", user="grafana", definer=OWNER)
OF_A_BRAND = grants("grafana", "kol", user="anmi", definer=OWNER, brand=BRAND)
ON_A_CLUSTER = grants("grafana", "kol_2", user="a`b", definer="m", cluster="c-1")
OVER = "GRANT ALL ON `kol`.* TO `kol_grafana`"
FORMER = [  # what another version may have left: more rights, more rows, other limits
    *(one.replace("max_result_rows = 200000", "max_result_rows = 9") for one in ALL),
    *("GRANT SELECT ON `kol`.v_identity TO `kol_grafana`", OVER),
]
FORMER_OF_A_BRAND = [re.sub(r"USING .* TO", "USING 1 TO", one) for one in OF_A_BRAND]
MODELS = ("first", "last", "linear", "position", "time_decay", "shapley")


def literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def orders() -> list[str]:
    """An order of each of two brands, earned by one KOL."""
    columns = [f"{kind}_{model}" for model in MODELS for kind in ("credit", "refunded")]
    cents = ["[100]", "[0]"] * len(MODELS)
    insert = "INSERT INTO kol.order_credit (ordered_at, order_id, brand_id, kols, kol_via, "
    return [
        f"{insert}{', '.join(columns)}) SELECT now64(3), '{order}', {literal(brand)},"
        f" ['kol-a'], ['direct'], {', '.join(cents)}"
        for order, brand in (("o1", BRAND), ("o2", "other"))
    ]


def cells() -> list[str]:
    insert = "INSERT INTO kol.minute_cell (kol_id, minute, events, version) SELECT "
    names = ("kol-a", f"~brand:{BRAND}", "~brand:other", "~others")
    return [f"{insert}{literal(name)}, toStartOfMinute(now()), 1, 1" for name in names]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    accounts = {
        "grafana": ALL,
        "anmi": OF_A_BRAND,
        "greedy": [*ALL, OVER],
        "upgraded": [*FORMER, *ALL],
        "anmi_upgraded": [*FORMER_OF_A_BRAND, *OF_A_BRAND],
    }
    with engine(tmp_path_factory.mktemp("accounts"), accounts) as started:
        for statement in (*orders(), *cells()):
            started.rows(statement)
        yield started


def reads(server: Accounts, sql: str, user: str) -> bool:
    """Whether an account may ask something."""
    try:
        server.rows(sql, user)
    except PermissionError as error:
        assert "Not enough privileges" in str(error)  # noqa: PT017  # what else would be a fault
        return False
    return True


def select(view: str, columns: tuple[str, ...]) -> str:
    named = ", ".join(f"`{one}`" for one in columns) or "*"
    return f"SELECT {named} FROM kol.{view}"  # noqa: S608  # our own names


# ---------------------------------------------------------------- the statements


@pytest.mark.integration
@pytest.mark.parametrize("statement", dict.fromkeys([*ALL, *OF_A_BRAND, *ON_A_CLUSTER]))
def test_a_statement_is_one_that_the_engine_reads(server: Accounts, statement: str) -> None:
    assert server.reads(statement) == ""


@pytest.mark.integration
def test_one_that_is_wrong_would_be_found(server: Accounts) -> None:
    (quota,) = (one for one in ALL if one.startswith("CREATE QUOTA"))

    assert "Syntax error" in server.reads(quota.replace("KEYED BY", "KEYED ON"))


@pytest.mark.integration
def test_views_that_were_made_without_a_definer_get_one(server: Accounts) -> None:
    for statement in ALL:
        if statement.startswith("ALTER TABLE"):
            server.rows(statement)

    (made,) = server.rows("SHOW CREATE VIEW kol.v_order")
    assert f"DEFINER = {OWNER} SQL SECURITY DEFINER" in made["statement"]


def test_a_script_holds_no_password_but_the_name_of_a_parameter() -> None:
    text = script(ALL)

    assert text.count(PASSWORD) == 1
    assert text.count(";\n") == len(ALL)


def test_on_a_cluster_every_statement_says_so() -> None:
    assert all(" ON CLUSTER `c-1`" in statement for statement in ON_A_CLUSTER)


def test_a_limit_that_is_none_is_beyond_the_limits() -> None:
    """0 means no limit, so each that has a greatest value has a least one, too."""
    assert all(("MAX" in text) == ("MIN 1" in text) for text in LIMITS.values())


def test_rows_are_hidden_before_anything_may_be_read() -> None:
    kinds = [statement.split(" ", 2)[:2] for statement in OF_A_BRAND]
    last_policy = max(at for at, kind in enumerate(kinds) if kind[1] == "ROW")
    first_grant = min(at for at, kind in enumerate(kinds) if kind[0] == "GRANT")

    assert last_policy < first_grant


def test_a_second_run_leaves_the_limits_the_rows_and_the_rights_of_the_second() -> None:
    """As after an upgrade, where a former version had others."""
    pairs = [(FORMER, ALL), (FORMER_OF_A_BRAND, OF_A_BRAND)]

    for former, statements in pairs:
        again, alone = Account([*former, *statements]), Account(statements)
        assert Account(former) != alone
        assert again.rights() == alone.rights()
        assert again.limits == alone.limits


def test_whatever_is_made_where_it_is_missing_is_changed_where_it_is() -> None:
    made = {one.removeprefix("CREATE ").replace("IF NOT EXISTS ", "") for one in OF_A_BRAND}
    changed = {one.removeprefix("ALTER ") for one in OF_A_BRAND if one.startswith("ALTER ")}
    kinds = ("SETTINGS PROFILE", "ROW POLICY", "QUOTA")

    for kind in kinds:
        assert {one for one in made if one.startswith(kind)} == {
            one for one in changed if one.startswith(kind)
        }


def test_a_statement_that_these_tests_do_not_know_is_no_statement_without_effect() -> None:
    for statement in ("ALTER ROLE `kol_grafana` SETTINGS readonly = 0", "REVOKE SELECT ON a.b"):
        with pytest.raises(ValueError, match="what does it do"):
            users_file({"grafana": [*ALL, statement]})


# ---------------------------------------------------------------- who may read the views


@pytest.mark.integration
@pytest.mark.parametrize(("view", "columns"), readable(), ids=lambda one: str(one)[:20])
def test_a_reader_reads_the_view(server: Accounts, view: str, columns: tuple[str, ...]) -> None:
    assert reads(server, select(view, columns), "grafana")


@pytest.mark.integration
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT payload FROM kol.v_dead_letter",
        "SELECT * FROM kol.v_identity",
        "SELECT * FROM kol.order_credit",
        "SELECT * FROM kol.kol_dim",
        "SELECT * FROM url('http://127.0.0.1:1/', 'TSV', 'a String')",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT name FROM system.users",
    ],
)
def test_a_reader_reads_nothing_else(server: Accounts, sql: str) -> None:
    assert not reads(server, sql, "grafana")


@pytest.mark.integration
def test_an_account_that_is_granted_too_much_would_be_found(server: Accounts) -> None:
    assert reads(server, "SELECT * FROM kol.order_credit", "greedy")
    assert reads(server, "SELECT payload FROM kol.v_dead_letter", "greedy")


@pytest.mark.integration
@pytest.mark.parametrize("what", ["* FROM kol.v_identity", "payload FROM kol.v_dead_letter"])
def test_what_another_version_had_granted_is_revoked(server: Accounts, what: str) -> None:
    assert not reads(server, f"SELECT {what}", "upgraded")
    assert reads(server, "SELECT * FROM kol.v_order", "upgraded")


def test_every_view_is_either_readable_or_withheld_as_a_whole() -> None:
    assert COLUMNS.keys() - {view for view, _ in readable()} == {"v_identity"}


# ---------------------------------------------------------------- a reader of one brand


@pytest.mark.integration
def test_a_reader_of_a_brand_sees_its_orders_alone(server: Accounts) -> None:
    sql = "SELECT order_id, brand_id FROM kol.v_order"

    assert server.rows(sql, "anmi") == [{"order_id": "o1", "brand_id": BRAND}]
    assert len(server.rows(sql, "grafana")) == 2


@pytest.mark.integration
def test_of_another_condition_that_a_former_version_had_nothing_is_left(server: Accounts) -> None:
    assert server.rows("SELECT order_id FROM kol.v_order", "anmi_upgraded") == [{"order_id": "o1"}]


@pytest.mark.integration
def test_also_where_the_brand_is_not_asked_for(server: Accounts) -> None:
    sql = "SELECT sum(credit_cents) AS cents FROM kol.v_order_credit WHERE model = 'linear'"

    assert server.rows(sql, "anmi") == [{"cents": 100}]
    assert server.rows(sql, "grafana") == [{"cents": 200}]


@pytest.mark.integration
def test_a_reader_of_a_brand_sees_kols_and_no_other_brand(server: Accounts) -> None:
    names = server.rows("SELECT kol_id FROM kol.v_minute ORDER BY kol_id", "anmi")

    assert [row["kol_id"] for row in names] == ["kol-a", f"{PREFIX}{BRAND}", "~others"]


@pytest.mark.integration
@pytest.mark.parametrize("view", sorted(COLUMNS))
def test_what_adds_up_all_brands_is_not_for_a_reader_of_one(server: Accounts, view: str) -> None:
    may = {name for name, _ in readable_of_a_brand()}
    columns = dict(readable()).get(view, ())

    assert reads(server, select(view, columns), "anmi") == (view in may)


def test_every_view_with_a_brand_is_filtered_by_it() -> None:
    with_brand = {view for view, columns in COLUMNS.items() if "brand_id" in columns}

    assert with_brand <= conditions("x").keys()
