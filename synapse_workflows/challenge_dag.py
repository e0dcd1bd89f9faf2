"""DAG that runs a challenge: claim, validate, score, report and rank submissions."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import (
    DAG,
    Asset,
    AssetOrTimeSchedule,
    CronTriggerTimetable,
    TriggerRule,
    task,
    task_group,
)
from airflow.sdk.exceptions import AirflowSkipException

from synapse_workflows.asset_watchers import synapse_submissions_asset
from synapse_workflows.challenge.challenge_file import ChallengeSettings, read_challenge_file
from synapse_workflows.challenge.outcome_message import describe_outcome, list_recipients
from synapse_workflows.hooks.synapse import SynapseHook
from synapse_workflows.notifications import SynapseNotifier
from synapse_workflows.operators.leaderboards import SynapseLeaderboardOperator
from synapse_workflows.operators.scores import SynapseScoreSubmissionOperator
from synapse_workflows.operators.submissions import (
    SynapseClaimSubmissionsOperator,
    SynapseReapSubmissionsOperator,
)


def create_challenge_dag(path: Path | str, challenge: str | None = None) -> DAG:
    """Create the DAG of a challenge from a YAML file.

    A run starts when there are submissions, and at the times of `schedule`. Tasks: `reap` ends
    expired claims; `claim` claims submissions, or skips the other tasks if there are none;
    `evaluate.score` validates and scores each submission; `evaluate.message` sends the outcome to
    its submitters; `leaderboard` ranks the scored submissions; `announce_remaining` starts a
    further run if the queue still has submissions. A run fails if a submission was not scored
    because of an error. Any number of runs may be active at once.

    The file is read, and no request is sent, when Airflow parses the DAG file.

    Args:
        path: The YAML file; its keys are the arguments of
            `synapse_workflows.challenge.challenge_file.ChallengeSettings`. Paths in it are
            relative to its directory. A file of orca-recipes (`challenge_configs.yaml`) needs the
            keys `queue`, `goldstandard`, `results`, `scorer` and `metrics` in addition.
        challenge: Name of the section of the challenge, in a file with a section for each
            challenge; None for a file with one challenge.

    Returns:
        The DAG. Assign it to a variable of the DAG file.

    Raises:
        ChallengeFileError: The file is missing, or has unknown keys or wrong values.
    """
    settings = read_challenge_file(path, challenge)
    submissions = synapse_submissions_asset(
        settings.queue,
        synapse_conn_id=settings.connection,
        poll_interval=settings.poll_interval,
    )
    with _create_dag(settings, submissions) as dag:
        claim = _create_claim(settings)
        _create_evaluation(settings).expand(submission=claim.output)
        score = dag.get_task("evaluate.score")
        score >> _create_leaderboard(settings)
        score >> _announce_remaining(settings, submissions)(claim.output)
    return dag


def _create_dag(settings: ChallengeSettings, submissions: Asset) -> DAG:
    organizers = settings.notification.organizers
    notifier = SynapseNotifier(to=organizers, synapse_conn_id=settings.connection)
    schedule: Any = submissions
    if settings.schedule is not None:
        times = CronTriggerTimetable(settings.schedule, timezone="UTC")
        schedule = AssetOrTimeSchedule(timetable=times, assets=[submissions])
    return DAG(
        settings.dag_id,
        schedule=schedule,
        catchup=False,
        max_active_tasks=settings.max_active_tasks,
        tags=["synapse", "challenge", *settings.tags],
        doc_md=__doc__,
        default_args={
            "retries": settings.retries,
            "retry_delay": timedelta(seconds=settings.retry_delay),
            "on_failure_callback": notifier if organizers else None,
        },
    )


def _create_claim(settings: ChallengeSettings) -> SynapseClaimSubmissionsOperator:
    """Create the tasks that end expired claims, and claim submissions."""
    queue: dict[str, Any] = {
        "evaluation_id": settings.queue,
        "synapse_conn_id": settings.connection,
    }
    reap = SynapseReapSubmissionsOperator(task_id="reap", on_expired=settings.on_expired, **queue)
    claim = SynapseClaimSubmissionsOperator(
        task_id="claim",
        max_claims=settings.quotas.max_claims,
        max_per_submitter=settings.quotas.max_per_submitter,
        lease=settings.claim_lease,
        skip_if_empty=True,
        **queue,
    )
    if settings.start_date is None and settings.end_date is None:
        reap >> claim
    else:
        reap >> _check_dates(settings)() >> claim
    return claim


def _check_dates(settings: ChallengeSettings) -> Any:
    @task
    def check_dates() -> None:
        """Skip the claim before the start and after the end of the challenge."""
        now = datetime.now(UTC)
        start, end = settings.start_date, settings.end_date
        if start is not None and now < start:
            raise AirflowSkipException(f"The challenge starts on {start}: nothing is claimed")
        if end is not None and now >= end:
            raise AirflowSkipException(f"The challenge ended on {end}: nothing is claimed")

    return check_dates


def _create_evaluation(settings: ChallengeSettings) -> Any:
    """Create the group of tasks for one submission."""
    goldstandard = settings.goldstandard

    @task_group
    def evaluate(submission: Mapping[str, Any]) -> None:
        score = SynapseScoreSubmissionOperator(
            task_id="score",
            submission=submission,
            scorer=settings.scorer,
            validator=settings.validator,
            goldstandard_id=goldstandard[0] if len(goldstandard) == 1 else goldstandard,
            results_parent_id=settings.results,
            metrics=list(settings.metrics),
            store=settings.store,
            lease=settings.lease,
            time_limit=settings.time_limit,
            memory_limit=settings.memory_limit,
            on_error="mark",
            enforce_quota=settings.quotas.enforce,
            synapse_conn_id=settings.connection,
        )
        if settings.notification.participants:
            _send_outcome(settings)(score.output)
        else:  # a last task, which fails if the score fails, so that the run fails too
            score >> EmptyOperator(task_id="end")

    return evaluate


def _send_outcome(settings: ChallengeSettings) -> Any:
    @task(task_id="message")
    def send_outcome(result: Mapping[str, Any]) -> None:
        """Send the outcome to the contributors of a submission."""
        hook = SynapseHook(settings.connection)
        with hook.without_lineage():
            submission = hook.client.getSubmission(result["submission_id"], downloadFile=False)
            queue = hook.client.getEvaluation(submission.evaluationId)
        text = describe_outcome(result, submission, queue.name)
        hook.send_message(list_recipients(submission), *text)

    return send_outcome


def _create_leaderboard(settings: ChallengeSettings) -> SynapseLeaderboardOperator:
    board = settings.leaderboard
    return SynapseLeaderboardOperator(
        task_id="leaderboard",
        evaluation_id=settings.queue,
        rank_by=settings.metrics,
        best_per=board.best_per,
        parent_id=board.parent or settings.results,
        name=board.name,
        table_name=board.table,
        synapse_conn_id=settings.connection,
        trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS,
    )


def _announce_remaining(settings: ChallengeSettings, submissions: Asset) -> Any:
    @task(outlets=[submissions], trigger_rule=TriggerRule.ALL_DONE)
    def announce_remaining(claims: Sequence[Any] | None) -> None:
        """Start a further run, by an event of the asset, if the queue still has submissions.

        A run that has claimed nothing starts no other: its successor would claim nothing either.
        """
        client = SynapseHook(settings.connection).client
        if not claims or not any(client.getSubmissions(settings.queue, status="RECEIVED")):
            raise AirflowSkipException("No submission is left in the queue")

    return announce_remaining
