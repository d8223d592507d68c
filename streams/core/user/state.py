"""Everything a partition of the user side remembers, part by part."""

from functools import partial
from typing import Final, TypedDict

import numpy as np

from schemas.columns import Mask, Rejected
from schemas.currencies import CURRENCY
from schemas.events import INPUTS
from schemas.keyed_names import KeyedNames
from schemas.reference_types import CONSENTS
from schemas.topics import ERASURES
from streams.core.arrays.coded import CodedPart
from streams.core.arrays.index import Keyed
from streams.core.arrays.names import Names
from streams.core.moments import NEVER
from streams.core.user import admission, touches
from streams.core.user.admission import Admission
from streams.core.user.allowed_users import AllowedUsers
from streams.core.user.cells import Cells
from streams.core.user.dedup import Gate
from streams.core.user.depth import Depth
from streams.core.user.distinct import Distinct, DistinctBuyers
from streams.core.user.door_counts import DoorCounts
from streams.core.user.erased_persons import ErasedPersons
from streams.core.user.event_rows import EventRows
from streams.core.user.evidence import Allowances
from streams.core.user.journeys import Lookup
from streams.core.user.known_values import KnownValues
from streams.core.user.orders import Orders
from streams.core.user.share_reach import ShareReach
from streams.core.user.touches import Touches
from streams.core.user.uncounted import Uncounted
from streams.core.user.unfollowers import Unfollowers

SLACK: Final = 1 << 16  # rows of one part below which nothing is pruned


class Limits(TypedDict, total=False):
    """How much is remembered, and what counts; `slack` does not show in any row."""

    slack: int  # rows of one part below which nothing is pruned
    touch_limit: int  # touches of a user, half hour and topic
    name_limit: int  # KOLs with cells of their own, by topic and four weeks
    label_limit: int  # words of a label of orders, by four weeks
    currency: str  # the shop's, as `schemas.currencies` has it


class UserState:
    """The parts; the steps of `pipeline` change them in place."""

    def __init__(
        self,
        hmac_key: bytes,
        *,
        slack: int = SLACK,
        touch_limit: int = touches.LIMIT,
        name_limit: int = admission.LIMIT,
        label_limit: int = admission.LABEL_LIMIT,
        currency: str = CURRENCY,
    ) -> None:
        """Begin with nothing."""
        self.keyed: Final = KeyedNames(hmac_key)  # gives users, events and orders their names
        self.currency: Final = currency
        self.offsets = dict.fromkeys((*INPUTS, ERASURES, CONSENTS), 0)  # where reading goes on
        self.read_to = dict.fromkeys(INPUTS, NEVER)  # all that was appended before is folded
        self.folded = 0  # updates of this life
        self.pruned_to = NEVER  # the watermark up to which expired rows were dropped
        self.observed_to = NEVER  # orders are observed up to here; after a restore anew
        self.letters: list[Rejected] = []  # dead letters to be written
        self.door_counts = DoorCounts()
        self.gates = {topic: Gate(slack) for topic in INPUTS}
        self.users = Keyed()
        self.names, self.labels = Names(), Names()  # KOLs, brands, words with a limit; labels
        self.erased = ErasedPersons(self.keyed)
        self.consents = AllowedUsers(slack)
        self.known = KnownValues()  # of the process, not of the partition: no snapshot has it
        self.touches = Touches(slack, touch_limit)
        self.orders = Orders(slack)
        self.uncounted = Uncounted()
        self.events = EventRows()
        self.admission = Admission(slack, name_limit, label_limit)
        self.cells = Cells(slack)
        self.distinct, self.buyers = Distinct(slack), DistinctBuyers(slack)
        self.depth = Depth(slack)
        self.allowances = Allowances(slack)
        self.share_reach, self.unfollowers = ShareReach(slack), Unfollowers(slack)

    def lookup(self) -> Lookup:
        """Looks up the touches that count for orders of users."""
        return partial(self.touches.journeys, rank=self.names.rank())

    def mark_read_to(self, topic: str, at: int) -> None:
        """Take in that all which was appended to an input before `at` is folded."""
        self.read_to[topic] = max(self.read_to[topic], at)

    @property
    def durable_offsets(self) -> dict[str, int]:
        """Where reading goes on after a snapshot taken now.

        An erasure is read again until all is dropped that is known of the person, so who
        sees its offset committed knows that.
        """
        pending = self.erased.first_pending_offset(self.offsets[ERASURES])
        return {**self.offsets, ERASURES: pending}

    def keep_users(self, stays: Mask) -> None:
        """Drop all users but these; the others get new codes in their order."""
        code = np.cumsum(stays) - 1
        self.users.keep(stays)
        for part in self.with_users:
            part.renumber_users(code)

    @property
    def with_users(self) -> tuple[CodedPart | Orders, ...]:
        """The parts that mention users."""
        return *self.by_user, self.orders

    @property
    def by_user(self) -> tuple[CodedPart, ...]:
        """The parts whose rows leave with their users; orders go on without."""
        return (
            *(self.touches, self.distinct, self.buyers, self.depth, self.allowances),
            *(self.share_reach, self.unfollowers),
        )
