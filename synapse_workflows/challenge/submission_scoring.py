"""Work of a task on one claimed submission: claim, evaluation, results, status.

The results are stored before the status is written. A retry continues after the last step that an
earlier try has completed: it finds the stored results in the task state store, and a finished
claim on the server.
"""

import ast
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from synapse_workflows.challenge.claim_attempt import CancelledStatus
from synapse_workflows.challenge.claim_errors import ClaimError, ClaimFinishedError
from synapse_workflows.challenge.claim_heartbeat import CancellationRequestedError, ClaimHeartbeat
from synapse_workflows.challenge.claim_ids import describe_claimant
from synapse_workflows.challenge.claim_limit import ClaimLimit
from synapse_workflows.challenge.claims import (
    Claim,
    finish_claim,
    parse_submission_id,
    release_claim,
    renew_claim,
    take_claim,
)
from synapse_workflows.challenge.queue_quota import find_violation
from synapse_workflows.challenge.score_contract import (
    ERROR_ANNOTATION,
    REASONS_ANNOTATION,
    RESULTS_ID,
    RESULTS_VERSION,
    shorten_texts,
    to_text_annotation,
)
from synapse_workflows.challenge.score_results import (
    ScoreSources,
    StoredFile,
    check_room,
    list_result_annotations,
    store_results,
)
from synapse_workflows.challenge.scorer_files import mask_text
from synapse_workflows.challenge.scorer_process import ScorerError
from synapse_workflows.challenge.scoring_programs import ProgramLoader
from synapse_workflows.challenge.scoring_state import ScoringState
from synapse_workflows.challenge.submission_evaluation import Evaluation, Evaluator
from synapse_workflows.challenge.submission_inputs import fetch_inputs
from synapse_workflows.client.errors import SynapseError, SynapseNotFoundError
from synapse_workflows.client.model.argument_types import SubmissionStatusName
from synapse_workflows.client.model.entity import File
from synapse_workflows.hooks.file_references import SynapseFile
from synapse_workflows.idempotency.retry_policy import find_retry_delay
from synapse_workflows.lineage.write_access import require_create_access

if TYPE_CHECKING:
    from airflow.sdk import Context

    from synapse_workflows.hooks.synapse import SynapseHook

#: What to do with a submission that could not be evaluated: put it back for another claim, or mark
#: it for the organizers.
OnError = Literal["release", "mark"]


_log = logging.getLogger(__name__)


class SubmissionScore(TypedDict):
    """Result of `SynapseScoreSubmissionOperator`, as JSON.

    `status` is the status of the submission: `SCORED`, `INVALID`, `REJECTED` if the quota does not
    permit the submission, or the status of cancelled submissions. `scores` is empty unless the
    submission was scored; `errors` says why it is invalid, or was rejected or cancelled, with at
    most 20 texts. `results_id` and `results_version` name results.json; they are None for a
    submission that was rejected or cancelled.
    """

    submission_id: str
    status: str
    scores: dict[str, Any]
    errors: list[str]
    results_id: str | None
    results_version: int | None


@dataclass(frozen=True)
class ScoringOptions:
    """Options of `SubmissionScoring`, as the arguments of `SynapseScoreSubmissionOperator`."""

    evaluator: Evaluator
    goldstandard_id: Any
    results_parent_id: Any
    predictions: Any = None
    executed: Any = None
    store: Sequence[StoredFile] = ("results", "logs")
    lease: float = 900.0
    status: SubmissionStatusName = "RECEIVED"
    new_status: SubmissionStatusName = "EVALUATION_IN_PROGRESS"
    on_error: OnError = "release"
    error_status: SubmissionStatusName = "RECEIVED"
    limit: ClaimLimit = field(default_factory=ClaimLimit)
    cancelled_status: CancelledStatus = "REJECTED"
    enforce_quota: bool = False


class SubmissionScoring:
    """Evaluation of one submission in a task.

    Args:
        hook: The hook.
        context: Context of the running task.
        submission: JSON of a claim, or the ID of a submission.
        options: Programs, places and statuses.

    Raises:
        AirflowFailException: `submission` is invalid.
    """

    def __init__(
        self, hook: "SynapseHook", context: "Context", submission: Any, options: ScoringOptions
    ) -> None:
        self.hook = hook
        self.client = hook.client
        self.context = context
        self.options = options
        self.submission, self.submission_id = _parse_submission(submission)
        self.state = ScoringState(self.client, self.submission_id)

    def run(self) -> SubmissionScore:
        """Claim, evaluate and finish the submission; return the result.

        Raises:
            AirflowException: A program failed; a retry may succeed.
            AirflowFailException: The submission was withdrawn, or a retry cannot succeed.
            ClaimError: Another task has the submission, or has finished it.
        """
        saved = self.state.load()
        with self._withdrawal_reported():
            try:
                claim = self._take_claim(is_first=saved is None)
            except ClaimFinishedError as error:
                if saved is None or saved["result"]["status"] != error.status["status"]:
                    raise
                _log.info("An earlier try has finished submission %s", self.submission_id)
                self.state.restore_lineage(saved)
                return self._finish_task(saved)
        try:
            with self._withdrawal_reported():
                return self._finish_task(self._work(claim, saved))
        except ClaimError:
            self.state.clear()
            raise
        except BaseException as error:
            raised = _to_airflow_error(error)
            self._handle_failure(claim, raised)
            if raised is error:
                raise
            raise raised from error

    def _take_claim(self, *, is_first: bool) -> Claim:
        options = self.options
        return take_claim(
            self.client,
            self.submission,
            describe_claimant(self.context["ti"]),
            options.lease,
            status=options.status,
            new_status=options.new_status,
            # of the same task, before it was cleared
            retake_finished=is_first,
            limit=options.limit,
        )

    def _finish_task(self, saved: Mapping[str, Any]) -> SubmissionScore:
        self.state.mark_done_at_end()
        result: SubmissionScore = saved["result"]
        return result

    def _work(self, claim: Claim, saved: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """Evaluate the submission, unless an earlier try did, and finish the claim."""
        if saved is None:
            with ClaimHeartbeat(self.client, claim, self.options.lease) as heartbeat:
                earlier = list_result_annotations(self.hook, heartbeat.status)
                try:
                    saved = self._check_quota(claim, earlier)
                    saved = saved or self._evaluate(claim, heartbeat, earlier)
                except CancellationRequestedError as request:
                    saved = self._reject(self.options.cancelled_status, str(request), earlier)
            heartbeat.check_claim()
        else:
            self.state.restore_lineage(saved)
        status, annotations = saved["result"]["status"], saved["annotations"]
        finish_claim(self.client, claim, status=status, annotations=annotations)
        return saved

    def _evaluate(
        self, claim: Claim, heartbeat: ClaimHeartbeat, earlier: Sequence[str]
    ) -> dict[str, Any]:
        """Evaluate the submission, store the results, and save and return the outcome.

        Args:
            claim: The claim.
            heartbeat: The renewal of the claim.
            earlier: Annotations of an earlier evaluation, which are removed or replaced.
        """
        options = self.options
        with TemporaryDirectory(prefix="synapse-score-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            loader = ProgramLoader(self.hook, self.context["ti"], folder)
            evaluator = loader.load(options.evaluator)
            heartbeat.check()
            file = File(name=self.submission_id, parent=options.results_parent_id)
            require_create_access(self.client, file, self.hook.synapse_conn_id)
            fetched = fetch_inputs(
                self.hook, claim, options.goldstandard_id, options.predictions, folder
            )
            evaluation = evaluator.evaluate(fetched.inputs, heartbeat.check)
            sources = ScoreSources(
                fetched.used, loader.list_executed(evaluator, fetched.inputs, options.executed)
            )
            check_room(heartbeat.status, earlier, evaluation.scores)
            heartbeat.check()
            files = store_results(
                self.hook,
                options.results_parent_id,
                evaluation,
                fetched.inputs,
                options.store,
                sources,
            )
        return self._save(evaluation, files, earlier)

    def _save(
        self, evaluation: Evaluation, files: Sequence[SynapseFile], earlier: Sequence[str]
    ) -> dict[str, Any]:
        results = files[-1]
        reasons = to_text_annotation(evaluation.reasons)
        names = {RESULTS_ID: results["id"], RESULTS_VERSION: results["version"]}
        result = SubmissionScore(
            submission_id=self.submission_id,
            status=evaluation.status,
            scores=dict(evaluation.scores),
            errors=shorten_texts(evaluation.reasons),
            results_id=results["id"],
            results_version=results["version"],
        )
        texts = {REASONS_ANNOTATION: reasons or None, ERROR_ANNOTATION: None}
        annotations = {**dict.fromkeys(earlier), **evaluation.scores, **names, **texts}
        return self.state.save(result, annotations, files)

    def _check_quota(self, claim: Claim, earlier: Sequence[str]) -> dict[str, Any] | None:
        """Save and return the outcome for a submission that the quota does not permit."""
        if not self.options.enforce_quota:
            return None
        reason = find_violation(self.client, claim.evaluation_id, claim.submission_id)
        return None if reason is None else self._reject("REJECTED", reason, earlier)

    def _reject(
        self, status: SubmissionStatusName, reason: str, earlier: Sequence[str]
    ) -> dict[str, Any]:
        """Save and return the outcome for a submission that is not evaluated."""
        _log.warning("Submission %s gets the status %s: %s", self.submission_id, status, reason)
        result = SubmissionScore(
            submission_id=self.submission_id,
            status=status,
            scores={},
            errors=[reason],
            results_id=None,
            results_version=None,
        )
        texts = {REASONS_ANNOTATION: to_text_annotation([reason]), ERROR_ANNOTATION: None}
        return self.state.save(result, {**dict.fromkeys(earlier), **texts})

    def _handle_failure(self, claim: Claim, error: BaseException) -> None:
        """Keep the claim for the next try of the task; after the last one, settle the submission.

        If this fails, the lease runs out, and the claim is taken over or reaped.
        """
        try:
            delay = find_retry_delay(cast("Mapping[str, Any]", self.context), error)
            if delay is not None:
                renew_claim(self.client, claim, self.options.lease + delay.total_seconds())
                _log.warning(
                    "The claim on submission %s is kept for the next try", self.submission_id
                )
            else:
                self.state.clear()
                self._settle(claim, error)
        except (SynapseError, ValueError) as left:
            _log.warning("Submission %s was left as it is: %s", self.submission_id, left)

    def _settle(self, claim: Claim, error: BaseException) -> None:
        options = self.options
        cause = error.__cause__ if isinstance(error.__cause__, ScorerError) else error
        reason = cause.reason if isinstance(cause, ScorerError) else str(cause)
        text = to_text_annotation([mask_text(f"{type(cause).__name__}: {reason}")])
        end_claim = release_claim if options.on_error == "release" else finish_claim
        status = options.error_status
        end_claim(self.client, claim, status=status, annotations={ERROR_ANNOTATION: text})
        _log.error(
            "Submission %s was not evaluated; it gets the status %s", self.submission_id, status
        )

    @contextmanager
    def _withdrawal_reported(self) -> Iterator[None]:
        """Replace "not found" by a clear error if the submission does not exist.

        Raises:
            AirflowFailException: The submission does not exist.
        """
        try:
            yield
        except SynapseNotFoundError as error:
            try:
                self.client.call("GET", f"/evaluation/submission/{self.submission_id}/status")
            except SynapseNotFoundError:
                raise AirflowFailException(
                    f"The submission {self.submission_id} does not exist. It was withdrawn, or "
                    "its evaluation was deleted; there is nothing to score"
                ) from error
            raise


def _parse_submission(value: Any) -> tuple[Mapping[str, Any] | str, str]:
    """Return a claim as JSON, or the ID of a submission; and the ID.

    Raises:
        AirflowFailException: The value is neither.
    """
    if isinstance(value, str) and value.strip()[:1] == "{":
        for parse in (json.loads, ast.literal_eval):
            with suppress(ValueError, SyntaxError):
                value = parse(value)
                break
    try:
        if isinstance(value, Mapping):
            return value, Claim.from_json(value).submission_id
        submission_id = parse_submission_id(value)
    except ValueError as error:
        raise AirflowFailException(str(error)) from error
    return submission_id, submission_id


def _to_airflow_error(error: BaseException) -> BaseException:
    """Return the error of Airflow for a failed program; other errors are returned unchanged."""
    if not isinstance(error, ScorerError):
        return error
    kind = AirflowFailException if error.is_permanent else AirflowException
    raised = kind(str(error))
    raised.__cause__ = error
    return raised
