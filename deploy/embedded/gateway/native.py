"""The few bytes of the Native format that the gateway writes by itself."""

from collections.abc import Iterable

_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"  # not an overflow row, no bucket


def _number(value: int) -> bytes:
    """An unsigned LEB128 number.

    >>> _number(300).hex()
    'ac02'
    """
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004  # seven bits to a byte
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(value: str) -> bytes:
    raw = value.encode()
    return _number(len(raw)) + raw


def header(columns: Iterable[tuple[str, str]]) -> bytes:
    r"""A block without rows, which tells a client the names and types of an empty result.

    >>> header([("a", "UInt8")])
    b'\x01\x00\x01a\x05UInt8'
    """
    described = [_text(name) + _text(kind) for name, kind in columns]
    return _number(len(described)) + _number(0) + b"".join(described)


def hello(name: str, version: str, timezone: str) -> bytes:
    """The answer to clickhouse-go's first question, with revision 0.

    With any later revision that client would read every block as if it began with block info,
    which this engine does not write.
    """
    row = (
        ("displayName()", "String", _text(name)),
        ("version()", "String", _text(version)),
        ("revision()", "UInt32", bytes(4)),
        ("timezone()", "String", _text(timezone)),
    )
    cells = [_text(column) + _text(kind) + b"\x00" + value for column, kind, value in row]
    return _BLOCK_INFO + _number(len(cells)) + _number(1) + b"".join(cells)
