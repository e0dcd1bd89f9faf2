"""Annotations of entities, written only where they differ."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from airflow.sdk.exceptions import AirflowFailException

from synapse_workflows.client.api import annotations as annotations_api
from synapse_workflows.client.api.store_request import require_valid_annotations
from synapse_workflows.client.core.conflicts import retry_stale
from synapse_workflows.client.core.parallel_requests import map_parallel
from synapse_workflows.client.errors import SynapseError
from synapse_workflows.client.model import annotations as model
from synapse_workflows.client.model.entity_base import BASE_ENTITY_TYPE
from synapse_workflows.client.model.ids import VersionedId, is_synapse_id, parse_entity_id
from synapse_workflows.idempotency.planned_changes import PlannedChanges
from synapse_workflows.idempotency.refusals import Refusal, Refusals
from synapse_workflows.lineage.lineage_client import LineageClient

#: What happens to the other annotations of an entity: `merge` keeps them, `replace` removes them.
AnnotateMode = Literal["merge", "replace"]


class SynapseAnnotations(TypedDict):
    """Result of annotating entities, as JSON.

    Both are lists of entity IDs, in the order of the entities. `changed` contains the entities
    that any try of the task has changed.
    """

    changed: list[str]
    unchanged: list[str]


@dataclass(frozen=True)
class AnnotationChange:
    """Annotations to set and to remove.

    Args:
        values: AnnotationsValue by key, as a dictionary of JSON values.
        removed: Keys to remove.
        mode: `merge` or `replace`.
    """

    values: Mapping[str, Any]
    removed: frozenset[str]
    mode: AnnotateMode

    @classmethod
    def parse(cls, values: Any, mode: AnnotateMode) -> "AnnotationChange":
        """Parse annotations.

        Args:
            values: One value or a list of values by key; None, or an empty list, to remove a key.
            mode: `merge` or `replace`.

        Raises:
            ValueError: A key or a value is invalid.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"expected a dictionary, not {values!r:.100}")  # noqa: TRY004
        lists = model.require_values(values)
        require_valid_annotations(lists, BASE_ENTITY_TYPE)
        removed = frozenset(key for key, items in lists.items() if not items)
        return cls(model.to_synapse_annotations(lists), removed, mode)

    @property
    def signature(self) -> str:
        """Text that is equal for equal changes, in each process."""
        return json.dumps([self.mode, sorted(self.removed), self.values], sort_keys=True)

    def apply(self, current: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the changed annotations of an entity; None if there is no difference.

        Args:
            current: AnnotationsValue by key.
        """
        stored = {key: entry for key, entry in current.items() if entry.get("value")}
        kept = set(stored) - self.removed if self.mode == "merge" else set(self.values)
        changed = {key: entry for key, entry in stored.items() if key in kept}
        changed |= {
            key: entry
            for key, entry in self.values.items()
            if key not in stored or not _is_equal(stored[key], entry)
        }
        return None if changed == stored else changed


def _is_equal(stored: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    try:
        return model.have_same_values({"": stored}, {"": entry})
    except ValueError:  # the stored annotation is of an unknown type
        return False


@dataclass
class AnnotationWriter:
    """Writer of the annotations of many entities.

    Args:
        client: Sends the requests.
        changes: The annotations by entity ID and version. If the version is not None, it must be
            the current version of the entity, because other versions are immutable.
        refusals: The entities that could not be annotated.
    """

    client: LineageClient
    changes: Mapping[VersionedId, AnnotationChange]
    refusals: Refusals
    _read: dict[VersionedId, Mapping[str, Any]] = field(default_factory=dict, init=False)

    def write(self, planned: PlannedChanges) -> SynapseAnnotations:
        """Write the annotations that differ.

        Raises:
            AirflowFailException: Some entities were not annotated, and a retry cannot succeed.
            AirflowException: Some entities were not annotated.
        """
        differing = [one for one, is_changed in self._run(self._differs) if is_changed]
        planned.add(one.id for one in differing)
        for _ in self._run(self._write, differing):
            pass
        self.refusals.raise_if_any()
        ids = [one.id for one in self.changes]
        return {
            "changed": [one for one in ids if one in planned.ids],
            "unchanged": [one for one in ids if one not in planned.ids],
        }

    def _run(
        self, function: Any, entities: Sequence[VersionedId] | None = None
    ) -> Iterable[tuple[VersionedId, bool]]:
        """Call a function for each entity; yield its results, and collect the refusals."""
        items = list(self.changes if entities is None else entities)

        def call(entity: VersionedId) -> bool | Refusal | SynapseError:
            try:
                result: bool | Refusal = function(entity)
            except SynapseError as error:
                return error
            return result

        for entity, result in map_parallel(call, items, self.client.max_threads):
            if isinstance(result, bool):
                yield entity, result
            else:
                self.refusals.add(entity.id, result)

    def _differs(self, entity: VersionedId) -> bool | Refusal:
        current = read_annotations(self.client, entity)
        if isinstance(current, Refusal):
            return current
        is_changed = self.changes[entity].apply(current["annotations"]) is not None
        if is_changed:
            self._read[entity] = current
        return is_changed

    def _write(self, entity: VersionedId) -> bool | Refusal:
        def update() -> bool | Refusal:
            current = self._read.pop(entity, None) or read_annotations(self.client, entity)
            if isinstance(current, Refusal):
                return current
            changed = self.changes[entity].apply(current["annotations"])
            if changed is not None:
                annotations_api.put_annotations(self.client, entity.id, current["etag"], changed)
            return changed is not None

        return retry_stale(update)


def read_annotations(client: LineageClient, entity: VersionedId) -> Mapping[str, Any] | Refusal:
    """Return the annotations of an entity as JSON, and check its version.

    If the version changes after the check, the etag of the annotations is outdated.

    Args:
        client: Sends the requests.
        entity: The entity; its version must be None or the current version.

    Source:
        GET /entity/{id}/annotations2, GET /entity/{id}
        https://rest-docs.synapse.org/rest/GET/entity/id/annotations2.html
    """
    body: dict[str, Any] = client.call("GET", f"/entity/{entity.id}/annotations2").json
    body["annotations"] = body.get("annotations") or {}
    if entity.version is not None:
        version = client.call("GET", f"/entity/{entity.id}").json.get("versionNumber")
        if version is not None and version != entity.version:
            return Refusal(
                f"version {entity.version} cannot be annotated: the current version is {version}, "
                "and other versions are immutable. Pass the ID without a version to annotate the "
                "current version"
            )
    return body


def annotate(
    client: LineageClient,
    entities: Sequence[VersionedId] | None,
    annotations: Mapping[str, Any],
    mode: AnnotateMode,
) -> SynapseAnnotations:
    """Annotate entities, once per call of a task.

    Args:
        client: Sends the requests.
        entities: The entities; None for the entities in `annotations`.
        annotations: The annotations of each entity, or annotations by entity ID.
        mode: `merge` or `replace`.

    Raises:
        AirflowFailException: An argument is invalid, or some entities were not annotated and a
            retry cannot succeed.
        AirflowException: Some entities were not annotated.
    """
    by_id = _parse_by_id(annotations)
    if entities is None and by_id is None:
        raise AirflowFailException(
            "entities is missing. Pass the entities to annotate, or annotations by entity ID"
        )
    ids = None if entities is None else {entity.id for entity in entities}
    versions = [entity for entity in by_id or () if ids is None or entity.id in ids]
    targets = _require_unique([*(entities or ()), *versions])
    refusals = Refusals(client, len(targets))
    if by_id is None:
        try:
            changes = dict.fromkeys(targets, AnnotationChange.parse(annotations, mode))
        except ValueError as error:
            raise AirflowFailException(f"Invalid annotations: {error}") from error
    else:
        values = {entity.id: value for entity, value in by_id.items()}
        changes = _parse_changes(targets, values, mode, refusals)
    signature = json.dumps(
        sorted((entity.id, entity.version, change.signature) for entity, change in changes.items())
    )
    planned = PlannedChanges.of(client, f"annotate {signature}")
    return AnnotationWriter(client, changes, refusals).write(planned)


def _parse_changes(
    entities: Iterable[VersionedId],
    values: Mapping[str, Any],
    mode: AnnotateMode,
    refusals: Refusals,
) -> dict[VersionedId, AnnotationChange]:
    """Parse the annotations of each entity, and collect the entities with invalid annotations."""
    changes = {}
    for entity in entities:
        if entity.id not in values:
            refusals.add(entity.id, Refusal("annotations does not contain this entity"))
            continue
        try:
            changes[entity] = AnnotationChange.parse(values[entity.id], mode)
        except ValueError as error:
            refusals.add(entity.id, Refusal(str(error)))
    return changes


def _parse_by_id(annotations: Mapping[str, Any]) -> dict[VersionedId, Any] | None:
    """Return annotations by entity; None if the annotations are the same for each entity.

    Raises:
        AirflowFailException: Only some of the keys and values are entity IDs with annotations, or
            an entity is given twice.
    """
    is_by_id = [
        is_synapse_id(key) and isinstance(one, Mapping) for key, one in annotations.items()
    ]
    if not any(is_by_id):
        return None
    if not all(is_by_id):
        other = next(key for key, one in zip(annotations, is_by_id, strict=True) if not one)
        raise AirflowFailException(
            f"Invalid annotations: {other!r} is not an entity ID with a dictionary of "
            "annotations, as other keys are. Pass either one dictionary of annotations, or a "
            "dictionary of annotations for each entity ID"
        )
    by_id = {parse_entity_id(key): value for key, value in annotations.items()}
    if len({entity.id for entity in by_id}) < len(annotations):
        raise AirflowFailException(
            f"Invalid annotations: an entity is given more than once in {list(annotations)!r:.200}"
        )
    return by_id


def _require_unique(entities: Iterable[VersionedId]) -> list[VersionedId]:
    """Return each entity once.

    Raises:
        AirflowFailException: Two versions of one entity are given.
    """
    versions: dict[str, int | None] = {}
    for entity in entities:
        known = versions.setdefault(entity.id, entity.version)
        if entity.version is not None and known not in (None, entity.version):
            raise AirflowFailException(
                f"Invalid entities: {entity.id} is given in the versions {known} and "
                f"{entity.version}. Only the current version can be annotated"
            )
        versions[entity.id] = entity.version if known is None else known
    return [VersionedId(key, version) for key, version in versions.items()]
