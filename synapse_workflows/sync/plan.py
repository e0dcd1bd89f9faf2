"""Plan of a synchronization: what is new, changed, the same and extra, as values."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, Self, get_args

from synapse_workflows.client.core.file_names import is_safe_path
from synapse_workflows.client.model.ids import is_synapse_id

#: From a directory to Synapse, or from Synapse to a directory.
SyncDirection = Literal["to_synapse", "from_synapse"]
#: State of a file or folder: `new` and `changed` are transferred, `extra` is only in the target.
SyncAction = Literal["new", "changed", "same", "extra"]
#: Whether an item is a file or a folder.
SyncKind = Literal["file", "folder"]

ACTIONS: Final = get_args(SyncAction)


@dataclass(frozen=True, slots=True)
class SyncItem:
    """A file or folder, and what to do with it.

    Args:
        action: `new`, `changed`, `same` or `extra`.
        kind: `file` or `folder`.
        path: Path below the directory; for an external file of a manifest, its URL; for an extra
            file in Synapse, its path below the container.
        reason: Why the item has this action.
        name: Name of the entity.
        folder: Path in Synapse of the folder of the entity, below the container.
        parent_id: ID of the folder of the entity, if it exists and `folder` does not name it.
        entity_id: ID of the entity, if it exists.
        version: Version of the entity.
        size: Size in bytes of the file in the source; of an extra file, in the target.
        md5: MD5 in hex of the file in the source, if it is known.
        file_handle_id: File handle of the version, for downloads.
        modified: Time of the last change of the file in the directory, or its etag.
        row: Row of the manifest: text by column, without the columns for path, parent and name.
    """

    action: SyncAction
    kind: SyncKind
    path: str
    reason: str = ""
    name: str = ""
    folder: str = ""
    parent_id: str | None = None
    entity_id: str | None = None
    version: int | None = None
    size: int | None = None
    md5: str | None = None
    file_handle_id: str | None = None
    modified: int | str | None = None
    row: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON, without empty ones."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {key: value for key, value in values.items() if value not in (None, "", {})}

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """Parse an item.

        Raises:
            ValueError: The value is not the JSON of an item, or its path leaves the directory.
        """
        names = {one.name for one in fields(cls)}
        if not isinstance(values, Mapping) or not values.keys() <= names:
            raise ValueError(f"Invalid item {values!r:.200}: expected an item of a plan")
        item = cls(**values)
        row: Any = item.row
        texts: tuple[Any, ...] = (item.name, item.folder)
        numbers: tuple[Any, ...] = (item.size, item.version)
        is_valid = (
            item.action in ACTIONS
            and item.kind in get_args(SyncKind)
            and (item.is_external or is_safe_path(item.path))
            and all(one is None or is_synapse_id(one) for one in (item.entity_id, item.parent_id))
            and isinstance(row, Mapping)
            and all(isinstance(one, str) for one in (*row.values(), *texts))
            and all(isinstance(one, int | None) for one in numbers)
        )
        if not is_valid:
            raise ValueError(f"Invalid item {values!r:.200}: expected an item of a plan")
        return item

    @property
    def is_external(self) -> bool:
        """Whether the item is a URL of a manifest, which is registered and not uploaded."""
        return self.kind == "file" and "://" in self.path

    @property
    def outcome(self) -> Literal["new", "changed"]:
        """The action of an item that is created or changed."""
        return "new" if self.action == "new" else "changed"

    @property
    def is_pending(self) -> bool:
        """Whether the item is created or changed in the target."""
        return self.action in ("new", "changed")


@dataclass(frozen=True)
class SyncPlan:
    """Plan of a synchronization.

    Args:
        direction: `to_synapse` or `from_synapse`.
        source: ID of the container, or path or URL of the directory.
        target: ID of the container, or path or URL of the directory.
        items: Files and folders, sorted by path.
        skipped: Reasons by path, of what is not synchronized, such as tables.
        refused: Reasons by path, of files that should be synchronized but cannot be.
        shard: Number of this part of a plan and number of parts; None for a whole plan.
    """

    direction: SyncDirection
    source: str
    target: str
    items: Sequence[SyncItem]
    skipped: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    shard: tuple[int, int] | None = None

    def select(self, *actions: SyncAction, kind: SyncKind | None = None) -> list[SyncItem]:
        """Return the items with one of the actions, and of a kind, if given."""
        return [
            one
            for one in self.items
            if one.action in actions and (kind is None or one.kind == kind)
        ]

    @property
    def counts(self) -> dict[str, int]:
        """Number of files by action, and number of skipped entries. Folders are not counted."""
        found = Counter(one.action for one in self.items if one.kind == "file")
        numbers = {action: found[action] for action in ACTIONS}
        return {**numbers, "skipped": len(self.skipped), "refused": len(self.refused)}

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON, which `from_json` reads."""
        shard = {} if self.shard is None else {"shard": list(self.shard)}
        return {
            "direction": self.direction,
            "source": self.source,
            "target": self.target,
            "counts": self.counts,
            "items": [one.to_json() for one in self.items],
            "skipped": dict(self.skipped),
            "refused": dict(self.refused),
            **shard,
        }

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """Parse a plan.

        Raises:
            ValueError: The value is not the JSON of a plan, or an item is invalid.
        """
        try:
            shard = values.get("shard")
            plan = cls(
                values["direction"],
                values["source"],
                values["target"],
                [SyncItem.from_json(one) for one in values["items"]],
                dict(values["skipped"]),
                dict(values["refused"]),
                None if shard is None else (int(shard[0]), int(shard[1])),
            )
        except (AttributeError, KeyError, TypeError, IndexError) as error:
            raise ValueError(
                f"Invalid plan {values!r:.200}: expected the result of mode='plan'"
            ) from error
        if plan.direction not in get_args(SyncDirection):
            raise ValueError(f"Invalid direction {plan.direction!r:.40} in the plan")
        return plan

    def split(self, number: int) -> list["SyncPlan"]:
        """Split the plan into parts that can be applied in parallel.

        The parts have about the same size in bytes. Files of a manifest that use each other are in
        one part. Extra files and folders are in the first part.

        Args:
            number: Maximum number of parts; there is at least one.
        """
        groups = _group_dependent([one for one in self.items if one.action != "extra"])
        groups.sort(key=_weigh, reverse=True)
        count = max(1, min(number, len(groups)))
        parts: list[list[SyncItem]] = [[] for _ in range(count)]
        weights = [0.0] * count
        for group in groups:
            lightest = weights.index(min(weights))
            parts[lightest] += group
            weights[lightest] += _weigh(group)
        parts[0] += self.select("extra")
        return [
            replace(
                self,
                items=sorted(part, key=lambda one: one.path),
                skipped=self.skipped if index == 0 else {},
                refused=self.refused if index == 0 else {},
                shard=(index + 1, count),
            )
            for index, part in enumerate(parts)
        ]


def list_dependencies(item: SyncItem, paths: Iterable[str]) -> list[str]:
    """Return the files of a plan that a file of a manifest uses or executes.

    Args:
        item: The file.
        paths: Paths of all files of the plan.
    """
    known = paths if isinstance(paths, set | dict) else set(paths)
    cells = [item.row.get(column, "") for column in ("used", "executed")]
    tokens = (token.strip() for cell in cells for token in cell.split(";"))
    return [token for token in tokens if token in known and token != item.path]


def _group_dependent(items: Sequence[SyncItem]) -> list[list[SyncItem]]:
    """Group the items so that items that use each other are in one group."""
    by_path = {one.path: one for one in items}
    group_of: dict[str, list[SyncItem]] = {one.path: [one] for one in items}
    for item in items:
        for path in list_dependencies(item, by_path):
            first, second = group_of[item.path], group_of[path]
            if first is not second:
                first += second
                for moved in second:
                    group_of[moved.path] = first
    return list({id(group): group for group in group_of.values()}.values())


def _weigh(items: Sequence[SyncItem]) -> float:
    """Return the estimated work: requests count as much as a megabyte."""
    return math.fsum(1 + (one.size or 0) / 1e6 if one.is_pending else 0.01 for one in items)
