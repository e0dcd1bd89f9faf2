"""Provenance graph of an entity version: what it was made from, and what was made from it."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from synapse_workflows.constants import ENTITY_TYPES, AccessType
from synapse_workflows.drawing.graph import Edge, EdgeRole, Graph, Node
from synapse_workflows.drawing.url_node import create_url_node
from synapse_workflows.local.domain import access
from synapse_workflows.local.domain.dates import to_iso
from synapse_workflows.local.domain.ids import format_entity_id, parse_entity_id
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.visibility import is_readable_by
from synapse_workflows.local.storage.models import Activity, Entity, EntityVersion

#: Maximum number of Activities between the entity version and the end of the graph.
MAX_DEPTH: Final = 8
#: Maximum number of nodes; a walk stops after the level that reaches it.
MAX_NODES: Final = 300
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
#: Parts of URLs that identify a version.
_S3_VERSION = re.compile(r"versionId=[\w.-]+")
_HASH = re.compile(r"sha256=[0-9a-f]{64}|etag=[0-9a-f]{32}(?:-\d{1,5})?")
_GIT_PATH = re.compile(r"[\w./%~+-]+\.\w{1,8}")
#: Line of the description of an Activity with the address of an Airflow task instance.
_TASK_URL = re.compile(r"^https?://\S+/dags/\S+/runs/\S+/tasks/\S+$", re.MULTILINE)

#: Entity ID and version number.
Version = tuple[int, int]


def read_provenance(
    session: Session, caller: Caller, entity_id: int, number: int, base_url: str
) -> Graph:
    """Read the provenance graph of an entity version, in both directions.

    Entities that the caller cannot READ are shown like entities that do not exist: by the ID that
    the Activity contains.

    Args:
        session: Database session.
        caller: User of the request; has READ.
        entity_id: ID of the entity.
        number: Number of the version.
        base_url: URL of the portal, for the links of entities.
    """
    walk = _Walk(session, caller, base_url.rstrip("/"), (entity_id, number))
    for step in (walk.walk_upstream, walk.walk_downstream):
        level = [(entity_id, number)]
        for _ in range(MAX_DEPTH):
            level = [] if len(walk.nodes) > MAX_NODES else step(level)
        if level or len(walk.nodes) > MAX_NODES:
            walk.notes.append(
                "The graph may continue: open one of its outer entities to see more."
            )
    return Graph.build(walk.nodes.values(), walk.edges, walk.notes)


class _Walk:
    """Nodes and edges that were found so far."""

    def __init__(self, session: Session, caller: Caller, base_url: str, start: Version) -> None:
        self.session = session
        self.caller = caller
        self.base_url = base_url
        self.start = start
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []
        self.notes: list[str] = []
        self._visited: set[Version] = set()
        self._add_entity(start)

    def walk_upstream(self, level: Iterable[Version]) -> list[Version]:
        """Add the Activities that generated entity versions; return what they used."""
        found: list[Version] = []
        for target in level:
            row = self.session.get(EntityVersion, target)
            if row is None or row.activity_id is None or not self._can_read(target[0]):
                continue
            activity = self.session.get_one(Activity, row.activity_id)
            is_new = self._add_activity(activity)
            self._add_edge(_activity_id(activity), _entity_id(target), "generated")
            if is_new:
                found += self._add_used(activity)
        return found

    def walk_downstream(self, level: Iterable[Version]) -> list[Version]:
        """Add the Activities that used entity versions; return what they generated."""
        found: list[Version] = []
        sources = set(level) - self._visited
        self._visited |= sources
        for activity in self._find_users(sources):
            generated = self._list_generated(activity)
            if not generated and not (
                self.caller.is_admin or activity.created_by == self.caller.id
            ):
                continue
            self._add_activity(activity)
            for item in activity.used:
                if _get_target(item) in sources:
                    self._add_edge(
                        _entity_id(_get_target(item)), _activity_id(activity), _role(item)
                    )
            for target in generated:
                self._add_entity(target)
                self._add_edge(_activity_id(activity), _entity_id(target), "generated")
            found += generated
        return found

    def _find_users(self, sources: set[Version]) -> list[Activity]:
        """Return the Activities that used one of several entity versions, oldest first."""
        item = func.json_each(Activity.used).table_valued("value", name="item")
        target = func.json_extract(item.c.value, "$.reference.targetId")
        ids = {format_entity_id(entity_id) for entity_id, _ in sources}
        query = select(Activity).join(item, target.in_(ids)).distinct().order_by(Activity.id)
        return [
            activity
            for activity in self.session.scalars(query)
            if any(_get_target(used) in sources for used in activity.used)
        ]

    def _list_generated(self, activity: Activity) -> list[Version]:
        """Return the entity versions of an Activity that the caller can READ."""
        rows = self.session.execute(
            select(EntityVersion.entity_id, EntityVersion.number)
            .join(Entity, Entity.id == EntityVersion.entity_id)
            .where(EntityVersion.activity_id == activity.id, is_readable_by(self.caller))
            .order_by(EntityVersion.entity_id, EntityVersion.number)
        )
        return [(entity_id, number) for entity_id, number in rows]

    def _add_used(self, activity: Activity) -> list[Version]:
        """Add what an Activity used; return the entity versions."""
        found: list[Version] = []
        for item in activity.used:
            target = _get_target(item)
            if target is None:
                node = _create_url_node(item)
                self.nodes.setdefault(node.id, node)
                self._add_edge(node.id, _activity_id(activity), _role(item))
            else:
                self._add_entity(target)
                self._add_edge(_entity_id(target), _activity_id(activity), _role(item))
                found.append(target)
        return found

    def _add_activity(self, activity: Activity) -> bool:
        """Add an Activity. Return whether it is new."""
        node_id = _activity_id(activity)
        if node_id in self.nodes:
            return False
        description = redact_urls(activity.description or "")
        task = _TASK_URL.search(description)
        self.nodes[node_id] = Node(
            node_id,
            "activity",
            redact_urls(activity.name or "") or f"activity {activity.id}",
            description=description,
            task_url=task[0] if task else None,
            attributes={"Created": to_iso(activity.created_on)},
        )
        return True

    def _add_entity(self, version: Version) -> None:
        """Add an entity version; without its name if the caller cannot READ it."""
        node_id = _entity_id(version)
        if node_id in self.nodes:
            return
        entity_id, number = version
        label, attributes = format_entity_id(entity_id), {}
        gaps = ["The entity does not exist, or you may not read it."]
        if self._can_read(entity_id) and self.session.get(EntityVersion, version) is not None:
            entity = self.session.get_one(Entity, entity_id)
            label, attributes, gaps = entity.name, {"Type": ENTITY_TYPES[entity.concrete_type]}, []
        self.nodes[node_id] = Node(
            node_id,
            "entity",
            label,
            node_id,
            url=f"{self.base_url}/Synapse:{format_entity_id(entity_id)}/version/{number}",
            version=number,
            gaps=tuple(gaps),
            attributes=attributes,
            is_focus=version == self.start,
        )

    def _add_edge(self, source: str, target: str, role: EdgeRole) -> None:
        self.edges.append(Edge(source, target, role))

    def _can_read(self, entity_id: int) -> bool:
        return access.is_allowed(self.session, self.caller, entity_id, AccessType.READ)


def redact_urls(text: str) -> str:
    """Remove what may be secret from all URLs in a text: user info, query and fragment.

    What identifies a version is kept: a content hash, an etag, the ID of an S3 version, and the
    path of a file at a commit.
    """
    return _URL.sub(lambda match: _redact_url(match[0]), text)


def _redact_url(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(invalid URL)"
    is_git = parts.scheme.startswith("git+")
    return parts._replace(
        netloc=parts.netloc.rpartition("@")[2],
        query=parts.query if parts.scheme == "s3" and _S3_VERSION.fullmatch(parts.query) else "",
        fragment=parts.fragment
        if (_GIT_PATH if is_git else _HASH).fullmatch(parts.fragment)
        else "",
    ).geturl()


def _get_target(item: Mapping[str, Any]) -> Version | None:
    """Return the entity version of an item of `used`; None for a URL."""
    reference = item.get("reference")
    if reference is None:
        return None
    return parse_entity_id(reference["targetId"]), reference["targetVersionNumber"]


def _create_url_node(item: Mapping[str, Any]) -> Node:
    url = redact_urls(item["url"])
    name = redact_urls(item.get("name") or "")
    return create_url_node(f"url:{url} {name}", url, name, is_code=item["wasExecuted"])


def _role(item: Mapping[str, Any]) -> EdgeRole:
    return "executed" if item["wasExecuted"] else "used"


def _entity_id(version: Version | None) -> str:
    entity_id, number = version or (0, 0)
    return f"{format_entity_id(entity_id)}.{number}"


def _activity_id(activity: Activity) -> str:
    return f"activity:{activity.id}"
