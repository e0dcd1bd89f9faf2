"""Submissions to evaluations, and their statuses."""

import math
from collections.abc import Mapping
from typing import Any, Final

from synapse_workflows.client.model import annotations as annotation_model, status_annotations
from synapse_workflows.client.model.annotations import Annotations, StoredNaN
from synapse_workflows.client.model.rest_object import RestObject

_REQUIRED_KEYS: Final = ("evaluationId", "entityId", "versionNumber")
#: Keys of annotations in the JSON form of the REST API.
_JSON_KEYS: Final = frozenset({"id", "etag", "annotations"})


class Submission(RestObject):
    """A version of an entity that was submitted to an evaluation.

    The keys are those of the REST API. ``getSubmission`` adds ``entity`` (the submitted version)
    and ``filePath`` (path of its downloaded file, or None).

    Args:
        **kwargs: ``evaluationId``, ``entityId`` and ``versionNumber``, and for stored submissions
            ``id``, ``name``, ``userId``, ``teamId``, ``submitterAlias``, ``contributors``,
            ``createdOn``, ``entityBundleJSON``, ``dockerRepositoryName``, ``dockerDigest``.

    Raises:
        KeyError: `evaluationId`, `entityId` or `versionNumber` is missing.
    """

    def __init__(self, **kwargs: Any) -> None:
        missing = [key for key in _REQUIRED_KEYS if key not in kwargs]
        if missing:
            raise KeyError(f"A Submission requires {', '.join(missing)}.")
        super().__init__(**kwargs)

    @classmethod
    def getURI(cls, id: str | int) -> str:
        """Return the path of a submission."""
        return f"/evaluation/submission/{id}"

    def deleteURI(self) -> str:
        """Return the path that deletes the submission."""
        return self.getURI(self.id)


class SubmissionStatus(RestObject):
    """The status of a submission, with its score and annotations.

    Args:
        id: ID of the submission.
        etag: Etag of the status when it was read; storing fails if it has changed since.
        **kwargs: ``status`` (``RECEIVED``, ``EVALUATION_IN_PROGRESS``, ``VALIDATED``, ``INVALID``,
            ``SCORED``, ...), ``score`` (0 to 1), ``submissionAnnotations`` (values by key, which
            become `Annotations`), ``annotations`` (the legacy form, see
            `to_submission_status_annotations`), ``canCancel``, ``cancelRequested``,
            ``statusVersion``, ``entityId``, ``versionNumber``, ``modifiedOn``.

    Raises:
        ValueError: An annotation has an unknown type, or a value that does not match its type.
    """

    def __init__(self, id: str | int, etag: str, **kwargs: Any) -> None:
        values = kwargs.pop("submissionAnnotations", None) or {}
        kwargs["submissionAnnotations"] = _parse_annotations(str(id), etag, values)
        super().__init__(id=id, etag=etag, **kwargs)

    @classmethod
    def getURI(cls, id: str | int) -> str:
        """Return the path of the status of a submission."""
        return f"/evaluation/submission/{id}/status"

    def putURI(self) -> str:
        """Return the path that updates the status."""
        return self.getURI(self.id)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON of the REST API, with both forms of annotations.

        Raises:
            ValueError: The name or the value of an annotation is invalid, `annotations` does not
                have the form of the REST API, or the score is NaN or infinite.
        """
        body = dict(self)
        given = self.get("submissionAnnotations") or {}
        values = _keep_nan(_parse_annotations(str(self.id), self.etag, given))
        body["submissionAnnotations"] = {
            "id": str(self.id),
            "etag": self.etag,
            "annotations": annotation_model.to_synapse_annotations(values),
        }
        status_annotations.require_status_form(body.get("annotations"))
        score = body.get("score")
        if isinstance(score, float) and not math.isfinite(score):
            raise ValueError(
                f"Invalid score {score} of submission {self.id}: expected a number from 0 to 1, "
                "or None."
            )
        return body

    def json(self, ensure_ascii: bool = True) -> str:
        """Serialize the status as the JSON of the REST API; see `to_json`.

        NaN and infinity in `annotations` are written as in Python, which Synapse accepts.

        Args:
            ensure_ascii: Escape non-ASCII characters.
        """
        return RestObject(self.to_json()).json(ensure_ascii)


def _parse_annotations(id: str, etag: str, values: Mapping[str, Any]) -> Annotations:
    """Convert annotations in any form to `Annotations`.

    Raises:
        ValueError: The value is not a mapping, or an annotation has an invalid type or value.
    """
    if isinstance(values, Annotations):
        return values
    if not isinstance(values, Mapping):
        raise ValueError(  # noqa: TRY004 - as documented
            f"Invalid submissionAnnotations {values!r:.80} of submission {id}: expected values by "
            "key, for example {'accuracy': 0.9}."
        )
    if isinstance(values.get("annotations"), Mapping) and _JSON_KEYS.issuperset(values):
        return annotation_model.from_synapse_annotations({"id": id, "etag": etag, **values})
    return Annotations(id, etag, values)


def _keep_nan(values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return annotations as lists in which NaN counts as a value.

    A score that is NaN is stored as it is; otherwise the annotation would be removed.

    Raises:
        ValueError: A value is `NA` or `NaT`, or an item of a list is None.
    """
    return {
        key: annotation_model.require_values({key: _mark_nan(value)})[key]
        for key, value in values.items()
    }


def _mark_nan(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return StoredNaN(value)
    return [_mark_nan(item) for item in value] if isinstance(value, list | tuple) else value
