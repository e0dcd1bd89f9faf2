"""Inputs of the evaluation of a submission: the submitted version and the gold standard."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.challenge.claims import Claim
from synapse_workflows.challenge.scorer_program import ScoringInputs
from synapse_workflows.client.core.file_names import safe_file_name
from synapse_workflows.client.errors import SynapseForbiddenError, SynapseNotFoundError
from synapse_workflows.client.model.entity import File
from synapse_workflows.client.model.submissions import Submission
from synapse_workflows.hooks.file_references import SynapseFile, local_path
from synapse_workflows.idempotency.local_files import as_local_file, flatten, is_list
from synapse_workflows.lineage.source_versions import add_known_version

if TYPE_CHECKING:
    from synapse_workflows.hooks.synapse import SynapseHook

_PREDICTIONS: Final = "predictions"
_GOLDSTANDARD: Final = "goldstandard"


@dataclass(frozen=True)
class FetchedInputs:
    """Inputs in the scratch directory, and where they come from.

    Args:
        inputs: The inputs of the programs.
        used: The submitted entity and the gold standard with their versions, and the source of
            other predictions.
    """

    inputs: ScoringInputs
    used: Sequence[Any]


def fetch_inputs(
    hook: "SynapseHook", claim: Claim, goldstandard_id: Any, predictions: Any, folder: Path
) -> FetchedInputs:
    """Download the submitted version and the gold standard to a scratch directory.

    The submitted version is downloaded also if the entity was changed or deleted since.

    Args:
        hook: The hook.
        claim: The claim on the submission.
        goldstandard_id: ID or reference of a file, or a list of these.
        predictions: File to use instead of the submitted one: a path, a URL or a reference; None
            for the submitted file.
        folder: The scratch directory.

    Raises:
        AirflowFailException: A file may not be downloaded, or an entity has no file.
        SynapseNotFoundError: The submission or the gold standard does not exist.
    """
    target = folder / _PREDICTIONS
    target.mkdir()
    submission = hook.client.getSubmission(
        claim.submission_id, downloadFile=predictions is None, downloadLocation=str(target)
    )
    used: list[Any] = [f"{submission.entityId}.{submission.versionNumber}"]
    add_known_version(hook.client, submission.entityId, submission.versionNumber)
    path = _require_submitted_file(submission) if predictions is None else None
    if predictions is not None:
        path, url = _copy_predictions(predictions, target)
        used += [url] if url else []
    goldstandard, references = _fetch_goldstandard(hook, goldstandard_id, folder / _GOLDSTANDARD)
    used += [f"{one['id']}.{one['version']}" for one in references]
    inputs = ScoringInputs(folder, path, goldstandard, _describe(submission))
    return FetchedInputs(inputs, used)


def _require_submitted_file(submission: Submission) -> Path | None:
    """Return the path of the submitted file; None if the submitted entity is not a file."""
    if submission.filePath is not None:
        return Path(submission.filePath)
    if isinstance(submission.entity, File):
        raise AirflowFailException(
            f"Cannot download the file of the submission {submission.id}, "
            f"{submission.entityId}.{submission.versionNumber}: it has no content in Synapse, or "
            "the account of the connection lacks READ_PRIVATE_SUBMISSION on the evaluation"
        )
    return None


def _copy_predictions(predictions: Any, target: Path) -> tuple[Path, str | None]:
    """Copy a file to the scratch directory; return its path, and its URL if it has one."""
    with as_local_file(predictions, local_path, "predictions") as file:
        name = file.stored_name or file.path.name
        path = target / safe_file_name(name, "predictions")
        shutil.copyfile(file.path, path)
        return path, file.url


def _fetch_goldstandard(
    hook: "SynapseHook", goldstandard_id: Any, target: Path
) -> tuple[Path, list[SynapseFile]]:
    """Copy the gold standard to the scratch directory; return its path and its references.

    The path is that of the file, or of the directory if the gold standard is a list.
    """
    target.mkdir()
    references = []
    for one in flatten(goldstandard_id):
        reference = _get_file(hook, one)
        source = reference["path"]
        if source is None:
            raise AirflowFailException(
                f"Invalid goldstandard_id {reference['id']}: {reference['name']} is a "
                f"{reference['concrete_type'].rpartition('.')[2]} without a file. Give the ID of "
                "a file, or a list of these"
            )
        path = target / Path(source).name
        if path.exists():
            raise AirflowFailException(
                f"Invalid goldstandard_id {goldstandard_id!r}: two files have the name {path.name}"
            )
        # the file in the cache is shared with other tasks, and a scorer may change its input
        shutil.copyfile(source, path)
        references.append(reference)
    if not references:
        raise AirflowFailException("Invalid goldstandard_id: the list is empty")
    is_directory = is_list(goldstandard_id)
    return (
        target if is_directory else target / Path(references[0]["path"] or "").name
    ), references


def _get_file(hook: "SynapseHook", goldstandard_id: Any) -> SynapseFile:
    """Download a gold standard.

    Raises:
        SynapseNotFoundError: It does not exist, or is in the trash can.
        SynapseForbiddenError: The user may not download it.
    """
    try:
        reference: SynapseFile = hook.get_file(goldstandard_id)
    except (SynapseNotFoundError, SynapseForbiddenError) as error:
        advice = (
            f"Cannot read goldstandard_id={goldstandard_id!r:.100}. Correct the ID, or share the "
            "entity with the user of the connection (READ and DOWNLOAD)."
        )
        raise type(error)(error.status, error.reason, error.call, advice=advice) from error
    return reference


def _describe(submission: Submission) -> Mapping[str, Any]:
    """Return what functions get as `submission`."""
    digest = submission.get("dockerDigest")
    repository = submission.get("dockerRepositoryName")
    return {
        "id": str(submission.id),
        "name": submission.get("name"),
        "evaluation_id": str(submission.evaluationId),
        "entity_id": submission.entityId,
        "entity_version": submission.versionNumber,
        "entity_type": submission.entity["concreteType"].rpartition(".")[2],
        "user_id": submission.get("userId"),
        "team_id": submission.get("teamId"),
        "submitter_alias": submission.get("submitterAlias"),
        "image": f"{repository}@{digest}" if digest else None,
    }
