"""Accumulation of a record from many small ones."""

from typing import TYPE_CHECKING

from synapse_workflows.provenance.record import EntityRef, Record, UrlRef

if TYPE_CHECKING:
    from synapse_workflows.provenance.record import RecordEntry, Ref


class RecordBuilder:
    """Record that grows. Each addition takes time only for what is added.

    `Record.__or__` copies both records, so that adding n references one by one takes time in
    proportion to n squared.
    """

    def __init__(self) -> None:
        self._used: dict[RecordEntry, None] = {}
        self._ran: dict[RecordEntry, None] = {}
        self._wrote: dict[Ref, None] = {}
        self._gaps: dict[str, None] = {}
        self._built: Record | None = Record()

    def add(self, record: Record) -> None:
        """Add all parts of a record."""
        self._used.update(dict.fromkeys(record.used))
        self._ran.update(dict.fromkeys(record.ran))
        self._wrote.update(dict.fromkeys(record.wrote))
        self._gaps.update(dict.fromkeys(record.gaps))
        if record:
            self._built = None

    def discard_output(self, entity_id: str, version: int | None) -> None:
        """Remove a stored entity.

        Args:
            entity_id: `syn123`.
            version: The version; None for all versions.
        """
        for ref in list(self._wrote):
            if not isinstance(ref, EntityRef) or ref.id != entity_id:
                continue
            if version in (None, ref.version):
                del self._wrote[ref]
                self._built = None

    def discard_url(self, url: str) -> None:
        """Remove a stored object that is no entity."""
        for ref in [each for each in self._wrote if isinstance(each, UrlRef) and each.url == url]:
            del self._wrote[ref]
            self._built = None

    @property
    def record(self) -> Record:
        """Everything that was added, in the order of its first occurrence."""
        if self._built is None:
            self._built = Record(
                tuple(self._used), tuple(self._ran), tuple(self._wrote), tuple(self._gaps)
            )
        return self._built
