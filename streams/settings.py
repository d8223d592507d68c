"""All settings, with defaults and meanings: environment, secret files, a TOML file, in this order.

    KOL_KAFKA__BOOTSTRAP=broker:9092 KOL_CLICKHOUSE__HOST=ch kol worker

A variable is `KOL_` and the path of a setting, joined by `__`. A file `kol_clickhouse__password`
in `KOL_SECRETS_DIR` holds the value of that setting. On one machine nothing needs to be set:
`kol up` passes the addresses of its broker and engine to the commands through the home folder.
Where nothing says which broker or engine is meant, no command connects to one.
"""

import fcntl
import json
import os
import ssl
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import IO, Annotated, Any, ClassVar, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from schemas.currencies import CURRENCY, DECIMALS, folded
from schemas.events import CLICKSTREAM, INPUTS, INTERACTIONS, PURCHASES
from schemas.keyed_names import KeyedNames
from schemas.placeholders import PLACEHOLDER_IDS, Placeholders
from schemas.topics import OWN, TOPICS
from streams.errors import ExpectedError

PREFIX = "KOL_"
NOT_SETTINGS = {"KOL_HOME", "KOL_SECRETS_DIR", "KOL_CONFIG", "KOL_NATIVE", "KOL_CI", "KOL_DEBUG"}
TESTS = "KOL_TEST_"
MIN_KEY_LENGTH: Final = 16  # characters of the key of user_hash
ADDRESSES: Final = {"kafka": "bootstrap", "clickhouse": "host"}  # server -> what says where it is

Port = Annotated[int, Field(ge=1, le=65535)]


def _with_certificates(file: Path) -> Path:
    """The file, once it is known to hold certificates in PEM."""
    try:
        ssl.create_default_context(cafile=str(file))
    except ssl.SSLError as error:
        raise ValueError(f"{file} holds no certificate in PEM") from error
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from error
    return file


TopicName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]
CaFile = Annotated[Path, AfterValidator(_with_certificates)]


@cache
def _broker_topics(prefix: str, inputs: tuple[str, str, str]) -> Mapping[str, str]:
    """The name on the brokers of each topic, by its name in `schemas.topics`."""
    renamed = dict(zip(INPUTS, inputs, strict=True))
    return {
        topic: prefix + topic if topic in OWN else renamed.get(topic, topic) for topic in TOPICS
    }


class _Part(BaseModel):
    """A group of settings; an unknown name is an error, not a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Kafka(_Part):
    """The brokers, and how to connect to them."""

    bootstrap: str = Field(
        "127.0.0.1:9092", description="Addresses of the brokers: host:port, separated by commas."
    )
    partitions: int = Field(
        4,
        ge=1,
        le=1024,
        description="Partitions of every input topic; cannot change once topics exist.",
    )
    replication: int = Field(
        1, ge=1, le=7, description="Replicas of the topics that `kol topics` creates."
    )
    prefix: str = Field(
        "",
        description="Prefix of this app's own topics; only a replay has one.",
        pattern=r"^[\w.-]*$",
    )
    clickstream_topic: TopicName = Field(
        CLICKSTREAM, description="Name on the brokers of the input topic `clickstream`."
    )
    interactions_topic: TopicName = Field(
        INTERACTIONS, description="Name on the brokers of the input topic `content-interactions`."
    )
    purchases_topic: TopicName = Field(
        PURCHASES, description="Name on the brokers of the input topic `purchases`."
    )
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Security protocol of the brokers."
    )
    ca_file: CaFile | None = Field(
        None, description="File of the certificate authority of the brokers."
    )
    username: str = Field("", description="SASL user name.")
    password: SecretStr = Field(SecretStr(""), description="SASL password.")
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism."
    )

    @model_validator(mode="after")
    def _has_its_login(self) -> Self:
        """Refuse a login that would not be sent, and a protocol without its login."""
        has_login = bool(self.username and self.password.get_secret_value())
        is_login = self.security.startswith("SASL")
        if is_login and not has_login:
            raise ValueError(f"security {self.security} needs username and password")
        if self.username and not is_login:
            raise ValueError(
                f"username is set, but security {self.security} sends no login: it should be "
                f"SASL_{self.security}"
            )
        return self

    @model_validator(mode="after")
    def _has_a_topic_for_each_name(self) -> Self:
        """Refuse an input topic with the name of another topic."""
        shared = [name for name, n in Counter(self._topics.values()).items() if n > 1]
        if shared:
            raise ValueError(f"{', '.join(shared)}: an input topic has the name of another topic")
        return self

    @property
    def renamed(self) -> dict[str, str]:
        """The input topics that have another name on the brokers, and that name.

        >>> Kafka(purchases_topic="shop.orders").renamed
        {'purchases': 'shop.orders'}
        """
        return {
            topic: self.broker_topic(topic) for topic in INPUTS if topic != self.broker_topic(topic)
        }

    @property
    def _topics(self) -> Mapping[str, str]:
        """The name on the brokers of each topic of `schemas.topics`."""
        inputs = self.clickstream_topic, self.interactions_topic, self.purchases_topic
        return _broker_topics(self.prefix, inputs)

    def broker_topic(self, topic: str) -> str:
        """The name on the brokers of a topic of `schemas.topics`.

        >>> [Kafka(prefix="b.").broker_topic(topic) for topic in ("kol-cells", "purchases")]
        ['b.kol-cells', 'purchases']
        """
        return self._topics.get(topic, topic)

    def plain_topic(self, name: str) -> str | None:
        """The topic of `schemas.topics` with that name on the brokers; None for another app's.

        >>> kafka = Kafka(prefix="b.")
        >>> [kafka.plain_topic(name) for name in ("b.kol-cells", "kol-cells", "purchases")]
        ['kol-cells', None, 'purchases']
        """
        for topic, given in self._topics.items():
            if given == name:
                return topic
        return None if name in TOPICS else name


class ClickHouse(_Part):
    """The ClickHouse server; one account writes, another one only reads."""

    host: str = Field("127.0.0.1", description="Host name of the ClickHouse server.")
    port: Port = Field(8123, description="Its HTTP port; usually 8443 with TLS.")
    secure: bool = Field(default=False, description="Whether to connect with TLS.")
    ca_file: CaFile | None = Field(
        None, description="File of the certificate authority of the server."
    )
    database: str = Field("kol", description="Database of all tables and views.", pattern=r"^\w+$")
    username: str = Field("default", description="Account that writes rows and creates tables.")
    password: SecretStr = Field(SecretStr(""), description="Password of `username`.")
    reader_username: str = Field("", description="Account that reads the views; empty: `username`.")
    reader_password: SecretStr = Field(SecretStr(""), description="Password of `reader_username`.")
    events: bool = Field(
        default=True,
        description="Whether to write a row of `event` for each accepted click and interaction.",
    )
    cluster: str = Field(
        "", description="Cluster name of ON CLUSTER statements; empty on a single server."
    )
    definer: str = Field(
        "",
        description="Account whose rights the views run with (DEFINER); empty: no DEFINER clause.",
    )
    connect_seconds: float = Field(
        5.0, gt=0, description="Seconds until a connection attempt fails."
    )
    insert_seconds: float = Field(
        60.0, gt=0, description="Seconds until an unanswered insert is tried again."
    )


class Worker(_Part):
    """The behaviour of one worker process."""

    name: str = Field(
        "",
        description="Stable name of this worker; with one, a restart keeps its partitions.",
    )
    host: str = Field("127.0.0.1", description="Address to serve health and metrics pages on.")
    port: int = Field(0, ge=0, le=65535, description="Port of these pages; 0 picks a free one.")
    state_ms: int = Field(
        200,
        ge=10,
        description="Milliseconds between flushes of orders; of cells too, but at least 200; both "
        "up to 500 when behind.",
    )
    score_ms: int = Field(500, ge=10, description="Milliseconds between flushes of scores.")
    events_ms: int = Field(
        300,
        ge=10,
        description="Milliseconds between flushes of rows of `event`; at least 1000 when behind.",
    )
    snapshot_seconds: float = Field(
        5.0, ge=0.2, description="Seconds between snapshots of a partition."
    )
    session_seconds: float = Field(
        30.0, ge=6, description="Seconds without a heartbeat until a worker loses its partitions."
    )
    quiet_seconds: float = Field(
        10.0, ge=0.5, description="Seconds until an idle topic stops holding back the watermark."
    )
    mute_seconds: float = Field(
        30.0, ge=0, description="Most seconds after a restore in which no rows are written."
    )
    waiting_messages: int = Field(
        400_000, ge=1, description="Most unacknowledged messages; above this, reading pauses."
    )
    waiting_mb: int = Field(
        128,
        ge=1,
        description="Most megabytes of unacknowledged messages; above this, reading pauses.",
    )
    waiting_events: int = Field(
        200_000,
        ge=1,
        description="Most unacknowledged rows of `event`; above this, reading pauses.",
    )
    from_empty: bool = Field(
        default=False, description="Start without state although offsets are committed."
    )
    accept_gap: bool = Field(
        default=False, description="Continue although retention removed unread events."
    )


class Trainer(_Part):
    """The behaviour of the trainer."""

    host: str = Field("127.0.0.1", description="Address to serve the trainer's pages on.")
    port: int = Field(0, ge=0, le=65535, description="Port of these pages; 0 picks a free one.")
    minutes_seconds: float = Field(
        5.0,
        ge=0.1,
        description="Seconds from one turn that brings the roll-ups up to date to the next; five "
        "times as long as a turn takes, if that is more, but for pauses of over 150 s.",
    )
    dimensions_seconds: float = Field(
        5.0,
        ge=0.1,
        description="Seconds from one turn that reads reference topics to the next; five times as "
        "long as a turn takes, if that is more.",
    )
    consents_seconds: float = Field(
        3600.0,
        ge=0.1,
        description="Seconds from one turn that empties what families do not allow any more to the "
        "next: all of it with one statement, which rewrites columns of old events.",
    )
    night_hour: int = Field(
        3,
        ge=0,
        le=23,
        description="Hour of the business day, in KOL_BUSINESS_ZONE, of the turn that erases again "
        "what came back of erased persons.",
    )
    numbers_seconds: float = Field(
        30.0,
        ge=0.1,
        description="Seconds from one turn that publishes what has changed of contents and KOLs as "
        "numbered values to the next.",
    )
    daily_trust: bool = Field(
        default=True,
        description="Whether what facts say of trust is published once a day: populations, audits "
        "and raters. Without it the newest of them hold.",
    )
    session_seconds: float = Field(
        10.0, ge=6, description="Seconds without a heartbeat until another trainer takes over."
    )
    statement_seconds: float = Field(
        600.0, gt=0, description="Seconds until a statement of a turn is given up and ended."
    )


class Settings(BaseSettings):
    """All settings."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    app_id: str = Field(
        "kol", description="Name of the consumer group, and prefix of transactional ids."
    )
    epoch: int = Field(
        0,
        ge=0,
        le=254,
        description="Generation of all rows; raise it only to compute everything again.",
    )
    business_zone: str = Field(
        "Asia/Shanghai",
        description="Time zone of business days, such as Asia/Shanghai; moments in rows are UTC. "
        "After a change the trainer computes all days anew.",
    )
    currency: str = Field(
        CURRENCY,
        description="The shop's currency, ISO 4217: of a `paid` that names none, and the only one "
        "in cells and in credits by hour and day; after a change: `kol replay`.",
    )
    hmac_key: SecretStr = Field(
        SecretStr(""),
        description="Secret key of the names of users, events and orders in tables and state "
        "(`user_hash` is one), at least 16 characters; required in production. Keep it safe: it "
        "cannot be changed, and without it nobody is forgotten.",
    )
    placeholder_ids: str = Field(
        ", ".join(PLACEHOLDER_IDS),
        description="Ids of users and KOLs that mean nobody, separated by commas; case, width and "
        "spaces do not matter. Blank ids always mean nobody.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Level of the worker's log."
    )
    kafka: Kafka = Kafka()
    clickhouse: ClickHouse = ClickHouse()
    worker: Worker = Worker()
    trainer: Trainer = Trainer()

    @property
    def keyed_names(self) -> KeyedNames:
        """The names that this deployment gives to users, events and orders."""
        return KeyedNames(self.hmac_key.get_secret_value().encode())

    @property
    def placeholders(self) -> Placeholders:
        """The ids that mean nobody."""
        return Placeholders(self.placeholder_ids.split(","))

    @field_validator("business_zone")
    @classmethod
    def _is_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{zone!r} is no time zone, such as Asia/Shanghai") from error
        return zone

    @field_validator("currency")
    @classmethod
    def _is_currency(cls, currency: str) -> str:
        if folded(currency) not in DECIMALS:
            raise ValueError(f"{currency!r} is no currency of ISO 4217, such as {CURRENCY}")
        return folded(currency)

    @field_validator("hmac_key")
    @classmethod
    def _is_long_enough(cls, key: SecretStr) -> SecretStr:
        if 0 < len(key.get_secret_value()) < MIN_KEY_LENGTH:
            raise ValueError(
                f"fewer than {MIN_KEY_LENGTH} characters can be guessed; "
                "`kol config --new-key` prints one"
            )
        return key

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources: arguments, environment, secret files, TOML, a running stack, defaults."""
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
        sources.append(InitSettingsSource(settings_cls, running_stack_settings(home())))
        return tuple(sources)


class SettingsError(ExpectedError):
    """An unknown setting, or one without a usable value; says what to do."""


def home() -> Path:
    """The folder of everything embedded: `KOL_HOME`, by default `.kol`."""
    return Path(os.environ.get("KOL_HOME", ".kol"))


def running_stack_settings(folder: Path) -> dict[str, Any]:
    """The settings of the `kol up` that runs in this home; {} if none does.

    What a killed one left behind does not count: only a living one holds the lock.
    """
    run = folder / "run"
    try:
        with (run / "supervisor.pid").open() as lock:
            state = json.loads((run / "status.json").read_text())
            if not _is_locked(lock) or str(state["supervisor"]) != lock.read():
                return {}
    except (OSError, ValueError, KeyError):
        return {}
    return dict(state.get("settings", {}))


def _is_locked(lock: IO[str]) -> bool:
    """Whether a process owns the file; the kernel ends that with the process."""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def load(servers: Iterable[str] = ADDRESSES, **given: Any) -> Settings:  # noqa: ANN401  # any field of Settings
    """The settings in force, for a command that connects to these servers.

    Raises:
        SettingsError: a `KOL_` variable is unknown, its value is refused, or neither a running
            stack nor a setting says where one of the servers is.

    """
    unknown = unknown_variables(os.environ)
    if unknown:
        raise SettingsError(f"no such setting: {', '.join(unknown)}; see `kol config`")
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise SettingsError("; ".join(_refusals(error))) from None  # its text holds secrets
    missing = [
        f"{PREFIX}{server}__{ADDRESSES[server]}".upper()
        for server in servers
        if not _has_address(settings, server)
    ]
    if missing:
        raise SettingsError(
            f"nothing runs here ({home().absolute()}): start it with `kol up`, or set "
            f"{' and '.join(missing)}"
        )
    return settings


def place_of(variable: str) -> tuple[Literal["variable", "file", "config"], str] | None:
    """Where a person has set a variable: the environment, a file of its own, or the TOML file.

    None: nowhere, its value is a running stack's or the default.
    """
    if variable in os.environ:
        return "variable", variable
    folder = os.environ.get("KOL_SECRETS_DIR")
    if folder and (file := Path(folder, variable.lower()).absolute()).is_file():
        return "file", str(file)
    config = os.environ.get("KOL_CONFIG")
    if config and _is_in(tomllib.loads(Path(config).read_text("utf-8")), variable):
        return "config", str(Path(config).absolute())
    return None


def _is_in(toml: dict[str, Any], variable: str) -> bool:
    """Whether a document has a value for a variable."""
    *parts, name = variable.removeprefix(PREFIX).lower().split("__")
    for part in parts:
        toml = toml.get(part, {})
    return name in toml


def _refusals(error: ValidationError) -> list[str]:
    """Each variable that is refused and why, without its value."""
    return [
        f"{PREFIX}{'__'.join(map(str, one['loc']))}".upper()
        + f": {one['msg'].removeprefix('Value error, ')}"
        for one in error.errors(include_input=False, include_url=False, include_context=False)
    ]


def _has_address(settings: Settings, server: str) -> bool:
    """Whether something says where that server is; a default does not."""
    part: BaseModel = getattr(settings, server)
    name = ADDRESSES[server]
    return name in part.model_fields_set and bool(getattr(part, name))


def unknown_variables(environ: "os._Environ[str] | dict[str, str]") -> list[str]:
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


def descriptions(model: type[BaseModel] = Settings, prefix: str = PREFIX) -> dict[str, str]:
    """The description of every setting, by its variable."""
    found: dict[str, str] = {}
    for name, field in model.model_fields.items():
        path = prefix + name.upper()
        part = field.annotation
        if isinstance(part, type) and issubclass(part, BaseModel):
            found |= descriptions(part, f"{path}__")
        else:
            found[path] = field.description or ""
    return found


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
