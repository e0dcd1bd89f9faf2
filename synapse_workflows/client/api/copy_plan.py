"""Plan of a copy: what to copy, in which order, and what the destination already has.

The plan is made, and everything that can be checked is checked, before anything is written.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from synapse_workflows import constants
from synapse_workflows.client.api import bundles, children, copy_tables
from synapse_workflows.client.api.copy_comparison import Comparison, CopyOptions, Match
from synapse_workflows.client.api.walk import CHILD_TYPES
from synapse_workflows.client.core.parallel_requests import map_parallel
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import (
    SynapseForbiddenError,
    SynapseNameConflictError,
    SynapseUnmetAccessRestrictions,
)

#: Maximum number of entities that are listed in an error message.
_MAX_LISTED: Final = 10
#: Maximum number of requests at a time.
MAX_THREADS: Final = 8

_Problem = Literal["restricted", "forbidden", "conflict"]


@dataclass
class CopyItem:
    """One entity to copy.

    Args:
        source: The bundle of the entity.
        name: Name of the copy.
        parent: ID of the container of the source; its copy is the container of the copy. For the
            entity that the caller copies: ID of the destination.
        existing: The bundle of the entity in the destination that has this name, if any.
        match: How `existing` compares to the copy.
    """

    source: Mapping[str, Any]
    name: str
    parent: str
    existing: Mapping[str, Any] | None = None
    match: Match = Match.MISSING

    @property
    def entity(self) -> Mapping[str, Any]:
        """Properties of the source."""
        entity: Mapping[str, Any] = self.source["entity"]
        return entity

    @property
    def id(self) -> str:
        """ID of the source."""
        return str(self.entity["id"])

    @property
    def concrete_type(self) -> str:
        """Full type of the source."""
        return str(self.entity["concreteType"])


@dataclass
class CopyPlan:
    """Entities to copy: containers before their children, in the order of the listing.

    Args:
        items: The entities.
        skipped: IDs of Docker repositories, which cannot be copied.
    """

    items: list[CopyItem] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


class Planner:
    """Creates the plan of a copy.

    Args:
        syn: The session that sends the requests.
        options: Options of the copy.
        version: Version of the entity that the caller gave, if any.
    """

    def __init__(self, syn: Session, options: CopyOptions, version: int | None = None) -> None:
        self.syn = syn
        self.options = options
        self.version = version
        self.comparison = Comparison(syn, options)
        self._problems: dict[_Problem, list[str]] = {}

    def plan(self, source: Mapping[str, Any], destination_id: str, name: str) -> CopyPlan:
        """Plan the copy of an entity, and of everything in it.

        Args:
            source: The bundle of the entity.
            destination_id: ID of the container of the copy. A project is not copied itself, but
                its contents are copied into this container.
            name: Name of the copy.

        Raises:
            SynapseUnmetAccessRestrictions: The caller has to meet access requirements first.
            SynapseForbiddenError: The caller may not download a file.
            SynapseNameConflictError: A name is used in the destination.
        """
        plan = CopyPlan()
        source_id, concrete_type = source["entity"]["id"], source["entity"]["concreteType"]
        containers: list[tuple[str, str | None]] = []
        if concrete_type == constants.PROJECT:
            containers = [(source_id, destination_id)]
        else:
            item = CopyItem(source, name, destination_id)
            found = children.findEntityId(self.syn, name, destination_id)
            self._check(item, found)
            plan.items.append(item)
            if concrete_type == constants.FOLDER:
                containers = [(source_id, found)]
        while containers:
            containers += self._add_children(plan, *containers.pop())
        self._raise_problems()
        return plan

    def _add_children(
        self, plan: CopyPlan, container_id: str, target_id: str | None
    ) -> list[tuple[str, str | None]]:
        """Add the children of a container; return its folders, with their existing copies."""
        headers = []
        for header in self._iter_children(container_id):
            if header["type"] == constants.DOCKER_REPOSITORY:
                plan.skipped.append(header["id"])
            else:
                headers.append(header)
        existing = {}
        if target_id is not None:
            listed = children.getChildren(self.syn, target_id, CHILD_TYPES)
            existing = {one["name"]: str(one["id"]) for one in listed}
        folders: list[tuple[str, str | None]] = []
        for item in map_parallel(
            lambda header: self._get_item(header, container_id, existing.get(header["name"])),
            headers,
            min(MAX_THREADS, self.syn.max_threads),
        ):
            plan.items.append(item[1])
            if item[1].concrete_type == constants.FOLDER:
                folders.append((item[1].id, existing.get(item[1].name)))
        return folders[::-1]

    def _iter_children(self, container_id: str) -> Iterator[dict[str, Any]]:
        types = [one for one in CHILD_TYPES if one not in self.options.exclude_types]
        return children.getChildren(self.syn, container_id, types) if types else iter(())

    def _get_item(
        self, header: Mapping[str, Any], container_id: str, existing_id: str | None
    ) -> CopyItem:
        bundle = bundles.get_bundle(self.syn, header["id"], permissions=True, root_wiki=True)
        item = CopyItem(bundle, header["name"], container_id)
        self._check(item, existing_id)
        return item

    def _check(self, item: CopyItem, existing_id: str | None) -> None:
        """Compare an item to the entity with its name, and record what prevents the copy."""
        if item.concrete_type in {constants.FILE, constants.TABLE}:
            permissions = item.source.get("permissions") or {}
            if bundles.has_unmet_requirements(item.source):
                self._problems.setdefault("restricted", []).append(item.id)
            elif not permissions.get("canDownload", True):
                self._problems.setdefault("forbidden", []).append(item.id)
        if existing_id is None or self._problems:
            return
        self.match(item, existing_id)
        if item.match is Match.OTHER:
            self._problems.setdefault("conflict", []).append(f"{item.name!r} ({existing_id})")

    def match(self, item: CopyItem, existing_id: str) -> None:
        """Compare an item to the entity that has its name, and record the result in the item."""
        item.match = Match.OTHER
        if existing_id == item.id:
            return
        item.existing = bundles.get_bundle(self.syn, existing_id)
        found = self.comparison.match(item.source, item.existing)
        if found in {Match.SAME, Match.ANNOTATE} and _has_rows(item):
            version = self.version if item.entity.get("isLatestVersion") is False else None
            if not copy_tables.has_same_rows(self.syn, item.id, version, existing_id):
                return
        item.match = found

    def _raise_problems(self) -> None:
        for problem in ("restricted", "forbidden", "conflict"):
            found = sorted(self._problems.get(problem, ()))
            if found:
                _raise_problem(self.syn, problem, _list_first(found))


def _has_rows(item: CopyItem) -> bool:
    return item.concrete_type == constants.TABLE and bool(item.entity.get("columnIds"))


def _raise_problem(syn: Session, problem: _Problem, listed: str) -> None:
    if problem == "restricted":
        raise SynapseUnmetAccessRestrictions(
            f"There are unmet access requirements on {listed}; nothing was copied. Accept them at "
            f"{syn.portalEndpoint}#!Synapse:<id>."
        )
    if problem == "forbidden":
        raise SynapseForbiddenError(
            403,
            f"No permission to download {listed}; nothing was copied",
            "POST /entity/{id}/bundle2",
            advice="Ask the owner for DOWNLOAD access.",
        )
    raise build_conflict(f"{listed}, which is not a copy of the source; nothing was copied")


def build_conflict(described: str) -> SynapseNameConflictError:
    """Create the error of a name that another entity has.

    Args:
        described: Names and IDs of the entities in the destination.
    """
    return SynapseNameConflictError(
        409,
        f"The destination already contains {described}",
        "POST /entity",
        advice="Choose another destination or name, delete the entity first, or pass "
        "update_existing=True to make a new version of a file.",
    )


def _list_first(found: Sequence[str]) -> str:
    more = len(found) - _MAX_LISTED
    return ", ".join(found[:_MAX_LISTED]) + (f" and {more} more" if more > 0 else "")
