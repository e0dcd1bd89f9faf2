"""Annotations of entities and submissions, stored through the rows of a view."""

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api import async_jobs, columns as table_columns, table_transactions
from synapse_workflows.client.api.views import get_default_columns
from synapse_workflows.client.core.parallel_requests import map_parallel
from synapse_workflows.client.errors import SynapseError
from synapse_workflows.client.model.entity import Entity
from synapse_workflows.client.model.ids import VersionedId
from synapse_workflows.constants import (
    DATASET,
    DATASET_COLLECTION,
    MATERIALIZED_VIEW,
    MODEL,
    ROW_ID,
    SUBMISSION_VIEW,
)
from synapse_workflows.idempotency.annotation_writer import read_annotations
from synapse_workflows.idempotency.planned_changes import PlannedChanges
from synapse_workflows.idempotency.refusals import Refusal, Refusals
from synapse_workflows.idempotency.row_source import RowSource
from synapse_workflows.idempotency.table_reader import TableReader, quote_columns
from synapse_workflows.idempotency.view_rows import ID_COLUMNS, ViewRow, ViewRows
from synapse_workflows.lineage.lineage_client import LineageClient

_PARTIAL_ROWS: Final = f"{MODEL}.table.PartialRowSet"
#: Maximum size of the rows in one transaction, in characters; the limit of Synapse is 2 MiB.
_MAX_SIZE: Final = 1_000_000
#: Up to this number of rows, a query selects them by ID; more rows are read with the whole view.
_MAX_IDS: Final = 1000
#: Seconds to wait for rows that the view does not show yet.
_LAG_DELAYS: Final = (1.0, 2.0, 4.0)
#: Maximum number of concurrent changes of an object by other clients.
_MAX_CONFLICTS: Final = 20
_MAX_DELAY: Final = 2.0
_KEYS: Final = frozenset(name.casefold() for name in ID_COLUMNS)
_CONFLICT: Final = "CONCURRENT_UPDATE"
_PERMANENT_FAILURES: Final = frozenset({"NOT_FOUND", "UNAUTHORIZED", "ILLEGAL_ARGUMENT"})


@dataclass(frozen=True)
class ShownRow:
    """A row as the view shows it.

    Args:
        version: Version of the object.
        etag: Etag of the object.
        cells: Cell by index of its column in the source.
    """

    version: int | None
    etag: str
    cells: Mapping[int, str | None]


@dataclass(frozen=True)
class RowChange:
    """Cells to change in the row of a view.

    Args:
        row: The row of the source.
        etag: Etag of the object when the differences were found.
        cells: Cell by index of its column in the source.
        version: Version that must be the current version of the object; None for any version.
    """

    row: ViewRow
    etag: str
    cells: Mapping[int, str | None]
    version: int | None


def require_view_options(
    view: Mapping[str, Any], mode: str, key: Sequence[str], unsupported: Mapping[str, Any]
) -> None:
    """Check the options of storing rows in a view.

    Args:
        view: JSON of the view.
        mode: Mode of the call.
        key: Key columns; empty for the default.
        unsupported: Values of other arguments that a view does not support.

    Raises:
        AirflowFailException: An option is not supported, or the view is read only.
    """
    name = f"{view['id']} is a {view['concreteType'].rpartition('.')[2]}"
    if view["concreteType"] == MATERIALIZED_VIEW:
        raise AirflowFailException(
            f"{name}, which is read only. Store the rows in its sources: {view.get('definingSQL')}"
        )
    rows = "its rows show entities or submissions, and storing rows sets their annotations"
    if mode != "upsert":
        raise AirflowFailException(
            f"{name}: {rows}. mode={mode!r} is not possible, use mode='upsert'"
        )
    if len(key) > 1 or any(one.casefold() not in _KEYS for one in key):
        raise AirflowFailException(
            f"{name}: {rows}. key={list(key)} is not possible, use key='id' or no key"
        )
    for argument, value in unsupported.items():
        if value not in (None, False, "", [], {}, ()):
            raise AirflowFailException(
                f"{name}: {rows}. {argument}={value!r:.100} is not possible, remove it"
            )


def store_view_rows(client: LineageClient, view: Mapping[str, Any], source: RowSource) -> int:
    """Set the annotations of entities or submissions through a view.

    Only cells that differ are sent. The rows that Synapse refuses are collected; the other rows
    are stored. The view may lag behind its objects: rows that it shows as equal are compared with
    the annotations of the object itself.

    Args:
        client: Sends the requests.
        view: JSON of the view.
        source: The rows, each with the ID of an object.

    Returns:
        The number of rows that any try of the task has changed.

    Raises:
        AirflowFailException: The rows are invalid, or some were refused and a retry cannot
            succeed.
        AirflowException: Some rows were refused.
    """
    columns = list(table_columns.getTableColumns(client, view["id"]))
    defaults = get_default_columns(client, Entity.create(dict(view)))  # type: ignore[arg-type]
    kinds = [(str(one["name"]), str(one["columnType"])) for one in defaults]
    rows = ViewRows(source, columns, kinds)
    signature = f"{view['id']} {source.names} {source.content_md5()}"
    return ViewWriter(client, view, rows).write(PlannedChanges.of(client, signature))


class ViewWriter:
    """Writer of annotations through a view.

    Args:
        client: Sends the requests.
        view: JSON of the view.
        rows: The rows.
    """

    def __init__(self, client: LineageClient, view: Mapping[str, Any], rows: ViewRows) -> None:
        self._client = client
        self._view_id = str(view["id"])
        self._rows = rows
        self._refusals = Refusals(client, len(rows.by_id))
        self._has_submissions = view["concreteType"] == SUBMISSION_VIEW
        #: Whether the rows can show versions that are not the current ones, which are immutable.
        self._has_versions = view["concreteType"] in (DATASET, DATASET_COLLECTION)
        self._reader = TableReader(client, self._view_id)

    def write(self, planned: PlannedChanges) -> int:
        """Write the rows that differ; return the number of rows that the task has changed."""
        changes, uncertain = self._compare(self._read_view())
        changes += self._read_changes(uncertain)
        planned.add(self._name(change.row) for change in changes)
        for attempt in range(_MAX_CONFLICTS):
            conflicts = [
                row for batch in _batches(changes, self._to_json) for row in self._send(batch)
            ]
            if not conflicts:
                break
            time.sleep(random.uniform(0, min(_MAX_DELAY, 0.05 * 2**attempt)))  # noqa: S311
            changes = self._read_changes(conflicts)
        else:
            for change in changes:
                reason = "other clients keep changing the annotations"
                self._refusals.add(self._name(change.row), Refusal(reason, is_permanent=False))
        self._refusals.raise_if_any()
        return sum(self._name(row) in planned.ids for row in self._rows.by_id.values())

    def _compare(
        self, shown: Mapping[int, ShownRow]
    ) -> tuple[list[RowChange], list[tuple[ViewRow, int | None]]]:
        """Compare the rows with the view.

        Returns:
            The differences, and the rows whose objects must be read, with the version that must
            be their current version.
        """
        changes, uncertain = [], []
        for row in self._rows.by_id.values():
            found = shown.get(row.row_id)
            if found is None:
                continue
            refusal = self._rows.find_fixed_difference(row, found.cells)
            if refusal is not None:
                self._refusals.add(self._name(row), refusal)
                continue
            cells = self._rows.find_differences(row, found.cells)
            version = None if self._has_submissions else row.version
            is_current = version in (None, found.version)
            if self._has_versions:
                version = version or found.version
            if cells and is_current:
                changes.append(RowChange(row, row.etag or found.etag, cells, version))
            else:
                uncertain.append((row, version))
        return changes, uncertain

    def _read_view(self) -> dict[int, ShownRow]:
        """Return the rows of the view; wait for new objects, and refuse unknown objects."""
        ids = set(self._rows.by_id)
        shown = dict(self._query(ids)) if ids else {}
        missing = self._refuse_unknown(ids - shown.keys())
        for delay in _LAG_DELAYS:
            if not missing:
                break
            time.sleep(delay)
            shown |= dict(self._query(missing))
            missing -= shown.keys()
        for row_id in sorted(missing):
            reason = (
                f"not in the view {self._view_id}. Its scope does not include the object, or the "
                "view does not show it yet"
            )
            name = self._name(self._rows.by_id[row_id])
            self._refusals.add(name, Refusal(reason, is_permanent=False))
        return shown

    def _query(self, ids: set[int]) -> Iterator[tuple[int, ShownRow]]:
        listed = ", ".join(map(str, sorted(ids)))
        rest = f"where {ROW_ID} in ({listed})" if len(ids) <= _MAX_IDS else ""
        with self._reader.query(quote_columns(self._rows.names), rest, row_ids=True) as lines:
            for row_id, version, etag, *cells in lines:
                if int(row_id or 0) in ids:
                    shown = self._rows.shown_cells(cells)
                    yield int(row_id or 0), ShownRow(int(version or 0), str(etag), shown)

    def _refuse_unknown(self, ids: set[int]) -> set[int]:
        """Refuse the objects that do not exist or are not readable; return the other ones."""
        rows = [self._rows.by_id[row_id] for row_id in sorted(ids)]
        found = self._call(lambda row: self._read_object(row, None), rows)
        return {row.row_id for row, _ in found}

    def _read_changes(self, rows: Sequence[tuple[ViewRow, int | None]]) -> list[RowChange]:
        """Compare rows with the annotations of their objects; return the differences."""
        versions = {row.row_id: version for row, version in rows}

        def compare(row: ViewRow) -> RowChange | Refusal | None:
            current = self._read_object(row, versions[row.row_id])
            if isinstance(current, Refusal):
                return current
            shown = self._rows.show(current["annotations"])
            cells = self._rows.find_differences(row, shown)
            if cells and row.etag not in (None, current["etag"]):
                return Refusal("changed since the rows were read. Query the view again")
            version = versions[row.row_id]
            return RowChange(row, current["etag"], cells, version) if cells else None

        found = self._call(compare, [row for row, _ in rows])
        return [change for _, change in found if change is not None]

    def _read_object(self, row: ViewRow, version: int | None) -> Mapping[str, Any] | Refusal:
        """Return etag and annotations of an entity or a submission.

        Source:
            GET /evaluation/submission/{subId}/status, GET /entity/{id}/annotations2
            https://rest-docs.synapse.org/rest/GET/evaluation/submission/subId/status.html
        """
        if not self._has_submissions:
            return read_annotations(self._client, VersionedId(f"syn{row.row_id}", version))
        path = f"/evaluation/submission/{row.row_id}/status"
        status = self._client.call("GET", path).json
        annotations = (status.get("submissionAnnotations") or {}).get("annotations") or {}
        return {"etag": status["etag"], "annotations": annotations}

    def _call(
        self, function: Callable[[ViewRow], Any], rows: Sequence[ViewRow]
    ) -> Iterator[tuple[ViewRow, Any]]:
        """Call a function for each row; yield its results, and collect the refusals."""

        def call(row: ViewRow) -> Any:
            try:
                return function(row)
            except SynapseError as error:
                return error

        for row, result in map_parallel(call, rows, self._client.max_threads):
            if isinstance(result, (Refusal, SynapseError)):
                self._refusals.add(self._name(row), result)
            else:
                yield row, result

    def _send(self, changes: Sequence[RowChange]) -> list[tuple[ViewRow, int | None]]:
        """Send changes in one transaction; return the rows whose objects were changed meanwhile.

        The transaction can be repeated, because each row carries the etag of its object.

        Source:
            POST /entity/{id}/table/transaction/async/start
            https://rest-docs.synapse.org/rest/POST/entity/id/table/transaction/async/start.html
        """
        row_set = {"concreteType": _PARTIAL_ROWS, "rows": [self._to_json(one) for one in changes]}
        request = table_transactions.transaction_request(
            self._view_id, [table_transactions.append_request(self._view_id, row_set)]
        )
        path = table_transactions.job_path(self._view_id)
        response = async_jobs.run(self._client, path, request, repeatable=True)
        results = (response.get("results") or [{}])[0].get("updateResults") or ()
        by_id = {_parse_id(result.get("entityId")): result for result in results}
        conflicts: list[tuple[ViewRow, int | None]] = []
        for change in changes:
            result = by_id.get(change.row.row_id, {"failureCode": "UNKNOWN"})
            code, message = result.get("failureCode"), result.get("failureMessage")
            if code == _CONFLICT:
                conflicts.append((change.row, change.version))
            elif code or message:
                refusal = Refusal(f"{code}: {message}", code in _PERMANENT_FAILURES)
                self._refusals.add(self._name(change.row), refusal)
        return conflicts

    def _to_json(self, change: RowChange) -> dict[str, Any]:
        """Return a PartialRow."""
        values = self._rows.to_values(change.cells)
        return {"rowId": change.row.row_id, "etag": change.etag, "values": values}

    def _name(self, row: ViewRow) -> str:
        return str(row.row_id) if self._has_submissions else f"syn{row.row_id}"


def _batches(
    changes: Sequence[RowChange], to_json: Callable[[RowChange], Any]
) -> Iterator[list[RowChange]]:
    """Split changes into batches for one transaction each."""
    batch: list[RowChange] = []
    size = 0
    for change in changes:
        length = len(json.dumps(to_json(change)))
        if batch and size + length > _MAX_SIZE:
            yield batch
            batch, size = [], 0
        batch.append(change)
        size += length
    if batch:
        yield batch


def _parse_id(text: Any) -> int | None:
    with suppress(ValueError):
        return int(str(text).lower().removeprefix("syn"))
    return None
