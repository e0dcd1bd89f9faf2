"""Operator that stores rows in tables."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ClassVar

from synapse_workflows.client.api import table_transactions
from synapse_workflows.hooks.entity_ids import parse_unversioned_id
from synapse_workflows.idempotency.table_schema import NewColumns
from synapse_workflows.idempotency.table_store import StoreMode, SynapseTableRows
from synapse_workflows.idempotency.transaction import Deferral
from synapse_workflows.operator_arguments import check_choice
from synapse_workflows.operators.deferrable import DeferrableSynapseOperator
from synapse_workflows.triggers.execution_deadline import get_execution_deadline

if TYPE_CHECKING:
    from airflow.sdk import Context


class SynapseTableStoreOperator(DeferrableSynapseOperator):
    """Store rows in a table and record their provenance.

    One Synapse transaction stores either all rows or no row. No row is stored twice, even if the
    task is retried or its worker stops at any point. `upsert` does not change rows that are
    already equal. With `replace`, readers see either the old rows or the new rows. If
    another writer changes the table at the same time, the rows are compared again. Returns the
    numbers of changed rows (`SynapseTableRows`).

    Rows of a view or dataset (`mode="upsert"`) set the annotations of the entities, or of the
    submissions, that the columns `id` or `ROW_ID` identify. Only cells that differ are written;
    an empty cell removes the annotation. Rows with `etag`, `ROW_ETAG` or `ROW_VERSION` are refused
    if the entity has changed since they were read. The rows that can be stored are stored; then
    the task fails if others were refused, with the list as the XCom `refused`:
    `[{"id": "syn123", "reason": "..."}]`, at most 1000 items. Annotations create no version and
    have no Activity.

    With `deferrable`, the worker uploads the rows and starts the transaction, and the task waits
    in the triggerer. Then a worker reads the rows again and checks that they are stored, as a
    retry does; local files must be available to all workers. Rows of a view are always stored in
    the worker.

    Args:
        table_id: The table or view, or a reference to it; None with `create` (templated).
        rows: The rows (templated), in one of these forms:

            - a pandas or polars DataFrame, or a pyarrow Table. The named levels of a pandas index
              are columns; an index without a name is ignored.
            - a list or generator of dictionaries. A missing name is an empty cell; `upsert`
              keeps the stored value instead, unless `columns` contains the name.
            - a list or generator of tuples or lists, such as the result of an SQL operator, with
              `columns`.
            - a file: a local path, the URL of an object, an `ObjectStoragePath`, or a reference
              of another task. Its format is CSV with a header, TSV (`.tsv`) or JSON lines
              (`.jsonl`, `.ndjson`), each also compressed by gzip, or Parquet.
            - a list of files or DataFrames with the same columns, such as the results of a mapped
              task.

            Values are converted to the types of the columns. None, `NA`, `NaT` and NaN are empty
            cells; only polars, Arrow and Parquet tell NaN from null, and store it in DOUBLE
            columns. A datetime without a time zone is in UTC.
        mode: `append`, `upsert` or `replace` (templated).
        key: For `upsert`, the columns that identify a row; for a view, `id`, the default
            (templated).
        delete_missing: For `upsert`, whether to delete the rows of the table whose key is not in
            `rows`, in the same transaction. Rows without a key are deleted as well.
        where: For `upsert`, the scope: only rows of the table that meet this condition are
            compared, changed or deleted, and all new rows must meet it. SQL that compares columns
            with values (`centre = 'X' and year >= 2020`), or a dictionary of columns and values,
            which are quoted (`{"centre": "{{ params.centre }}"}`) (templated). A key identifies a
            row within the scope: a row outside the scope with the same key is not changed, and the
            new row is added beside it.
        missing_columns: Whether the rows may lack columns of the table with `append` and
            `replace`; the missing cells are empty. `upsert` keeps the values in those columns.
        chunk_rows: Maximum number of rows in one uploaded file.
        allow_empty: Whether `replace` may leave the table, and `delete_missing` the scope,
            without rows.
        columns: Names of the columns, for rows that are tuples, lists or dictionaries, in the
            order of the columns of a new table (templated). By default, dictionaries have the
            order of their keys, which Airflow's database may sort if another task returned them.
        match_case: Whether upper and lower case of column names must match. False for the
            upper-case names of many warehouses; the names in `key` and in a
            dictionary `where` may then differ in case, too.
        new_columns: `add` adds columns of the rows that the table does not have, with types that
            fit the values; `fail` raises an error.
        create: Whether to create the table `name` in `parent_id` from the rows, unless it exists;
            for tasks without `table_id`. The types of its columns fit the values; short text
            columns have room for 250 characters.
        parent_id: Project or folder of the table, with `create` (templated).
        name: Name of the table, with `create` (templated).
        used: Additional inputs, in any form that the client's Activity accepts (templated).
        executed: Additional code that was executed (templated).
        activity: Inputs, code, name and description as one `Activity` or its JSON. An Activity
            with an ID is linked unchanged (templated).
        activity_name: Name of the Activity; the default is the name of the task (templated).
        activity_description: Text before the description of the task (templated).
        kwargs: `deferrable`, `poll_interval`, `timeout` (see `DeferrableSynapseOperator`),
            `synapse_conn_id`, `lineage_mode` (`declared`: record only `used` and `executed`) and
            the arguments of `BaseOperator`.
    """

    template_fields: Sequence[str] = (
        "table_id",
        "rows",
        "mode",
        "key",
        "where",
        "columns",
        "parent_id",
        "name",
        "used",
        "executed",
        "activity",
        "activity_name",
        "activity_description",
        *DeferrableSynapseOperator.template_fields,
    )
    data_fields: ClassVar[Sequence[str] | None] = ("rows", "used", "executed", "activity")
    template_fields_renderers = {  # noqa: RUF012 - as Airflow declares it
        "rows": "json",
        "used": "json",
        "executed": "json",
        "activity": "json",
    }

    def __init__(
        self,
        *,
        rows: Any,
        table_id: Any = None,
        mode: StoreMode = "append",
        key: Sequence[str] | str | None = None,
        delete_missing: bool = False,
        where: str | Mapping[str, Any] | None = None,
        missing_columns: bool = False,
        chunk_rows: int = 100_000,
        allow_empty: bool = False,
        columns: Sequence[str] | None = None,
        match_case: bool = True,
        new_columns: NewColumns = "fail",
        create: bool = False,
        parent_id: Any = None,
        name: str | None = None,
        used: Any = None,
        executed: Any = None,
        activity: Mapping[str, Any] | None = None,
        activity_name: str | None = None,
        activity_description: str | None = None,
        **kwargs: Any,
    ) -> None:
        check_choice(new_columns, "new_columns", NewColumns)
        super().__init__(**kwargs)
        self.table_id = table_id
        self.rows = rows
        self.mode = mode
        self.key = key
        self.delete_missing = delete_missing
        self.where = where
        self._has_where = where is not None
        self.missing_columns = missing_columns
        self.chunk_rows = chunk_rows
        self.allow_empty = allow_empty
        self.columns = columns
        self.match_case = match_case
        self.new_columns = new_columns
        self.create = create
        self.parent_id = parent_id
        self.name = name
        self.used = used
        self.executed = executed
        self.activity = activity
        self.activity_name = activity_name
        self.activity_description = activity_description

    def execute(self, context: "Context") -> SynapseTableRows:
        """Store the rows and return the numbers of changed rows."""
        return self._store(context, get_execution_deadline(self), None)

    def execute_complete(
        self,
        context: "Context",
        event: Mapping[str, Any],
        execution_deadline: float | None = None,
    ) -> SynapseTableRows:
        """Check that the rows are stored, after the trigger fired.

        Args:
            context: Context of the task.
            event: Event of the trigger.
            execution_deadline: End of the execution_timeout, in seconds since the epoch.

        Raises:
            SynapseTimeoutError: The triggerer stopped waiting; a retry continues to wait.
            AirflowTaskTimeout: The execution_timeout has passed; a retry continues to wait.
        """
        with self.resumed(event, execution_deadline):
            return self._store(context, execution_deadline, str(event["job"]))

    def _store(
        self, context: "Context", deadline: float | None, finished_job: str | None
    ) -> SynapseTableRows:
        """Store the rows, or continue after the deferral for a job."""
        table_id = self.table_id
        if table_id is not None:
            table_id = parse_unversioned_id(table_id, "table_id")

        def defer(used_id: str, job: str) -> None:
            self.set_entity_url(used_id)
            self.defer_until_done(table_transactions.job_path(used_id), job, deadline)

        deferral = Deferral(defer, finished_job)
        with nullcontext() if table_id is None else self.entity_link(table_id):
            self.limit_job_time()
            result = self.hook.store_rows(
                table_id,
                self.rows,
                self.mode,
                key=self.key,
                delete_missing=self.delete_missing,
                where="" if self.where is None and self._has_where else self.where,
                missing_columns=self.missing_columns,
                chunk_rows=self.chunk_rows,
                allow_empty=self.allow_empty,
                columns=self.columns,
                match_case=self.match_case,
                new_columns=self.new_columns,
                create=self.create,
                parent_id=self.parent_id,
                name=self.name,
                used=self.used,
                executed=self.executed,
                activity=self.activity,
                activity_name=self.activity_name,
                activity_description=self.activity_description,
                deferral=deferral if self.deferrable else None,
            )
        self.set_entity_url(result["id"])
        self.set_map_index_name(context, result["id"])
        self.push_items(context, result)
        return result
