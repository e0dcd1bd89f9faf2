"""Challenge file: a YAML file with the settings of a challenge."""

import re
import warnings
from collections.abc import Hashable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from synapse_workflows.challenge.challenge_configs import (
    ChallengeConfig,
    select_section,
    translate_config,
)
from synapse_workflows.challenge.claim_reaper import OnExpired
from synapse_workflows.challenge.leaderboard import BestPer
from synapse_workflows.challenge.ranking import RankDirection
from synapse_workflows.challenge.score_results import StoredFile
from synapse_workflows.challenge.scorer_program import ScorerCommand, parse_program
from synapse_workflows.client.core.redaction import redact

_FOLDER: Final = "folder"
#: Tag of the key `<<`, with which a mapping takes over the keys of another one.
_MERGE: Final = "tag:yaml.org,2002:merge"
#: Airflow looks up no other IDs of connections.
_CONN_ID: Final = re.compile(r"[\w#!()\-.:/\\]{1,250}")


class ChallengeFileError(ValueError):
    """The challenge file is missing or invalid."""


def _to_text(value: Any) -> Any:
    """Return a number, as which YAML reads an ID without quotes, as text."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if is_number else value


def _to_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _to_time(value: Any) -> Any:
    """Return a date as its first moment, and a time without a time zone as one in UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError("expected a date or time, for example 2026-12-31 23:00") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    is_naive = isinstance(value, datetime) and value.tzinfo is None
    return value.replace(tzinfo=UTC) if is_naive else value


EvaluationId = Annotated[
    str, BeforeValidator(_to_text), StringConstraints(pattern=r"^[0-9]+$", strip_whitespace=True)
]
SynapseId = Annotated[str, StringConstraints(pattern=r"^syn[0-9]+$")]
VersionedId = Annotated[str, StringConstraints(pattern=r"^syn[0-9]+(\.[0-9]+)?$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Recipients = Annotated[list[Annotated[Text, BeforeValidator(_to_text)]], BeforeValidator(_to_list)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Time = Annotated[datetime, BeforeValidator(_to_time)]
#: Airflow limits the length.
DagId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+$", max_length=250)]


class _Section(BaseModel):
    """A section of the file. Unknown keys are errors, and values are not converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Quotas(_Section):
    """Limits of a challenge.

    Args:
        enforce: Whether submissions that the current quota of the queue does not permit are
            rejected.
        max_per_submitter: Maximum number of submissions of a team or user that are evaluated at
            the same time; None for no limit.
        max_claims: Maximum number of submissions of one DAG run. More submissions get further
            runs.
    """

    enforce: bool = True
    max_per_submitter: Count | None = None
    max_claims: Count = 100


class Notification(_Section):
    """Messages of a challenge.

    Args:
        participants: Whether the submitters, or the contributors of a team, get a message with the
            scores, or with the reasons why their submission is invalid.
        organizers: Users and teams that get a message if a task fails.
    """

    participants: bool = True
    organizers: Recipients = Field(default_factory=list)


class LeaderboardSettings(_Section):
    """Leaderboard of a challenge.

    Args:
        parent: Project or folder of the leaderboard; None for `results`.
        name: Name of the CSV file.
        table: Name of the table; None for no table.
        best_per: Whose best submission is ranked.
    """

    parent: SynapseId | None = None
    name: Text = "leaderboard.csv"
    table: Text | None = None
    best_per: BestPer = "team"


class ChallengeSettings(_Section):
    """Settings of a challenge.

    Args:
        dag_id: ID of the DAG.
        queue: ID of the evaluation queue.
        goldstandard: ID of the gold standard, `syn123` or `syn123.4`; for a list of several,
            programs get the path of a directory.
        results: Project or folder for the results of the submissions.
        scorer: Command that scores a submission. A path is relative to the challenge file.
        validator: Command that validates a submission; None to score every submission.
        metrics: Direction of each score, the most important score first.
        lease: Time in seconds until the claim on a submission expires if the worker is lost that
            evaluates it.
        claim_lease: Time in seconds until the claim on a submission expires if its evaluation does
            not start. It must cover the time that tasks of a run wait for their turn.
        on_expired: What to do with a submission whose claim has expired: `release` it, so that it
            is evaluated again, or `mark` it for the organizers.
        time_limit: Maximum time of the validator and of the scorer, in seconds.
        memory_limit: Maximum memory of the validator and of the scorer, in bytes.
        store: Files that are stored for each submission.
        quotas: Limits.
        notification: Messages.
        leaderboard: Leaderboard.
        connection: The Airflow connection.
        poll_interval: Seconds between two polls of the queue.
        schedule: Cron expression of additional runs, which end expired claims, and find
            submissions even if the triggerer is down; None for none.
        start_date: First moment at which submissions are claimed; None for no limit. A date is
            its first moment in UTC.
        end_date: Moment from which no submissions are claimed any more; None for no limit.
        tags: Further tags of the DAG.
        max_active_tasks: Maximum number of tasks of the DAG at the same time.
        retries: Number of retries of each task.
        retry_delay: Seconds before a retry.
    """

    dag_id: DagId
    queue: EvaluationId
    goldstandard: Annotated[list[VersionedId], BeforeValidator(_to_list), Field(min_length=1)]
    results: SynapseId
    scorer: list[str]
    validator: list[str] | None = None
    metrics: Annotated[dict[Text, RankDirection], Field(min_length=1)]
    lease: Seconds = 900.0
    claim_lease: Seconds = 86400.0
    on_expired: OnExpired = "release"
    time_limit: Seconds | None = 3600.0
    memory_limit: Count | None = None
    store: list[StoredFile] = ["results", "logs"]
    quotas: Quotas = Field(default_factory=Quotas)
    notification: Notification = Field(default_factory=Notification)
    leaderboard: LeaderboardSettings = Field(default_factory=LeaderboardSettings)
    connection: Text = "synapse_default"
    poll_interval: Seconds = 30.0
    schedule: Text | None = "0 * * * *"
    start_date: Time | None = None
    end_date: Time | None = None
    tags: list[Text] = Field(default_factory=list)
    max_active_tasks: Count = 16
    retries: Annotated[int, Field(ge=0)] = 2
    retry_delay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 60.0

    @field_validator("scorer", "validator", mode="before")
    @classmethod
    def _parse_command(cls, value: Any, info: ValidationInfo) -> Any:
        """Split a command, and replace the paths of existing files by absolute paths."""
        if value is None:
            return None
        program = parse_program(value, str(info.field_name)) if _is_command(value) else None
        if not isinstance(program, ScorerCommand):
            raise ValueError("expected a command, for example score.py")  # noqa: TRY004 - for pydantic
        folder: Path = (info.context or {})[_FOLDER]
        words = [
            str((folder / word).resolve()) if (folder / word).is_file() else word
            for word in program.words
        ]
        if words[0].endswith(".py") and not Path(words[0]).is_file():
            raise ValueError(f"file not found: {folder / words[0]}")
        return words

    @field_validator("store")
    @classmethod
    def _check_store(cls, value: list[StoredFile]) -> list[StoredFile]:
        if "results" not in value:
            raise ValueError("'results' is missing; the provenance of a score is that of its file")
        return value

    @field_validator("connection")
    @classmethod
    def _check_connection(cls, value: str) -> str:
        if not _CONN_ID.fullmatch(value):
            raise ValueError("expected the ID of an Airflow connection, such as synapse_default")
        return value

    @field_validator("end_date")
    @classmethod
    def _check_end_date(cls, value: datetime | None, info: ValidationInfo) -> datetime | None:
        start = info.data.get("start_date")
        if value is not None and start is not None and value <= start:
            raise ValueError(f"expected a time after the start date, {start}")
        return value

    @field_validator("schedule")
    @classmethod
    def _check_schedule(cls, value: str | None) -> str | None:
        from croniter import croniter

        if value is not None and not croniter.is_valid(value):
            raise ValueError("expected a cron expression, for example '0 * * * *'")
        return value


def read_challenge_file(path: Path | str, challenge: str | None = None) -> ChallengeSettings:
    """Read a challenge file. No request is sent.

    A file of orca-recipes (`challenge_configs.yaml`) can be read, too, see `challenge_configs`.
    A warning lists the settings of Nextflow and of the DAG that are not used.

    Args:
        path: The YAML file; its keys are the arguments of `ChallengeSettings`.
        challenge: Name of the section of the challenge, in a file with a section for each; None
            for a file with one challenge.

    Raises:
        ChallengeFileError: The file is missing, is not YAML, or has unknown keys or wrong values.
    """
    path = Path(path)
    content = _read_yaml(path)
    try:
        known = frozenset(ChallengeSettings.model_fields)
        config = translate_config(select_section(content, challenge, known))
    except ValueError as error:
        raise ChallengeFileError(f"Invalid challenge file {path}: {error}") from None
    try:
        settings = ChallengeSettings.model_validate(
            config.settings, context={_FOLDER: path.parent}
        )
    except ValidationError as error:
        raise ChallengeFileError(_describe_errors(path, error, config)) from None
    if unused := config.nextflow + config.dag_arguments:
        warnings.warn(
            f"The challenge {settings.dag_id} does not use {', '.join(unused)} of {path}: "
            "'scorer' evaluates the submissions, without Nextflow, and submissions start the runs "
            "of the DAG. Remove these keys.",
            UserWarning,
            stacklevel=3,
        )
    return settings


def _read_yaml(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.load(path.read_text("utf-8"), _Loader)  # noqa: S506 - a safe loader
    except (OSError, UnicodeDecodeError) as error:
        raise ChallengeFileError(f"Cannot read the challenge file {path}: {error}") from error
    except yaml.YAMLError as error:
        raise ChallengeFileError(f"The challenge file {path} is not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise ChallengeFileError(
            f"The challenge file {path} contains {content!r:.50}: expected keys and values, such "
            "as 'queue: 9600001'"
        )
    return content


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML has no types
    """Loader that refuses duplicate keys, of which PyYAML keeps the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping as a dictionary."""
        own = [key for key, _ in node.value if key.tag != _MERGE]
        keys = [self.construct_object(key, deep=True) for key in own]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} occurs twice", node.start_mark
                )
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return mapping


def _is_command(value: Any) -> bool:
    words = value if isinstance(value, list) else [value]
    return bool(words) and all(isinstance(word, str) and word.strip() for word in words)


def _describe_errors(path: Path, error: ValidationError, config: ChallengeConfig) -> str:
    lines = []
    for one in error.errors(include_url=False):
        first, *others = map(str, one["loc"])
        key = ".".join([config.names.get(first, first), *others])
        section = one["loc"][:-1]
        if one["type"] == "extra_forbidden":
            lines.append(f"unknown key {key!r}; expected one of: {_list_keys(section)}")
        elif one["type"] == "missing":
            lines.append(f"the key {key!r} is missing{_explain_missing(key, config)}")
        else:
            reason = one["msg"].removeprefix("Value error, ")
            lines.append(f"invalid value {redact(repr(one['input']))[:100]} of {key!r}: {reason}")
    return f"Invalid challenge file {path}: " + "; ".join(lines)


def _explain_missing(key: str, config: ChallengeConfig) -> str:
    """Return what a configuration with a submission view or a Nextflow run lacks."""
    if key == "queue" and config.view is not None:
        return f" (the ID of the evaluation whose submissions the view {config.view} lists)"
    if key in ("scorer", "goldstandard") and config.nextflow:
        return f" (it replaces the Nextflow run of {config.nextflow[0]!r})"
    return ""


def _list_keys(section: tuple[int | str, ...]) -> str:
    model: Any = ChallengeSettings
    for name in section:
        model = model.model_fields[name].annotation
    return ", ".join(model.model_fields)
