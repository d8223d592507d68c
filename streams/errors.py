"""The root of failures that a person can mend, and what is said of those of libraries."""

from typing import Final

UNREACHED: Final = "Unable to bootstrap from"  # aiokafka says so, before a list of socket addresses
NAME_IN_USE: Final = 3  # exit code of a worker that gave way to another one of its name


class ExpectedError(Exception):
    """Shown as one sentence, without a traceback; a command then exits with 1.

    A worker exits with `exit_code`.
    """

    exit_code = 1


def named(error: BaseException) -> str:
    """The kind of an exception and its message, once; of unreached brokers no list of addresses.

    >>> named(ValueError("no")), named(ValueError())
    ('ValueError: no', 'ValueError')
    >>> named(ConnectionError("Unable to bootstrap from [('a', 1, <AddressFamily.AF_UNSPEC: 0>)]"))
    'none of KOL_KAFKA__BOOTSTRAP can be connected to'
    """
    kind, message = type(error).__name__, str(error)
    if UNREACHED in message:
        return "none of KOL_KAFKA__BOOTSTRAP can be connected to"
    return message if message.startswith(kind) else f"{kind}: {message}".rstrip(": ")
