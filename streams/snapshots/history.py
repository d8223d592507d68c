"""What a state topic holds: the snapshots that are whole, and what lies behind the newest.

A snapshot is the chunks that changed and then its manifest. Chunks are taken over only with
the manifest that names them: what stands behind the last manifest was committed by half, and
may have replaced chunks that a compaction removes. So who finds such a rest writes the next
snapshot whole.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from streams.snapshots.chunks import DamagedSnapshotError, Manifest, assemble, decode_manifest
from streams.snapshots.formats import Arrays, Conversion, check_format, converted

MANIFEST: Final = b"manifest"
LIFE: Final = b"life"
REMEMBERED: Final = 2  # the newest snapshot, and the one that a damaged one falls back to


@dataclass(frozen=True, slots=True)
class Restored:
    """A snapshot as it was restored."""

    manifest: Manifest
    arrays: Arrays
    damage: tuple[str, ...] = ()  # what is wrong with newer ones


@dataclass(slots=True)
class History:
    """The records of a state partition, folded in the order of the log."""

    life: bytes | None = None
    read_bytes: int = 0
    _chunks: dict[bytes, bytes] = field(default_factory=dict)  # as the last manifest has them
    _pending: dict[bytes, bytes | None] = field(default_factory=dict)  # behind it
    _snapshots: list[tuple[bytes, dict[bytes, bytes]]] = field(default_factory=list)

    def add(self, key: bytes, value: bytes | None) -> None:
        """Take in the next record."""
        self.read_bytes += len(value or b"")
        if key == LIFE:
            self.life = value
        elif key != MANIFEST:
            self._pending[key] = value
        elif value is not None:
            self._take_over(value)

    def _take_over(self, manifest: bytes) -> None:
        for key, value in self._pending.items():
            if value is None:
                self._chunks.pop(key, None)
            else:
                self._chunks[key] = value
        self._pending = {}
        self._snapshots.append((manifest, dict(self._chunks)))
        del self._snapshots[:-REMEMBERED]

    @property
    def is_incomplete(self) -> bool:
        """Whether chunks lie behind the newest manifest: a snapshot was committed by half."""
        return bool(self._pending)

    def manifests(self) -> Iterable[tuple[Manifest | str, dict[bytes, bytes]]]:
        """Each snapshot that may be restored, the newest first; a text where its manifest is bad.

        Raises:
            NewerFormatError: one was written by a newer version.

        """
        for raw, chunks in reversed(self._snapshots):
            try:
                yield decode_manifest(raw), chunks
            except DamagedSnapshotError as error:
                yield str(error), chunks

    def chunks(self) -> dict[bytes, bytes]:
        """Every chunk that was not removed, those behind the newest manifest included."""
        newest = {**self._chunks, **self._pending}
        return {key: value for key, value in newest.items() if value is not None}

    def restored(self, check: Callable[[Manifest], None]) -> Restored | None:
        """The newest snapshot that is whole; None where there never was one.

        Args:
            check: raises where a snapshot is of a format that cannot be read.

        Raises:
            NewerFormatError: as `manifests` and `check`.
            DamagedSnapshotError: none of those that are remembered is whole.

        """
        damage: list[str] = []
        for manifest, chunks in self.manifests():
            try:
                if isinstance(manifest, Manifest):
                    check(manifest)
                    return Restored(manifest, assemble(manifest, chunks), tuple(damage))
                damage.append(manifest)
            except DamagedSnapshotError as error:
                damage.append(str(error))
        if damage:
            raise DamagedSnapshotError("; ".join(damage))
        return None


def restore(history: History, conversions: Sequence[Conversion]) -> Restored | None:
    """The newest snapshot that is whole, its arrays in the format that the conversions end in.

    Raises:
        NewerFormatError, DamagedSnapshotError: as `History.restored`.

    """
    found = history.restored(lambda manifest: check_format(manifest.format, conversions))
    if found is None:
        return None
    return replace(found, arrays=converted(found.arrays, found.manifest.format, conversions))
