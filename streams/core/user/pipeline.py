"""How one batch is folded: decode, persons, dedup, events, codes, touches, orders, cells.

`schemas.codec` has decoded the batch; `steps` describes and times each step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from schemas.cells import BRAND, OTHERS
from schemas.columns import (
    NONE,
    PLACEHOLDER,
    Behaviour,
    Codes,
    Decoded,
    Keys,
    Mask,
    Moments,
    Purchases,
)
from schemas.currencies import DECIMALS
from schemas.doors import Door
from schemas.events import INTERACTIONS, PURCHASES, Kind
from schemas.values import Values
from streams.core.arrays.index import RowNumbers
from streams.core.user.admission import named
from streams.core.user.content import contents
from streams.core.user.counting import count_behaviour, count_purchases
from streams.core.user.dedup import Doors
from streams.core.user.dropped_purchases import (
    differing_letters,
    late_letters,
    repeated_letters,
)
from streams.core.user.erased_persons import Persons
from streams.core.user.event_rows import needs_consent
from streams.core.user.evidence import credibility
from streams.core.user.order_table import CodedPurchases
from streams.core.user.orders import DROPPED, Paid
from streams.core.user.own_events import own_events
from streams.core.user.state import UserState
from streams.core.user.steps import StepTimer
from streams.core.user.touches import NO_TOUCH, classes
from streams.core.user.uncounted import Acts

Facts = Behaviour | Purchases

_COUNTED_AS: Final = {
    "paid_differs": (Paid.OTHER, Paid.REPLACES_OTHER),
    "paid_replaced": (Paid.REPLACES_SAME, Paid.REPLACES_OTHER),
    "paid_after_cancel": (Paid.CANCELLED,),
}


class Pipeline:
    """Folds batches into a state, step by step."""

    def __init__(self, state: UserState, timer: StepTimer) -> None:
        self._state: Final = state
        self._run: Final = timer.run

    def fold(self, decoded: Decoded) -> None:
        """Take in one record batch of one topic, in the order of the log."""
        facts, persons = self._run("persons", self._persons, decoded)
        door, before = self._run("dedup", self._dedup, facts, persons)
        accepted = np.flatnonzero(door == Door.WRITTEN)
        if isinstance(facts, Behaviour):
            user_id, details = decoded.facts.user, decoded.details
            if details is not None:
                self._run("events", self._state_events, facts, details, accepted, persons, user_id)
            self._fold_behaviour(facts, accepted, user_id)
        elif accepted.size:
            dropped = self._fold_purchases(facts, accepted, before, persons)
            door[accepted[dropped]] = Door.DUPLICATE_ORDER
        self._state.door_counts.count_doors(facts.topic, door)
        self._state.offsets[facts.topic] = facts.next_offset

    def _state_events(
        self,
        events: Behaviour,
        details: Mapping[str, Values],
        accepted: RowNumbers,
        persons: Persons | None,
        user_id: Keys,
    ) -> None:
        """Collect the rows of accepted events; of a person who was erased nothing is said again.

        `user_id`: the names of all as sent, which consents are by.
        """
        if persons is not None:
            accepted = accepted[~persons.is_erased[accepted]]
        allowed = None
        if len(self._state.consents) and needs_consent(details):
            allowed = self._state.consents.allowed(user_id[accepted], events.received_at[accepted])
        self._state.events.add(events, details, accepted, allowed, self._state.known)

    def _fold_behaviour(self, events: Behaviour, accepted: RowNumbers, user_id: Keys) -> None:
        """Fold accepted events; `user_id`: the keys of all, also of persons who were erased."""
        named = events.kol[accepted]
        which = accepted[named >= 0]
        lost = int(np.count_nonzero(named == PLACEHOLDER))
        if lost:
            self._state.door_counts.add(events.topic, "placeholder_kol", lost)
        if not which.size:
            return
        events, user, kol = self._run("codes", self._behaviour_codes, events.take(which))
        own = self._own(events, kol, user_id[which])
        touched = self._run("touches", self._touches, events, user, kol, own)
        self._run("orders", self._state.orders.touches.mark_touched, *touched)
        credible = self._credibility(events)
        if self._state.uncounted.add(Acts(events, user, kol, own, credible)):
            self.count()

    def count(self) -> None:
        """Count the events that wait for it: before anything looks at what they change."""
        for acts in self._state.uncounted.take():
            self._run("cells", count_behaviour, self._state, acts)

    def _credibility(self, events: Behaviour) -> NDArray[np.int64]:
        """How far each event is believed; nobody asks that of clicks."""
        if events.topic != INTERACTIONS:
            return np.zeros(len(events), np.int64)
        raters = self._state.known.raters(events.user, events.received_at)
        return credibility(events.account_age_d, *raters)

    def _own(self, events: Behaviour, kol: Codes, user_id: Keys) -> Mask:
        """Which events are of their KOL's own account: they are counted, and speak for nobody."""
        own = own_events(self._state.names, self._state.keyed, kol, user_id)
        known = self._state.known
        own |= known.own_accounts(events.kols, events.kol, user_id, events.received_at)
        self._state.door_counts.add(events.topic, "own_event", int(np.count_nonzero(own)))
        return own

    def _fold_purchases(
        self, events: Purchases, accepted: RowNumbers, before: Moments, persons: Persons | None
    ) -> Mask:
        """Which of the accepted are a `paid` in place of which another one stands."""
        purchases = self._run("codes", self._purchase_codes, events, accepted, before, persons)
        by_nobody = int(np.count_nonzero(purchases["placeholder_user"]))
        self._state.door_counts.add(events.topic, "placeholder_user", by_nobody)
        changes = self._run("orders", self._state.orders.fold, purchases)
        self._run("cells", count_purchases, self._state, changes)
        if not changes.paid.any():
            return np.zeros(len(accepted), np.bool_)
        known = ~purchases.is_erased
        self._state.letters += repeated_letters(events, accepted[known], changes.paid[known])
        counts = np.bincount(changes.paid, minlength=len(Paid))
        for counter, outcomes in _COUNTED_AS.items():
            self._state.door_counts.add(events.topic, counter, int(counts[list(outcomes)].sum()))
        return np.isin(changes.paid, DROPPED)

    def _persons(self, decoded: Decoded) -> tuple[Facts, Persons | None]:
        """The events under the keys of their persons; None where nobody of them was erased."""
        state, facts = self._state, decoded.facts
        if len(facts):
            state.mark_read_to(facts.topic, int(facts.received_at.max()))
        state.door_counts.count_rejected(decoded.rejected)
        state.letters += state.erased.without_erased(decoded.rejected)
        persons = state.erased.persons(facts.user, facts.received_at)
        return (facts, None) if persons is None else (replace(facts, user=persons.key), persons)

    def _dedup(self, facts: Facts, persons: Persons | None) -> tuple[Doors, Moments]:
        """Each event's door, and the greatest accepted time before each."""
        gate = self._state.gates[facts.topic]
        content = contents(facts, self._state.currency)
        door, before, differs = gate.decide(facts.at, facts.identity, content)
        if differs.any():
            count = int(np.count_nonzero(differs))
            self._state.door_counts.add(facts.topic, "duplicate_differs", count)
        if isinstance(facts, Purchases):
            known = np.ones(len(facts), np.bool_) if persons is None else ~persons.is_erased
            late = late_letters(facts, (door == Door.TOO_LATE) & known, before)
            self._state.letters += late + differing_letters(facts, differs & known)
        return door, before

    def _behaviour_codes(self, events: Behaviour) -> tuple[Behaviour, RowNumbers, Codes]:
        """The events with their users and KOLs in our codes."""
        user, _ = self._state.users.add(events.user[:, 0], events.user[:, 1])
        return events, user, self._state.names.recode(events.kols, events.kol)

    def _purchase_codes(
        self, events: Purchases, accepted: RowNumbers, before: Moments, persons: Persons | None
    ) -> CodedPurchases:
        """The accepted purchases with their users, brands and labels in our codes."""
        state, count = self._state, len(accepted)
        currency, shop = self._currencies(events, accepted)
        user, _ = state.users.add(events.user[accepted, 0], events.user[accepted, 1])
        brands = [BRAND + brand for brand in events.brands]
        return CodedPurchases(
            events,
            shop,
            accepted,
            user,
            state.names.recode(brands, events.brand[accepted]),
            self._label("platform", events.platforms, events, accepted),
            self._label("channel", events.channels, events, accepted),
            currency,
            self._label("category", events.categories, events, accepted),
            self._label("price_tier", events.price_tiers, events, accepted),
            self._label("size", events.sizes, events, accepted),
            before[accepted],
            np.zeros(count, np.bool_) if persons is None else persons.is_erased[accepted],
        )

    def _label(
        self, label: str, words: Sequence[str], events: Purchases, accepted: RowNumbers
    ) -> Codes:
        """A label of the accepted: of a word beyond the limit `~others`, of no `paid` none."""
        state, is_paid = self._state, events.kind[accepted] == Kind.PAID
        code: Codes = np.where(is_paid, getattr(events, label)[accepted], np.int32(NONE))
        said = np.flatnonzero(code != NONE)
        if not said.size:
            return code
        name = state.names.recode(named(label, words), code[said])
        beyond = said[~state.admission.admit(label, name, events.at[accepted[said]])]
        code[beyond] = NONE
        code = state.labels.recode(words, code)
        if beyond.size:
            code[beyond] = state.labels.codes([OTHERS])
        return code

    def _currencies(self, events: Purchases, accepted: RowNumbers) -> tuple[Codes, int]:
        """The currencies of the accepted, and that of the shop, which a `paid` has by default."""
        state, code = self._state, events.currency[accepted]
        is_unknown = np.array([*(one not in DECIMALS for one in events.currencies), False])
        unknown = int(np.count_nonzero(is_unknown[code]))  # an absent one takes the last place
        state.door_counts.add(PURCHASES, "currency_unknown", unknown)
        shop = int(state.labels.codes([state.currency])[0])
        currency = state.labels.recode(events.currencies, code)
        currency[(code == NONE) & (events.kind[accepted] == Kind.PAID)] = shop
        return currency, shop

    def _touches(
        self, events: Behaviour, user: RowNumbers, kol: Codes, own: Mask
    ) -> tuple[RowNumbers, Moments, Mask]:
        """Users and times of new moments of touches, and which begin one."""
        klass = classes(events)
        met = (klass != NO_TOUCH) & ~own
        return self._state.touches.add(
            events.topic, user[met], kol[met], klass[met], events.at[met]
        )
