"""Assets with watchers, which trigger DAGs when something happens in Synapse."""

from typing import Any

from airflow.sdk import Asset, AssetWatcher

from synapse_workflows.assets import get_files_uri, get_submissions_uri
from synapse_workflows.client.api.evaluations import parse_evaluation_id
from synapse_workflows.client.model.argument_types import SubmissionStatusName
from synapse_workflows.operator_arguments import check_text
from synapse_workflows.triggers.entities import SynapseFilesTrigger
from synapse_workflows.triggers.submissions import SynapseSubmissionTrigger


def synapse_submissions_asset(
    evaluation_id: Any,
    *,
    status: SubmissionStatusName = "RECEIVED",
    synapse_conn_id: str = "synapse_default",
    poll_interval: float = 60.0,
    repeat_interval: float | None = 900.0,
    name: str | None = None,
    **options: Any,
) -> Asset:
    """Return an asset whose watcher triggers DAGs when a queue has submissions.

    `DAG(schedule=synapse_submissions_asset("9600001"))` runs when there are submissions to claim.
    Any number of DAGs may use the asset of a queue; all of them share the requests. The payload of
    the event is described in `SynapseSubmissionTrigger`.

    Args:
        evaluation_id: ID of the evaluation queue, or the Evaluation. The account of the connection
            needs READ_PRIVATE_SUBMISSION on it.
        status: Status of the submissions.
        synapse_conn_id: The Airflow connection.
        poll_interval: Seconds between two polls.
        repeat_interval: Seconds after which submissions that still have the status are announced
            again; None for never while the triggerer runs.
        name: Name of the asset, for a second asset of the same queue; the default is the URI
            `syn://evaluation/9600001/RECEIVED`. All DAGs must use equal arguments for an asset.
        options: Other arguments of `airflow.sdk.Asset` (`group`, `extra`).

    Raises:
        ValueError: An argument is invalid.
    """
    if name is not None:
        check_text(name, "name")
    uri = get_submissions_uri(parse_evaluation_id(evaluation_id), status, name)
    trigger = SynapseSubmissionTrigger(
        evaluation_id=evaluation_id,
        status=status,
        synapse_conn_id=synapse_conn_id,
        poll_interval=poll_interval,
        repeat_interval=repeat_interval,
        asset_name=name or uri,
    )
    watcher = AssetWatcher(name="synapse_submissions", trigger=trigger)
    return Asset(name=name or uri, uri=uri, watchers=[watcher], **options)


def synapse_files_asset(
    container_id: Any,
    *,
    recursive: bool = True,
    name_pattern: str | None = None,
    new_versions: bool = False,
    announce_existing: bool = False,
    synapse_conn_id: str = "synapse_default",
    poll_interval: float = 60.0,
    name: str | None = None,
    **options: Any,
) -> Asset:
    """Return an asset whose watcher triggers DAGs when there are new files below a container.

    `DAG(schedule=synapse_files_asset("syn123", name_pattern="*.csv"))` runs when files are created
    or moved there. The payload of the event has references to the files, which are inputs of the
    run in its provenance. It is described in `SynapseFilesTrigger`. Any number of DAGs may use the
    asset; all of them share the requests.

    Args:
        container_id: The project or folder. The account of the connection needs READ on it.
        recursive: Whether files in its folders are announced, at any depth.
        name_pattern: Pattern of the names, such as `*.csv`, in which case matters; None for all.
        new_versions: Whether new versions of files are announced as well.
        announce_existing: Whether the files that exist at the first start are announced.
        synapse_conn_id: The Airflow connection.
        poll_interval: Seconds between two polls.
        name: Name of the asset, for a second asset of the same files; the default is the URI, such
            as `syn://files/syn123`. All DAGs must use equal arguments for an asset.
        options: Other arguments of `airflow.sdk.Asset` (`group`, `extra`).

    Raises:
        ValueError: An argument is invalid.
    """
    if name is not None:
        check_text(name, "name")
    trigger = SynapseFilesTrigger(
        container_id=container_id,
        recursive=recursive,
        name_pattern=name_pattern,
        new_versions=new_versions,
        announce_existing=announce_existing,
        synapse_conn_id=synapse_conn_id,
        poll_interval=poll_interval,
    )
    uri = get_files_uri(
        trigger.container_id,
        name_pattern,
        recursive=recursive,
        new_versions=new_versions,
        name=name,
    )
    trigger.asset_name = name or uri
    watcher = AssetWatcher(name="synapse_files", trigger=trigger)
    return Asset(name=name or uri, uri=uri, watchers=[watcher], **options)
