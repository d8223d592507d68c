"""Numbered values: what all workers take for known from a moment on, as records of `kol-snapshots`.

A *number* is the state of one kind (`KINDS`) as the trainer found it. It is written once and never
changed; numbers rise, over all kinds, and none is used twice. Its records:

    <kind>/<number>/0 … n-1    parts: entries that are set, ids that are removed; at most 700 kB
    <kind>/<number>/manifest   its base, counts, the checksum of every part
    <kind>/<number>/seal       the checksum of the manifest

Parts and manifest are one Kafka transaction. The seal is appended once that is committed, outside
of any transaction: so its record time, which the broker gives, is later than the commit, and

    a number holds for records whose record time is at least `seal's record time + HOLDS_AFTER_MS`

follows from the log alone, however long a transaction was open; without a seal it never holds. Of
several numbers that hold the greatest counts. A reader that folds a record of time r has to have
read the topic to an end (of committed records) that it asked for after r - HOLDS_AFTER_MS; brokers
whose clocks differ, and replicas that lag, are what `READ_AFTER_MS` leaves room for.

A number is a *base*, which says everything, or a *delta* to one: base and delta are all that is
needed, and no key is ever written again but by a tombstone. So compaction harms no number.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_digest, xxh3_64_intdigest

from schemas.cells import DIMENSIONS
from schemas.entries import Column, Entries, Form, Forms, no_entries, texts, unknown
from schemas.values import Lists, pick

HOLDS_AFTER_MS: Final = 10_000  # from the record time of the seal to the first that it holds for
READ_AFTER_MS: Final = 5_000  # a reader's end is asked for no earlier than so long before a record
PART_BYTES: Final = 700_000  # of a part; a single entry may be longer
LAYOUT: Final = 1  # of parts and manifests
MANIFEST: Final = "manifest"
SEAL: Final = "seal"

CONTENT: Final = "content"
KOL: Final = "kol"
TRUST: Final = "trust"
AUDIT: Final = "audit"
RATER: Final = "rater"
TRUST_PARTS: Final = (  # as `TrustPrior`, in its order
    *("good", "bad", "odds", "rarity", "common", "drift", "weight", "source"),
)
AUDITED: Final = ("E", "A", "I")  # dimensions of which contents, notices and surveys say something
AUDIT_SUMS: Final = tuple(
    f"{line}{word}_{d}"
    for line in ("", "fast_")  # the score of record, the fast line
    for word in ("for", "against", "square")
    for d in AUDITED
)
KINDS: Final[Mapping[str, Forms]] = MappingProxyType(
    {
        CONTENT: MappingProxyType(
            {
                "disclosed": Form.FLAG,
                "sponsored": Form.FLAG,
                "expert": Form.FLAG,  # a lab review, or answers of an expert
            }
        ),
        KOL: MappingProxyType(
            {
                "tier": Form.TEXT,
                "vertical": Form.TEXT,
                "display_name": Form.TEXT,
                "accounts": Form.KEYS,  # keyed names of the user_ids that are the KOL's own
            }
        ),
        TRUST: MappingProxyType(  # by group of KOLs
            {f"{part}_{d}": Form.NUMBER for part in TRUST_PARTS for d in DIMENSIONS}
        ),
        AUDIT: MappingProxyType(  # by kol_id: faded sums of evidence that no event says
            {
                "minute": Form.NUMBER,  # as of which they are, since the epoch
                **dict.fromkeys(AUDIT_SUMS, Form.NUMBER),  # 1e-6, squares 1e-12, as in cells
            }
        ),
        RATER: MappingProxyType(  # by keyed name of a user, 32 hex digits
            {
                "agreement": Form.NUMBER,  # of what the user said with what is believed, 0 to 1
                "bought": Form.FLAG,  # has an order that stood
            }
        ),
    }
)

Record = tuple[bytes, bytes]  # key, value


class RecordKey(NamedTuple):
    """What the key of a record says."""

    kind: str
    number: int
    part: str  # digits, MANIFEST or SEAL

    def encode(self) -> bytes:
        """As it stands on the topic.

        >>> RecordKey("kol", 7, SEAL).encode()
        b'kol/7/seal'
        """
        return f"{self.kind}/{self.number}/{self.part}".encode()


def decode_key(key: bytes | None) -> RecordKey | None:
    """What a key says; None where it is not one of ours.

    >>> decode_key(b"kol/7/0"), decode_key(b"kol/07/0"), decode_key(b"kol/7")
    (RecordKey(kind='kol', number=7, part='0'), None, None)
    """
    words = (key or b"").decode("utf-8", "replace").split("/")
    if len(words) != len(RecordKey._fields):
        return None
    kind, number, part = words
    if not kind or not _is_number(number) or not (_is_number(part) or part in {MANIFEST, SEAL}):
        return None
    return RecordKey(kind, int(number), part)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and text == str(int(text))


class Manifest(msgspec.Struct, frozen=True, array_like=True, tag=LAYOUT):
    """What a number consists of."""

    kind: str
    number: int
    base: int  # the number it is a delta to; itself: it is a base
    rows: int  # ids that have values once it holds
    upserts: int  # entries in its parts
    removed: int  # removed ids in its parts
    sums: list[int]  # xxh3_64 of each part, in order
    made_at: int  # milliseconds by the clock of its trainer; for people
    app: str  # whose trainer it was

    @property
    def is_base(self) -> bool:
        """Whether it needs no other number."""
        return self.base == self.number


class _Part(msgspec.Struct, array_like=True, tag=LAYOUT):
    """Some entries, or some removed ids, whose columns are empty."""

    is_removal: bool
    ids: bytes
    id_ends: bytes
    columns: dict[str, list[bytes]]  # name -> values, or values and ends


_part_encoder = msgspec.msgpack.Encoder()
_part_decoder = msgspec.msgpack.Decoder(_Part)
_manifest_decoder = msgspec.msgpack.Decoder(Manifest)


class DamagedNumberError(ValueError):
    """A part or a manifest that cannot be read; says why."""


@dataclass(frozen=True)
class Said:
    """What the parts of a number say."""

    upserts: Entries
    removed: Lists


def encode_number(
    kind: str,
    number: int,
    upserts: Entries,
    *,
    base: int | None = None,
    removed: Lists | None = None,
    rows: int | None = None,
    made_at: int = 0,
    app: str = "",
) -> tuple[list[Record], Record]:
    """The records of a number: those of its transaction, in order, and its seal.

    Args:
        kind: one of `KINDS`.
        number: greater than every one before.
        upserts: of a base all entries, of a delta those that its base says otherwise; a column
            that they have not is not known.
        base: the base of a delta.
        removed: the ids of the base that are no more.
        rows: how many ids have values once it holds; of a base all of them.
        made_at: milliseconds by the clock of its trainer.
        app: whose trainer it is.

    Raises:
        ValueError: an id is there twice.

    """
    removed = texts([]) if removed is None else removed
    if not upserts.index.is_unique:
        raise ValueError(f"{kind}: an id is there twice")
    parts = [*_upsert_parts(upserts, KINDS[kind]), *_removal_parts(removed)]
    manifest = _encode_manifest(
        Manifest(
            kind,
            number,
            number if base is None else base,
            len(upserts) if rows is None else rows,
            len(upserts),
            len(removed),
            [xxh3_64_intdigest(part) for part in parts],
            made_at,
            app,
        )
    )
    records = [
        (RecordKey(kind, number, str(index)).encode(), part) for index, part in enumerate(parts)
    ]
    records.append((RecordKey(kind, number, MANIFEST).encode(), manifest))
    return records, (RecordKey(kind, number, SEAL).encode(), xxh3_64_digest(manifest))


def _encode_manifest(manifest: Manifest) -> bytes:
    body = msgspec.msgpack.encode(manifest)
    return xxh3_64_digest(body) + body


def decode_manifest(raw: bytes) -> Manifest:
    """A manifest that was checked.

    Raises:
        DamagedNumberError: it is not one, or not whole, or of a newer version.

    """
    body = raw[8:]
    if xxh3_64_digest(body) != raw[:8]:
        raise DamagedNumberError("the checksum of the manifest is wrong")
    try:
        return _manifest_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedNumberError(f"the manifest cannot be read: {error}") from None


def seals(seal: bytes, manifest: bytes) -> bool:
    """Whether a seal is that of a manifest."""
    return seal == xxh3_64_digest(manifest)


def decode_parts(manifest: Manifest, parts: Mapping[str, bytes]) -> Said:
    """What the parts of a manifest say, each checked.

    Raises:
        DamagedNumberError: one is missing, damaged, or of a newer version.

    """
    forms = KINDS.get(manifest.kind)
    if forms is None:
        raise DamagedNumberError(f"this version knows no values of the kind {manifest.kind}")
    upserts: list[Entries] = [no_entries(forms)]
    removed: list[Entries] = [no_entries({})]
    for index, expected in enumerate(manifest.sums):
        raw = parts.get(str(index))
        if raw is None:
            raise DamagedNumberError(f"part {index} of {len(manifest.sums)} is missing")
        if xxh3_64_intdigest(raw) != expected:
            raise DamagedNumberError(f"the checksum of part {index} is wrong")
        try:
            part = _part_decoder.decode(raw)
            into, wanted = (removed, {}) if part.is_removal else (upserts, forms)
            into.append(_entries(part, wanted))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
            raise DamagedNumberError(f"part {index} cannot be read: {error}") from None
    said = Said(Entries.joined(upserts), Entries.joined(removed).ids)
    if (len(said.upserts), len(said.removed)) != (manifest.upserts, manifest.removed):
        raise DamagedNumberError("the parts have another number of entries than the manifest")
    return said


def _upsert_parts(entries: Entries, forms: Forms) -> Iterator[bytes]:
    for begin, end in _cuts(entries):
        columns = {
            name: _column_bytes(pick(entries.columns[name], np.arange(begin, end)), form)
            for name, form in forms.items()
            if name in entries.columns
        }
        yield _encode_part(entries.ids[begin:end], columns, is_removal=False)


def _removal_parts(ids: Lists) -> Iterator[bytes]:
    for begin, end in _cuts(Entries(ids, {})):
        yield _encode_part(ids[begin:end], {}, is_removal=True)


def _encode_part(ids: Lists, columns: dict[str, list[bytes]], *, is_removal: bool) -> bytes:
    flat, ends = _column_bytes(ids, Form.TEXT)
    return _part_encoder.encode(_Part(is_removal, flat, ends, columns))


def _cuts(entries: Entries) -> Iterator[tuple[int, int]]:
    """The rows of each part: as many as fit, at least one."""
    size = entries.ids.sizes + _END_BYTES
    for column in entries.columns.values():
        if isinstance(column, Lists):
            flat = np.asarray(column.flat)
            each = flat.itemsize * int(np.prod(flat.shape[1:]))
            size = size + column.sizes * each + _END_BYTES
        else:
            size = size + column.itemsize
    reached = np.cumsum(size)
    begin = 0
    while begin < len(size):
        before = int(reached[begin - 1]) if begin else 0
        end = int(np.searchsorted(reached, before + PART_BYTES - _HEAD_BYTES, "right"))
        end = max(end, begin + 1)
        yield begin, end
        begin = end


_END_BYTES: Final = 4
_HEAD_BYTES: Final = 1_000  # of a part: names and lengths of its columns
_DTYPES: Final = {Form.FLAG: "<i1", Form.TEXT: "<u1", Form.KEYS: "<u8", Form.NUMBER: "<f8"}


def _column_bytes(column: Any, form: Form) -> list[bytes]:  # noqa: ANN401  # any form of values
    if not isinstance(column, Lists):
        return [np.asarray(column).astype(_DTYPES[form]).tobytes()]
    flat = np.asarray(column.flat).astype(_DTYPES[form])
    return [flat.tobytes(), column.ends.astype("<u4").tobytes()]


def _entries(part: _Part, forms: Forms) -> Entries:
    n = len(part.id_ends) // _END_BYTES
    ids = _lists(part.ids, part.id_ends, n, Form.TEXT)
    columns = {
        name: _column(part.columns[name], form, n) if name in part.columns else unknown(form, n)
        for name, form in forms.items()
    }
    return Entries(ids, columns)


def _column(raw: list[bytes], form: Form, n: int) -> Column:
    if form in {Form.TEXT, Form.KEYS}:
        flat, ends = raw
        return _lists(flat, ends, n, form)
    (flat,) = raw
    column = _native(flat, _DTYPES[form])
    if len(column) != n:
        raise ValueError(f"{len(column)} values of {n} ids")
    return column


def _lists(flat: bytes, raw_ends: bytes, n: int, form: Form) -> Lists:
    values, ends = _native(flat, _DTYPES[form]), _native(raw_ends, "<u4").astype(np.int64)
    if form is Form.KEYS:
        values = values.reshape(-1, 2)
    if len(ends) != n or (np.diff(ends, prepend=0) < 0).any() or ends[-1:].sum() != len(values):
        raise ValueError("lists that do not end where they should")
    return Lists(values, ends)


def _native(raw: bytes, dtype: str) -> NDArray[Any]:
    wire = np.dtype(dtype)
    return np.frombuffer(raw, wire).astype(wire.newbyteorder("="), copy=False)
