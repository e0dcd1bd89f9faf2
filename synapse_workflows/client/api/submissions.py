"""Submissions to evaluations: list, get with their files, and read their statuses.

Source: https://rest-docs.synapse.org (EvaluationController)
"""

import json
from collections.abc import Iterator
from numbers import Integral
from types import MappingProxyType
from typing import Any, Final, TypedDict, Unpack

from synapse_workflows.client.api import bundles, entities
from synapse_workflows.client.api.entities import GetOptions
from synapse_workflows.client.api.evaluations import parse_evaluation_id
from synapse_workflows.client.core import flows
from synapse_workflows.client.core.events import Read
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseResponseError
from synapse_workflows.client.model.argument_types import CollisionPolicy, SubmissionStatusName
from synapse_workflows.client.model.docker_images import DockerImage
from synapse_workflows.client.model.entity import Entity, File
from synapse_workflows.client.model.ids import parse_numeric_id
from synapse_workflows.client.model.submissions import Submission, SubmissionStatus
from synapse_workflows.constants import AnnotationType, SubmissionStatusEnum

#: Types of annotations by their key in bundles of submissions made before 2019.
_OLD_ANNOTATIONS: Final = MappingProxyType(
    {
        "stringAnnotations": AnnotationType.STRING,
        "longAnnotations": AnnotationType.LONG,
        "doubleAnnotations": AnnotationType.DOUBLE,
        "dateAnnotations": AnnotationType.TIMESTAMP_MS,
    }
)
_NO_ETAG: Final = ""


class SubmissionKeywords(TypedDict, total=False):
    """Keyword arguments of `getSubmission`."""

    downloadFile: bool
    downloadLocation: str | None
    ifcollision: CollisionPolicy


def getSubmissions(
    syn: Session,
    evaluation: Any,
    status: SubmissionStatusName | None = None,
    myOwn: bool = False,
    limit: int = 20,
    offset: int = 0,
) -> Iterator[Submission]:
    """Iterate over the submissions to an evaluation, oldest first.

    With `status`, all pages are fetched before the first submission is returned. Therefore, the
    loop may change the statuses; submissions whose status other clients change meanwhile may be
    missing. Without `status`, pages are fetched when they are reached.

    Args:
        syn: The session that sends the requests.
        evaluation: An evaluation, or its ID.
        status: Status of the submissions; None for all.
        myOwn: Whether to iterate over the submissions of the caller only. Other submissions
            require READ_PRIVATE_SUBMISSION on the evaluation.
        limit: Submissions per page, 1 to 100.
        offset: Number of submissions to skip.

    Raises:
        ValueError: `evaluation` is not an evaluation, `limit` or `offset` is out of range, or
            `status` is empty; with `myOwn`, also if `status` is unknown.
        SynapseBadRequestError: `status` is unknown.
        SynapseForbiddenError: The caller may not read the submissions.
        SynapseNotFoundError: The evaluation does not exist.

    Source:
        GET /evaluation/{id}/submission/all, GET /evaluation/{id}/submission
        https://rest-docs.synapse.org/rest/GET/evaluation/evalId/submission/all.html
    """
    if myOwn and status:
        for submission, _ in getSubmissionBundles(syn, evaluation, status, myOwn, limit, offset):
            yield submission
        return
    for one in _iter_list(syn, evaluation, "submission", status, limit, offset, own=myOwn):
        yield Submission(**one)


def getSubmissionBundles(
    syn: Session,
    evaluation: Any,
    status: SubmissionStatusName | None = None,
    myOwn: bool = False,
    limit: int = 20,
    offset: int = 0,
) -> Iterator[tuple[Submission, SubmissionStatus]]:
    """Iterate over the submissions to an evaluation with their statuses, oldest first.

    With `status`, all pages are fetched before the first submission is returned. Therefore, the
    loop may change the statuses; submissions whose status other clients change meanwhile may be
    missing. Without `status`, pages are fetched when they are reached.

    Args:
        syn: The session that sends the requests.
        evaluation: An evaluation, or its ID.
        status: Status of the submissions; None for all.
        myOwn: Whether to iterate over the submissions of the caller only. Other submissions
            require READ_PRIVATE_SUBMISSION on the evaluation.
        limit: Submissions per page, 1 to 100.
        offset: Number of submissions to skip.

    Raises:
        ValueError: `evaluation` is not an evaluation, `limit` or `offset` is out of range, or
            `status` is empty; with `myOwn`, also if `status` is unknown.
        SynapseBadRequestError: `status` is unknown.
        SynapseForbiddenError: The caller may not read the submissions.
        SynapseNotFoundError: The evaluation does not exist.

    Source:
        GET /evaluation/{id}/submission/bundle/all, GET /evaluation/{id}/submission/bundle
        https://rest-docs.synapse.org/rest/GET/evaluation/evalId/submission/bundle/all.html
    """
    found = _iter_list(syn, evaluation, "submission/bundle", status, limit, offset, own=myOwn)
    for one in found:
        yield Submission(**one["submission"]), SubmissionStatus(**one["submissionStatus"])


def getSubmission(syn: Session, id: Any, **kwargs: Unpack[SubmissionKeywords]) -> Submission:
    """Get a submission with the submitted version of the entity, and download its file.

    Args:
        syn: The session that sends the requests.
        id: ID of a submission, or the submission.
        **kwargs: ``downloadFile`` (default True), ``downloadLocation`` (a directory; default: the
            cache), ``ifcollision`` (``keep.both``, the default, ``keep.local`` or
            ``overwrite.local``).

    Returns:
        The submission, with ``entity`` (the submitted version) and ``filePath`` (None without
        download).

    Raises:
        TypeError: Unknown keyword.
        ValueError: `id` is not the ID of a submission, or a keyword has an invalid value.
        SynapseForbiddenError: The caller lacks READ_PRIVATE_SUBMISSION on the evaluation.
        SynapseNotFoundError: The submission does not exist.

    Source:
        GET /evaluation/submission/{id}
        https://rest-docs.synapse.org/rest/GET/evaluation/submission/subId.html
    """
    unknown = kwargs.keys() - SubmissionKeywords.__annotations__
    if unknown:
        raise TypeError(
            f"Unexpected keywords {', '.join(sorted(unknown))}; known are "
            f"{', '.join(SubmissionKeywords.__annotations__)}. The version is the submitted one."
        )
    options = GetOptions.from_keywords(kwargs)
    number = parse_numeric_id(id, "submission")
    submission = Submission(**syn.call("GET", Submission.getURI(number)).object)
    submission.entity = submission.filePath = None
    if submission.get("entityId") is None:
        return submission
    bundle = _parse_bundle(submission)
    entity = bundles.build_entity(bundle)
    if options.download and isinstance(entity, File):
        entities.download_content(
            syn, entity, bundle, options, "SubmissionAttachment", submission.id
        )
        submission.filePath = entity.path
    submission.entity = entity
    _announce_read(syn, submission, entity, options)
    return submission


def getSubmissionStatus(syn: Session, submission: Any) -> SubmissionStatus:
    """Get the status of a submission; `store` writes a changed status.

    Args:
        syn: The session that sends the request.
        submission: A submission, or its ID.

    Raises:
        ValueError: `submission` is not a submission.
        SynapseForbiddenError: The caller may not read the evaluation.
        SynapseNotFoundError: The submission does not exist.

    Source:
        GET /evaluation/submission/{id}/status
        https://rest-docs.synapse.org/rest/GET/evaluation/submission/subId/status.html
    """
    number = parse_numeric_id(submission, "submission")
    return SubmissionStatus(**syn.call("GET", SubmissionStatus.getURI(number)).object)


def _iter_list(
    syn: Session,
    evaluation: Any,
    route: str,
    status: str | None,
    limit: int,
    offset: int,
    *,
    own: bool,
) -> Iterator[dict[str, Any]]:
    """Iterate over the items of a list of submissions."""
    if not _is_integer(limit) or not _is_integer(offset) or limit < 1 or offset < 0:
        raise ValueError(
            f"Invalid page: limit={limit!r}, offset={offset!r}. The limit is 1 to 100 submissions "
            "per page, the offset is 0 or more."
        )
    _check_status(status, is_known=own)
    path = f"/evaluation/{parse_evaluation_id(evaluation)}/{route}"
    if own:
        # Synapse ignores the status in the lists of own submissions.
        call = flows.with_offset(flows.Call("GET", path), limit, 0 if status else offset)
        items = syn.iter_items(call)
        return _select_status(items, status, offset) if status else items
    call = flows.Call("GET", f"{path}/all", params={"status": status} if status else None)
    call = flows.with_offset(call, limit, offset)
    if not status:
        return syn.iter_items(call)
    found = syn.run(flows.collect_items(call))
    # A later page repeats items if other submissions get the status meanwhile.
    return iter({_get_submission_id(one): one for one in found}.values())


def _is_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _check_status(status: Any, *, is_known: bool) -> None:
    """Check the status of a list, because an empty text would select all submissions.

    Args:
        status: The status; None for all.
        is_known: Whether to require a known status. Otherwise, Synapse checks it.

    Raises:
        ValueError: The status is not text, is empty, or is unknown.
    """
    if status is None or (isinstance(status, str) and status.strip() and not is_known):
        return
    if status not in list(SubmissionStatusEnum):
        raise ValueError(
            f"Invalid status {status!r}: expected one of {', '.join(SubmissionStatusEnum)}, or "
            "None for all submissions."
        )


def _get_submission_id(item: dict[str, Any]) -> str:
    return str(item.get("submission", item)["id"])


def _select_status(
    items: Iterator[dict[str, Any]], status: str, offset: int
) -> Iterator[dict[str, Any]]:
    wanted = SubmissionStatusEnum(status)
    found = [one for one in items if one["submissionStatus"]["status"] == wanted]
    return iter(found[offset:])


def _parse_bundle(submission: Submission) -> dict[str, Any]:
    """Parse the bundle of the submitted version, with annotations in the current form."""
    text = submission.get("entityBundleJSON")
    try:
        bundle = json.loads(text or "")
        entity = bundle["entity"]
    except (ValueError, TypeError, KeyError):
        raise SynapseResponseError(
            f"The entityBundleJSON of submission {submission.id} is not an entity bundle: "
            f"{text!r:.80}."
        ) from None
    stored = bundle.get("annotations")
    if stored and "annotations" not in stored:
        values = {
            key: {"type": kind, "value": [str(one) for one in texts]}
            for name, kind in _OLD_ANNOTATIONS.items()
            for key, texts in (stored.get(name) or {}).items()
        }
        etag = stored.get("etag") or entity.get("etag") or _NO_ETAG
        bundle["annotations"] = {"id": entity["id"], "etag": etag, "annotations": values}
    return dict(bundle)


def _announce_read(
    syn: Session, submission: Submission, entity: Entity, options: GetOptions
) -> None:
    """Emit a `Read` event with the submitted version, and one with a submitted Docker image."""
    has_content = options.download and (
        submission.filePath is not None or not isinstance(entity, File)
    )
    syn.emit(
        Read(
            submission.entityId,
            submission.versionNumber,
            entity.get("name"),
            entity.get("concreteType"),
            how="getSubmission",
            is_lookup=not has_content,
        )
    )
    digest = submission.get("dockerDigest")
    image = DockerImage(str(submission.get("dockerRepositoryName")), digest=digest)
    if digest:
        syn.emit(Read(None, name=str(image), how="getSubmission", url=image.manifest_url))
