"""What other tools need to connect: addresses, accounts and ready lines; no server is asked.

    connections(settings, stack, grafana)  # one value for `kol connect --json`
    datasources_yaml(...)                  # provisioning of Grafana's two data sources

No password is ever part of it: it names the file, the variable or the TOML file that holds one.
"""

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import quote

from schemas.currencies import CURRENCY
from schemas.events import INPUTS
from schemas.reference_types import REFERENCES
from schemas.topics import DEAD_LETTERS, TOPICS
from streams.settings import PREFIX, ClickHouse, Kafka, Settings, place_of

EXAMPLE_QUERY: Final = "SELECT * FROM v_score LIMIT 5"
EXAMPLE_EVENT: Final = '{"event_id":"e1","ts":%s,"user_id":"u1","event":"click"}'
NATIVE_PORT, NATIVE_TLS_PORT = 9000, 9440  # the usual ones of a server; no setting names them
PARTITIONER: Final = "murmur2"
PARTITIONER_HINT: Final = (
    "the default of Java's, kafka-python's and aiokafka's producers; "
    "librdkafka (kcat) needs partitioner=murmur2_random"
)


class Password(NamedTuple):
    """Where a password is; never the password."""

    kind: Literal["file", "variable", "config", "none"]
    name: str = ""

    @property
    def shell(self) -> str | None:
        """The password as a word inside double quotes of a shell; None: to be typed.

        >>> Password("file", "/a b/c").shell, Password("variable", "X").shell
        ("$(cat '/a b/c')", '$X')
        """
        words = {"file": f"$(cat {shlex.quote(self.name)})", "variable": f"${self.name}"}
        return words.get(self.kind, "" if self.kind == "none" else None)

    @property
    def python(self) -> str:
        """The password as an expression of Python."""
        return {
            "file": f"open({_double_quoted(self.name)}).read().strip()",
            "variable": f"os.environ[{_double_quoted(self.name)}]",
            "config": '"…"',
            "none": '""',
        }[self.kind]

    @property
    def grafana(self) -> str:
        """The password as Grafana expands it in provisioning files."""
        return {
            "file": f"$__file{{{self.name}}}",
            "variable": f"$__env{{{self.name}}}",
        }.get(self.kind, "")


Stack = Mapping[str, Any]  # the status of the `kol up` that runs in a home; {} if none does


def connections(settings: Settings, stack: Stack, grafana: Path) -> dict[str, Any]:
    """Everything a person needs to connect other tools, as one JSON value.

    Args:
        settings: in force.
        stack: what runs here.
        grafana: the folder of the dashboards and of what provisions them.

    """
    return {
        "clickhouse": clickhouse_access(settings.clickhouse, stack),
        "grafana": {
            "datasources": datasources(settings.clickhouse, stack),
            "dashboards": str(grafana / "dashboards"),
            "provision": provisioning_lines(grafana, settings),
        },
        "kafka": kafka_access(settings.kafka),
        "metrics": [f"{url}/metrics" for url in _pages(stack)],
    }


def _pages(stack: Stack) -> list[str]:
    """Addresses of the pages of workers and trainer."""
    return [*stack.get("workers", []), *filter(None, [stack.get("trainer")])]


# ---------------------------------------------------------------- ClickHouse


def clickhouse_access(conf: ClickHouse, stack: Stack) -> dict[str, Any]:
    """Address, reader and ready lines of ClickHouse."""
    password = reader_password(conf, stack)
    url = f"{_scheme(conf)}://{_address(conf.host, conf.port)}"
    return {
        "url": url,
        "host": conf.host,
        "port": conf.port,
        "secure": conf.secure,
        "ca_file": str(conf.ca_file) if conf.ca_file else None,
        "database": conf.database,
        "username": reader_name(conf),
        "is_read_only": bool(conf.reader_username),
        "password_file": password.name if password.kind == "file" else None,
        "password_variable": password.name if password.kind == "variable" else None,
        "password_config": password.name if password.kind == "config" else None,
        "jdbc_url": jdbc_url(conf),
        "curl": _curl(conf, password, url),
        "clickhouse_connect": _clickhouse_connect(conf, password),
        "clickhouse_client": _clickhouse_client(conf, password, stack),
    }


def reader_name(conf: ClickHouse) -> str:
    """The account for other tools: the one that only reads, where there is one."""
    return conf.reader_username or conf.username


def reader_password(conf: ClickHouse, stack: Stack) -> Password:
    """Where the password of that account is."""
    name = "reader_password" if conf.reader_username else "password"
    if not getattr(conf, name).get_secret_value():
        return Password("none")
    variable = f"{PREFIX}CLICKHOUSE__{name.upper()}"
    if place := place_of(variable):
        return Password(*place)
    account = "reader" if conf.reader_username else "admin"
    return Password("file", stack["clickhouse"][f"{account}_password_file"])


def jdbc_url(conf: ClickHouse) -> str:
    """The URL for DBeaver, DataGrip and other users of ClickHouse's JDBC driver."""
    options = {"user": reader_name(conf)}
    if conf.secure:
        options["ssl"] = "true"
    if conf.ca_file:
        options["sslrootcert"] = str(conf.ca_file)
    given = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items())
    return f"jdbc:clickhouse://{_address(conf.host, conf.port)}/{conf.database}?{given}"


def _curl(conf: ClickHouse, password: Password, url: str) -> str:
    login = reader_name(conf) if password.shell is None else f"{reader_name(conf)}:"
    words = [
        f"curl {shlex.quote(f'{url}/?database={conf.database}')}",
        f'-u {shlex.quote(login)}"{password.shell}"' if password.shell else f"-u {login}",
        *([f"--cacert {shlex.quote(str(conf.ca_file))}"] if conf.ca_file else []),
        f'--data-binary "{EXAMPLE_QUERY}"',
    ]
    return _continued(words)


def _clickhouse_connect(conf: ClickHouse, password: Password) -> str:
    given = [
        f"host={_double_quoted(conf.host)}, port={conf.port}",
        f"username={_double_quoted(reader_name(conf))}, database={_double_quoted(conf.database)}",
        f"password={password.python}",
        *(["secure=True"] if conf.secure else []),
        *([f"ca_cert={_double_quoted(str(conf.ca_file))}"] if conf.ca_file else []),
    ]
    return "clickhouse_connect.get_client(\n    " + ",\n    ".join(given) + ")"


def _clickhouse_client(conf: ClickHouse, password: Password, stack: Stack) -> str | None:
    """The line for clickhouse-client; None for the embedded engine, which speaks HTTP alone."""
    if is_embedded(conf, stack):
        return None
    words = [
        f"clickhouse-client --host {shlex.quote(conf.host)}",
        f"--port {NATIVE_TLS_PORT} --secure" if conf.secure else f"--port {NATIVE_PORT}",
        f"--user {shlex.quote(reader_name(conf))} --database {conf.database}",
        "--password" if password.shell is None else f'--password "{password.shell}"',
        f'--query "{EXAMPLE_QUERY}"',
    ]
    return _continued(words)


def is_embedded(conf: ClickHouse, stack: Stack) -> bool:
    """Whether this is the engine of a running stack."""
    engine = stack.get("clickhouse", {})
    return (engine.get("host"), engine.get("port")) == (conf.host, conf.port)


def _scheme(conf: ClickHouse) -> str:
    return "https" if conf.secure else "http"


def _address(host: str, port: int) -> str:
    """Host and port of a URL; an IPv6 address stands in brackets.

    >>> _address("::1", 8123), _address("ch", 8123)
    ('[::1]:8123', 'ch:8123')
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# ---------------------------------------------------------------- Grafana

SOURCE, METRICS = "kol-ch", "kol-prom"  # uids, which the dashboards name
PROMETHEUS_URL: Final = "$__env{PROMETHEUS_URL}"  # no setting of ours says where Prometheus is


def provisioning_lines(grafana: Path, settings: Settings) -> list[str]:
    """Lines of a shell that give Grafana data sources, dashboards and alert rules.

    The data sources of this deployment come last: they replace the file that reads its variables.
    Until they are written none of Grafana's files is replaced, so a failure leaves those that work.
    """
    there, own = "/etc/grafana/provisioning", "/etc/grafana/provisioning/datasources/kol.yaml"
    return [
        f"from={shlex.quote(str(grafana))}",
        "to=/var/lib/grafana/dashboards/kol",
        'mkdir -p "$to" && cp -r "$from"/dashboards/* "$to"/',
        *_constants(settings),
        f"own={own}",
        'kol connect --grafana > "$own.new" &&',
        f'  cp -r "$from"/provisioning/* {there}/ &&',
        '  mv "$own.new" "$own"',
    ]


def _constants(settings: Settings) -> Iterator[str]:
    """The lines that give the copied dashboards the zone and the currency of this deployment."""
    zone = Settings.model_fields["business_zone"].default
    if settings.business_zone != zone:  # in texts, too
        yield f"""sed -i 's#{zone}#{settings.business_zone}#g' "$to"/*/*.json"""
    if settings.currency != CURRENCY:
        yield f"""sed -i 's#"{CURRENCY}"#"{settings.currency}"#g' "$to"/*/*.json"""


def datasources(conf: ClickHouse, stack: Stack) -> list[dict[str, Any]]:
    """The data sources that the dashboards read, as Grafana's provisioning reads them."""
    return [datasource(conf, stack), prometheus_source()]


def prometheus_source() -> dict[str, Any]:
    """The Prometheus that scrapes workers and trainers."""
    return {
        "name": "KOL metrics",
        "uid": METRICS,
        "type": "prometheus",
        "access": "proxy",
        "url": PROMETHEUS_URL,
        "jsonData": {"httpMethod": "POST"},
    }


def datasource(conf: ClickHouse, stack: Stack) -> dict[str, Any]:
    """A data source of grafana-clickhouse-datasource, as Grafana's provisioning reads it."""
    password = reader_password(conf, stack)
    secrets = {"password": password.grafana}
    if conf.ca_file:
        secrets["tlsCACert"] = f"$__file{{{conf.ca_file}}}"
    return {
        "name": "KOL",
        "uid": SOURCE,
        "type": "grafana-clickhouse-datasource",
        "access": "proxy",
        "jsonData": {
            "host": _unexpanded(conf.host),
            "port": conf.port,
            "protocol": "http",
            "secure": conf.secure,
            "tlsSkipVerify": False,
            "tlsAuthWithCACert": bool(conf.ca_file),
            "username": _unexpanded(reader_name(conf)),
            "defaultDatabase": conf.database,
            "dialTimeout": "10",
            "queryTimeout": "20",  # the driver asks for 5 s more, which `kol grants` allows
        },
        "secureJsonData": secrets,
    }


def _unexpanded(text: str) -> str:
    """A text that Grafana takes as it is: `$` would begin the name of a variable."""
    return text.replace("$", "$$")


def datasources_yaml(sources: Iterable[Mapping[str, Any]]) -> str:
    """A provisioning file with these data sources.

    >>> print(datasources_yaml([{"name": "kol", "jsonData": {"port": 8123}}]))
    apiVersion: 1
    datasources:
      - name: "kol"
        jsonData:
          port: 8123
    """
    entries = []
    for source in sources:
        first, *further = _yaml(source)
        entries += [f"  - {first}", *(f"    {line}" for line in further)]
    return "\n".join(["apiVersion: 1", "datasources:", *entries])


def _yaml(value: Mapping[str, Any]) -> Iterator[str]:
    """Lines of a mapping; scalars as JSON, which YAML reads, too."""
    for name, one in value.items():
        if isinstance(one, Mapping):
            yield f"{name}:"
            yield from (f"  {line}" for line in _yaml(one))
        else:
            yield f"{name}: {json.dumps(one, ensure_ascii=False)}"


# ---------------------------------------------------------------- Kafka


def kafka_access(conf: Kafka) -> dict[str, Any]:
    """Brokers, login, topics and ready lines of Kafka."""
    topics = [TOPICS[name] for name in (*INPUTS, *REFERENCES, DEAD_LETTERS)]
    properties = list(_client_properties(conf))
    return {
        "bootstrap": conf.bootstrap,
        "security": conf.security,
        "mechanism": conf.mechanism if conf.security.startswith("SASL") else None,
        "username": conf.username or None,
        "ca_file": str(conf.ca_file) if conf.ca_file else None,
        "partitioner": PARTITIONER,
        "topics": [
            {
                "name": conf.broker_topic(topic.name),
                "is_input": topic.name in INPUTS,
                "is_reference": topic.name in REFERENCES,
                "key": topic.key,
                "partitions": topic.count(conf.partitions),
                "carries": topic.about,
            }
            for topic in topics
        ],
        "client_properties": properties,
        "console_producer": _console_producer(conf, has_properties=bool(properties)),
        "kcat": _kcat(conf),
    }


def _client_properties(conf: Kafka) -> Iterator[str]:
    """The lines of a properties file of Kafka's own tools; none where they need none."""
    if conf.security == "PLAINTEXT":
        return
    yield f"security.protocol={conf.security}"
    if conf.ca_file:
        yield "ssl.truststore.type=PEM"
        yield f"ssl.truststore.location={conf.ca_file}"
    if conf.security.startswith("SASL"):
        module = "plain.Plain" if conf.mechanism == "PLAIN" else "scram.Scram"
        yield f"sasl.mechanism={conf.mechanism}"
        yield "sasl.jaas.config=\\"
        yield f"  org.apache.kafka.common.security.{module}LoginModule required \\"
        yield f'  username="{conf.username}" password="…";'


def _console_producer(conf: Kafka, *, has_properties: bool) -> str:
    """The line that sends one event with Kafka's own producer, its key before a tab."""
    words = [
        f"printf 'u1\\t{EXAMPLE_EVENT}\\n'",
        '"$(date +%s000)" |',
        f"kafka-console-producer.sh --bootstrap-server {shlex.quote(conf.bootstrap)}",
        *(["--producer.config client.properties"] if has_properties else []),
        f"--topic {INPUTS[0]} --property parse.key=true",
    ]
    return _continued(words)


def _kcat(conf: Kafka) -> str:
    """The line that sends what stands in `events.tsv`, each with its key before a tab."""
    words = [
        f"kcat -P -b {shlex.quote(conf.bootstrap)} -t {INPUTS[0]} -K '\\t'",
        f"-X partitioner=murmur2_random -X security.protocol={conf.security.lower()}",
        *([f"-X ssl.ca.location={shlex.quote(str(conf.ca_file))}"] if conf.ca_file else []),
        *(_kcat_login(conf) if conf.security.startswith("SASL") else []),
        "-l events.tsv",
    ]
    return _continued(words)


def _kcat_login(conf: Kafka) -> list[str]:
    name = shlex.quote(conf.username)
    return [f"-X sasl.mechanism={conf.mechanism} -X sasl.username={name}", "-X sasl.password=…"]


# ---------------------------------------------------------------- words of a line


def _continued(words: Iterable[str]) -> str:
    """A command on several lines, so that each fits into a terminal."""
    return " \\\n  ".join(words)


def _double_quoted(text: str) -> str:
    """A literal of Python."""
    return json.dumps(text, ensure_ascii=False)
