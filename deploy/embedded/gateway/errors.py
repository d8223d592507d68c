"""Errors in ClickHouse's own words: a code, its name, a text, and the HTTP status of the code."""

import errno
import re
from enum import IntEnum

_CODE = re.compile(r"Code: (\d+)")


class Code(IntEnum):
    """The codes the gateway gives by itself; names and numbers are ClickHouse's."""

    CANNOT_READ_ALL_DATA = 33
    BAD_ARGUMENTS = 36
    CHECKSUM_DOESNT_MATCH = 40
    NOT_IMPLEMENTED = 48
    SYNTAX_ERROR = 62
    UNKNOWN_COMPRESSION_METHOD = 89
    UNKNOWN_SETTING = 115
    READONLY = 164
    TOO_MANY_SIMULTANEOUS_QUERIES = 202
    SOCKET_TIMEOUT = 209
    NOT_ENOUGH_SPACE = 243
    ABORTED = 236
    CANNOT_DECOMPRESS = 271
    TOO_MANY_BYTES = 307
    SESSION_NOT_FOUND = 372
    SESSION_IS_LOCKED = 373
    SYSTEM_ERROR = 425
    AUTHENTICATION_FAILED = 516
    UNKNOWN_EXCEPTION = 1002


# Code -> HTTP status; what is not here answers 500. Codes without a name come from the engine.
STATUS = {
    27: 400,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
    Code.CANNOT_READ_ALL_DATA: 400,
    Code.BAD_ARGUMENTS: 400,
    Code.CHECKSUM_DOESNT_MATCH: 400,
    47: 400,  # UNKNOWN_IDENTIFIER
    Code.NOT_IMPLEMENTED: 501,
    60: 404,  # UNKNOWN_TABLE
    Code.SYNTAX_ERROR: 400,
    81: 404,  # UNKNOWN_DATABASE
    Code.UNKNOWN_SETTING: 404,
    Code.UNKNOWN_COMPRESSION_METHOD: 400,
    117: 400,  # INCORRECT_DATA
    159: 408,  # TIMEOUT_EXCEEDED
    Code.READONLY: 403,
    192: 401,  # UNKNOWN_USER
    Code.TOO_MANY_SIMULTANEOUS_QUERIES: 503,
    Code.SOCKET_TIMEOUT: 408,
    Code.ABORTED: 503,
    Code.CANNOT_DECOMPRESS: 400,
    Code.TOO_MANY_BYTES: 413,
    Code.SESSION_NOT_FOUND: 404,
    497: 403,  # ACCESS_DENIED
    Code.AUTHENTICATION_FAILED: 401,
}


class Refusal(Exception):  # noqa: N818  # an answer to the client, not a fault of the gateway
    """A request that is answered with an error."""

    def __init__(self, code: int, text: str) -> None:
        """Take the code and the whole text, as a server would send it."""
        super().__init__(text)
        self.code = code
        self.text = text

    @property
    def status(self) -> int:
        """The HTTP status that goes with the code."""
        return STATUS.get(self.code, 500)


def refusal(code: Code, why: str) -> Refusal:
    """Refuse in the gateway's own words.

    >>> refusal(Code.UNKNOWN_SETTING, "no setting is called x").text
    'Code: 115. DB::Exception: no setting is called x. (UNKNOWN_SETTING)'
    """
    return Refusal(code, f"Code: {code}. DB::Exception: {why}. ({code.name})")


def from_engine(error: BaseException) -> Refusal:
    """The engine's error as a refusal, without what the library wrote in front of it.

    >>> from_engine(RuntimeError("Streaming failed: Code: 60. DB::Exception: No t.")).code
    60
    """
    text = str(error)
    found = _CODE.search(text)
    if found is None:
        return refusal(Code.UNKNOWN_EXCEPTION, text)
    return Refusal(int(found[1]), text[found.start() :])


def from_fault(error: Exception) -> Refusal:
    """A fault of the gateway or its machine as a refusal, without paths or values.

    >>> from_fault(OSError(errno.ENOSPC, "No space left on device")).text
    'Code: 243. DB::Exception: No space left on device. (NOT_ENOUGH_SPACE)'
    """
    if not isinstance(error, OSError):
        return refusal(Code.UNKNOWN_EXCEPTION, type(error).__name__)
    is_full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    why = error.strerror or type(error).__name__
    return refusal(Code.NOT_ENOUGH_SPACE if is_full else Code.SYSTEM_ERROR, why)
