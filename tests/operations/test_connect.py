"""What `kol connect` says leads where the settings lead, and holds no password."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from deploy.embedded.state_folder import StateFolder
from schemas.events import INPUTS
from schemas.reference_types import REFERENCES
from sinks.grants import LIMITS
from streams.cli import app
from streams.operations.connect import (
    Password,
    connections,
    datasource,
    datasources,
    datasources_yaml,
    jdbc_url,
    provisioning_lines,
    reader_password,
)
from streams.settings import ClickHouse, Settings, load

GRAFANA = Path("/lib/deploy/grafana")
PASSWORD = "pa$$word-of-nobody"  # noqa: S105  # looked for in what is printed
SERVER = {
    "KOL_KAFKA__BOOTSTRAP": "b1:9093,b2:9093",
    "KOL_KAFKA__SECURITY": "SASL_SSL",
    "KOL_KAFKA__USERNAME": "w",
    "KOL_KAFKA__PASSWORD": PASSWORD,
    "KOL_KAFKA__PARTITIONS": "8",
    "KOL_CLICKHOUSE__HOST": "ch",
    "KOL_CLICKHOUSE__PORT": "8443",
    "KOL_CLICKHOUSE__SECURE": "true",
    "KOL_CLICKHOUSE__PASSWORD": PASSWORD,
}
READER = {
    "KOL_CLICKHOUSE__READER_USERNAME": "analyst",
    "KOL_CLICKHOUSE__READER_PASSWORD": PASSWORD,
}


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KOL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KOL_HOME", "")  # commands set it; it is put back


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings that name servers, as the environment gives them."""
    for name, value in {**SERVER, **READER}.items():
        monkeypatch.setenv(name, value)
    return load()


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[StateFolder]:
    """A home in which a stack runs."""
    monkeypatch.setenv("KOL_HOME", str(tmp_path))
    folder = StateFolder(tmp_path)
    folder.acquire()
    secrets = folder.secrets()
    clickhouse = {
        "host": "127.0.0.1",
        "port": 18123,
        "username": "kol",
        "password": secrets.admin_password,
        "reader_username": "reader",
        "reader_password": secrets.reader_password,
    }
    settings = {"kafka": {"bootstrap": "127.0.0.1:19092"}, "clickhouse": clickhouse}
    engine = {"host": "127.0.0.1", "port": 18123}
    engine |= {"reader_password_file": str(folder.reader_password_file)}
    status = {"supervisor": os.getpid(), "workers": ["http://127.0.0.1:6066"]}
    status["trainer"] = "http://127.0.0.1:6065"
    folder.write_status({**status, "clickhouse": engine, "settings": settings})
    yield folder
    folder.release()


def kol(*words: str, home: Path) -> str:
    line = ["connect", *words, "--home", str(home)]
    result = CliRunner().invoke(app, line, env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("words", [[], ["--json"], ["--grafana"], ["--grafana", "--json"]])
@pytest.mark.usefixtures("server")
def test_no_password_of_the_settings_is_shown(words: list[str], tmp_path: Path) -> None:
    text = kol(*words, home=tmp_path)

    assert PASSWORD not in text
    assert "KOL_CLICKHOUSE__READER_PASSWORD" in text


@pytest.mark.parametrize("words", [[], ["--json"], ["--grafana"], ["--grafana", "--json"]])
def test_no_password_of_a_stack_is_shown_but_its_file(words: list[str], stack: StateFolder) -> None:
    text = kol(*words, home=stack.path)

    secrets = stack.secrets()
    assert secrets.reader_password not in text
    assert secrets.admin_password not in text
    assert str(stack.reader_password_file) in text
    assert stack.reader_password_file.read_text() == secrets.reader_password


@pytest.mark.usefixtures("server")
def test_a_terminal_of_80_columns_shows_every_line_whole(tmp_path: Path) -> None:
    text = kol(home=tmp_path)

    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_a_running_stack_is_told_with_its_pages_and_without_the_native_protocol(
    stack: StateFolder,
) -> None:
    found = connections(load(), stack.status() or {}, GRAFANA)

    assert found["clickhouse"]["url"] == "http://127.0.0.1:18123"
    assert found["clickhouse"]["clickhouse_client"] is None
    assert found["kafka"]["bootstrap"] == "127.0.0.1:19092"
    assert found["metrics"] == [
        "http://127.0.0.1:6066/metrics",
        "http://127.0.0.1:6065/metrics",
    ]


def test_a_server_is_told_with_the_usual_native_port(server: Settings) -> None:
    found = connections(server, {}, GRAFANA)

    assert "--host ch \\\n  --port 9440 --secure" in found["clickhouse"]["clickhouse_client"]
    assert found["metrics"] == []


def test_the_partitions_of_the_inputs_are_those_of_the_deployment(
    server: Settings,
) -> None:
    topics = connections(server, {}, GRAFANA)["kafka"]["topics"]

    assert [one["name"] for one in topics if one["is_input"]] == list(INPUTS)
    assert {one["partitions"] for one in topics if not one["is_reference"]} == {8}


def test_reference_topics_are_told_with_their_keys(server: Settings, tmp_path: Path) -> None:
    topics = connections(server, {}, GRAFANA)["kafka"]["topics"]

    assert [one["name"] for one in topics if one["is_reference"]] == list(REFERENCES)
    assert "campaign-spend        1 partition, send, key kol_id/campaign/day" in kol(home=tmp_path)
    assert "kol-consents          8 partitions, send, key user_id" in kol(home=tmp_path)


def test_a_client_of_librdkafka_is_told_the_partitioner(server: Settings) -> None:
    line = connections(server, {}, GRAFANA)["kafka"]["kcat"]

    assert "-X partitioner=murmur2_random -X security.protocol=sasl_ssl" in line
    assert r"-K '\t'" in line


def test_tools_get_the_account_that_reads_and_where_there_is_none_a_warning(
    monkeypatch: pytest.MonkeyPatch, server: Settings, tmp_path: Path
) -> None:
    assert connections(server, {}, GRAFANA)["clickhouse"]["username"] == "analyst"
    for name in READER:
        monkeypatch.delenv(name)

    found = connections(load(), {}, GRAFANA)["clickhouse"]

    assert (found["username"], found["is_read_only"]) == ("default", False)
    assert found["password_variable"] == "KOL_CLICKHOUSE__PASSWORD"  # noqa: S105  # a name
    assert "may write" in kol(home=tmp_path)


# ---------------------------------------------------------------- where a password is


def test_a_password_of_a_secret_file_is_named_by_that_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "kol_clickhouse__password"
    file.write_text(PASSWORD)
    monkeypatch.setenv("KOL_SECRETS_DIR", str(tmp_path))

    assert reader_password(load(()).clickhouse, {}) == Password("file", str(file))


def test_a_password_of_a_toml_file_is_named_by_that_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "kol.toml"
    file.write_text(f'[clickhouse]\npassword = "{PASSWORD}"\n')
    monkeypatch.setenv("KOL_CONFIG", str(file))
    found = reader_password(load(()).clickhouse, {})

    assert found == Password("config", str(file))
    assert found.shell is None  # curl asks


def test_the_environment_comes_before_the_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "kol_clickhouse__password").write_text("of the file")
    monkeypatch.setenv("KOL_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("KOL_CLICKHOUSE__PASSWORD", "of the environment")

    found = reader_password(load(()).clickhouse, {})

    assert found == Password("variable", "KOL_CLICKHOUSE__PASSWORD")


def test_no_password_is_none() -> None:
    assert reader_password(ClickHouse(), {}) == Password("none")


# ---------------------------------------------------------------- Grafana and JDBC


def test_grafana_reads_the_password_from_where_it_is(stack: StateFolder) -> None:
    found = datasource(load().clickhouse, stack.status() or {})

    assert found["type"] == "grafana-clickhouse-datasource"
    assert found["jsonData"]["protocol"] == "http"
    assert (found["jsonData"]["host"], found["jsonData"]["port"]) == ("127.0.0.1", 18123)
    assert found["jsonData"]["username"] == "reader"
    assert found["secureJsonData"] == {"password": f"$__file{{{stack.reader_password_file}}}"}


def test_a_provisioning_file_holds_the_data_sources_as_they_are(stack: StateFolder) -> None:
    sources = datasources(load().clickhouse, stack.status() or {})

    text = datasources_yaml(sources)

    assert yaml.safe_load(text) == {"apiVersion": 1, "datasources": sources}
    assert kol("--grafana", home=stack.path) == text + "\n"


def test_the_dashboards_find_both_data_sources_by_their_uids(stack: StateFolder) -> None:
    sources = datasources(load().clickhouse, stack.status() or {})

    found = [(one["uid"], one["type"]) for one in sources]
    assert found == [("kol-ch", "grafana-clickhouse-datasource"), ("kol-prom", "prometheus")]
    assert sources[1]["url"] == "$__env{PROMETHEUS_URL}"


def test_a_query_is_given_up_before_the_account_of_kol_grants_refuses_its_time() -> None:
    waits = int(datasource(ClickHouse(), {})["jsonData"]["queryTimeout"])

    *_, most = LIMITS["max_execution_time"].split()
    assert waits + 5 <= int(most)  # the driver asks for five seconds more


def test_the_dashboards_are_where_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SERVER.items():
        monkeypatch.setenv(name, value)
    found = json.loads(kol("--json", home=tmp_path))["grafana"]

    folder = Path(found["dashboards"])
    assert list(folder.glob("*/*.json"))
    assert {one.parent.name for one in folder.parent.glob("provisioning/*/*.yaml")} == {
        *("alerting", "dashboards", "datasources")
    }


def provision(root: Path, lines: list[str], *, kol: str = "echo new") -> int:
    """Run the lines as they stand, under another root and with another `kol`."""
    (root / "etc/grafana/provisioning/datasources").mkdir(parents=True, exist_ok=True)
    there = "\n".join(lines).replace("/etc/", f"{root}/etc/").replace("/var/", f"{root}/var/")
    text = f"kol() {{ {kol}; }}\n{there}"
    return subprocess.run(["/bin/sh", "-uc", text], check=False).returncode


def contents(folder: Path) -> dict[str, bytes]:
    """Each file of a folder."""
    found = filter(Path.is_file, folder.rglob("*"))
    return {one.relative_to(folder).as_posix(): one.read_bytes() for one in found}


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A folder that is named as badly as can be, with what provisions Grafana."""
    there = tmp_path / "it's here"
    shutil.copytree(str(files("deploy") / "grafana"), there)
    return there


def test_grafana_is_provisioned_by_the_lines_as_they_stand(copied: Path, tmp_path: Path) -> None:
    assert provision(tmp_path, provisioning_lines(copied, Settings())) == 0

    there = tmp_path / "etc/grafana/provisioning"
    shown = tmp_path / "var/lib/grafana/dashboards/kol"
    own = there / "datasources/kol.yaml"
    assert own.read_text() == "new\n"
    assert [one.name for one in own.parent.iterdir()] == ["kol.yaml"]
    own.write_bytes((copied / "provisioning/datasources/kol.yaml").read_bytes())
    for name, to in (("provisioning", there), ("dashboards", shown)):
        assert contents(to) == contents(copied / name)


def test_data_sources_that_work_stay_where_the_new_ones_fail(copied: Path, tmp_path: Path) -> None:
    works = tmp_path / "etc/grafana/provisioning/datasources/kol.yaml"
    works.parent.mkdir(parents=True)
    works.write_text("works")

    assert provision(tmp_path, provisioning_lines(copied, Settings()), kol="false") != 0
    assert works.read_text() == "works"


def test_dashboards_have_the_zone_and_the_currency_of_the_deployment(
    copied: Path, tmp_path: Path
) -> None:
    settings = Settings(business_zone="America/Argentina/ComodRivadavia", currency="EUR")
    lines = provisioning_lines(copied, settings)
    assert provision(tmp_path, lines) == 0

    shown = list((tmp_path / "var/lib/grafana/dashboards/kol").glob("*/*.json"))
    assert len(shown) == len(list(copied.glob("dashboards/*/*.json"))) > 0
    for path in shown:
        text = path.read_text()
        board = json.loads(text)
        constants = {
            one["name"]: one["query"]
            for one in board["templating"]["list"]
            if one["type"] == "constant"
        }
        assert constants == {"zone": settings.business_zone, "shop": "EUR"}
        assert board["timezone"] == settings.business_zone
        assert "Asia/Shanghai" not in text
        assert '"CNY"' not in text
    assert max(map(len, lines[1:])) <= 76  # of 80 columns, beside the indent


def test_dashboards_of_the_usual_zone_and_currency_stay_as_they_are() -> None:
    assert not [line for line in provisioning_lines(GRAFANA, Settings()) if "sed" in line]


def test_grafana_needs_no_broker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KOL_CLICKHOUSE__HOST", "ch")

    assert '"ch"' in kol("--grafana", home=tmp_path)


def test_a_dollar_in_a_name_is_not_expanded_by_grafana() -> None:
    found = datasource(ClickHouse(username="a$HOME"), {})

    assert found["jsonData"]["username"] == "a$$HOME"


@pytest.mark.parametrize(
    ("conf", "url"),
    [
        (ClickHouse(), "jdbc:clickhouse://127.0.0.1:8123/kol?user=default"),
        (ClickHouse(host="::1"), "jdbc:clickhouse://[::1]:8123/kol?user=default"),
        (
            ClickHouse(host="ch", port=8443, secure=True, reader_username="a&b"),
            "jdbc:clickhouse://ch:8443/kol?user=a%26b&ssl=true",
        ),
    ],
)
def test_a_jdbc_url_names_host_database_and_reader(conf: ClickHouse, url: str) -> None:
    assert jdbc_url(conf) == url
