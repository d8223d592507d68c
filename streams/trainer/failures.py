"""What failed of a turn while the rest of it went on."""

from collections.abc import Iterator
from contextlib import contextmanager

from clickhouse_connect.driver.exceptions import ClickHouseError

from streams.errors import ExpectedError


class Failures:
    """The first failure of a piece of work.

    >>> failures = Failures()
    >>> with failures.kept():
    ...     raise ExpectedError("memory is short")
    >>> failures.first
    ExpectedError('memory is short')
    """

    def __init__(self) -> None:
        self.first: Exception | None = None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Go on behind a part of the work that fails; a part that is stopped ends all of it."""
        try:
            yield
        except (ExpectedError, ClickHouseError, OSError) as error:
            self.first = self.first or error

    def end(self) -> None:
        """Raise the first failure, if there was one."""
        if self.first is not None:
            raise self.first
