"""Registration of S3 objects as files in Synapse, without moving their content."""

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from synapse_workflows.client.api import bundles, children
from synapse_workflows.client.api.annotations import put_annotations
from synapse_workflows.client.api.store_provenance import is_rejection
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.errors import (
    SynapseBadRequestError,
    SynapseConflictError,
    SynapseError,
    SynapseNotFoundError,
    SynapseStaleError,
)
from synapse_workflows.client.transfer.progress import show_progress
from synapse_workflows.constants import FILE, S3_FILE_HANDLE
from synapse_workflows.idempotency.annotation_writer import AnnotationChange
from synapse_workflows.idempotency.earlier_tries import EarlierTries
from synapse_workflows.idempotency.file_matching import refuse_other_object
from synapse_workflows.idempotency.folder_tree import FileState, find_child
from synapse_workflows.idempotency.index_targets import (
    Registration,
    S3Location,
    Target,
)
from synapse_workflows.idempotency.object_paths import S3Object, is_client_upload, split_path
from synapse_workflows.idempotency.refusals import Refusal
from synapse_workflows.idempotency.s3_objects import (
    ObjectChangedError,
    ObjectMetadata,
    S3Bucket,
    describe_s3_error,
)
from synapse_workflows.lineage.batch_activity import BatchActivity
from synapse_workflows.lineage.lineage_client import LineageClient

#: How often the metadata of an object that changes is read again.
_MAX_CHANGES: Final = 3
#: Start of the version comment that keeps the etag of an object whose etag is not its MD5.
_ETAG_COMMENT: Final = "S3 etag "


@dataclass(frozen=True)
class ObjectRegistrar:
    """Creates and updates the files of objects. Its methods may be called by several threads.

    Args:
        client: Sends the requests.
        bucket: The bucket.
        location: The storage location and prefix.
        activity: The Activity of new versions.
        tries: Remembers for a retry what this try stores.
        annotations: Annotations of each file; None for none.
    """

    client: LineageClient
    bucket: S3Bucket
    location: S3Location
    activity: BatchActivity
    tries: EarlierTries
    annotations: AnnotationChange | None

    def register(self, target: Target) -> Registration | Refusal | SynapseError:
        """Create or update the file of an object, unless the file refers to this content.

        Source:
            POST /externalFileHandle/s3 of the file service; POST /entity/bundle2/create,
            PUT /entity/{id}, PUT /entity/{id}/annotations2
            https://rest-docs.synapse.org/rest/POST/externalFileHandle/s3.html
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self._register(target)
        except SynapseError as error:
            return error
        except (BotoCoreError, ClientError) as error:
            return describe_s3_error(error)

    def plan(self, target: Target) -> str:
        """Return what `register` would do.

        Returns:
            `create`, `update`, `annotate` or `unchanged`; `compare` if the content has to be
            compared first; `refuse` if the file is that of another object, or is not readable.
        """
        state, one = target.state, target.object
        if state is None:
            return "create"
        if state.handle is None or self._is_of_other_object(state, one.key):
            return "refuse"
        if self.is_evidently_current(state, one):
            change = self.annotations
            is_same = change is None or change.apply(state.annotations) is None
            return "unchanged" if is_same else "annotate"
        if not self._is_in_bucket(state) and one.etag != state.handle.get("contentMd5"):
            return "refuse" if one.size != state.size else "compare"
        return "compare" if self._refers_to(state.handle, one.key, one.size) else "update"

    def delete_missing(self, state: FileState) -> bool | Refusal | SynapseError:
        """Delete a file whose object does not exist, unless either has changed meanwhile.

        Source:
            DELETE /entity/{id}
            https://rest-docs.synapse.org/rest/DELETE/entity/id.html
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            current = FileState.read(self.client, state.id)
            is_same = isinstance(current, FileState) and current.handle == state.handle
            key = str((state.handle or {})["key"])
            if not is_same or self.bucket.read_metadata(key) is not None:
                return False
            self.client.call("DELETE", f"/entity/{state.id}")
        except SynapseNotFoundError:
            return False
        except SynapseError as error:
            return error
        except (BotoCoreError, ClientError) as error:
            return describe_s3_error(error)
        return True

    def is_evidently_current(self, state: FileState, one: S3Object) -> bool:
        """Return whether the listed size and etag show that a file refers to this content."""
        handle = state.handle
        if handle is None or not self._refers_to(handle, one.key, one.size):
            return False
        comment = state.entity.get("versionComment")
        return one.etag == handle.get("contentMd5") or comment == _ETAG_COMMENT + one.etag

    def _register(self, target: Target) -> Registration | Refusal:
        state = target.state
        if state is not None and state.handle is None:
            return _not_downloadable(state)
        if state is not None and self.is_evidently_current(state, target.object):
            return self._annotate(target, state, target.object.etag)
        for _ in range(_MAX_CHANGES):
            content = self._read_content(target.object.key)
            if content is None:
                return Registration(target, "gone")
            if isinstance(content, Refusal):
                return content
            try:
                return self._store(target, content)
            except SynapseBadRequestError:  # Synapse may compare the file handle with the object
                current = self.bucket.read_metadata(target.object.key)
                if current is not None and current.etag == content.etag:
                    raise
        return _unstable()

    def _store(self, target: Target, content: ObjectMetadata) -> Registration | Refusal:
        if target.state is not None:
            return self._update(target, content)
        if self._is_of_older_version(content):
            return Registration(target, "ignored")
        return self._create(target, content)

    def _read_content(self, key: str) -> ObjectMetadata | Refusal | None:
        """Return the metadata of an object with its MD5; None if the object does not exist."""
        for _ in range(_MAX_CHANGES):
            metadata = self.bucket.read_metadata(key)
            if metadata is None or metadata.md5 is not None:
                return metadata
            label, size = f"s3://{self.bucket.name}/{key}", metadata.size
            try:
                with show_progress(
                    self.client, f"MD5 of {label}", f"Computed the MD5 of {label}", size
                ) as progress:
                    return replace(
                        metadata, md5=self.bucket.compute_md5(metadata, progress.advance)
                    )
            except ObjectChangedError:
                continue
        return _unstable()

    def _is_of_older_version(self, content: ObjectMetadata) -> bool:
        """Return whether an object was uploaded by a client for a version that is not current.

        Source:
            GET /entity/md5/{md5}, POST /entity/{id}/version/{versionNumber}/bundle2
            https://rest-docs.synapse.org/rest/GET/entity/md5/md5.html
        """
        if not is_client_upload(content.key, self.location.base_key):
            return False
        for header in children.md5Query(self.client, str(content.md5)):
            bundle = bundles.get_bundle(self.client, header["id"], header["versionNumber"])
            handle = bundles.get_file_handle(bundle)
            if handle is not None and self._has_content(handle, content):
                return True
        return False

    def _create(self, target: Target, content: ObjectMetadata) -> Registration | Refusal:
        handle = self._create_handle(target, content)
        name = split_path(target.path)[1]
        entity = {
            "concreteType": FILE,
            "name": name,
            "parentId": target.parent_id,
            "dataFileHandleId": handle["id"],
            "versionComment": _comment_of(content),
        }
        values = {} if self.annotations is None else self.annotations.values
        body = {"entity": entity, "annotations": {"annotations": dict(values)}}
        try:
            reply = self._send("POST", "/entity/bundle2/create", body, {})
        except SynapseConflictError:
            found = find_child(self.client, name, target.parent_id)
            state = found if isinstance(found, Refusal) else FileState.read(self.client, found)
            if isinstance(state, Refusal):
                return state
            return self._update(replace(target, state=state), content, handle)
        created = FileState(reply["entity"], values, handle)
        return Registration(target, "created", created, content.etag)

    def _update(
        self, target: Target, content: ObjectMetadata, handle: Mapping[str, Any] | None = None
    ) -> Registration | Refusal:
        """Update the file, unless it has this content now.

        Args:
            target: The object, with the state of its file.
            content: The content.
            handle: The file handle of an earlier request that may have succeeded.
        """
        state, sent = target.state, handle

        def update() -> Registration | Refusal:
            nonlocal state, sent
            if state is None:
                found = FileState.read(self.client, str(target.state and target.state.id))
                if isinstance(found, Refusal):
                    return found
                state = found
            if sent is not None and state.entity.get("dataFileHandleId") == sent["id"]:
                is_new = state.version == 1
                return Registration(
                    target, "created" if is_new else "updated", state, content.etag
                )
            if state.handle is None:
                return _not_downloadable(state)
            if self._has_content(state.handle, content):
                return self._annotate(replace(target, state=state), state, content.etag)
            if self._is_of_other_object(state, content.key) or (
                not self._is_in_bucket(state) and state.handle.get("contentMd5") != content.md5
            ):
                return refuse_other_object(state)
            sent = sent or self._create_handle(target, content)
            entity = {**state.entity, "dataFileHandleId": sent["id"]}
            entity["versionComment"] = _comment_of(content)
            entity.pop("versionLabel", None)
            current, state = state, None  # read again if the request fails
            reply = self._send("PUT", f"/entity/{current.id}", entity, {"newVersion": "true"})
            updated = FileState(reply, current.annotations, sent)
            done = self._annotate(target, updated, content.etag)
            return replace(done, action="updated")

        return retry_stale(update)

    def _annotate(self, target: Target, state: FileState, etag: str) -> Registration:
        """Set the annotations that differ; return the registration of an unchanged file."""
        if self.annotations is None:
            return Registration(target, "unchanged", state, etag)
        change, values, entity_etag = self.annotations, state.annotations, state.entity["etag"]

        def update() -> None:
            nonlocal values, entity_etag
            changed = change.apply(values)
            if changed is None:
                return
            try:
                put_annotations(self.client, state.id, entity_etag, changed)
            except SynapseStaleError:
                current = self.client.call("GET", f"/entity/{state.id}/annotations2").json
                values, entity_etag = current.get("annotations") or {}, current["etag"]
                raise
            values = changed

        retry_stale(update)
        annotated = replace(state, annotations=values)
        return Registration(target, "unchanged", annotated, etag)

    def _send(
        self, method: str, path: str, body: Mapping[str, Any], params: Mapping[str, str]
    ) -> dict[str, Any]:
        """Send a request that creates a version with the Activity."""
        activity_id = self.activity.save()
        generated_by = {} if activity_id is None else {"generatedBy": activity_id}
        try:
            reply: dict[str, Any] = self.client.call(
                method, path, params={**params, **generated_by}, json=body, repeatable=True
            ).json
        except SynapseError as error:
            if not is_rejection(error):
                self.activity.mark_linked()
            raise
        self.activity.mark_linked()
        return reply

    def _create_handle(self, target: Target, content: ObjectMetadata) -> dict[str, Any]:
        name = split_path(target.path)[1]
        body = {
            "concreteType": S3_FILE_HANDLE,
            "storageLocationId": self.location.storage_location_id,
            "bucketName": self.location.bucket,
            "key": content.key,
            "fileName": name,
            "contentType": content.content_type or mimetypes.guess_type(name)[0],
            "contentSize": content.size,
            "contentMd5": content.md5,
        }
        handle: dict[str, Any] = self.client.call(
            "POST",
            "/externalFileHandle/s3",
            endpoint="file",
            json={key: value for key, value in body.items() if value is not None},
            repeatable=True,
        ).json
        if not self.activity.shows_versions:
            self.tries.note_handle(handle)
        return handle

    def _has_content(self, handle: Mapping[str, Any], content: ObjectMetadata) -> bool:
        is_same = handle.get("contentMd5") == content.md5
        return is_same and self._refers_to(handle, content.key, content.size)

    def _is_of_other_object(self, state: FileState, key: str) -> bool:
        """Return whether a file refers to another object of the bucket, which still exists."""
        other = str((state.handle or {}).get("key"))
        return self._is_in_bucket(state) and other != key and self.bucket.may_have(other)

    def _is_in_bucket(self, state: FileState) -> bool:
        return (state.handle or {}).get("bucketName") == self.location.bucket

    def _refers_to(self, handle: Mapping[str, Any], key: str, size: int) -> bool:
        return (
            handle.get("bucketName") == self.location.bucket
            and handle.get("key") == key
            and handle.get("contentSize") == size
        )


def _comment_of(content: ObjectMetadata) -> str | None:
    """Return a version comment with the etag; None if the etag is the MD5 in the file handle."""
    return None if content.etag == content.md5 else _ETAG_COMMENT + content.etag


def _unstable() -> Refusal:
    return Refusal("the object changes again and again while it is read", is_permanent=False)


def _not_downloadable(state: FileState) -> Refusal:
    return Refusal(
        f"{state.id} cannot be compared with the object, because you may not download it. Ask its "
        "administrator for DOWNLOAD access"
    )
