"""Tables keyed by codes: which half of a key is a user and which a name is decided here.

Users and names (KOLs, brands) have dense codes. When those of which nothing is remembered leave,
the others get new codes, and every table that mentions them is rewritten.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from schemas.columns import Mask
from streams.core.arrays.arena import Arrays
from streams.core.arrays.compaction import Compaction
from streams.core.arrays.index import Keyed, RowNumbers, high, low, packed


class Half(Enum):
    """Which 32 bits of `lo`, the first word of a key."""

    LOW = "low"
    HIGH = "high"


class CodedTable(Keyed):
    """Rows found by a key with the code of a user or a name, or both, in the halves of `lo`."""

    def __init__(
        self, *, user: Half | None = None, name: Half | None = None, **kinds: DTypeLike
    ) -> None:
        super().__init__(**kinds)
        self._user, self._name = user, name

    def users(self) -> RowNumbers:
        """The user of every row; none where keys hold no users."""
        return self._codes(self._user)

    def names(self) -> NDArray[np.int64]:
        """The name of every row."""
        return self._codes(self._name)

    def drop_users(self, is_dropped: Mask) -> None:
        """Drop all rows of some users; `is_dropped` has a row for every user."""
        self.keep(~is_dropped[self.users()])

    def renumber_users(self, code: NDArray[np.int64]) -> None:
        """Give every user a new code, `code[old]`."""
        self._recode(self._user, code)

    def renumber_names(self, code: NDArray[np.int64]) -> None:
        """Give every name a new code, `code[old]`."""
        self._recode(self._name, code)

    def _codes(self, half: Half | None) -> NDArray[np.int64]:
        if half is None:
            return np.empty(0, np.int64)
        return low(self["lo"]) if half is Half.LOW else high(self["lo"])

    def _recode(self, half: Half | None, code: NDArray[np.int64]) -> None:
        lo = self["lo"]
        if half is Half.LOW:
            self.rekey(packed(code[low(lo)], high(lo)))
        elif half is Half.HIGH:
            self.rekey(packed(low(lo), code[high(lo)]))


class CodedPart:
    """A part of memory that consists of coded tables: their codes and their snapshot."""

    def __init__(self, tables: Mapping[str, CodedTable]) -> None:
        """`tables`: by what their names in a snapshot have behind the part's own."""
        self._tables: Mapping[str, CodedTable] = tables

    def __len__(self) -> int:
        return sum(map(len, self._tables.values()))

    def users(self) -> RowNumbers:
        """The users of all rows."""
        return np.concatenate([table.users() for table in self._tables.values()])

    def names(self) -> NDArray[np.int64]:
        """The names of all rows."""
        return np.concatenate([table.names() for table in self._tables.values()])

    def drop_users(self, is_dropped: Mask) -> None:
        """Drop all that is remembered of some users."""
        for table in self._tables.values():
            table.drop_users(is_dropped)

    def renumber_users(self, code: NDArray[np.int64]) -> None:
        """Give every user a new code, `code[old]`."""
        for table in self._tables.values():
            table.renumber_users(code)

    def renumber_names(self, code: NDArray[np.int64]) -> None:
        """Give every name a new code, `code[old]`."""
        for table in self._tables.values():
            table.renumber_names(code)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a snapshot holds, as views."""
        arrays: dict[str, NDArray[Any]] = {}
        for name, table in self._tables.items():
            arrays |= table.arrays(prefix + name)
        return arrays

    def restore(self, prefix: str, arrays: Arrays) -> None:
        """Take over what `arrays` gave, as copies."""
        for name, table in self._tables.items():
            table.restore(prefix + name, arrays)


Expired = Callable[["ExpiringTable", int], Mask]  # by the rows and a watermark


class ExpiringTable(CodedTable):
    """A coded table with a rule that says which rows no accepted event can change any more."""

    def __init__(
        self,
        slack: int,
        expired: Expired,
        *,
        user: Half | None = Half.LOW,
        name: Half | None = Half.HIGH,
        **kinds: DTypeLike,
    ) -> None:
        super().__init__(user=user, name=name, **kinds)
        self._expired: Final = expired
        self._compaction = Compaction(slack)

    def prune(self, watermark: int) -> None:
        """Drop expired rows, when there are many."""
        if self._compaction.is_due(len(self)):
            self._compaction.compact(self, self._expired(self, watermark))


class ExpiringPart(CodedPart):
    """A part of memory whose rows expire behind the watermark, each table by its own rule."""

    def __init__(self, tables: Mapping[str, ExpiringTable]) -> None:
        super().__init__(tables)
        self._tables: Mapping[str, ExpiringTable] = tables

    def prune(self, watermark: int) -> None:
        """Drop rows that no accepted event can change any more, when there are many."""
        for table in self._tables.values():
            table.prune(watermark)
