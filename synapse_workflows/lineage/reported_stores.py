"""Activities of the entity versions that programs of a task have stored with their own clients.

The programs do not know what the upstream tasks have read. Therefore the task writes the Activity
at its end, and links it to the versions that the programs report and that have no Activity.
"""

import logging
from collections.abc import Callable
from typing import Any, Final

from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.events import Wrote, has_open_version
from synapse_workflows.client.errors import SynapseNotFoundError
from synapse_workflows.lineage.collector import LineageCollector
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.lineage.reported_lineage import REPORTED
from synapse_workflows.provenance.record import EntityRef, Record

_log: Final = logging.getLogger(__name__)


def write_activities(
    collector: LineageCollector, create_client: Callable[[], LineageClient]
) -> None:
    """Write the Activity of the task and link it to all reported versions without one.

    A version that cannot have it is a gap.

    Args:
        collector: Collector of the task.
        create_client: Returns a client of the default connection.
    """
    refs = REPORTED.list_without_activity()
    if not refs:
        return
    try:
        client = create_client()
    except Exception as error:  # noqa: BLE001 - the connection may not exist
        _add_gaps(collector, refs, f"there is no usable connection: {error}")
        return
    for ref in refs:
        try:
            _write_activity(collector, client, ref)
        except Exception as error:  # noqa: BLE001 - lineage does not fail the task
            _add_gaps(collector, (ref,), str(error))


def _write_activity(collector: LineageCollector, client: LineageClient, ref: EntityRef) -> None:
    if ref.site not in (None, client.repoEndpoint):
        _add_gaps(collector, (ref,), f"it is in another Synapse, {ref.site}")
        return
    entity, activity_id = retry_stale(lambda: _link_activity(collector, client, ref))
    version = entity.get("versionNumber")
    if ref.version not in (None, version):
        _add_gaps(collector, (ref,), f"it was followed by version {version}")
    elif has_open_version(entity):  # its Activity accumulates the sources of all rows
        collector.record_event(Wrote.from_entity(entity), client)
    else:
        event = Wrote.from_entity(entity, activity_given=True, activity_id=activity_id)
        collector.record_event(event, client)


def _link_activity(
    collector: LineageCollector, client: LineageClient, ref: EntityRef
) -> tuple[dict[str, Any], str | None]:
    """Link the Activity of the task to a version, if it is the current one and has no Activity.

    The Activity is linked under the etag of the entity, so never to a version of another task.

    Returns:
        The properties of the current version, and the ID of its Activity.

    Raises:
        SynapseStaleError: Another client has changed the entity meanwhile.

    Source:
        PUT /entity/{id} with generatedBy
        https://rest-docs.synapse.org/rest/PUT/entity/id.html
    """
    path = f"/entity/{ref.id}"
    entity = dict(client.call("GET", path).json)
    if ref.version not in (None, entity.get("versionNumber")) or has_open_version(entity):
        return entity, None
    try:
        return entity, str(client.call("GET", f"{path}/generatedBy").json["id"])
    except SynapseNotFoundError:
        activity_id = collector.save_activity(client)
    if activity_id is not None:
        client.call("PUT", path, params={"generatedBy": activity_id}, json=entity)
        collector.activities.get_writer(client).mark_linked()
    return entity, activity_id


def _add_gaps(collector: LineageCollector, refs: tuple[EntityRef, ...], reason: str) -> None:
    for ref in refs:
        gap = f"{ref}, which a program stored, has no Activity of this task: {reason}"
        _log.warning("%s", Record(gaps=(gap,)).gaps[0])
        collector.restore(Record(gaps=(gap,)))
