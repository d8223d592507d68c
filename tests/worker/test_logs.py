"""The log is JSON lines that no terminal obeys."""

import json
import logging

import pytest

from streams.worker.logs import JsonLines
from tests.cli.hostile import CONTROL, HOSTILE


@pytest.mark.parametrize("text", HOSTILE)
def test_a_line_is_json_without_control_codes(text: str) -> None:
    fault = ValueError, ValueError(text), None
    line = JsonLines().format(logging.LogRecord("a", logging.INFO, "", 0, text, (), fault))

    assert "\n" not in line
    assert line.encode()
    assert not CONTROL.search(line)
    assert json.loads(line)["message"] == text
    assert text in json.loads(line)["error"]
