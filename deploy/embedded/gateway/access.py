"""Who may ask, and how much: the secrets file, and a password compared in constant time.

The file is JSON and nobody but its owner may read it:

    {"users": {"default": {"password": "...", "role": "admin"},
               "reader": {"password": "...", "role": "reader"}},
     "max_execution_time": 600, ...}
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from deploy.embedded.gateway.errors import Code, refusal


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One user: an admin may do all, a reader only ask."""

    password: str
    role: Literal["admin", "reader"]


class Secrets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Users and limits."""

    users: dict[str, Login]
    max_in_flight: int = 64  # requests at once; readers get half of it
    max_sessions: int = 1024
    max_execution_time: int = 600  # seconds, unless an admin asks for other; nothing can be killed
    max_server_memory_usage: int = 0  # bytes of the whole engine; 0 = half of the machine
    reader_max_execution_time: int = 20  # seconds, forced
    reader_max_result_rows: int = 200_000  # forced
    reader_max_memory_usage: int = 2_000_000_000  # bytes, forced


class Account(msgspec.Struct, frozen=True):
    """Who is asking."""

    name: str
    restricted: bool


def secrets(path: Path) -> Secrets:
    """Read the secrets file.

    Raises:
        ValueError: others may read it, it is not such a file, or a password is empty.
        OSError: it cannot be read.

    """
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ValueError(f"{path} can be read by others: chmod 600 {path}")
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Secrets)
    except msgspec.DecodeError as error:
        raise ValueError(f"{path} is not a secrets file: {error}") from error
    empty = [name for name, login in found.users.items() if not login.password]
    if empty:
        raise ValueError(f"{path}: no password for {', '.join(empty)}")
    return found


def near(host: str, *, remote: bool) -> None:
    """Refuse to listen where others can reach it, unless that is meant.

    Raises:
        ValueError: such a host, or one that is neither an address nor localhost.

    """
    loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    if not loopback and not remote:
        raise ValueError(f"{host} can be reached by others; say --allow-remote if that is meant")


def memory(found: Secrets) -> int:
    """Bytes the engine may use for everything."""
    half = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return found.max_server_memory_usage or half


def account(
    users: Mapping[str, Login], asked: Mapping[str, str], headers: Mapping[str, str]
) -> Account:
    """Who sent a request, by Basic authentication, X-ClickHouse headers or the URL.

    Raises:
        Refusal: nobody of that name with that password; it does not say which of the two.

    """
    name, password = _claim(asked, headers)
    login = users.get(name)
    right = hmac.compare_digest(_digest(password), _digest(login.password if login else ""))
    if login is None or not right:
        why = f"{name!r}: Authentication failed: password is incorrect, or there is no such user"
        raise refusal(Code.AUTHENTICATION_FAILED, why)
    return Account(name, restricted=login.role != "admin")


def _claim(asked: Mapping[str, str], headers: Mapping[str, str]) -> tuple[str, str]:
    """The name and password somebody gives; without any name it is `default`."""
    kind, _, told = headers.get("Authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            name, _, password = base64.b64decode(told, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise refusal(Code.AUTHENTICATION_FAILED, "not a Basic authorization") from error
        return name or "default", password
    if "X-ClickHouse-User" in headers or "X-ClickHouse-Key" in headers:
        return (
            headers.get("X-ClickHouse-User") or "default",
            headers.get("X-ClickHouse-Key", ""),
        )
    return asked.get("user") or "default", asked.get("password", "")


def _digest(password: str) -> bytes:
    """Digests are equally long, so that a comparison does not tell the length."""
    return hashlib.sha256(password.encode(errors="surrogatepass")).digest()
