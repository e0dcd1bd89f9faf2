"""Index of the objects below an S3 prefix: files in Synapse that refer to the objects."""

import glob
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.core.events import Wrote
from synapse_workflows.client.core.parallel_requests import map_parallel
from synapse_workflows.client.errors import SynapseError
from synapse_workflows.idempotency.earlier_tries import EarlierTries
from synapse_workflows.idempotency.file_matching import find_missing, match_files
from synapse_workflows.idempotency.folder_tree import FileState, FolderTree
from synapse_workflows.idempotency.index_options import (
    IndexOptions,
    PlannedFile,
    SynapseIndexedPrefix,
)
from synapse_workflows.idempotency.index_progress import IndexProgress
from synapse_workflows.idempotency.index_targets import Registration, S3Location, Target
from synapse_workflows.idempotency.object_paths import (
    ObjectPaths,
    map_objects,
    split_path,
)
from synapse_workflows.idempotency.object_registration import ObjectRegistrar
from synapse_workflows.idempotency.refusals import Refusal, Refusals
from synapse_workflows.idempotency.s3_objects import S3Bucket
from synapse_workflows.lineage.batch_activity import BatchActivity
from synapse_workflows.lineage.collector import current_collector
from synapse_workflows.lineage.lineage_client import LineageClient
from synapse_workflows.provenance.record import Origin, Record, UrlRef

#: Maximum number of IDs in the result.
_MAX_IDS: Final = 100
#: Maximum number of planned changes in the result.
_MAX_PLANNED: Final = 1000
#: Maximum number of objects in an error message.
_MAX_SHOWN: Final = 10
#: How often the objects that changed during the run are registered again.
_MAX_ROUNDS: Final = 3


class PrefixIndex:
    """The objects below a prefix, and their files below a container.

    Args:
        client: Sends the requests to Synapse.
        root_id: ID of the container.
        bucket: The bucket.
        location: The storage location and prefix.
        options: Options.
    """

    def __init__(
        self,
        client: LineageClient,
        root_id: str,
        bucket: S3Bucket,
        location: S3Location,
        options: IndexOptions,
    ) -> None:
        self._client = client
        self._root_id = root_id
        self._bucket = bucket
        self._location = location
        self._options = options
        self._tries = EarlierTries.of_call(client, f"index {root_id} {location.url}")
        self._activity = BatchActivity(
            client,
            options.provenance,
            self._tries.activity_id,
            self._tries.save_activity,
            location.url,
        )
        self._registrar = ObjectRegistrar(
            client, bucket, location, self._activity, self._tries, options.annotations
        )
        self._progress = IndexProgress(client, location.url)
        self._results: dict[str, Registration] = {}

    def update(self) -> SynapseIndexedPrefix:
        """Register the new and changed objects; return the result.

        Raises:
            AirflowFailException: No object is selected, there are too many objects or invalid
                names, or some objects were not registered and a retry cannot succeed.
            AirflowException: Some objects were not registered; a retry may succeed.
        """
        options = self._options
        paths = map_objects(
            self._bucket.list_objects(self._location.prefix),
            self._location.prefix,
            options.selected,
        )
        refusals = Refusals(
            self._client, len(paths.objects), "registered", "are registered as they are now"
        )
        self._check(paths, refusals)
        tree, targets, missing = self._match(paths, refusals)
        if options.dry_run:
            return self._plan(paths, targets, missing, refusals)
        with self._activity.attach():
            self._record_prefix()
            self._register_all(self._with_folders(tree, targets, refusals), refusals)
        refusals.raise_if_any()
        deleted = self._delete(missing) if options.missing == "delete" else 0
        return self._result(paths, missing, deleted)

    def _check(self, paths: ObjectPaths, refusals: Refusals) -> None:
        """Check the listed objects before anything is changed."""
        url, options, invalid = self._location.url, self._options, paths.invalid
        for key, reason in invalid.items():
            self._client.logger.warning("s3://%s/%s: %s", self._bucket.name, key, reason)
        if invalid and not options.dry_run:
            refusals.report_skipped(invalid)
            if options.invalid_names == "fail":
                raise AirflowFailException(_describe_invalid(invalid, url))
        if len(paths.objects) > options.max_files:
            raise AirflowFailException(
                f"{len(paths.objects)} objects below {url} are selected, more than "
                f"max_files={options.max_files}. Narrow prefix or include, or raise max_files. "
                "Nothing was registered"
            )
        if not paths.keys:
            self._check_directory()
        if not paths.objects and not invalid and not options.allow_empty:
            raise AirflowFailException(
                f"No object is selected below {url}, which has {len(paths.keys)} objects. Check "
                "prefix, include and exclude, or set allow_empty=True if this is valid"
            )

    def _check_directory(self) -> None:
        """Check that the prefix, which has no objects, is not the key of an object."""
        if self._location.prefix == self._location.base_key:
            return
        key = self._location.prefix.removesuffix("/")
        found = next(self._bucket.list_objects(key), None)
        if found is not None and found.key == key:
            url = f"s3://{self._bucket.name}"
            folder, name = split_path(key)
            raise AirflowFailException(
                f"Invalid prefix: {url}/{key} is an object, not a directory. To register this "
                f"object, pass the prefix '{url}/{folder}' and "
                f"include={glob.escape(name)!r}"
            )

    def _match(
        self, paths: ObjectPaths, refusals: Refusals
    ) -> tuple[FolderTree, list[Target], dict[str, FileState]]:
        """Find the file of each object, and the files whose objects do not exist, by path."""
        folder = self._options.folder
        wanted = {self._path_of(path): one for path, one in paths.objects.items()}
        looks_everywhere = self._options.missing != "ignore"
        tree = FolderTree.read(
            self._client,
            self._root_id,
            {split_path(path)[0] for path in wanted},
            folder if looks_everywhere else None,
        )
        start = f"{folder}/" if folder else ""
        files = tree.read_files(
            path
            for path in tree.files
            if path in wanted or (looks_everywhere and path.startswith(start))
        )
        targets = match_files(wanted, files, paths.keys, self._location, refusals)
        targets = [one for one in targets if not self._is_refused(one, tree, refusals)]
        missing = find_missing(files, paths.keys, self._location) if looks_everywhere else {}
        for path, state in list(missing.items()):
            key = str((state.handle or {})["key"])
            if not self._options.selected.matches(key.removeprefix(self._location.prefix)):
                del missing[path]
                continue
            self._client.logger.warning(
                "s3://%s/%s does not exist; %s (%s) refers to it",
                *(self._bucket.name, key, state.id, path),
            )
        return tree, targets, missing

    def _path_of(self, path: str) -> str:
        """Return the path below the container for a path below the prefix."""
        folder = self._options.folder
        return f"{folder}/{path}" if folder else path

    def _is_refused(self, target: Target, tree: FolderTree, refusals: Refusals) -> bool:
        """Return whether another entity has the path of a new file or of a folder above it."""
        refusal = None if target.state else tree.find_conflict(target.path)
        if refusal is not None:
            refusals.add(target.object.key, refusal)
        return refusal is not None

    def _with_folders(
        self, tree: FolderTree, targets: Sequence[Target], refusals: Refusals
    ) -> list[Target]:
        """Create the folders that are missing; return the targets with their folders."""
        needed = {split_path(one.path)[0] for one in targets if one.state is None}
        refused = tree.create(needed)
        placed = []
        for one in targets:
            folder = split_path(one.path)[0]
            if one.state is None and folder in refused:
                refusals.add(one.object.key, refused[folder])
            else:
                placed.append(replace(one, parent_id=tree.folders.get(folder, "")))
        return placed

    def _register_all(self, targets: Sequence[Target], refusals: Refusals) -> None:
        """Register objects; register those again that have changed meanwhile."""
        self._progress.begin(len(targets))
        for _ in range(_MAX_ROUNDS):
            self._register(targets, refusals)
            targets = list(self._iter_changed())
            if not targets:
                return
            self._client.logger.info("%d objects have changed during the run", len(targets))
        for one in targets:
            reason = "the object changes again and again"
            refusals.add(one.object.key, Refusal(reason, is_permanent=False))

    def _register(self, targets: Sequence[Target], refusals: Refusals) -> None:
        def register(target: Target) -> Registration | Refusal | SynapseError:
            result = self._registrar.register(target)
            self._progress.count(target.object)
            return result

        for target, result in map_parallel(register, targets, self._client.max_threads):
            if isinstance(result, Registration):
                self._add(result)
            else:
                refusals.add(target.object.key, result)

    def _add(self, result: Registration) -> None:
        """Add a result, and announce a stored file."""
        file, before = result.file, self._results.get(result.target.object.key)
        if file is None:
            self._client.logger.info("%s is %s", result.target.object.key, result.action)
        elif result.action != "unchanged":
            self._announce(file, changed=True)
        elif before is None and self._tries.has_stored(file, self._activity):
            result = replace(result, action="created" if file.version == 1 else "updated")
            self._announce(file, changed=False)
        if before is not None and before.action in ("created", "updated"):
            result = replace(result, action=before.action)
        self._results[result.target.object.key] = result

    def _announce(self, file: FileState, *, changed: bool) -> None:
        self._client.emit(
            Wrote.from_entity(
                file.entity,
                md5=(file.handle or {}).get("contentMd5"),
                changed=changed,
                activity_given=True,
                activity_id=self._activity.activity_id,
            )
        )

    def _iter_changed(self) -> Iterator[Target]:
        """List the objects again, if any was registered; yield those that have changed since."""
        if all(one.action not in ("created", "updated") for one in self._results.values()):
            return
        for one in self._bucket.list_objects(self._location.prefix):
            result = self._results.get(one.key)
            if result is not None and result.file is not None and result.etag != one.etag:
                yield replace(result.target, object=one, state=result.file)

    def _delete(self, missing: Mapping[str, FileState]) -> int:
        """Delete the files whose objects still do not exist; return their number."""
        refusals = Refusals(self._client, len(missing), "deleted", "are deleted")
        deleted = 0
        for state, result in map_parallel(
            self._registrar.delete_missing, list(missing.values()), self._client.max_threads
        ):
            if isinstance(result, bool):
                deleted += result
            else:
                refusals.add(state.id, result)
        refusals.raise_if_any()
        return deleted

    def _record_prefix(self) -> None:
        """Record the prefix as used by the task."""
        collector = current_collector()
        if collector is not None and self._client.lineage_mode.is_automatic:
            collector.add(Record.from_refs(Origin.READ, used=[UrlRef(self._location.url)]))

    def _plan(
        self,
        paths: ObjectPaths,
        targets: Sequence[Target],
        missing: Mapping[str, FileState],
        refusals: Refusals,
    ) -> SynapseIndexedPrefix:
        """Return the changes that would be made, without making them."""
        plans = list(map_parallel(self._registrar.plan, targets, self._client.max_threads))
        changes = [
            PlannedFile(action=action, path=one.path, key=one.object.key)
            for one, action in plans
            if action != "unchanged"
        ] + [
            PlannedFile(action="refuse", path=self._path_of(path), key=one.key)
            for path, one in paths.objects.items()
            if one.key in refusals
        ]
        unchanged = sum(action == "unchanged" for _, action in plans)
        if self._options.missing == "delete":
            changes += [
                PlannedFile(action="delete", path=path, key=(state.handle or {})["key"])
                for path, state in missing.items()
            ]
        for change in changes:
            self._client.logger.info("Would %(action)s %(path)s (%(key)s)", change)
        counts = Counter(change["action"] for change in changes)
        result = self._result(paths, missing, 0)
        result["created"], result["updated"] = counts["create"], counts["update"]
        result["unchanged"] = unchanged
        result["plan"] = changes[:_MAX_PLANNED]
        return result

    def _result(
        self, paths: ObjectPaths, missing: Mapping[str, FileState], deleted: int
    ) -> SynapseIndexedPrefix:
        results = [one for one in self._results.values() if one.file is not None]
        counts = Counter(one.action for one in results)
        stored = [one for one in results if one.action in ("created", "updated")]
        return {
            "id": self._root_id,
            "url": self._location.url,
            "objects": len(paths.objects),
            "created": counts["created"],
            "updated": counts["updated"],
            "unchanged": counts["unchanged"],
            "skipped": len(paths.invalid),
            "missing": len(missing),
            "deleted": deleted,
            "bytes": sum(one.file.size for one in stored if one.file is not None),
            "ids": [one.file.id for one in stored[:_MAX_IDS] if one.file is not None],
            "missing_ids": [state.id for state in missing.values()][:_MAX_IDS],
            "activity_id": self._activity.activity_id if stored else None,
            "dry_run": self._options.dry_run,
        }


def _describe_invalid(invalid: Mapping[str, str], url: str) -> str:
    shown = "; ".join(f"{key!r}: {reason}" for key, reason in list(invalid.items())[:_MAX_SHOWN])
    more = len(invalid) - _MAX_SHOWN
    return (
        f"{len(invalid)} objects below {url} cannot be files in Synapse. {shown}"
        f"{f'; and {more} more, see the log' if more > 0 else ''}. Rename them, exclude them with "
        "exclude, or set invalid_names='skip' to register only the others. Nothing was registered"
    )
