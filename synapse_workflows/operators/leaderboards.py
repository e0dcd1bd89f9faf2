"""Operator that ranks the scored submissions of a challenge."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from synapse_workflows.challenge.leaderboard import (
    BestPer,
    Leaderboard,
    LeaderboardOptions,
    widen_numbers,
    write_csv,
)
from synapse_workflows.challenge.ranking import RankDirection, parse_rank_by
from synapse_workflows.client.api.evaluations import parse_evaluation_id
from synapse_workflows.hooks.entity_ids import parse_entity_id, parse_unversioned_id
from synapse_workflows.hooks.file_references import SynapseFile
from synapse_workflows.idempotency.table_store import SynapseTableRows
from synapse_workflows.operator_arguments import check_choice, optional_text
from synapse_workflows.operators.base import SynapseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

#: What to do with scored submissions that cannot be ranked.
OnUnranked = Literal["list", "fail"]


class SynapseLeaderboard(TypedDict):
    """Result of `SynapseLeaderboardOperator`, as JSON.

    `ranked` is the number of rows of the board. `unranked` lists the scored submissions without
    valid scores: `[{"submission_id": "9700001", "reason": "'auc' is missing"}]`. `file` and
    `table` are None if they were not requested.
    """

    evaluation_id: str
    ranked: int
    unranked: list[dict[str, str]]
    file: SynapseFile | None
    table: SynapseTableRows | None


class SynapseLeaderboardOperator(SynapseOperator):
    """Rank the scored submissions of an evaluation, and store the board as a CSV file and a table.

    The submissions with the status SCORED are read from the evaluation queue, not from a view.
    Scores are the annotations of their statuses; the name `score` also stands for the score of the
    status. Submissions with equal scores share a rank, and the next rank is skipped: 1, 1, 3. The
    columns are `rank`, `submission_id`, `submitter_id` (the team, or the user), `submitter` (the
    alias or the name), `submission_name`, `submitted_on`, the scores, and `columns`.

    In the CSV file, a text that a spreadsheet would evaluate as a formula starts with an
    apostrophe.

    The Activity of the board names the entity of each ranked submission with its version. A board
    with the same content creates no new version, and changes no row. Without scored submissions,
    the task is skipped, unless `allow_empty`. Returns a `SynapseLeaderboard`.

    Args:
        evaluation_id: ID of the evaluation (templated).
        rank_by: Direction of each score by its name, the most important score first. With
            `descending`, the largest value has rank 1: `{"auc": "descending", "loss":
            "ascending"}`.
        best_per: Whose best submission is ranked: `submitter` (each user who submitted), `team`
            (each team; users without a team stand for themselves), or `all` submissions.
        columns: Names of further annotations to show.
        on_unranked: What to do with scored submissions whose scores are missing or are not finite
            numbers: `list` them in the result and in the log, or `fail` before anything is stored.
        allow_empty: Whether to store an empty board if there are no scored submissions.
        parent_id: Project or folder for the CSV file; None to store no file (templated).
        name: Name of the CSV file (templated).
        table_id: Table whose rows are replaced by the board (templated).
        table_name: Name of a table in `parent_id`, which is created unless it exists; instead of
            `table_id` (templated).
        used: Additional inputs, in any form that the client's Activity accepts (templated).
        executed: Additional code that was executed (templated).
        activity_name: Name of the Activity; the default is the name of the task (templated).
        activity_description: Text before the description of the task (templated).
        kwargs: `synapse_conn_id`, `lineage_mode` and the arguments of `BaseOperator`.

    Raises:
        ValueError: An argument is invalid.
    """

    template_fields: Sequence[str] = (
        "evaluation_id",
        "parent_id",
        "name",
        "table_id",
        "table_name",
        "used",
        "executed",
        "activity_name",
        "activity_description",
        *SynapseOperator.template_fields,
    )
    data_fields: ClassVar[Sequence[str] | None] = ("evaluation_id", "used", "executed")
    template_fields_renderers = {  # noqa: RUF012 - as Airflow declares it
        "used": "json",
        "executed": "json",
    }

    def __init__(
        self,
        *,
        evaluation_id: Any,
        rank_by: Mapping[str, RankDirection],
        best_per: BestPer = "team",
        columns: Sequence[str] = (),
        on_unranked: OnUnranked = "list",
        allow_empty: bool = False,
        parent_id: Any = None,
        name: str = "leaderboard.csv",
        table_id: Any = None,
        table_name: str | None = None,
        used: Any = None,
        executed: Any = None,
        activity_name: str | None = None,
        activity_description: str | None = None,
        **kwargs: Any,
    ) -> None:
        check_choice(best_per, "best_per", BestPer)
        check_choice(on_unranked, "on_unranked", OnUnranked)
        shown = (columns,) if isinstance(columns, str) else tuple(columns)
        self._options = LeaderboardOptions(parse_rank_by(rank_by), best_per, shown)
        super().__init__(**kwargs)
        self.evaluation_id = evaluation_id
        self.rank_by = rank_by
        self.best_per = best_per
        self.columns = columns
        self.on_unranked = on_unranked
        self.allow_empty = allow_empty
        self.parent_id = parent_id
        self.name = name
        self.table_id = table_id
        self.table_name = table_name
        self.used = used
        self.executed = executed
        self.activity_name = activity_name
        self.activity_description = activity_description

    def execute(self, context: "Context") -> SynapseLeaderboard:
        """Rank the submissions, store the board, and return a summary."""
        evaluation_id = self._parse_evaluation_id()
        target = self._parse_target()
        if self.parent_id is not None:
            self.set_entity_url(parse_entity_id(self.parent_id, "parent_id").id)
        board = Leaderboard(self.hook.client, evaluation_id, self._options)
        unranked = self._check_ranking(board, evaluation_id)
        rows = board.build_rows()
        provenance = {
            "used": [*board.used, *_to_list(self.used)],
            "executed": self.executed,
            "activity_name": self.activity_name,
            "activity_description": self.activity_description,
        }
        file = self._store_file(rows, provenance)
        table = self._store_table(rows, target, provenance)
        result = SynapseLeaderboard(
            evaluation_id=evaluation_id,
            ranked=len(rows),
            unranked=unranked,
            file=file,
            table=table,
        )
        self.set_map_index_name(context, evaluation_id)
        self.push_items(context, result)
        return result

    def _parse_evaluation_id(self) -> str:
        try:
            return parse_evaluation_id(self.evaluation_id)
        except ValueError as error:
            raise AirflowFailException(f"Invalid evaluation_id: {error}") from error

    def _parse_target(self) -> dict[str, Any] | None:
        """Return the arguments of `store_rows` that select the table; None without a table.

        Raises:
            AirflowFailException: The arguments do not select a place for the board.
        """
        table_name = optional_text(self.table_name, "table_name")
        if self.table_id is not None and table_name is not None:
            raise AirflowFailException(
                f"table_id={self.table_id!r} and table_name={table_name!r} exclude each other: "
                "remove one of them"
            )
        if self.parent_id is None and (table_name is not None or self.table_id is None):
            raise AirflowFailException(
                "parent_id is missing: set it to the project or folder of the leaderboard. Only a "
                "board that is stored in the table table_id has no parent_id"
            )
        if self.table_id is not None:
            return {"table_id": parse_unversioned_id(self.table_id, "table_id")}
        if table_name is None:
            return None
        return {"create": True, "parent_id": self.parent_id, "name": table_name}

    def _check_ranking(self, board: Leaderboard, evaluation_id: str) -> list[dict[str, str]]:
        """Log the ranking; return the submissions that are not ranked.

        Raises:
            AirflowSkipException: There are no scored submissions.
            AirflowFailException: No submission has valid scores, or some have none and
                `on_unranked` is `fail`.
        """
        ranking = board.ranking
        if not board.submissions and not self.allow_empty:
            raise AirflowSkipException(
                f"Evaluation {evaluation_id} has no submissions with the status SCORED. Set "
                "allow_empty=True to store an empty leaderboard"
            )
        for one in ranking.unranked:
            self.log.warning("Submission %s is not ranked: %s", one.submission_id, one.reason)
        if ranking.unranked and (self.on_unranked == "fail" or not ranking.ranked):
            first = ranking.unranked[0]
            raise AirflowFailException(
                f"{len(ranking.unranked)} of {len(board.submissions)} scored submissions of "
                f"evaluation {evaluation_id} cannot be ranked by {', '.join(self.rank_by)}, for "
                f"example {first.submission_id}: {first.reason}. Their annotations are: "
                f"{', '.join(board.known_names) or 'none'}"
            )
        self.log.info(
            "%d submissions are ranked, %d have no valid scores, %d are not the best of their %s",
            len(ranking.ranked),
            len(ranking.unranked),
            ranking.superseded,
            self.best_per,
        )
        return [
            {"submission_id": one.submission_id, "reason": one.reason} for one in ranking.unranked
        ]

    def _store_file(
        self, rows: Sequence[Mapping[str, Any]], provenance: Mapping[str, Any]
    ) -> SynapseFile | None:
        if self.parent_id is None:
            return None
        parent_id = parse_entity_id(self.parent_id, "parent_id").id
        with TemporaryDirectory() as directory, self.entity_link(parent_id):
            path = Path(directory, "leaderboard.csv")
            write_csv(path, self._options.names, rows)
            file: SynapseFile = self.hook.store_file(
                str(path), parent_id, name=self.name, **provenance
            )
        file["path"] = None  # the temporary file is deleted
        self.set_entity_url(file["id"], file["version"])
        return file

    def _store_table(
        self,
        rows: Sequence[Mapping[str, Any]],
        target: Mapping[str, Any] | None,
        provenance: Mapping[str, Any],
    ) -> SynapseTableRows | None:
        if target is None or (not rows and self._is_missing(target)):
            return None
        table = self.hook.store_rows(
            rows=widen_numbers(rows),
            mode="replace",
            columns=self._options.names,
            missing_columns=True,
            new_columns="add",
            allow_empty=self.allow_empty,
            **target,
            **provenance,
        )
        if self.parent_id is None:
            self.set_entity_url(table["id"])
        return table

    def _is_missing(self, target: Mapping[str, Any]) -> bool:
        """Return whether the table does not exist; the first rows will create it."""
        if "name" not in target:
            return False
        parent_id = parse_entity_id(target["parent_id"], "parent_id").id
        return self.hook.client.findEntityId(target["name"], parent_id) is None


def _to_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
