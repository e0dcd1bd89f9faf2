"""Provenance of one store operation. The Activity is stored before the version is created.

The request that creates the version also links the Activity to it (parameter `generatedBy`). The
Activity is never linked afterwards, because another client may have created a newer version by
then.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from synapse_workflows.client.api import provenance
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import RetryCategory, SynapseError, SynapseHTTPError

_SERVER_ERRORS: Final = 500


class StoreProvenance:
    """Provenance that the caller of `store` declares.

    Args:
        syn: The session that sends the requests.
        activity: The declared Activity; None without one.
    """

    #: Whether the existing entity is always fetched, to check whether the entity has changed.
    requires_existing: bool
    #: Whether a changed version comment is set on the existing version of a file. False to create
    #: a new version with the changed comment.
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
        """Whether this object provides the Activity of the version, or no Activity is needed."""
        return self.activity is not None

    def keeps_unchanged(self) -> bool:
        """Return whether an unchanged file is kept without an update."""
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
        """Store the Activity on the first call, and return its ID; None without an Activity.

        Args:
            properties: Properties of the entity to store.
            existing: The bundle of the existing entity; None for a new entity.
            new_version: Whether the request creates an entity or a version.
        """
        if self.activity is not None and self.activity_id is None:
            self.activity_id = str(provenance.store_activity(self.syn, self.activity)["id"])
            self._is_created = not self.activity.get("id")
        return self.activity_id

    def mark_linked(self) -> None:
        """Record that the Activity is linked to a version."""
        self._is_created = False

    @contextmanager
    def discard_if_rejected(self) -> Iterator[None]:
        """Delete the stored Activity if the operation in this block is rejected.

        After a server error or without a response, the version may exist. Then the Activity is
        kept.
        """
        try:
            yield
        except SynapseError as error:
            if is_rejection(error):
                self.discard()
            raise
        except ValueError:  # invalid arguments, before any request
            self.discard()
            raise

    def discard(self) -> None:
        """Delete the stored Activity after the version could not be created."""
        if self._is_created and self.activity_id is not None:
            provenance.delete_unlinked(self.syn, self.activity_id)
            self._is_created, self.activity_id = False, None


def is_rejection(error: SynapseError) -> bool:
    """Return whether Synapse rejected a request, so that it changed nothing."""
    if isinstance(error, SynapseHTTPError):
        return error.status < _SERVER_ERRORS
    return error.retry_category is RetryCategory.PERMANENT
