"""Provenance of one store operation: its Activity is stored before the version that it generated.

The Activity is linked by the request that creates the version (`generatedBy`), never afterwards:
by then, the current version may be that of another client.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from synapse_workflows.client.api import provenance
from synapse_workflows.client.core.session import Session


class StoreProvenance:
    """Provenance that the caller of `store` declares.

    Args:
        syn: The session that sends the requests.
        activity: The declared Activity; None without one.
    """

    #: Whether the existing entity is always fetched, in order to compare it.
    requires_existing: bool
    #: Whether a changed version comment is set on the existing version of a file; False to
    #: create a version for it.
    edits_comment = True

    def __init__(self, syn: Session, activity: Mapping[str, Any] | None) -> None:
        self.syn = syn
        self.activity = activity
        self.requires_existing = syn.skip_unchanged
        #: ID of the Activity of the stored version, if known.
        self.activity_id: str | None = None
        self._is_created = False

    @property
    def is_given(self) -> bool:
        """Whether the stored version has the Activity of this object, or needs none."""
        return self.activity is not None

    def keeps_unchanged(self) -> bool:
        """Return whether a file that has not changed is left as it is."""
        return self.syn.skip_unchanged and self.activity is None

    def iter_own(
        self,
        existing: Mapping[str, Any],  # noqa: ARG002 - for subclasses
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the bundles of the versions that earlier attempts of the caller created."""
        yield from ()

    def keep(self, existing: Mapping[str, Any]) -> None:
        """Record that an existing version is the result of the operation."""

    def save(
        self,
        properties: Mapping[str, Any],  # noqa: ARG002 - for subclasses
        existing: Mapping[str, Any] | None,  # noqa: ARG002
        *,
        new_version: bool,  # noqa: ARG002
    ) -> str | None:
        """Store the Activity, once; return its ID, or None if there is none to link.

        Args:
            properties: Properties of the entity to store.
            existing: The bundle of the existing entity; None for a new one.
            new_version: Whether the request creates an entity or a version.
        """
        if self.activity is not None and self.activity_id is None:
            self.activity_id = str(provenance.store_activity(self.syn, self.activity)["id"])
            self._is_created = not self.activity.get("id")
        return self.activity_id

    def mark_linked(self) -> None:
        """Record that a version has the Activity."""
        self._is_created = False

    def discard(self) -> None:
        """Delete the Activity that was stored for a version that was not created."""
        if self._is_created and self.activity_id is not None:
            provenance.delete_unlinked(self.syn, self.activity_id)
            self._is_created, self.activity_id = False, None
