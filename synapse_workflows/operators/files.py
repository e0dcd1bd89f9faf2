"""Operators for files: get one from Synapse, store some there."""

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.model.argument_types import CollisionPolicy
from synapse_workflows.client.model.entity import File, Folder
from synapse_workflows.client.model.ids import id_of
from synapse_workflows.constants import CONTAINERS, FILE
from synapse_workflows.file_references import SynapseFile, reference_of
from synapse_workflows.idempotency.staging import LocalFile, as_local_file, flatten, is_list
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.lineage.lineage_mode import LineageMode
from synapse_workflows.operators.base import SynapseOperator, parse_entity_id
from synapse_workflows.provenance.record import Origin, Record, UrlRef


class SynapseGetOperator(SynapseOperator):
    """Gets an entity from Synapse, and the content of a file.

    Returns a reference (`SynapseFile`) for other tasks: `local_path(reference)` gives the bytes
    on whichever worker they run. The content lies in the worker's cache, or in `download_dir`.

    Args:
        entity_id: `syn123` for the current version, `syn123.4`, or a reference (templated).
        version: wins over one in the id (templated).
        download_file: fetch the content too.
        download_dir: another place than the cache (templated).
        if_collision: what to do in `download_dir` when a file of that name is there: `keep.both`,
            `overwrite.local` or `keep.local`.
        follow_link: of a Link, get what it leads to.
        kwargs: `synapse_conn_id`, `lineage_mode`, and what every operator takes.
    """

    template_fields: Sequence[str] = (
        "entity_id",
        "version",
        "download_dir",
        *SynapseOperator.template_fields,
    )

    def __init__(
        self,
        *,
        entity_id: Any,
        version: int | str | None = None,
        download_file: bool = True,
        download_dir: str | None = None,
        if_collision: CollisionPolicy = "keep.both",
        follow_link: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.entity_id = entity_id
        self.version = version
        self.download_file = download_file
        self.download_dir = download_dir
        self.if_collision = if_collision
        self.follow_link = follow_link

    def execute(self, context: Any) -> SynapseFile:  # noqa: ARG002 - Airflow's words
        """Get the entity; return its reference."""
        named = parse_entity_id(self.entity_id, "entity_id")
        version = self.version or named.version
        entity = self.hook.client.get(
            named.id,
            **({} if version is None else {"version": int(version)}),
            downloadFile=self.download_file,
            downloadLocation=self.download_dir,
            ifcollision=self.if_collision,
            followLink=self.follow_link,
        )
        reference = reference_of(entity, self.synapse_conn_id)
        self._check_downloaded(reference)
        self.show(reference)
        self.log.info("Got %s (%s.%s)", reference["name"], reference["id"], reference["version"])
        return reference

    def _check_downloaded(self, reference: SynapseFile) -> None:
        expected = self.download_file and self.if_collision != "keep.local"
        if expected and reference["concrete_type"] == FILE and reference["path"] is None:
            raise AirflowFailException(
                f"{reference['id']} can be read but not downloaded: ask its owner for DOWNLOAD "
                "access, or say download_file=False"
            )


class SynapseStoreOperator(SynapseOperator):
    """Stores files in Synapse, with provenance that writes itself.

    The Activity of what is stored names what this task and the tasks it takes its data from have
    read, and the DAG's code. Storing what is there already makes neither a new version nor a
    second Activity. Returns a reference for each path, in a list if `path` is one.

    Args:
        path: a local path, the URL of an object, an `ObjectStoragePath`, a reference; or a list of
            these (templated).
        parent_id: the project or folder (templated).
        folder: a path of folders below it, as `2026/november`; made when missing (templated).
        name: of the entity, for a single path; else each file's own (templated).
        annotations: for each entity (templated).
        version_label: names the version; makes a new one when it changes (templated).
        version_comment: of the version (templated).
        used: what was used besides, in any form the client's Activity takes (templated).
        executed: what was run besides (templated).
        activity: used, executed, name and description in one: an `Activity`, or its JSON. One
            that is stored already (it has an id) is linked as it is (templated).
        activity_name: instead of the task's own name (templated).
        activity_description: stands before what the task says (templated).
        force_version: make a new version even if nothing changed.
        kwargs: `synapse_conn_id`, `lineage_mode` (`declared`: only `used` and `executed` as given
            here), and what every operator takes.
    """

    template_fields: Sequence[str] = (
        "path",
        "parent_id",
        "folder",
        "name",
        "annotations",
        "version_label",
        "version_comment",
        "used",
        "executed",
        "activity",
        "activity_name",
        "activity_description",
        *SynapseOperator.template_fields,
    )
    template_fields_renderers = {  # noqa: RUF012 - as Airflow declares it
        "path": "json",
        "annotations": "json",
        "used": "json",
        "executed": "json",
        "activity": "json",
    }

    def __init__(
        self,
        *,
        path: Any,
        parent_id: Any,
        folder: str | None = None,
        name: str | None = None,
        annotations: dict[str, Any] | None = None,
        version_label: str | None = None,
        version_comment: str | None = None,
        used: Any = None,
        executed: Any = None,
        activity: Mapping[str, Any] | None = None,
        activity_name: str | None = None,
        activity_description: str | None = None,
        force_version: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.parent_id = parent_id
        self.folder = folder
        self.name = name
        self.annotations = annotations
        self.version_label = version_label
        self.version_comment = version_comment
        self.used = used
        self.executed = executed
        self.activity = activity
        self.activity_name = activity_name
        self.activity_description = activity_description
        self.force_version = force_version

    def execute(self, context: Any) -> SynapseFile | list[SynapseFile]:  # noqa: ARG002
        """Store the files; return their references."""
        given = list(flatten(self.path))
        if self.name and len(given) > 1:
            raise AirflowFailException(
                f"name={self.name!r} cannot be the name of {len(given)} files; leave it out"
            )
        parent = parse_entity_id(self.parent_id, "parent_id").id
        client = self.hook.client
        # what is there already is left untouched, to its date of modification
        client.skip_unchanged = client.skip_unchanged or not self.force_version
        container = folder_below(client, parent, self.folder)
        references = []
        for item in given:
            with as_local_file(item) as source:
                references.append(self._store(client, source, container))
        if references:
            self.show(references[-1])
        return references if is_list(self.path) else references[0]

    def _store(self, client: LineageClient, source: LocalFile, parent: str) -> SynapseFile:
        file = File(
            str(source.path),
            parent=parent,
            name=self.name or source.path.name,
            annotations=dict(self.annotations or {}),
        )
        if self.version_comment is not None:
            file.versionComment = self.version_comment
        collector = current_collector()
        if collector and source.url and client.lineage_mode is LineageMode.AUTO:
            collector.add(Record.from_refs(Origin.READ, used=[UrlRef(source.url)]))
        stored = client.store(
            file,
            forceVersion=self.force_version,
            versionLabel=self.version_label,
            used=self.used,
            executed=self.executed,
            activity=self.activity,
            activityName=self.activity_name,
            activityDescription=self.activity_description,
        )
        activity_id = collector.activity_ids.get(stored.id) if collector else None
        reference = reference_of(stored, self.synapse_conn_id, activity_id)
        if not source.lasting:
            reference["path"] = None
        self.log.info(
            "Stored %s (%s.%s)", reference["name"], reference["id"], reference["version"]
        )
        return reference


def folder_below(client: LineageClient, parent: str, path: str | None) -> str:
    """Find a path of folders below a container, making those that are missing.

    Args:
        client: makes the calls.
        parent: id of a project or folder.
        path: as `a/b`; empty or None for the container itself.

    Returns:
        The id of the last folder.

    Raises:
        AirflowFailException: Something else has the name of a folder on the way.
    """
    container = parent
    for name in (part.strip() for part in (path or "").split("/") if part.strip()):
        found = client.findEntityId(name, container)
        if found is None:
            container = id_of(client.store(Folder(name, parent=container)))
            continue
        kind = client.call("GET", f"/entity/{found}").json["concreteType"]
        if kind not in CONTAINERS:
            raise AirflowFailException(
                f"folder={path!r}: {name!r} in {container} is a {kind.rpartition('.')[2]} "
                f"({found}), not a folder"
            )
        container = found
    return container
