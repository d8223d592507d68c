"""The HTTP pages of workers."""

import json
import urllib.request
from collections.abc import Iterable
from typing import Any

ANSWER_SECONDS = 0.5  # a worker answers from memory, and is on this machine


def fetch_page(url: str) -> bytes | None:
    """The body of a page; None if nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:  # noqa: S310  # ours
            return bytes(answer.read())
    except OSError:
        return None


def answers(url: str) -> bool:
    """Whether a page answers with success at once."""
    try:
        return fetch_page(url) is not None
    except ValueError:
        return False


def fetch_statuses(urls: Iterable[str]) -> dict[str, dict[str, Any] | None]:
    """`/status.json` of workers by their address; None for one that does not answer."""
    pages = {url: fetch_page(f"{url}/status.json") for url in urls}
    return {url: json.loads(page) if page else None for url, page in pages.items()}
