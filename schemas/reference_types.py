"""What is known of KOLs, contents, spending, people and policy: the reference topics, by field.

One record is one JSON object whose key names what it is about (`reference_keys`); the newest
record of a key replaces the former ones, and one without a value takes it back. All of them are
optional: what needs a topic that is not there has no value, and says so. As with events a field
without a default is required, any other may be absent or null, an empty optional string counts as
absent, fields that are not named here are ignored, and labels are kept as sent.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final

from msgspec import Meta, Struct

from schemas.events import UNRESERVED, Cents, Id, Label, Moment, Ref, Share, Tag, about

PROFILES: Final = "kol-profile"
CONTENTS: Final = "content"
SPEND: Final = "campaign-spend"
PERCEPTIONS: Final = "perception"
IDENTITIES: Final = "identity"
POLICIES: Final = "policy"
NOTICES: Final = "kol-notice"
CONSENTS: Final = "kol-consents"

NOTICE_KINDS: Final = ("violation", "retraction", "appeal_upheld")

MAX_LIST: Final = 256  # members of a list or of an object

_Words = Annotated[tuple[Label, ...], Meta(max_length=MAX_LIST)]
_Weights = Annotated[dict[Label, float], Meta(max_length=MAX_LIST)]
_Shares = Annotated[dict[Label, Share], Meta(max_length=MAX_LIST)]

# A day of this century: months of 31 and 30 days, February, its 29th in leap years
_CALENDAR: Final = (
    "^20(?:[0-9]{2}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    "|(?:[02468][048]|[13579][26])-02-29)$"
)
Day = Annotated[str, Meta(pattern=_CALENDAR, min_length=10, max_length=10)]
Month = Annotated[str, Meta(pattern="^[0-9]{4}-(?:0[1-9]|1[0-2])$", min_length=7, max_length=7)]


class Coupon(Struct, frozen=True, kw_only=True, gc=False):
    """A coupon of a KOL, from a moment on."""

    coupon_id: Annotated[Id, about("the coupon, as purchases name it")]
    since: Annotated[Moment, about("from when it is the KOL's: milliseconds since the epoch, UTC")]


class KolProfile(Struct, frozen=True, kw_only=True, gc=False):
    """Who a KOL is."""

    kol_id: Annotated[Id, UNRESERVED, about("the KOL; key of the record")]
    ts: Annotated[Moment | None, about("when this was said: milliseconds since the epoch, UTC")] = (
        None
    )
    display_name: Annotated[Label | None, about("the name that people read")] = None
    user_id: Annotated[
        Ref | None, about("the KOL's own account as a buyer; a placeholder is none")
    ] = None
    tier: Annotated[Label | None, about("size of the audience, e.g. head, waist, koc")] = None
    vertical: Annotated[Label | None, about("the field, e.g. nutrition, sleep")] = None
    credentials: Annotated[_Words | None, about("proofs of expertise, e.g. paediatrician")] = None
    verified: Annotated[bool | None, about("the platform has verified who it is")] = None
    value_tags: Annotated[_Words | None, about("values that the KOL stands for")] = None
    virtual_kol: Annotated[bool | None, about("no human being")] = None
    coupon_ids: Annotated[
        Annotated[tuple[Coupon, ...], Meta(max_length=MAX_LIST)] | None,
        about("coupons of the KOL, each with `coupon_id` and `since`, from when it holds"),
    ] = None


class Content(Struct, frozen=True, kw_only=True, gc=False):
    """What was published."""

    content_id: Annotated[Id, about("the content; key of the record")]
    ts: Annotated[Moment, about("when it was published: milliseconds since the epoch, UTC")]
    kol_id: Annotated[
        Ref | None, UNRESERVED, about("whose it is; absent or a placeholder: no KOL's")
    ] = None
    genre: Annotated[
        Label | None,
        about("lab_review, expert_qa, narrative, experience, promo, live, co_created"),
    ] = None
    sponsored: Annotated[bool | None, about("somebody paid for it")] = None
    disclosed: Annotated[bool | None, about("it says that somebody paid for it")] = None
    evidence_refs: Annotated[_Words | None, about("what it proves its claims by")] = None
    claims: Annotated[_Words | None, about("what it claims")] = None
    text: Annotated[str | None, about("its text")] = None
    ai_generated: Annotated[bool | None, about("made by a machine")] = None
    virtual_kol: Annotated[bool | None, about("presented by no human being")] = None


class SpendCents(Struct, frozen=True, kw_only=True, gc=False):
    """What was spent, by kind, in the smallest unit of its currency; absent is nothing."""

    fee: Annotated[Cents | None, about("paid to the KOL")] = None
    commission: Annotated[Cents | None, about("paid by orders")] = None
    seeding: Annotated[Cents | None, about("products given away")] = None
    coupon: Annotated[Cents | None, about("coupons redeemed")] = None


class CampaignSpend(Struct, frozen=True, kw_only=True, gc=False):
    """What one campaign with one KOL cost on one day."""

    kol_id: Annotated[Id, UNRESERVED, about("the KOL; with campaign and day key of the record")]
    campaign: Annotated[Id, about("the campaign")]
    day: Annotated[Day, about("the business day, such as 2026-06-18")]
    spend_cents: Annotated[
        SpendCents, about("`fee`, `commission`, `seeding`, `coupon`: what was spent; absent: 0")
    ]
    ts: Annotated[Moment | None, about("when this was said: milliseconds since the epoch, UTC")] = (
        None
    )
    brand_id: Annotated[Ref | None, about("the brand that pays")] = None
    currency: Annotated[Label | None, about("ISO 4217; absent: the shop's")] = None
    target_segment: Annotated[
        _Shares | None, about("whom it is for: the share of each group of users")
    ] = None
    tracked_keywords: Annotated[_Words | None, about("searches that it is to be found by")] = None


class Perception(Struct, frozen=True, kw_only=True, gc=False):
    """What one respondent of a survey thinks of a KOL."""

    kol_id: Annotated[Id, UNRESERVED, about("the KOL; with respondent and wave key of the record")]
    respondent: Annotated[Id, about("who answers, as the survey names people")]
    wave: Annotated[Id, about("which round of the survey")]
    ts: Annotated[Moment, about("when it was answered: milliseconds since the epoch, UTC")]
    user_id: Annotated[
        Ref | None, about("the respondent as a user, if known; a placeholder is none")
    ] = None
    brand_id: Annotated[Ref | None, about("the brand that is asked about")] = None
    survey: Annotated[Label | None, about("the survey")] = None
    nps: Annotated[
        Annotated[int, Meta(ge=0, le=10)] | None, about("would recommend: net promoter score")
    ] = None
    brand_lift: Annotated[
        Annotated[float, Meta(ge=-1, le=1)] | None,
        about("opinion of the brand after the content less before, each 0 to 1"),
    ] = None
    authenticity: Annotated[
        Annotated[float, Meta(ge=1, le=5)] | None, about("how genuine the KOL seems")
    ] = None
    aided_recall: Annotated[bool | None, about("knows the brand when it is named")] = None
    unaided_recall: Annotated[bool | None, about("names the brand unasked")] = None


class Identity(Struct, frozen=True, kw_only=True, gc=False):
    """Which user an anonymous id belongs to, and what the user has said of the family."""

    anon_id: Annotated[Id, about("the anonymous id; with ts key of the record")]
    ts: Annotated[Moment, about("from when on: milliseconds since the epoch, UTC")]
    user_id: Annotated[Id, about("the user")]
    confidence: Annotated[Share | None, about("how sure that is")] = None
    age_band: Annotated[Label | None, about("of the user")] = None
    birth_month: Annotated[Month | None, about("of the child, e.g. 2026-03; may be to come")] = None
    geo: Annotated[Tag | None, about("region or city of the user")] = None
    tags: Annotated[_Weights | None, about("interests and values, each with a weight")] = None


class Policy(Struct, frozen=True, kw_only=True, gc=False):
    """A public policy that moves demand."""

    policy_id: Annotated[Id, about("the policy; key of the record")]
    ts: Annotated[Moment, about("when it was announced: milliseconds since the epoch, UTC")]
    region: Annotated[Label | None, about("where it holds")] = None
    type: Annotated[Label | None, about("what it is, e.g. subsidy for a third child")] = None
    effective_from: Annotated[
        Moment | None, about("from when it holds: milliseconds since the epoch, UTC")
    ] = None


class Notice(Struct, frozen=True, kw_only=True, gc=False):
    """A platform or authority said something about a KOL."""

    kol_id: Annotated[Id, UNRESERVED, about("the KOL; with kind and ref key of the record")]
    kind: Annotated[str, Meta(extra_json_schema={"enum": list(NOTICE_KINDS)}), about("what it is")]
    ref: Annotated[Id, about("the case, as the platform names it")]
    ts: Annotated[Moment, about("when it was said: milliseconds since the epoch, UTC")]


class Consent(Struct, frozen=True, kw_only=True, gc=False):
    """What a family allows to be kept of events that are appended 5 s after it or later."""

    user_id: Annotated[Id, about("the user; key of the record")]
    ts: Annotated[Moment, about("when it was given: milliseconds since the epoch, UTC")]
    stage: Annotated[bool | None, about("the stage of the child; absent: no")] = None
    geo: Annotated[bool | None, about("region or city; absent: no")] = None
    age_band: Annotated[bool | None, about("the age band; absent: no")] = None

    @property
    def allowed(self) -> tuple[bool, bool, bool]:
        """Whether stage, geo and age band may be used."""
        return bool(self.stage), bool(self.geo), bool(self.age_band)


Reference = KolProfile | Content | CampaignSpend | Perception | Identity | Policy | Notice | Consent
REFERENCES: Final[Mapping[str, type[Reference]]] = MappingProxyType(
    {
        PROFILES: KolProfile,
        CONTENTS: Content,
        SPEND: CampaignSpend,
        PERCEPTIONS: Perception,
        IDENTITIES: Identity,
        POLICIES: Policy,
        NOTICES: Notice,
        CONSENTS: Consent,
    }
)
PERSONAL: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {  # topic -> fields that may name a person
        PROFILES: ("user_id",),
        PERCEPTIONS: ("respondent", "user_id"),
        IDENTITIES: ("anon_id", "user_id"),
        CONSENTS: ("user_id",),
    }
)
