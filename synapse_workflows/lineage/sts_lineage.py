"""Lineage of STS credentials: the folder, and what is read and written with them."""

from typing import Any

from synapse_workflows.lineage.collector import LineageCollector, current_collector
from synapse_workflows.lineage.event_records import EventSource
from synapse_workflows.lineage.hook_lineage import collect_hook_lineage
from synapse_workflows.lineage.s3_access import S3AccessRecorder
from synapse_workflows.provenance.record import EntityRef, Origin, Record, UrlRef


def record_session(
    client: EventSource, folder_id: str, hook: Any = None
) -> S3AccessRecorder | None:
    """Record that the task got credentials for a session.

    Args:
        client: The client that got the credentials.
        folder_id: `syn123`.
        hook: Hook that Airflow's hook lineage collector names as the source of the lineage; None
            if the hook itself reports to this collector.

    Returns:
        The recorder of the session; None outside a task or without automatic lineage.
    """
    collector = _record_folder(client, folder_id)
    if collector is None:
        return None
    recorder = S3AccessRecorder(hook)
    collector.add_observer(recorder.to_record)
    return recorder


def record_environment(
    client: EventSource, folder_id: str, url: str, *, is_writable: bool
) -> None:
    """Record that the task got credentials for child processes, whose accesses are not known.

    Args:
        client: The client that got the credentials.
        folder_id: `syn123`.
        url: URL of the storage, such as `s3://bucket/prefix`.
        is_writable: Whether the processes may write.
    """
    collector = _record_folder(client, folder_id)
    if collector is None:
        return
    verb = "read and wrote" if is_writable else "read"
    gap = f"the objects that holders of STS credentials {verb} below {url} are not known"
    prefix = UrlRef(f"{url}/")
    collector.add(Record.from_refs(Origin.READ, used=[prefix], gaps=[gap]))


def _record_folder(client: EventSource, folder_id: str) -> LineageCollector | None:
    """Record a folder as used by the task; return the collector of the task."""
    collector = current_collector()
    if collector is None or not client.lineage_mode.is_automatic:
        return None
    collector.add_observer(collect_hook_lineage)
    folder = EntityRef(folder_id, site=client.repoEndpoint)
    collector.add(Record.from_refs(Origin.LOOKUP, used=[folder]))
    return collector
