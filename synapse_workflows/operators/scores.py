"""Operator that validates and scores a submission to a challenge."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from synapse_workflows.challenge.claim_attempt import CancelledStatus
from synapse_workflows.challenge.claim_limit import DEFAULT_MAX_ATTEMPTS, ClaimLimit
from synapse_workflows.challenge.score_results import StoredFile, check_store
from synapse_workflows.challenge.scorer_process import ScorerLimits
from synapse_workflows.challenge.scorer_program import (
    ScorerCommand,
    ScorerFunction,
    ScorerProgram,
    parse_program,
)
from synapse_workflows.challenge.submission_evaluation import Evaluator
from synapse_workflows.challenge.submission_scoring import (
    OnError,
    ScoringOptions,
    SubmissionScore,
    SubmissionScoring,
)
from synapse_workflows.client.model.argument_types import SubmissionStatusName
from synapse_workflows.hooks.entity_ids import parse_entity_id
from synapse_workflows.operator_arguments import check_choice, optional_mapping, parse_seconds
from synapse_workflows.operators.base import SynapseOperator
from synapse_workflows.operators.submissions import (
    check_claim_statuses,
    check_count,
    choose_error_status,
)

if TYPE_CHECKING:
    from airflow.sdk import Context


class SynapseScoreSubmissionOperator(SynapseOperator):
    """Validate and score one submission to an evaluation queue, and record the provenance.

    The task claims the submission, or continues the claim that `SynapseClaimSubmissionsOperator`
    made; downloads the submitted version; runs the validator and the scorer in child processes;
    stores the results as files whose Activity names the submitted version, the gold standard and
    the code; and writes the status and the scores as annotations of the submission. A retry scores
    nothing twice. For many submissions, use `.expand(submission=claim.output)`.

    A program is a function, or a command. A function has parameters named `predictions` (path of
    the submitted file), `goldstandard` (path), `submission` (dictionary) or `image` (submitted
    Docker image, `repository@digest`). A validator returns the reasons why the submission is
    invalid, as a list, which is empty for a valid submission; a scorer returns a dictionary of
    scores. A command is run with `-p predictions -g goldstandard -o results.json`, and writes a
    JSON object: a validator `validation_status` (`VALIDATED` or `INVALID`) and
    `validation_errors`, a scorer the scores.

    The programs run in a scratch directory, without the environment variables of the worker. This
    is not a sandbox: run the code of participants in a container, and pass its output as
    `predictions`.

    Only validation makes a submission INVALID: the validator, or an entity without a file where
    the programs need one, such as a folder. If a program fails, exceeds a limit or returns
    something else, the task fails. The claim is kept while Airflow retries the task; then the
    submission is released or marked, see `on_error`.

    Returns a `SubmissionScore`.

    Args:
        submission: A claim (an item of the result of `SynapseClaimSubmissionsOperator`), or the ID
            of a submission, for example `{{ partition_key }}` (templated).
        scorer: A function, or a command, as text or as a list of words. Paths may be relative to
            the DAG file; a word that is a Synapse ID is replaced by the path of that file. Words
            are templated.
        validator: A function or a command, as `scorer`; None to score every submission.
        goldstandard_id: ID of the gold standard, `syn123` for the current version or `syn123.4`,
            or a list of IDs; for a list, programs get the path of a directory (templated).
        results_parent_id: Project or folder for the results. The files of each submission are in a
            folder that has the ID of the submission as its name (templated).
        predictions: File to score instead of the submitted one, for example the output of a
            submitted Docker image: a path, a URL or a reference (templated).
        store: Which files to store: `results` (results.json), `logs` (the output of the
            programs), `predictions`.
        metrics: Names of the scores that must be numbers; None if at least one score must be.
        executed: Additional code in any form that the client's Activity accepts, or Docker images
            as `repository@sha256:...` (templated).
        time_limit: Maximum time of each program: seconds or a timedelta; None for no limit.
        memory_limit: Maximum memory of each program with its child processes, in bytes; None for
            no limit.
        env: Environment variables for the programs (templated).
        lease: Time until the claim expires if the worker is lost: seconds or a timedelta. The
            lease is renewed while the task runs.
        status: Status of submissions without a claim that the task may claim.
        new_status: Status of the submission while it is evaluated.
        on_error: What to do with the submission when the task fails: `release` it, so that it is
            claimed again, or `mark` it for the organizers. In both cases, the annotation
            `scoring_error` says what failed.
        error_status: Status after an error. The default is `status` for `release`; for `mark` it
            is OPEN, or CLOSED if OPEN is one of the other statuses.
        max_attempts: Maximum number of claims on a submission that end without a result, as for
            `SynapseClaimSubmissionsOperator`. A submission that was claimed as often as this is
            marked for the organizers, and the task fails. None for no limit.
        cancelled_status: Status of a submission whose submitter requests the cancellation while
            the task runs. The programs are stopped.
        enforce_quota: Whether a submission gets the status REJECTED if the current quota of the
            queue does not permit it: it was made outside of the rounds, or exceeds the limit of
            its submitter. Synapse itself checks the quota only when a submission is made.
        kwargs: `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.

    Raises:
        ValueError: An argument is invalid.
    """

    template_fields: Sequence[str] = (
        "submission",
        "goldstandard_id",
        "results_parent_id",
        "predictions",
        "executed",
        "env",
        *SynapseOperator.template_fields,
    )
    data_fields: ClassVar[Sequence[str] | None] = (
        "submission",
        "goldstandard_id",
        "predictions",
        "executed",
    )
    template_fields_renderers = {  # noqa: RUF012 - as Airflow declares it
        "submission": "json",
        "executed": "json",
        "env": "json",
    }

    def __init__(
        self,
        *,
        submission: Any,
        scorer: Callable[..., Any] | str | Sequence[str],
        goldstandard_id: Any,
        results_parent_id: Any,
        validator: Callable[..., Any] | str | Sequence[str] | None = None,
        predictions: Any = None,
        store: Sequence[StoredFile] = ("results", "logs"),
        metrics: Sequence[str] | None = None,
        executed: Any = None,
        time_limit: float | timedelta | None = 3600.0,
        memory_limit: int | None = None,
        env: Mapping[str, str] | None = None,
        lease: float | timedelta = 900.0,
        status: SubmissionStatusName = "RECEIVED",
        new_status: SubmissionStatusName = "EVALUATION_IN_PROGRESS",
        on_error: OnError = "release",
        error_status: SubmissionStatusName | None = None,
        max_attempts: int | None = DEFAULT_MAX_ATTEMPTS,
        cancelled_status: CancelledStatus = "REJECTED",
        enforce_quota: bool = False,
        **kwargs: Any,
    ) -> None:
        check_claim_statuses(status, new_status, cancelled_status)
        check_choice(on_error, "on_error", OnError)
        check_count(max_attempts, "max_attempts")
        self._mark_status = choose_error_status(
            None if error_status == status and on_error == "release" else error_status,
            status,
            new_status,
        )
        self._limits = ScorerLimits(
            None if time_limit is None else parse_seconds(time_limit, "time_limit"),
            _check_memory_limit(memory_limit),
        )
        self._lease = parse_seconds(lease, "lease")
        self._store = check_store(store)
        parse_program(scorer, "scorer")
        if validator is not None:
            parse_program(validator, "validator")
        super().__init__(**kwargs)
        self.submission = submission
        self.scorer = scorer
        self.goldstandard_id = goldstandard_id
        self.results_parent_id = results_parent_id
        self.validator = validator
        self.predictions = predictions
        self.store = store
        self.metrics = [metrics] if isinstance(metrics, str) else metrics
        self.executed = executed
        self.time_limit = time_limit
        self.memory_limit = memory_limit
        self.env = env
        self.lease = lease
        self.status = status
        self.new_status = new_status
        self.on_error = on_error
        self.error_status = error_status
        self.max_attempts = max_attempts
        self.cancelled_status = cancelled_status
        self.enforce_quota = enforce_quota

    def execute(self, context: "Context") -> SubmissionScore:
        """Score the submission and return the result."""
        return self.score(context, {})

    def score(self, context: "Context", arguments: Mapping[str, Any]) -> SubmissionScore:
        """Score the submission.

        Args:
            context: Context of the task.
            arguments: Values of further parameters of the scorer, if it is a function.
        """
        scorer = self._parse_program(context, self.scorer, "scorer")
        if arguments and isinstance(scorer, ScorerFunction):
            scorer = replace(scorer, arguments=arguments)
        options = self._create_options(context, scorer)
        scoring = SubmissionScoring(self.hook, context, self.submission, options)
        self.set_map_index_name(context, scoring.submission_id)
        self.set_entity_url(options.results_parent_id)
        result = scoring.run()
        if result["results_id"] is not None:
            self.set_entity_url(result["results_id"], result["results_version"])
        self.push_items(context, result)
        self.log.info("Submission %s: %s", result["submission_id"], result["status"])
        return result

    def _create_options(self, context: "Context", scorer: ScorerProgram) -> ScoringOptions:
        validator = None
        if self.validator is not None:
            validator = self._parse_program(context, self.validator, "validator")
        env = {name: str(value) for name, value in optional_mapping(self.env, "env").items()}
        return ScoringOptions(
            evaluator=Evaluator(scorer, validator, self._limits, self.metrics, env),
            goldstandard_id=self.goldstandard_id,
            results_parent_id=parse_entity_id(self.results_parent_id, "results_parent_id").id,
            predictions=self.predictions,
            executed=self.executed,
            store=self._store,
            lease=self._lease,
            status=self.status,
            new_status=self.new_status,
            on_error=self.on_error,
            error_status=self._choose_error_status(),
            limit=ClaimLimit(self.max_attempts, self._mark_status),
            cancelled_status=self.cancelled_status,
            enforce_quota=self.enforce_quota,
        )

    def _choose_error_status(self) -> SubmissionStatusName:
        if self.on_error == "mark":
            return self._mark_status
        return self.error_status or self.status

    def _parse_program(self, context: "Context", value: Any, argument: str) -> ScorerProgram:
        """Parse a program, and render the templates in the words of a command."""
        program = parse_program(value, argument)
        if not isinstance(program, ScorerCommand):
            return program
        return ScorerCommand([str(self.render_template(word, context)) for word in program.words])


def _check_memory_limit(value: Any) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError(f"Invalid memory_limit={value!r}: expected a positive number of bytes")
