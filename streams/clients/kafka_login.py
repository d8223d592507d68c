"""Why the brokers do not let us in: address, TLS or login, each in a sentence of its own.

Clients retry and end with "no broker" whatever was wrong. So after they fail, one connection is
made by hand, and what it raises says at which step.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable
from typing import Any, Final

from aiokafka.conn import create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from streams.settings import Kafka

STEP_SECONDS: Final = 3.0  # for a broker to answer one request
CLOSE_SECONDS: Final = 0.05  # for connections to be closed before their event loop is
OTHER_NAME: Final = frozenset({62, 64})  # OpenSSL: the host name, or the address, is another one
EXPIRED: Final = 10


def login_fault(kafka: Kafka, options: dict[str, Any]) -> str:
    """What is wrong with TLS or login of the first address that answers; empty if nothing is.

    Blocks for some seconds.

    Args:
        kafka: addresses and security.
        options: TLS and SASL options of aiokafka's clients.

    """
    found: list[str] = []
    thread = threading.Thread(
        target=lambda: found.append(asyncio.run(_first_fault(kafka, options))), daemon=True
    )  # of its own: the caller may run in an event loop
    thread.start()
    thread.join()
    return found[0] if found else ""


async def _first_fault(kafka: Kafka, options: dict[str, Any]) -> str:
    try:
        for address in kafka.bootstrap.split(","):
            host, _, port = address.strip().rpartition(":")
            if port.isdigit() and (fault := await _fault(kafka, host, int(port), options)):
                return f"{address} {fault}"
        return ""
    finally:
        await asyncio.sleep(CLOSE_SECONDS)


async def _fault(kafka: Kafka, host: str, port: int, options: dict[str, Any]) -> str:
    """What is wrong at one address, as the rest of a sentence about it."""
    try:
        await _ask(host, port, options)
    except ssl.SSLCertVerificationError as error:
        return _certificate_fault(kafka, error)
    except KafkaError as error:
        if said := SENTENCES.get(type(error)):
            return said(kafka)
        return await _fault_without_answer(kafka, host, port)
    except TimeoutError:
        return await _fault_without_answer(kafka, host, port)
    except ssl.SSLError as error:
        no_tls = await _fault_without_answer(kafka, host, port)
        return no_tls or f"fails in the TLS handshake: {error.reason}"
    except ConnectionRefusedError:
        return ""
    except OSError:  # no such host, or it hung up
        return await _fault_without_answer(kafka, host, port)
    return ""


async def _ask(host: str, port: int, options: dict[str, Any]) -> None:
    """Connect, log in and ask who the brokers are."""
    milliseconds = int(STEP_SECONDS * 1000)
    async with asyncio.timeout(2 * STEP_SECONDS):
        connection = await create_conn(host, port, request_timeout_ms=milliseconds, **options)
        try:
            await connection.send(MetadataRequest([]))
        finally:
            connection.close()


async def _fault_without_answer(kafka: Kafka, host: str, port: int) -> str:
    """What is wrong where the connection was closed, or stayed silent."""
    if not await _is_open(host, port, None):
        return ""
    speaks_tls = await _is_open(host, port, _trusting())
    uses_tls = kafka.security.endswith("SSL")
    if speaks_tls and not uses_tls:
        return f"speaks TLS: KOL_KAFKA__SECURITY is {kafka.security}, should be SSL or SASL_SSL"
    if uses_tls and not speaks_tls:
        return (
            f"does not speak TLS: KOL_KAFKA__SECURITY is {kafka.security}, should be PLAINTEXT or "
            "SASL_PLAINTEXT, or the port is another one"
        )
    if not kafka.security.startswith("SASL"):
        return (
            f"hangs up without a login: KOL_KAFKA__SECURITY is {kafka.security}, should perhaps be "
            f"SASL_{kafka.security}, with KOL_KAFKA__USERNAME and KOL_KAFKA__PASSWORD"
        )
    return ""


async def _is_open(host: str, port: int, tls: ssl.SSLContext | None) -> bool:
    """Whether somebody accepts a connection there, with TLS if a context is given."""
    try:
        async with asyncio.timeout(STEP_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=tls)
    except OSError:  # a time-out and faults of TLS are among them
        return False
    writer.transport.abort()
    return True


def _trusting() -> ssl.SSLContext:
    """TLS with whoever answers: only to see whether it is TLS. Nothing is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _certificate_fault(kafka: Kafka, error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code in OTHER_NAME:
        return f"has a certificate for another name: {error.verify_message}"
    if error.verify_code == EXPIRED:
        return "has a certificate that has expired"
    signer = f"the authority in {kafka.ca_file}" if kafka.ca_file else "any known authority"
    return f"has a certificate that is not signed by {signer}: see KOL_KAFKA__CA_FILE"


SENTENCES: Final[dict[type[KafkaError], Callable[[Kafka], str]]] = {
    SaslAuthenticationFailed: lambda kafka: (
        f"refuses user {kafka.username}: see KOL_KAFKA__USERNAME and KOL_KAFKA__PASSWORD"
    ),
    UnsupportedSaslMechanismError: lambda kafka: (
        f"does not offer {kafka.mechanism}: KOL_KAFKA__MECHANISM has to be one of its "
        "sasl.enabled.mechanisms"
    ),
    IllegalSaslStateError: lambda kafka: (
        f"asks for no login: KOL_KAFKA__SECURITY is {kafka.security}, should be "
        f"{'SSL' if kafka.security == 'SASL_SSL' else 'PLAINTEXT'}"
    ),
}
