"""Leaderboard of an evaluation queue: reads the scores, and builds the rows of the board."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Literal

from synapse_workflows.challenge.ranking import (
    RankDirection,
    RankedSubmission,
    ScoredSubmission,
    rank_submissions,
)
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseStaleError
from synapse_workflows.client.model.status_annotations import from_submission_status_annotations
from synapse_workflows.client.model.submissions import Submission, SubmissionStatus
from synapse_workflows.constants import SubmissionStatusEnum
from synapse_workflows.lineage.source_versions import add_known_version

#: Whose best submission is ranked: of each user who submitted, of each team (users without a team
#: stand for themselves), or all submissions.
BestPer = Literal["submitter", "team", "all"]

#: Columns of the board before the scores.
FIRST_COLUMNS: Final = (
    "rank",
    "submission_id",
    "submitter_id",
    "submitter",
    "submission_name",
    "submitted_on",
)
#: Legacy annotations that the service adds.
_META_KEYS: Final = frozenset({"objectId", "scopeId"})
#: First characters of a cell that a spreadsheet evaluates.
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")
#: Number of submissions that one request reads.
_PAGE_SIZE: Final = 100
#: Number of names of users and teams that one request reads.
_NAMES_PER_REQUEST: Final = 100


@dataclass(frozen=True)
class LeaderboardOptions:
    """What a leaderboard shows.

    Args:
        rank_by: Direction by name of the score, the most important score first.
        best_per: Whose best submission is ranked.
        columns: Names of further annotations to show.

    Raises:
        ValueError: The name of an annotation is also the name of another column.
    """

    rank_by: Mapping[str, RankDirection]
    best_per: BestPer = "team"
    columns: Sequence[str] = ()

    def __post_init__(self) -> None:
        names = self.names
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(
                f"Invalid columns {', '.join(repeated)}: the leaderboard has a column of this "
                "name. Store the score as an annotation with another name"
            )

    @property
    def names(self) -> list[str]:
        """Names of all columns, in order."""
        return [*FIRST_COLUMNS, *self.rank_by, *self.columns]


class Leaderboard:
    """Ranking of the scored submissions of an evaluation.

    Args:
        client: Sends the requests.
        evaluation_id: ID of the evaluation.
        options: Scores and columns.

    Raises:
        SynapseNotFoundError: The evaluation does not exist.
        SynapseForbiddenError: The user may not read the submissions.
        SynapseStaleError: Submissions were withdrawn each time the list was read.
    """

    def __init__(self, client: Session, evaluation_id: str, options: LeaderboardOptions) -> None:
        self.client = client
        self.options = options
        #: The scored submissions by ID.
        self.submissions: dict[str, Submission] = {}
        scored = []
        for submission, status in _read_bundles(client, evaluation_id):
            if status.status == SubmissionStatusEnum.SCORED:
                self.submissions[submission.id] = submission
                scored.append(_to_scored(submission, status, options.best_per))
        self.ranking = rank_submissions(scored, options.rank_by)
        #: Names of the annotations of the scored submissions.
        self.known_names = sorted({name for one in scored for name in one.values})

    @property
    def used(self) -> list[str]:
        """The ranked entities with their versions: `syn123.4`."""
        found = (self.submissions[one.submission.submission_id] for one in self.ranking.ranked)
        versions = dict.fromkeys((one.entityId, one.versionNumber) for one in found)
        for entity_id, version in versions:
            add_known_version(self.client, entity_id, version)
        return [f"{entity_id}.{version}" for entity_id, version in versions]

    def build_rows(self) -> list[dict[str, Any]]:
        """Return the rows of the board, best first.

        Source:
            GET /userGroupHeaders/batch
        """
        ids = {_submitter_id(one) for one in self.submissions.values()}
        names = _read_names(self.client, sorted(ids))
        return [self._build_row(one, names) for one in self.ranking.ranked]

    def _build_row(self, ranked: RankedSubmission, names: Mapping[str, str]) -> dict[str, Any]:
        submission = self.submissions[ranked.submission.submission_id]
        submitter = _submitter_id(submission)
        alias = submission.get("submitterAlias")
        values = ranked.submission.values
        return {
            "rank": ranked.rank,
            "submission_id": submission.id,
            "submitter_id": submitter,
            "submitter": alias or names.get(submitter, submitter),
            "submission_name": submission.get("name"),
            "submitted_on": ranked.submission.submitted_on,
            **dict(zip(self.options.rank_by, ranked.scores, strict=True)),
            **{name: _to_cell(values.get(name)) for name in self.options.columns},
        }


def _read_bundles(
    client: Session, evaluation_id: str
) -> list[tuple[Submission, SubmissionStatus]]:
    """Read the submissions of all statuses, oldest first.

    All statuses are read: pages of one status shift when another submission is scored. A
    submission that is withdrawn meanwhile shifts the pages too, and another one would be missing.
    So each page starts with the last submission of the page before, or the list is read again.

    Source:
        GET /evaluation/{id}/submission/bundle/all
    """
    path = f"/evaluation/{evaluation_id}/submission/bundle/all"

    def read() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        last: list[str] = []
        while True:
            params = {"limit": _PAGE_SIZE, "offset": max(0, len(found) - 1)}
            reply = client.call("GET", path, params=params)
            page = reply.object.get("results") or []
            if found and [one["submission"]["id"] for one in page[:1]] != last:
                raise SynapseStaleError(
                    HTTPStatus.PRECONDITION_FAILED,
                    f"Submissions to the evaluation {evaluation_id} were withdrawn",
                    f"GET {path}",
                )
            found += page[1:] if found else page
            last = [one["submission"]["id"] for one in found[-1:]]
            if len(page) < _PAGE_SIZE:
                return found

    return [
        (Submission(**one["submission"]), SubmissionStatus(**one["submissionStatus"]))
        for one in retry_stale(read)
    ]


def write_csv(path: Path, names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the rows of a board to a CSV file in UTF-8, with a header.

    Participants choose their names. A text that a spreadsheet would evaluate as a formula gets an
    apostrophe in front of it.

    Args:
        path: Path of the new file.
        names: Names of the columns.
        rows: Values by name.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names)  # ends lines with CR LF, so a CR in a text is quoted
        writer.writeheader()
        writer.writerows({name: _to_plain(value) for name, value in row.items()} for row in rows)


def _to_plain(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def widen_numbers(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of a board for a table, with floats instead of whole numbers.

    The type of a column must not depend on whether the first scores happen to be whole numbers.
    The rank, and numbers that a float cannot represent, are not changed.
    """
    return [
        {name: value if name == "rank" else _widen(value) for name, value in row.items()}
        for row in rows
    ]


def _widen(value: Any) -> Any:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if is_whole and float(value) == value else value


def _to_scored(
    submission: Submission, status: SubmissionStatus, best_per: BestPer
) -> ScoredSubmission:
    participants = {
        "submitter": str(submission.userId),
        "team": _submitter_id(submission),
        "all": submission.id,
    }
    legacy = from_submission_status_annotations(status.get("annotations") or {})
    values = {
        "score": status.get("score"),
        **{name: value for name, value in legacy.items() if name not in _META_KEYS},
        **status.submissionAnnotations,
    }
    present = {name: value for name, value in values.items() if value is not None}
    return ScoredSubmission(submission.id, participants[best_per], submission.createdOn, present)


def _submitter_id(submission: Submission) -> str:
    """Return the ID of the team of a submission, or of the user who submitted alone."""
    return str(submission.get("teamId") or submission.userId)


def _read_names(client: Session, ids: Sequence[str]) -> dict[str, str]:
    """Return the names of users and teams by ID; deleted ones are left out."""
    return dict(_iter_names(client, ids))


def _iter_names(client: Session, ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    for start in range(0, len(ids), _NAMES_PER_REQUEST):
        params = {"ids": ",".join(ids[start : start + _NAMES_PER_REQUEST])}
        page = client.call("GET", "/userGroupHeaders/batch", params=params).object
        for header in page.get("children") or ():
            yield str(header["ownerId"]), str(header["userName"])


def _to_cell(value: Any) -> Any:
    """Return the value of an annotation; several values as JSON text."""
    if not isinstance(value, list | tuple):
        return value
    return value[0] if len(value) == 1 else json.dumps(list(value), default=str)
