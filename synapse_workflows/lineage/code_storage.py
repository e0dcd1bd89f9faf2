"""Code files in Synapse, with one version for each content."""

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from synapse_workflows.client.api import files
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseConflictError,
    SynapseError,
    SynapseNotFoundError,
    SynapseStaleError,
)
from synapse_workflows.constants import FILE
from synapse_workflows.provenance.file_hashes import find_hashed_file
from synapse_workflows.provenance.record import EntityRef, Record, UrlRef

_log: Final = logging.getLogger(__name__)
#: Characters of the SHA-256 in the label of a version.
_LABEL_LENGTH: Final = 16
_UNSUPPORTED: Final = re.compile(r"[^\w .+'()-]", re.ASCII)
#: Comment of each version.
_COMMENT: Final = "Code of an Airflow DAG. The label is the start of its SHA-256."


class CodeStorage:
    """Storage of code files in a folder of Synapse.

    A file has one version for each content. The label of a version is the start of the SHA-256 of
    its content. Labels of an entity are unique, so tasks that store the same file at the same time
    agree on one version.

    Args:
        client: Client that stores the files.
        parent_id: ID of the folder or project.
    """

    def __init__(self, client: Session, parent_id: str) -> None:
        self._client = client
        self._parent_id = parent_id
        self._stored: dict[str, EntityRef] = {}
        self._refused: dict[str, str] = {}

    def store_code(self, record: Record) -> Record:
        """Replace executed files that are known by their SHA-256 by stored versions.

        A file that is not stored remains, and the reason is a gap: it does not fail the task.
        """
        for entry in record.ran:
            ref = entry.ref
            if isinstance(ref, UrlRef) and ref.url.startswith("file:///"):
                stored = self._get_or_store(ref)
                if stored is None:
                    record = record.with_gap(self._refused[ref.url])
                else:
                    record = record.replace_refs({ref: stored})
        return record

    def _get_or_store(self, ref: UrlRef) -> EntityRef | None:
        if ref.url not in self._stored and ref.url not in self._refused:
            try:
                self._stored[ref.url] = self._store_ref(ref)
            except (SynapseError, OSError, ValueError) as error:
                reason = " ".join(str(error).split())
                self._refused[ref.url] = f"{ref} is not stored in {self._parent_id}: {reason}"
        return self._stored.get(ref.url)

    def _store_ref(self, ref: UrlRef) -> EntityRef:
        found = find_hashed_file(ref)
        if found is None:
            raise FileNotFoundError("this task does not have the file with this content")
        return self.store(*found, ref.url.rpartition("=")[2])

    def store(self, file: Path, name: str, sha256: str) -> EntityRef:
        """Return the version that has the content of a file; create it if there is none.

        Args:
            file: The file.
            name: Path of the file in its bundle. Its directories become part of the entity's name.
            sha256: SHA-256 of the content, 64 hexadecimal digits.

        Raises:
            SynapseError: Synapse rejects the file.
            OSError: The file cannot be read.
            ValueError: The file is empty.

        Source:
            POST /entity/child, GET /entity/{id}/version, POST /entity, PUT /entity/{id}
            https://rest-docs.synapse.org/rest/GET/entity/id/version.html
        """
        entity_name = _UNSUPPORTED.sub("_", name.replace("/", "__")).strip()
        label = sha256[:_LABEL_LENGTH]
        return retry_stale(lambda: self._store(file, entity_name, label))

    def _store(self, file: Path, name: str, label: str) -> EntityRef:
        entity = self._find_entity(name)
        version = None if entity is None else self._find_version(entity["id"], label)
        if version is not None:
            return self._create_ref(version)
        handle = files.upload_content(self._client, file, self._parent_id, "text/plain")
        fields = {
            "dataFileHandleId": handle["id"],
            "versionLabel": label,
            "versionComment": _COMMENT,
        }
        try:
            stored = self._create(name, fields) if entity is None else self._add(entity, fields)
        except SynapseConflictError as error:  # another task has stored the file
            raise SynapseStaleError(error.status, error.reason, error.call) from error
        ref = self._create_ref(stored)
        _log.info("Stored the code %s as %s", name, ref)
        return ref

    def _create(self, name: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        body = {"concreteType": FILE, "name": name, "parentId": self._parent_id, **fields}
        created: Mapping[str, Any] = self._client.call("POST", "/entity", json=body).json
        return created

    def _add(self, entity: Mapping[str, Any], fields: Mapping[str, Any]) -> Mapping[str, Any]:
        path, body = f"/entity/{entity['id']}", {**entity, **fields}
        updated: Mapping[str, Any] = self._client.call(
            "PUT", path, params={"newVersion": True}, json=body
        ).json
        return updated

    def _find_entity(self, name: str) -> Mapping[str, Any] | None:
        body = {"parentId": self._parent_id, "entityName": name}
        try:
            found = self._client.call("POST", "/entity/child", json=body).json
        except SynapseNotFoundError:
            return None
        entity: Mapping[str, Any] = self._client.call("GET", f"/entity/{found['id']}").json
        if entity.get("concreteType") != FILE:
            reason = f"{entity['id']} has the name {name!r}, but is no file: rename or move it"
            raise SynapseConflictError(HTTPStatus.CONFLICT, reason, "POST /entity")
        return entity

    def _find_version(self, entity_id: str, label: str) -> Mapping[str, Any] | None:
        versions = self._client.iter_items(Call("GET", f"/entity/{entity_id}/version"))
        return next((one for one in versions if one.get("versionLabel") == label), None)

    def _create_ref(self, version: Mapping[str, Any]) -> EntityRef:
        number = int(version["versionNumber"])
        return EntityRef(version["id"], number, self._client.repoEndpoint)


def store_task_code(client: Any, collector: Any, record: Record) -> Record:
    """Store code without a permanent URL in Synapse, if a folder is set for it.

    Args:
        client: Client of the connection, with the setting `code_parent_id`.
        collector: Collector of the task.
        record: Record with the executed code.
    """
    parent_id = client.lineage_settings.code_parent_id
    if parent_id is None:
        return record
    storage: CodeStorage = collector.get_or_create(
        f"code storage {client.synapse_conn_id} {parent_id}",
        lambda: CodeStorage(client, parent_id),
    )
    return storage.store_code(record)
