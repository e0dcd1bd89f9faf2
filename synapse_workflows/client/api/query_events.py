"""Read events of table queries, with the version that was read."""

from collections.abc import Iterable
from contextlib import suppress

from synapse_workflows.client.api import async_jobs
from synapse_workflows.client.core.events import Read
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.core.table_state import fetch_fingerprint
from synapse_workflows.client.errors import SynapseHTTPError
from synapse_workflows.client.model.csv_tables import CsvFileTable
from synapse_workflows.client.model.ids import VersionedId
from synapse_workflows.client.model.query_result import TableQueryResult
from synapse_workflows.constants import TABLE


def get_open_version(syn: Session, table: VersionedId) -> int | None:
    """Return the number of a table's current version before a query, for `announce_read`.

    Return None if the query reads a snapshot, or if there are no listeners.

    Source:
        GET /entity/{id}
        https://rest-docs.synapse.org/rest/GET/entity/id.html
    """
    if table.version is not None or not syn.has_listeners:
        return None
    version = syn.call("GET", f"/entity/{table.id}").json.get("versionNumber")
    return None if version is None else int(version)


def announce_read(
    syn: Session,
    table: VersionedId,
    result: CsvFileTable | TableQueryResult,
    open_version: int | None,
) -> None:
    """Emit a `Read` event with the version of the table that was read.

    If the query has no version, this is the current version; or a snapshot of a table that was
    created since the query started, and has the rows that were read, as its etag tells.

    Args:
        syn: The session.
        table: The table and the version in the query.
        result: The result of the query.
        open_version: Number of the current version before the query; None if it is not known.

    Source:
        GET /entity/{id}
        https://rest-docs.synapse.org/rest/GET/entity/id.html
    """
    if not syn.has_listeners:
        return
    if table.version is not None:
        syn.emit(Read(table.id, table.version, how="tableQuery", columns=result.column_types))
        return
    entity = syn.call("GET", f"/entity/{table.id}").json
    version, concrete_type = entity.get("versionNumber"), entity["concreteType"]
    snapshot = None
    if open_version not in (None, version) and concrete_type == TABLE:
        numbers = range(open_version or 0, int(version))
        snapshot = _find_snapshot(syn, table.id, numbers, result.etag)
    syn.emit(
        Read(
            table.id,
            snapshot or version,
            entity.get("name"),
            concrete_type,
            how="tableQuery",
            is_open=snapshot is None,
            etag=result.etag,
            columns=result.column_types,
        )
    )


def _find_snapshot(
    syn: Session, table_id: str, numbers: Iterable[int], etag: str | None
) -> int | None:
    """Return the first of the snapshots of a table whose rows have an etag; None if none has."""
    polling = async_jobs.polling_settings(syn)
    for number in numbers:
        with suppress(SynapseHTTPError):  # the snapshot was deleted
            found = syn.run(fetch_fingerprint(table_id, number, polling, TABLE))
            if etag is not None and found.etag == etag:
                return number
    return None
