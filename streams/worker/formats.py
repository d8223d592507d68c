"""The formats of what workers leave for each other: the state of both sides, and blocks of cells.

Workers of two formats never run together: an older one could not read what a newer one left. The
formats stand in the protocol of the consumer group, which the broker lets all members share.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from schemas import blocks
from schemas.keyed_names import KeyedNames
from streams.core.kol import formats as kol_formats
from streams.core.sides import Side
from streams.core.user import formats as user_formats
from streams.snapshots import WAY_BACK, Conversion, format_number

CONVERSIONS: Final[dict[Side, Callable[[KeyedNames], Sequence[Conversion]]]] = {
    Side.USER: user_formats.conversions,
    Side.KOL: lambda _: kol_formats.CONVERSIONS,
}
_ANY: Final = KeyedNames(b"")  # how many conversions there are does not depend on the key


class Formats(NamedTuple):
    """What the workers of a group must have in common."""

    user: int  # state of the user side
    kol: int  # state of the KOL side
    blocks: int  # messages of `kol-cells`

    def __str__(self) -> str:
        return f"user side {self.user}, KOL side {self.kol}, blocks {self.blocks}"


WITHOUT_NAME: Final = "faust"  # the protocol of the versions that named no formats,
UNNAMED: Final = Formats(user=2, kol=1, blocks=1)  # which all had these
NAMED: Final = re.compile(r"kol-formats-(\d+)-(\d+)-(\d+)")


def formats() -> Formats:
    """Those of this version."""
    user, kol = (format_number(CONVERSIONS[side](_ANY)) for side in (Side.USER, Side.KOL))
    return Formats(user, kol, blocks.FORMAT)


def protocol(of: Formats) -> str:
    """The protocol of a group whose workers have these formats.

    >>> protocol(Formats(3, 1, 1)), protocol(UNNAMED)
    ('kol-formats-3-1-1', 'faust')
    """
    return WITHOUT_NAME if of == UNNAMED else f"kol-formats-{of.user}-{of.kol}-{of.blocks}"


def formats_of(protocol: str) -> Formats | None:
    """The formats of the workers whose group has this protocol; None: they are no workers."""
    if protocol == WITHOUT_NAME:
        return UNNAMED
    named = NAMED.fullmatch(protocol)
    return None if named is None else Formats(*map(int, named.groups()))


def conflict(group: str, found: str, own: Formats) -> str | None:
    """Why a worker must not join a group with the protocol `found`; None if it may.

    Says what to do.
    """
    if found == protocol(own):
        return None
    theirs = formats_of(found)
    if theirs is None:
        return (
            f"the group {group} is used by consumers that are no workers (protocol {found}): stop "
            "them, or take another KOL_APP_ID"
        )
    what = f"workers of {group} run with other formats ({theirs}; this version: {own})"
    if any(one > other for one, other in zip(theirs, own, strict=True)):
        return f"{what}, and workers of two formats never run together. {WAY_BACK}"
    return (
        f"{what}: stop all of them, then start those of this version (one with a name counts "
        "until KOL_WORKER__SESSION_SECONDS have passed)"
    )
