"""Copy of an entity with all that it contains, and its lineage over all tries of a task."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypedDict

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api import bundles, provenance
from synapse_workflows.client.core.events import Event, Read, Wrote, has_open_version
from synapse_workflows.client.core.parallel_requests import map_parallel
from synapse_workflows.client.errors import SynapseError, SynapseNameConflictError
from synapse_workflows.client.model.argument_types import (
    CopyProvenance,
    CopyStorage,
    EntityTypeName,
)
from synapse_workflows.constants import CONTAINERS, FILE, TABLE
from synapse_workflows.idempotency.task_state import get_call_state
from synapse_workflows.lineage.code_storage import store_task_code
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.lineage.lineage_mode import LineageMode
from synapse_workflows.operator_arguments import InvalidArgumentError
from synapse_workflows.provenance.activity import build_activity, parse_declared
from synapse_workflows.provenance.record import Record


class SynapseCopy(TypedDict):
    """Reference to a copy, as JSON.

    `version` is None for an entity without versions. For a project, whose contents are copied, it
    is the reference of the destination. `copies` are the IDs of all copies by the IDs of their
    sources.
    """

    id: str
    version: int | None
    name: str
    parent_id: str
    copies: dict[str, str]


@dataclass(frozen=True)
class CopyArguments:
    """Options of a copy, as the arguments of `Synapse.copy`.

    Args:
        version: Version of the file or table; None for the current one.
        name: Name of the copy; None to keep it.
        update_existing: Whether files that differ get a new version.
        exclude_types: Types that are not copied.
        provenance: `source`, `existing` or `none`.
        storage: `destination` or `source`.
        copy_annotations: Whether to copy annotations.
        copy_wikis: Whether to copy wikis.
    """

    version: int | None = None
    name: str | None = None
    update_existing: bool = False
    exclude_types: tuple[EntityTypeName, ...] = ()
    provenance: CopyProvenance = "source"
    storage: CopyStorage = "destination"
    copy_annotations: bool = True
    copy_wikis: bool = True


@dataclass(frozen=True)
class CopyActivity:
    """What the Activities of copies have in addition to their source.

    Args:
        used: Further inputs.
        executed: Further code.
        name: Name; None for the default.
        description: Text before the description of the task.
    """

    used: Any = None
    executed: Any = None
    name: str | None = None
    description: str | None = None

    def build(self, client: LineageClient) -> dict[str, Any]:
        """Return the Activity without the source: declared ones, and the code of the task."""
        record, text = parse_declared(self.used, self.executed), self.description or ""
        collector = current_collector()
        if collector is not None and client.lineage_mode.is_automatic:
            code = Record(ran=collector.static_lineage.ran)
            record |= store_task_code(client, collector, code)
            text = collector.description.to_text(self.description)
        body = build_activity(record, self.name or "", text, site=client.repoEndpoint)
        return {key: value for key, value in body.items() if value}


def copy_entity(
    client: LineageClient,
    entity_id: str,
    parent_id: str,
    arguments: CopyArguments,
    activity: CopyActivity,
) -> SynapseCopy:
    """Copy an entity. A retry completes the copy of an earlier try.

    Args:
        client: Sends the requests.
        entity_id: The project, folder, file, link, table or view, `syn123`.
        parent_id: The project or folder to copy it into.
        arguments: The options.
        activity: Additions to the Activities of the copies.

    Raises:
        AirflowFailException: An argument is invalid, or the destination contains another entity
            with the name of a copy.
        SynapseError: See `Synapse.copy`.

    Source:
        See `Synapse.copy`.
    """
    client.require_sources(used=activity.used, executed=activity.executed)
    begun = _load_begin(client, entity_id, parent_id, arguments)
    given = activity.build(client)
    try:
        # the lineage is recorded afterwards, equally for the copies of this and of earlier tries
        with client.without_lineage():
            copies = client.copy(entity_id, parent_id, activity=given, **vars(arguments))
    except SynapseNameConflictError as error:
        raise AirflowFailException(f"{entity_id} was not copied completely: {error}") from error
    except SynapseError:
        raise
    except ValueError as error:
        raise InvalidArgumentError(str(error)) from error
    if current_collector() is not None and client.lineage_mode is not LineageMode.OFF:
        _record_lineage(client, copies, arguments.version, begun)
    found = client.call("GET", f"/entity/{copies[entity_id]}").object
    return {
        "id": found["id"],
        "version": found.get("versionNumber"),
        "name": found["name"],
        "parent_id": found["parentId"],
        "copies": copies,
    }


def _load_begin(
    client: LineageClient, entity_id: str, parent_id: str, arguments: CopyArguments
) -> datetime | None:
    """Return the time at which the first try began, by the clock of the service."""
    state = get_call_state(client.synapse_conn_id, f"copy {entity_id} {parent_id} {arguments}")
    saved = state.load()
    if saved is None:
        headers = client.call("GET", f"/entity/{parent_id}").headers
        saved = {"begun": headers.get("Date")}
        state.save(saved)
    return parsedate_to_datetime(saved["begun"]) if saved["begun"] else None


def _record_lineage(
    client: LineageClient,
    copies: Mapping[str, str],
    version: int | None,
    begun: datetime | None,
) -> None:
    """Record what was read and stored, in the order of the copies.

    Args:
        client: Sends the requests.
        copies: IDs of the copies by the IDs of their sources.
        version: Version of the entity that was copied, the first source; None for the current one.
        begun: Time at which the first try began; None if it is not known.
    """
    root = next(iter(copies))

    def describe(pair: tuple[str, str]) -> list[Event]:
        return _describe(client, *pair, version if pair[0] == root else None, begun)

    for _, events in map_parallel(describe, list(copies.items()), client.max_threads):
        for event in events:
            client.emit(event)


def _describe(
    client: LineageClient,
    source_id: str,
    copy_id: str,
    version: int | None,
    begun: datetime | None,
) -> list[Event]:
    """Return the events of one copy: `Read` for its source, and `Wrote`."""
    bundle = bundles.get_bundle(client, copy_id)
    copied = bundle["entity"]
    if copied["concreteType"] in CONTAINERS:
        return []
    has_activity = copied["concreteType"] in (FILE, TABLE)
    activity = provenance.find_activity(client, copied) if has_activity else None
    is_own = begun is not None and datetime.fromisoformat(copied["createdOn"]) >= begun
    wrote = Wrote.from_entity(
        copied,
        md5=(bundles.get_file_handle(bundle) or {}).get("contentMd5"),
        changed=is_own,
        activity_given=True,
        is_reused=not is_own,
        activity_id=None if activity is None else activity["id"],
    )
    if not has_activity:
        return [wrote]
    number = version or _find_version(activity, source_id)
    suffix = "" if number is None else f"/version/{number}"
    source = client.call("GET", f"/entity/{source_id}{suffix}").object
    read = Read(
        source_id,
        source["versionNumber"],
        source["name"],
        source["concreteType"],
        how="copy",
        is_open=has_open_version(source),
    )
    return [read, wrote]


def _find_version(activity: Mapping[str, Any] | None, source_id: str) -> int | None:
    """Return the version of the source that an Activity has used; None if it has none."""
    used = () if activity is None else activity["used"]
    references = (one.get("reference") or {} for one in used)
    return next(
        (one["targetVersionNumber"] for one in references if one.get("targetId") == source_id),
        None,
    )
