"""Faults of the gateway's machine, in ClickHouse's codes."""

import errno

import pytest

from deploy.embedded.gateway.errors import from_fault


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/spool"), 243),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 243),
        (OSError(errno.EIO, "Input/output error", "/data/spool"), 425),
        (ZeroDivisionError("division by zero"), 1002),
    ],
)
def test_a_full_disk_has_another_code_than_a_fault(error: Exception, code: int) -> None:
    refused = from_fault(error)

    assert refused.code == code
    assert "/data/spool" not in refused.text
