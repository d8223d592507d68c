"""Every setting, its default and its reason: environment, secret files, a TOML file, in this order.

    KOL_KAFKA__BOOTSTRAP=broker:9092 KOL_CLICKHOUSE__HOST=ch kol worker

Names are `KOL_` and the path with `__`. A file `kol_clickhouse__password` in
`KOL_SECRETS_DIR` is the value of that setting. On one machine nothing needs to be set:
`kol up` hands its broker and engine to the commands through the home folder.
"""

import json
import os
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from schemas.topics import OWN
from streams.errors import ExpectedError

PREFIX = "KOL_"
NOT_SETTINGS = {"KOL_HOME", "KOL_SECRETS_DIR", "KOL_CONFIG", "KOL_NATIVE"}
TESTS = "KOL_TEST_"

Port = Annotated[int, Field(ge=1, le=65535)]


class _Part(BaseModel):
    """A group of settings; a name nobody reads is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Kafka(_Part):
    """Where events come from."""

    bootstrap: str = Field("127.0.0.1:9092", description="brokers, host:port, comma-separated")
    partitions: int = Field(4, ge=1, le=1024, description="of every input topic; never changes")
    replication: int = Field(1, ge=1, le=7, description="replicas of topics `kol topics` creates")
    prefix: str = Field(
        "", description="before the names of the app's own topics; a replay's", pattern=r"^[\w.-]*$"
    )
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how to talk to the brokers"
    )
    ca_file: Path | None = Field(None, description="certificates that sign the brokers' own")
    username: str = Field("", description="SASL user")
    password: SecretStr = Field(SecretStr(""), description="SASL password")
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism"
    )

    def named(self, topic: str) -> str:
        """What the brokers call a topic of `schemas.topics`.

        >>> Kafka(prefix="b.").named("kol-cells"), Kafka(prefix="b.").named("purchases")
        ('b.kol-cells', 'purchases')
        """
        return self.prefix + topic if topic in OWN else topic

    def known(self, name: str) -> str | None:
        """What `schemas.topics` calls a topic of the brokers; None for another app's own.

        >>> [Kafka(prefix="b.").known(name) for name in ("b.kol-cells", "kol-cells", "purchases")]
        ['kol-cells', None, 'purchases']
        """
        if not self.prefix:
            return name
        topic = name.removeprefix(self.prefix)
        if topic in OWN:
            return topic if name == self.prefix + topic else None
        return name


class ClickHouse(_Part):
    """Where rows go: one account writes, another one only reads."""

    host: str = Field("127.0.0.1", description="server")
    port: Port = Field(8123, description="HTTP port; 8443 with `secure`")
    secure: bool = Field(default=False, description="HTTPS")
    ca_file: Path | None = Field(None, description="certificates that sign the server's own")
    database: str = Field("kol", description="database of every table", pattern=r"^\w+$")
    username: str = Field("default", description="writes rows, creates tables")
    password: SecretStr = Field(SecretStr(""), description="of `username`")
    reader_username: str = Field("", description="reads views; `username` where empty")
    reader_password: SecretStr = Field(SecretStr(""), description="of `reader_username`")
    cluster: str = Field("", description="name in ON CLUSTER; empty on one server")
    definer: str = Field("", description="account whose rights the views have; a real server's")
    connect_seconds: float = Field(5.0, gt=0, description="until a connection counts as refused")
    insert_seconds: float = Field(60.0, gt=0, description="until an insert counts as unanswered")


class Worker(_Part):
    """How one worker behaves."""

    name: str = Field("", description="stable name of this worker; a restart keeps its partitions")
    host: str = Field("127.0.0.1", description="address of health and metrics pages")
    port: int = Field(0, ge=0, le=65535, description="their port; 0 takes a free one")
    state_ms: int = Field(200, ge=10, description="between statements of orders and cells")
    score_ms: int = Field(500, ge=10, description="between statements of scores")
    snapshot_seconds: float = Field(5.0, ge=0.2, description="between snapshots of a partition")
    session_seconds: float = Field(30.0, ge=6, description="until a silent worker is given up")
    quiet_seconds: float = Field(10.0, ge=0.5, description="until a quiet topic holds no time")
    mute_seconds: float = Field(30.0, ge=0, description="longest silence after a restore")
    waiting_messages: int = Field(
        400_000, ge=1, description="folded without acknowledged rows; above, Kafka keeps them"
    )
    waiting_mb: int = Field(128, ge=1, description="the same in megabytes of messages")
    from_empty: bool = Field(
        default=False, description="begin without state although offsets exist"
    )
    accept_gap: bool = Field(
        default=False, description="go on although retention removed unread events"
    )


class Settings(BaseSettings):
    """All of it."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    app_id: str = Field("kol", description="consumer group and prefix of transactions")
    epoch: int = Field(0, ge=0, le=254, description="raised only for a deliberate recomputation")
    business_zone: str = Field("Asia/Shanghai", description="days on screens; rows are UTC")
    hmac_key: SecretStr = Field(SecretStr(""), description="keys user_hash; needed in production")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="worker log"
    )
    kafka: Kafka = Kafka()
    clickhouse: ClickHouse = ClickHouse()
    worker: Worker = Worker()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, environment, secret files, TOML, what `kol up` left, defaults."""
        del dotenv_settings
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        if folder := os.environ.get("KOL_SECRETS_DIR"):
            sources.append(
                NestedSecretsSettingsSource(
                    file_secret_settings,
                    secrets_dir=folder,
                    secrets_nested_delimiter="__",
                    env_prefix=PREFIX.lower(),
                )
            )
        if config := os.environ.get("KOL_CONFIG"):
            sources.append(TomlConfigSettingsSource(settings_cls, Path(config)))
        sources.append(InitSettingsSource(settings_cls, left_by_up(home())))
        return tuple(sources)


class SettingsError(ExpectedError):
    """A setting that nobody reads, or that has no usable value; says what to do."""


def home() -> Path:
    """The folder of everything embedded: `KOL_HOME`, by default `.kol`."""
    return Path(os.environ.get("KOL_HOME", ".kol"))


def left_by_up(folder: Path) -> dict[str, Any]:
    """What a running `kol up` of this home tells the other commands, {} where there is none."""
    try:
        state = json.loads((folder / "run" / "status.json").read_text())
    except (OSError, ValueError):
        return {}
    return dict(state.get("settings", {}))


def load(**given: Any) -> Settings:  # noqa: ANN401  # any field of Settings
    """The settings in force; raises `SettingsError` on a `KOL_` variable nobody reads."""
    unknown = unread(os.environ)
    if unknown:
        raise SettingsError(f"no such setting: {', '.join(unknown)}; see `kol config`")
    return Settings(**given)


def unread(environ: "os._Environ[str] | dict[str, str]") -> list[str]:
    """The `KOL_` variables that are no setting, sorted."""
    known = {name.upper() for name in names(Settings)} | NOT_SETTINGS
    return sorted(
        name
        for name in environ
        if name.startswith(PREFIX) and not name.startswith(TESTS) and name not in known
    )


def names(model: type[BaseModel], prefix: str = PREFIX) -> list[str]:
    """Every setting as an environment variable, in order.

    >>> names(Settings)[:2]
    ['KOL_APP_ID', 'KOL_EPOCH']
    """
    found: list[str] = []
    for name, field in model.model_fields.items():
        path = prefix + name.upper()
        part = field.annotation
        if isinstance(part, type) and issubclass(part, BaseModel):
            found += names(part, f"{path}__")
        else:
            found.append(path)
    return found


def described(model: type[BaseModel] = Settings, prefix: str = PREFIX) -> dict[str, str]:
    """Every setting's variable and what it is for."""
    told: dict[str, str] = {}
    for name, field in model.model_fields.items():
        path = prefix + name.upper()
        part = field.annotation
        if isinstance(part, type) and issubclass(part, BaseModel):
            told |= described(part, f"{path}__")
        else:
            told[path] = field.description or ""
    return told


def environment(settings: dict[str, Any], prefix: str = PREFIX) -> dict[str, str]:
    """Nested settings as environment variables for a child process.

    >>> environment({"kafka": {"bootstrap": "127.0.0.1:9092"}})
    {'KOL_KAFKA__BOOTSTRAP': '127.0.0.1:9092'}
    """
    flat: dict[str, str] = {}
    for name, value in settings.items():
        path = prefix + name.upper()
        if isinstance(value, dict):
            flat |= environment(value, f"{path}__")
        else:
            flat[path] = str(value)
    return flat
