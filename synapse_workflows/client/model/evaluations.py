"""Evaluations: queues to which entities are submitted."""

from typing import Any
from urllib.parse import quote

from synapse_workflows.client.model.ids import id_of
from synapse_workflows.client.model.rest_object import RestObject


class Evaluation(RestObject):
    """An evaluation: a queue of submissions to a challenge; the keys are those of the REST API.

    Args:
        **kwargs: ``name`` (unique in Synapse), ``description``, ``contentSource`` (the
            project of the challenge, or its ID), ``submissionReceiptMessage``,
            ``submissionInstructionsMessage``, ``quota``, and for stored evaluations ``id``,
            ``etag``, ``ownerId``, ``createdOn``.

    Raises:
        ValueError: `contentSource` is not a Synapse ID.
    """

    def __init__(self, **kwargs: Any) -> None:
        given = kwargs.get("contentSource")
        source = id_of(given) if given else ""
        if not source.startswith("syn"):
            raise ValueError(
                'The "contentSource" parameter must be specified as a Synapse Entity when creating'
                f" an Evaluation: expected the ID of a project such as 'syn123', not {given!r}."
            )
        super().__init__(**{**kwargs, "contentSource": source})

    @classmethod
    def getURI(cls, id: str | int) -> str:
        """Return the path of an evaluation."""
        return f"/evaluation/{id}"

    @classmethod
    def getByNameURI(cls, name: str) -> str:
        """Return the path of the evaluation with a name."""
        return f"/evaluation/name/{quote(name, safe='')}"

    def postURI(self) -> str:
        """Return the path that creates the evaluation."""
        return "/evaluation"

    def putURI(self) -> str:
        """Return the path that updates the evaluation."""
        return self.getURI(self.id)

    def deleteURI(self) -> str:
        """Return the path that deletes the evaluation."""
        return self.getURI(self.id)

    def getACLURI(self) -> str:
        """Return the path of the access control list."""
        return f"/evaluation/{self.id}/acl"

    def putACLURI(self) -> str:
        """Return the path that updates the access control list."""
        return "/evaluation/acl"
