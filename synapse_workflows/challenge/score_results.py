"""Files and provenance of the score of a submission."""

import json
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.challenge.claim_annotations import (
    ATTEMPTS,
    CLAIM_ERROR,
    EXPIRES_ON,
    get_annotations,
)
from synapse_workflows.challenge.score_contract import (
    ERROR_ANNOTATION,
    REASONS_ANNOTATION,
    RESULTS_ID,
    RESULTS_VERSION,
    list_scores,
)
from synapse_workflows.challenge.scorer_process import ScorerError
from synapse_workflows.challenge.scorer_program import (
    ScorerCommand,
    ScorerFunction,
    ScorerProgram,
    ScoringInputs,
)
from synapse_workflows.challenge.submission_evaluation import Evaluation
from synapse_workflows.client.errors import SynapseError
from synapse_workflows.client.model.annotations import MAX_KEYS
from synapse_workflows.client.model.docker_images import DockerImage
from synapse_workflows.hooks.file_references import SynapseFile
from synapse_workflows.lineage.code_files import find_source_file
from synapse_workflows.lineage.task_code import identify_file

if TYPE_CHECKING:
    from synapse_workflows.hooks.synapse import SynapseHook

_log = logging.getLogger(__name__)

#: A file that is stored: results.json, the output of the programs, or the submitted file.
StoredFile = Literal["results", "logs", "predictions"]

_IMAGE: Final = re.compile(r"(?P<name>[^\s@]+)@(?P<digest>sha256:[0-9a-f]{64})")
_PREDICTIONS_FOLDER: Final = "predictions"


@dataclass(frozen=True)
class ScoreSources:
    """Provenance of a score.

    Args:
        used: The submitted entity and the gold standard, with their versions.
        executed: The code of the validator and the scorer, as items of an Activity.
    """

    used: Sequence[Any]
    executed: Sequence[Any]


def check_store(value: Any) -> list[StoredFile]:
    """Check the argument `store`.

    Raises:
        ValueError: An item is unknown, or `results` is missing.
    """
    items: list[Any] = [value] if isinstance(value, str) else list(value)
    choices = get_args(StoredFile)
    for item in items:
        if item not in choices:
            raise ValueError(f"Invalid store {item!r}: expected one of {', '.join(choices)}")
    if "results" not in items:
        raise ValueError(
            f"Invalid store {items!r}: 'results' is missing. The provenance of the score is that "
            "of results.json"
        )
    return items


def store_results(
    hook: "SynapseHook",
    parent_id: Any,
    evaluation: Evaluation,
    inputs: ScoringInputs,
    store: Sequence[StoredFile],
    sources: ScoreSources,
) -> list[SynapseFile]:
    """Store the files of an evaluation in a folder that has the ID of the submission as its name.

    A retry of the task creates no second version of the same content. An evaluation in another run
    creates a new version, also if the results are the same, because the sources may differ.

    Args:
        hook: The hook.
        parent_id: The project or folder for the folders of all submissions.
        evaluation: The outcome.
        inputs: The inputs, with the submitted file.
        store: Which files to store.
        sources: The provenance.

    Returns:
        The references of the files; results.json is the last one.
    """
    folder = str(inputs.submission["id"])

    def save(path: Path, folder: str) -> SynapseFile:
        stored: SynapseFile = hook.store_file(
            str(path),
            parent_id,
            folder=folder,
            used=sources.used,
            executed=sources.executed,
            if_unchanged="new_version",
        )
        return stored

    files = []
    if "predictions" in store and inputs.predictions is not None:
        files.append(save(inputs.predictions, f"{folder}/{_PREDICTIONS_FOLDER}"))
    if "logs" in store:
        files.append(save(evaluation.log, folder))
    return [*files, save(evaluation.results, folder)]


def check_room(
    status: Mapping[str, Any], earlier: Sequence[str], scores: Mapping[str, Any]
) -> None:
    """Check that a submission can have the annotations of a result, before it is stored.

    Args:
        status: The SubmissionStatus of the claimed submission.
        earlier: Annotations that are removed.
        scores: The scores.

    Raises:
        ScorerError: It would have too many annotations.
    """
    removed = {EXPIRES_ON, ATTEMPTS, CLAIM_ERROR, ERROR_ANNOTATION, REASONS_ANNOTATION, *earlier}
    kept = get_annotations(status).keys() - removed
    own = {RESULTS_ID, RESULTS_VERSION} | (set() if scores else {REASONS_ANNOTATION})
    number = len(kept | own | scores.keys())
    if number > MAX_KEYS:
        raise ScorerError(
            f"The submission would have {number} annotations, {len(scores)} of them scores; "
            f"Synapse permits {MAX_KEYS}. Return fewer scores, or remove other annotations",
            is_permanent=True,
        )


def list_result_annotations(hook: "SynapseHook", status: Mapping[str, Any]) -> list[str]:
    """Return the annotations of a submission that an earlier evaluation has written.

    The scores are those in the results.json that the annotations name.

    Args:
        hook: The hook.
        status: The SubmissionStatus.
    """
    annotations = get_annotations(status)
    if not {RESULTS_ID, RESULTS_VERSION} <= annotations.keys():
        return []
    names = [RESULTS_ID, RESULTS_VERSION, REASONS_ANNOTATION]
    results_id, version = (annotations[name]["value"][0] for name in names[:2])
    try:
        with hook.without_lineage():
            path = hook.get_file(f"{results_id}.{version}")["path"]
        results = json.loads(Path(path or "").read_bytes())
    except (SynapseError, OSError, ValueError, AirflowFailException) as error:
        _log.warning("Scores of the earlier evaluation cannot be read: %s", error)
        return names
    return [*names, *(one for one in list_scores(results) if one in annotations)]


def identify_programs(
    programs: Iterable[ScorerProgram | None], task: Any, bundle: Any, excluded: Path
) -> list[dict[str, Any]]:
    """Return the files of validators and scorers, as executed items of an Activity.

    Args:
        programs: The programs; scripts in commands have absolute paths.
        task: The operator.
        bundle: The DAG bundle; None without a bundle.
        excluded: Directory of files that are identified in another way.
    """
    files = [file for one in programs if one is not None for file in _list_files(one)]
    references = [
        identify_file(file, task, bundle)
        for file in dict.fromkeys(files)
        if not file.is_relative_to(excluded)
    ]
    return [{"url": one.url, "name": one.name} for one in references if one is not None]


def parse_executed(value: Any) -> list[Any]:
    """Return the argument `executed` with Docker images as items of an Activity.

    Args:
        value: Code in any form that the client's Activity accepts, a Docker image as
            `repository@sha256:...`, or a list of these.
    """
    if value is None:
        return []
    items = value if isinstance(value, list | tuple) else [value]
    return [
        describe_image(item) if isinstance(item, str) and _IMAGE.fullmatch(item) else item
        for item in items
    ]


def describe_image(image: str) -> dict[str, str]:
    """Return a Docker image as an item of an Activity, with the URL of its manifest.

    Args:
        image: `repository@sha256:...`.
    """
    parsed = DockerImage.parse(image)
    if parsed is None or parsed.digest is None:
        return {"url": f"docker://{image}", "name": image}
    return {"url": parsed.manifest_url, "name": image}


def _list_files(program: ScorerProgram) -> list[Path]:
    if isinstance(program, ScorerCommand):
        return program.list_files()
    file = find_source_file(program.function) if isinstance(program, ScorerFunction) else None
    return [] if file is None else [file]
