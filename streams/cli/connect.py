"""`kol connect`: what other tools need to connect."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from streams.cli.options import HOME, Home, Json, use_home
from streams.cli.screen import lines, out, print_json, styled


def connect(
    *,
    grafana: Annotated[
        bool,
        typer.Option(
            "--grafana", help="Print a provisioning file of Grafana's data sources alone."
        ),
    ] = False,
    home: Home = HOME,
    as_json: Json = False,
) -> None:
    """Show how other tools connect: URLs, the account that reads, Grafana, JDBC, Kafka.

    Passwords are not shown; it says which file or variable holds them.
    """
    from deploy.embedded.state_folder import StateFolder
    from streams.operations.connect import connections, datasources, datasources_yaml
    from streams.settings import load

    stack = StateFolder(use_home(home)).status() or {}
    if grafana:
        sources = datasources(load(("clickhouse",)).clickhouse, stack)
        if as_json:
            print_json(sources)
        else:
            _print_lines(datasources_yaml(sources))
        return
    report = connections(load(), stack, Path(str(files("deploy"))) / "grafana")
    if as_json:
        print_json(report)
        return
    _print_clickhouse(report["clickhouse"])
    _print_grafana(report["grafana"])
    _print_kafka(report["kafka"])
    if report["metrics"]:
        _print_part("Prometheus scrapes", "\n".join(report["metrics"]))


def _print_clickhouse(found: dict[str, Any]) -> None:
    out.print(styled("ClickHouse over HTTP", "bold"))
    rights = "reads only" if found["is_read_only"] else "may write: kol grants makes one that reads"
    _print_facts(
        {
            "URL": found["url"],
            "database": found["database"],
            "user": f"{found['username']} ({rights})",
            "password": _password(found),
            **({"CA": found["ca_file"]} if found["ca_file"] else {}),
        }
    )
    _print_part("JDBC: DBeaver, DataGrip", found["jdbc_url"])
    _print_part("curl", found["curl"])
    _print_part("Python: clickhouse-connect", found["clickhouse_connect"])
    _print_part(
        "clickhouse-client",
        found["clickhouse_client"] or "speaks the native protocol, the embedded engine HTTP alone",
    )


def _print_grafana(found: dict[str, Any]) -> None:
    out.print()
    out.print(styled("Grafana", "bold"))
    _print_facts(
        {
            "plugin": "grafana-clickhouse-datasource, 4.20 or newer",
            "metrics": "set PROMETHEUS_URL for Grafana: your Prometheus",
            "dashboards": found["dashboards"],
        }
    )
    _print_part("data sources, dashboards, alert rules", "\n".join(found["provision"]))


def _password(found: dict[str, Any]) -> str:
    """Where the password is, in words."""
    if found["password_file"]:
        return f"in the file {found['password_file']}"
    if found["password_variable"]:
        return f"in the variable {found['password_variable']}"
    if found["password_config"]:
        return f"in the settings file {found['password_config']}"
    return "none"


def _print_kafka(found: dict[str, Any]) -> None:
    from streams.operations.connect import PARTITIONER_HINT

    out.print()
    out.print(styled("Kafka", "bold"))
    login = f", {found['mechanism']} as {found['username']}" if found["mechanism"] else ""
    _print_facts(
        {
            "bootstrap": found["bootstrap"],
            "security": found["security"] + login,
            "partitioner": f"{found['partitioner']} of the key:",
            "": PARTITIONER_HINT.replace("; ", ";\n"),
        }
    )
    _print_part("topics", "\n".join(map(_topic, found["topics"])))
    if found["client_properties"]:
        _print_part("client.properties", "\n".join(found["client_properties"]))
    _print_part("kafka-console-producer.sh: one event", found["console_producer"])
    _print_part("kcat: a file of events", found["kcat"])


def _topic(one: dict[str, Any]) -> str:
    """A topic on a line."""
    use = "send" if one["is_input"] or one["is_reference"] else "read"
    s = "" if one["partitions"] == 1 else "s"
    return f"{one['name']:<22}{one['partitions']} partition{s}, {use}, key {one['key']}"


def _print_facts(facts: dict[str, str]) -> None:
    for name, value in facts.items():
        first, *further = value.split("\n")
        _print_lines("\n".join([f"  {name:<13}{first}", *(f"{'':<15}{one}" for one in further)]))


def _print_part(title: str, text: str) -> None:
    """A title, and below it what can be copied."""
    out.print(f"  {title}")
    _print_lines("\n".join(f"    {line}" for line in text.split("\n")))


def _print_lines(text: str) -> None:
    """Text whose lines are never broken, so that they can be copied."""
    out.print(lines(text), soft_wrap=True)
