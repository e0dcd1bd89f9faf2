"""Airflow hook for Synapse."""

from collections.abc import Mapping, Sequence
from typing import Any

from synapse_workflows.hooks.base import SynapseBaseHook
from synapse_workflows.hooks.entity_ids import parse_unversioned_id
from synapse_workflows.hooks.file_references import local_path
from synapse_workflows.idempotency.table_store import (
    StoreMode,
    StoreOptions,
    SynapseTableRows,
    store_rows,
)
from synapse_workflows.idempotency.transaction import Deferral
from synapse_workflows.operator_arguments import check_provenance, optional_text


class SynapseHook(SynapseBaseHook):
    """Interact with Synapse (synapse.org).

    Inside a task, the client records what it reads and stores as the lineage of the task. Every
    entity that the client stores has an Activity.

    Args:
        synapse_conn_id: Id of the connection. Its password is a personal access token.
        lineage_mode: `auto`, `declared` or `off`; None for `[synapse] lineage_mode`.
    """

    def store_rows(
        self,
        table_id: Any,
        rows: Any,
        mode: StoreMode = "append",
        *,
        key: Sequence[str] | str | None = None,
        delete_missing: bool = False,
        where: str | Mapping[str, Any] | None = None,
        missing_columns: bool = False,
        chunk_rows: int = 100_000,
        allow_empty: bool = False,
        columns: Sequence[str] | None = None,
        match_case: bool = True,
        used: Any = None,
        executed: Any = None,
        activity: Mapping[str, Any] | str | None = None,
        activity_name: str | None = None,
        activity_description: str | None = None,
        deferral: Deferral | None = None,
    ) -> SynapseTableRows:
        """Store rows in a table, as `SynapseTableStoreOperator` does.

        One Synapse transaction stores either all rows or no row. Inside a task, a retry stores no
        row twice, even if the worker stopped at any point.

        Args:
            table_id: The table, or a reference to it.
            rows: The rows in any form that `SynapseTableStoreOperator` takes: a DataFrame, a list
                or generator of dictionaries, or of tuples with `columns`, a file, or a list of
                files.
            mode: `append`, `upsert` or `replace`.
            key: For `upsert`, the columns that identify a row.
            delete_missing: For `upsert`, whether to delete the rows of the table whose key is not
                in `rows`, in the same transaction. Rows without a key are deleted as well.
            where: For `upsert`, the scope: only rows of the table that meet this condition are
                compared, changed or deleted, and all new rows must meet it. SQL that compares
                columns with values (`centre = 'X' and year >= 2020`), or a dictionary of columns
                and values, which are quoted (`{"centre": "X"}`).
            missing_columns: Whether the rows may lack columns of the table with `append` and
                `replace`; the missing cells are empty. `upsert` keeps the values in those
                columns.
            chunk_rows: Maximum number of rows in one uploaded file.
            allow_empty: Whether `replace` may leave the table, and `delete_missing` the scope,
                without rows.
            columns: Names of the columns, for rows that are tuples or lists.
            match_case: Whether upper and lower case of column names must match.
            used: Additional inputs, in any form that the client's Activity accepts.
            executed: Additional code that was executed.
            activity: Inputs, code, name and description as one `Activity` or its JSON. An
                Activity with an ID is linked unchanged.
            activity_name: Name of the Activity; the default is the name of the task.
            activity_description: Text before the description of the task.
            deferral: How the task waits for the job that stores the rows; None to wait in the
                worker.

        Returns:
            The numbers of changed rows, as JSON.

        Raises:
            AirflowFailException: An argument, the rows or the table are invalid.
            SynapseHTTPError: Synapse rejected the rows; none was stored.
        """
        options = StoreOptions(
            mode=mode,
            key=key,
            delete_missing=delete_missing,
            where=where,
            missing_columns=missing_columns,
            chunk_rows=chunk_rows,
            allow_empty=allow_empty,
            columns=columns,
            match_case=match_case,
            provenance={
                "used": used,
                "executed": executed,
                "activity": check_provenance(used, executed, activity),
                "activityName": optional_text(activity_name, "activity_name"),
                "activityDescription": optional_text(activity_description, "activity_description"),
            },
        )
        table_id = parse_unversioned_id(table_id, "table_id")
        result = store_rows(self.client, table_id, rows, options, local_path, deferral)
        self.log.info(
            "%s: %d rows added, %d changed, %d deleted",
            table_id,
            result["added"],
            result["changed"],
            result["deleted"],
        )
        return result


class SynHook(SynapseHook):
    """Synapse hook for connections of the old type `syn`.

    `SynapseHook` accepts such connections too. The web UI does not list the type `syn`.
    """

    conn_type = "syn"
