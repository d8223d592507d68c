"""What the shop knows beside the events: records of all reference topics, as the story goes.

Most is known before the first event. While the demo is live, a review that was paid for is found
out and disclosed, families change what they allow, a survey goes on and money is spent. All of it
is drawn from seeds of its own: no event changes by it.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from random import Random
from typing import Final

from deploy.demo import campaigns, story
from deploy.demo.audience import user_id
from deploy.demo.contents import DAY_MS, content_id, contents
from deploy.demo.families import ALLOWED, Families, Family
from deploy.demo.market import Kol
from deploy.demo.outbox import Event, Message
from deploy.demo.profiles import profile
from deploy.demo.story import Role
from schemas.reference_types import (
    CONSENTS,
    CONTENTS,
    IDENTITIES,
    NOTICES,
    PERCEPTIONS,
    POLICIES,
    PROFILES,
    SPEND,
)

SECOND: Final = 1_000  # milliseconds
KNOWN_MS: Final = 2 * 3_600_000  # before the demo goes live, most of it is known
DEBUT_S: Final = -60  # newcomers are known just before anybody meets them
STORY_S: Final = 900  # of live time in which something new is said
SPEND_S, CONSENT_S, ANSWER_S = 30, 7, 3  # between two records of a kind meanwhile
RESPONDENTS: Final = 8  # of a wave about a KOL; about one of the cast
WAVES: Final = {"w1": 20, "w2": 5}  # days ago
HANDED_DOWN: Final = 0.02  # of anonymous ids, which were somebody else's before
WITHDRAWN: Final = 0.7  # of families that change their mind

Timed = tuple[int, str, Event]  # moment, topic, record


class Catalogue:
    """Records of the reference topics, by their moment.

    Args:
        seed: of all of them.
        users: how many users there are.
        kols: everyone, the newcomers among them.
        families: of the users.

    """

    def __init__(self, seed: int, users: int, kols: Sequence[Kol], families: Families) -> None:
        self._seed, self._users, self._kols, self._families = seed, users, kols, families
        self._timed = lru_cache(maxsize=1)(self._all)

    def records(self, start_ms: int, end_ms: int, live_ms: int) -> Iterator[Message]:
        """Topic and record of each whose moment is in [start, end), in order."""
        timed = self._timed(live_ms)
        first, last = (bisect_left(timed, at, key=lambda one: one[0]) for at in (start_ms, end_ms))
        return ((topic, record) for _, topic, record in timed[first:last])

    def _all(self, live: int) -> list[Timed]:
        found: list[Timed] = []
        for source in (self._kol_side, self._spending, self._answers, self._people):
            found += source(Random(f"{source.__name__}-{self._seed}"), live)
        found += [(said["ts"], POLICIES, said) for said in campaigns.policies(live)]
        found += [(said["ts"], NOTICES, said) for said in campaigns.notices(live)]
        return sorted(found, key=lambda one: one[0])  # those of one moment as above

    def _kol_side(self, rng: Random, live: int) -> Iterator[Timed]:
        """Profiles, and what the KOLs published; one of it is disclosed later."""
        newcomers = {part.kol_id for part in story.NEWCOMERS}
        for kol in self._kols:
            known = live + (DEBUT_S * SECOND if kol.kol_id in newcomers else -KNOWN_MS)
            yield known, PROFILES, profile(rng, kol, known)
            for content in contents(rng, kol, known):
                yield content["ts"], CONTENTS, content
                if kol.role is Role.FALLING and content["content_id"] == content_id(kol, 0):
                    later = live + story.DISCLOSED_S * SECOND
                    yield later, CONTENTS, content | {"disclosed": True}

    def _spending(self, rng: Random, live: int) -> Iterator[Timed]:
        """What was spent on each of the last days; then what was spent today so far."""
        known = live - KNOWN_MS
        for kol in campaigns.campaigns(self._kols):
            about = campaigns.campaign(rng, kol)
            for ago in range(campaigns.DAYS, 0, -1):
                cents = campaigns.spent(rng, kol)
                day = campaigns.day(known - ago * DAY_MS)
                yield known, SPEND, about | {"day": day, "ts": known, "spend_cents": cents}
            cents = campaigns.spent(rng, kol)
            for second in range(0, STORY_S, SPEND_S):
                at = live + second * SECOND
                so_far = {name: value * second // STORY_S for name, value in cents.items()}
                today = {"day": campaigns.day(at), "ts": at, "spend_cents": so_far}
                yield at, SPEND, about | today

    def _answers(self, rng: Random, live: int) -> Iterator[Timed]:
        """Two waves of the survey before the demo, and one that goes on meanwhile."""
        cast = [kol for kol in self._kols if kol.role is not Role.STEADY]
        for wave, ago in WAVES.items():
            for kol in [*self._kols, *cast * 3]:
                for _ in range(RESPONDENTS):
                    at = live - ago * DAY_MS + rng.randrange(DAY_MS)
                    said = campaigns.answer(rng, kol, at, wave, self._users)
                    yield at, PERCEPTIONS, said
        for number, second in enumerate(range(0, STORY_S, ANSWER_S)):
            kol, at = cast[number % len(cast)], live + second * SECOND
            yield at, PERCEPTIONS, campaigns.answer(rng, kol, at, "w3", self._users)

    def _people(self, rng: Random, live: int) -> Iterator[Timed]:
        """Whose an anonymous id is, and what a family allows; some change their mind."""
        for number in range(self._users):
            family, known = self._families.of(number), live - KNOWN_MS
            bound, asked, former = (known - rng.randrange(300 * DAY_MS) for _ in range(3))
            if family.is_bound:
                yield bound, IDENTITIES, _identity(family, number, bound, live)
                if rng.random() < HANDED_DOWN:
                    at = min(bound, former) - DAY_MS
                    before = user_id((number + 1) % self._users)
                    said = {"anon_id": family.anon_id, "ts": at, "user_id": before}
                    yield at, IDENTITIES, said
            if family.consent is not None:
                said = {"user_id": user_id(number), "ts": asked, **family.consent}
                yield asked, CONSENTS, said
        for second in range(10, STORY_S, CONSENT_S):
            at = live + second * SECOND
            number = int(self._users * rng.random() ** 2)  # of those who come often
            allowed = dict.fromkeys(ALLOWED, rng.random() >= WITHDRAWN)
            yield at, CONSENTS, {"user_id": user_id(number), "ts": at, **allowed}


def _identity(family: Family, number: int, at: int, live: int) -> Event:
    """A record of `identity`: from when on an anonymous id is a user's."""
    said: Event = {
        "anon_id": family.anon_id,
        "ts": at,
        "user_id": user_id(number),
        "confidence": 1.0 if family.has_told else 0.9,
        "geo": family.geo,
        "tags": dict(family.tags),
    }
    if family.has_told:
        told = {"age_band": family.age_band, "birth_month": birth_month(family.months, live)}
        said |= told
    return said


def birth_month(months: int, live: int) -> str:
    """The month in which a child was or is to be born that is so many months old at a moment.

    >>> birth_month(13, 1_760_000_000_000), birth_month(-3, 1_760_000_000_000)  # October 2025
    ('2024-09', '2026-01')

    """
    now = datetime.fromtimestamp(live / 1_000, UTC)
    year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    return f"{year}-{month + 1:02}"
