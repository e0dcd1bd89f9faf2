"""Airflow hook for Synapse."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from synapse_workflows.client.model.argument_types import CollisionPolicy
from synapse_workflows.client.model.ids import VersionedId
from synapse_workflows.hooks import query_reads
from synapse_workflows.hooks.annotations import annotate_entities
from synapse_workflows.hooks.entity_ids import parse_entity_id, parse_unversioned_id
from synapse_workflows.hooks.file_references import SynapseFile, local_path
from synapse_workflows.hooks.files import DownloadOptions, FileUpload, UploadOptions, download
from synapse_workflows.hooks.sql_parameters import bind_parameters
from synapse_workflows.hooks.sync import SyncHook
from synapse_workflows.idempotency.annotation_writer import AnnotateMode, SynapseAnnotations
from synapse_workflows.idempotency.message_sender import (
    MessageContentType,
    OutgoingMessage,
    SynapseMessage,
    send_from_code,
)
from synapse_workflows.idempotency.table_schema import NewColumns, TableLocation
from synapse_workflows.idempotency.table_store import (
    StoreMode,
    StoreOptions,
    SynapseTableRows,
    store_rows,
)
from synapse_workflows.idempotency.transaction import Deferral
from synapse_workflows.lineage.store_provenance import IfUnchanged
from synapse_workflows.operator_arguments import (
    check_choice,
    optional_mapping,
    optional_text,
    parse_provenance,
    parse_version,
)


class SynapseHook(SyncHook):
    """Interact with Synapse (synapse.org).

    Inside a task, the client records what it reads and stores as the lineage of the task. Every
    entity that the client stores has an Activity.

    Args:
        synapse_conn_id: Id of the connection. Its password is a personal access token.
        lineage_mode: `merge`, `replace`, `declared` or `off`; None for that of the connection or
            of `[synapse] lineage_mode`.
    """

    def store_rows(
        self,
        table_id: Any = None,
        rows: Any = None,
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
        new_columns: NewColumns = "fail",
        create: bool = False,
        parent_id: Any = None,
        name: str | None = None,
        used: Any = None,
        executed: Any = None,
        activity: Mapping[str, Any] | str | None = None,
        activity_name: str | None = None,
        activity_description: str | None = None,
        deferral: Deferral | None = None,
    ) -> SynapseTableRows:
        """Store rows in a table, as `SynapseTableStoreOperator` does.

        One Synapse transaction stores either all rows or no row. Inside a task, a retry stores no
        row twice, even if the worker stopped at any point. A task may call this method several
        times, for one table or for several tables. A retry continues the calls for one table in
        their order; appends with equal rows may be in any order. If a retry appends other rows
        than the earlier try, it fails, because the table has the earlier rows. Outside a task,
        each call is independent.

        Args:
            table_id: The table or view, or a reference to it; None with `create`. Rows of a view
                set annotations, see `SynapseTableStoreOperator`.
            rows: The rows in any form that `SynapseTableStoreOperator` takes: a DataFrame, a list
                or generator of dictionaries, or of tuples with `columns`, a file, or a list of
                files.
            mode: `append`, `upsert` or `replace`.
            key: For `upsert`, the columns that identify a row; for a view, `id`, the default.
            delete_missing: For `upsert`, whether to delete the rows of the table whose key is not
                in `rows`, in the same transaction. Rows without a key are deleted as well.
            where: For `upsert`, the scope: only rows of the table that meet this condition are
                compared, changed or deleted, and all new rows must meet it. SQL that compares
                columns with values (`centre = 'X' and year >= 2020`), or a dictionary of columns
                and values, which are quoted (`{"centre": "X"}`). A key identifies a row within the
                scope; a row outside the scope may have the same key.
            missing_columns: Whether the rows may lack columns of the table with `append` and
                `replace`; the missing cells are empty. `upsert` keeps the values in those
                columns.
            chunk_rows: Maximum number of rows in one uploaded file.
            allow_empty: Whether `replace` may leave the table, and `delete_missing` the scope,
                without rows.
            columns: Names of the columns, for rows that are tuples or lists.
            match_case: Whether upper and lower case of column names must match, also in `key` and
                in a dictionary `where`.
            new_columns: `add` adds columns of the rows that the table does not have, with types
                that fit the values; `fail` raises an error.
            create: Whether to create the table `name` in `parent_id` from the rows, unless it
                exists; for calls without `table_id`. The types of its columns fit the values;
                short text columns have room for 250 characters.
            parent_id: Project or folder of the table, with `create`.
            name: Name of the table, with `create`.
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
            AirflowException: Some rows of a view were refused; a retry may succeed.
            SynapseHTTPError: Synapse rejected the rows; none was stored.
        """
        if parent_id is not None:
            parent_id = parse_unversioned_id(parent_id, "parent_id")
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
            new_columns=new_columns,
            location=TableLocation.from_arguments(parent_id, name, create=create),
            provenance=parse_provenance(
                used, executed, activity, activity_name, activity_description
            ),
        )
        if table_id is not None:
            table_id = parse_unversioned_id(table_id, "table_id")
        result = store_rows(self.client, table_id, rows, options, local_path, deferral)
        self.log.info(
            "%s: %d rows added, %d changed, %d deleted",
            result["id"],
            result["added"],
            result["changed"],
            result["deleted"],
        )
        return result

    def get_records(
        self, sql: str, parameters: Iterable[Any] | Mapping[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """Run a query and return its rows, with values of the columns' types.

        The queried version of the table is recorded as used.

        Args:
            sql: The query, for example `select name from syn123 where age > 5`.
            parameters: Values for the placeholders `%s`, or `%(name)s` for a mapping.

        Raises:
            AirflowFailException: The SQL is not a query, or placeholders and parameters do not
                match.
        """
        return query_reads.get_records(self.client, bind_parameters(sql, parameters))

    def get_first(
        self, sql: str, parameters: Iterable[Any] | Mapping[str, Any] | None = None
    ) -> tuple[Any, ...] | None:
        """Run a query and return its first row; None without rows. See `get_records`."""
        return query_reads.get_first(self.client, bind_parameters(sql, parameters))

    def get_df(
        self,
        sql: str,
        parameters: Iterable[Any] | Mapping[str, Any] | None = None,
        *,
        df_type: Literal["pandas", "polars"] = "pandas",
        **kwargs: Any,
    ) -> Any:
        """Run a query and return its rows as a DataFrame with the types of the columns.

        The queried version of the table is recorded as used. Dates are timestamps in UTC.

        Args:
            sql: The query, for example `select name, age from syn123`.
            parameters: Values for the placeholders `%s`, or `%(name)s` for a mapping.
            df_type: `pandas`, or `polars`, which also needs pyarrow.
            kwargs: For pandas, arguments of `asDataFrame`: `convert_to_datetime=False` returns
                dates as milliseconds since 1970.

        Raises:
            AirflowFailException: The SQL is not a query, an argument is invalid, or placeholders
                and parameters do not match.
            ImportError: The library is not installed.
        """
        check_choice(df_type, "df_type", Literal["pandas", "polars"])
        table = query_reads.query_csv(self.client, bind_parameters(sql, parameters))
        if df_type == "polars":
            return query_reads.read_polars(table)
        return query_reads.read_pandas(table, kwargs)

    def get_file(
        self,
        entity_id: Any,
        version: int | str | None = None,
        *,
        download_file: bool = True,
        download_dir: Any = None,
        if_collision: CollisionPolicy = "keep.both",
        follow_link: bool = False,
    ) -> SynapseFile:
        """Download an entity, as `SynapseGetOperator` does, and return its reference.

        The version is recorded as used. The file is in the cache until the task ends, or in
        `download_dir`; its path is `reference["path"]`.

        Args:
            entity_id: `syn123` for the current version, `syn123.4` for version 4, or a reference.
            version: Version number; overrides the version in `entity_id`.
            download_file: Whether to download the content.
            download_dir: Directory for the file, instead of the cache: a local path, the URL of a
                directory in object storage, or an `ObjectStoragePath`.
            if_collision: What to do when `download_dir` has a file of the same name: `keep.both`,
                `overwrite.local` or `keep.local`.
            follow_link: Whether to download the target of a Link.

        Raises:
            AirflowFailException: `download_dir` is invalid, or the file may not be downloaded.
            SynapseNotFoundError: The version does not exist.
        """
        parsed = parse_entity_id(entity_id, "entity_id")
        entity = VersionedId(parsed.id, parse_version(version, "version") or parsed.version)
        options = DownloadOptions(download_file, download_dir, if_collision, follow_link)
        return download(self.client, entity, options)

    def store_file(
        self,
        path: Any,
        parent_id: Any,
        *,
        folder: str | None = None,
        name: str | None = None,
        annotations: Mapping[str, Any] | None = None,
        version_label: str | None = None,
        version_comment: str | None = None,
        used: Any = None,
        executed: Any = None,
        activity: Mapping[str, Any] | str | None = None,
        activity_name: str | None = None,
        activity_description: str | None = None,
        force_version: bool = False,
        if_unchanged: IfUnchanged = "keep",
    ) -> Any:
        """Upload files, as `SynapseStoreOperator` does, and return their references.

        Inside a task, the files have the Activity of the task, and a retry creates no second
        version.

        Args:
            path: A local path, the URL of an object, an `ObjectStoragePath`, a reference, or a
                list of these.
            parent_id: The project or folder.
            folder: Path of folders below the parent; missing folders are created.
            name: Name of the entity, for a single path; the default is the file name.
            annotations: Annotations of each entity.
            version_label: Label of the version; a new label creates a new version.
            version_comment: Comment of the version.
            used: Additional inputs, in any form that the client's Activity accepts.
            executed: Additional code that was executed.
            activity: Inputs, code, name and description as one `Activity` or its JSON. An
                Activity with an ID is linked unchanged.
            activity_name: Name of the Activity; the default is the name of the task.
            activity_description: Text before the description of the task.
            force_version: Whether to create a new version of unchanged content.
            if_unchanged: `keep` or `new_version`: what to do if another run or a person has
                already stored the same content; see `SynapseStoreOperator`.

        Returns:
            The reference (`SynapseFile`); for a list of paths, a list of references.

        Raises:
            AirflowFailException: An argument is invalid.
            SynapseFileNotFoundError: A file does not exist.
            SynapseNotFoundError: The parent or a declared source does not exist.
        """
        check_choice(if_unchanged, "if_unchanged", IfUnchanged)
        options = UploadOptions(
            folder=optional_text(folder, "folder"),
            name=optional_text(name, "name", allow_empty=False),
            annotations=optional_mapping(annotations, "annotations"),
            version_label=optional_text(version_label, "version_label", allow_empty=False),
            version_comment=optional_text(version_comment, "version_comment"),
            force_version=force_version,
            if_unchanged=if_unchanged,
            provenance=parse_provenance(
                used, executed, activity, activity_name, activity_description
            ),
        )
        upload = FileUpload(self.client, parse_entity_id(parent_id, "parent_id").id, options)
        return upload.upload(path, upload.prepare(path))

    def annotate(
        self, entities: Any, annotations: Any, mode: AnnotateMode = "merge"
    ) -> SynapseAnnotations:
        """Annotate entities, as `SynapseAnnotateOperator` does.

        If some entities cannot be annotated, the others are; then an error lists the refused
        entities. In a task, the list is also the XCom `refused`.

        Args:
            entities: An entity ID, a reference, or a list of these; None for all entities in
                `annotations`.
            annotations: One value or a list of values by key, for all entities; or a dictionary
                of these by entity ID. None removes a key.
            mode: `merge` keeps the other annotations of the entity, `replace` removes them.

        Returns:
            The IDs of the `changed` and the `unchanged` entities.

        Raises:
            AirflowFailException: An argument is invalid, or some entities were not annotated and a
                retry cannot succeed. The other entities were annotated.
            AirflowException: Some entities were not annotated; a retry may succeed.
            SynapseMalformedEntityError: An item of `entities` is not an entity ID.
        """
        result = annotate_entities(self.client, entities, annotations, mode)
        self.log.info(
            "Annotated %d entities; %d had the annotations already",
            len(result["changed"]),
            len(result["unchanged"]),
        )
        return result

    def send_message(
        self,
        to: Any,
        subject: str | None,
        body: str,
        content_type: MessageContentType = "text/plain",
    ) -> SynapseMessage:
        """Send a message to users and teams, as `SynapseMessageOperator` does.

        Inside a task, a retry sends no message that an earlier try has sent. Messages are
        compared by recipients, subject, body and content type.

        Args:
            to: A user name, a team name or a principal ID, also with the prefix `user:` or
                `team:`; or a list of these, of which duplicates are removed.
            subject: Subject of the message; None for none.
            body: Text of the message.
            content_type: `text/plain` or `text/html`.

        Returns:
            The sent message: its `id`, `recipients`, `subject` and `created_on`.

        Raises:
            AirflowFailException: An argument is invalid, a recipient is unknown or ambiguous, or
                there are more than 50 recipients.
            SynapseForbiddenError: The user may not send messages to a team.
            SynapseTooManyRequestsError: The user has sent too many messages, 10 in 60 seconds.
            ValueError: Unknown `content_type`.
        """
        message = OutgoingMessage.parse(to, subject, body, content_type)
        return send_from_code(self.client, message)


class SynHook(SynapseHook):
    """Synapse hook for connections of the old type `syn`.

    `SynapseHook` accepts such connections too. The web UI does not list the type `syn`.
    """

    conn_type = "syn"
