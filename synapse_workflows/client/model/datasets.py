"""Datasets and dataset collections: lists of entities, each in one version, with columns."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from synapse_workflows import constants
from synapse_workflows.client.model.entity_base import EntityType
from synapse_workflows.client.model.ids import is_synapse_id, parse_version_number, split_version
from synapse_workflows.client.model.views import EntityViewType, ViewBase

#: Name of the property `items` in synapseclient. The attribute `items` is the method of mappings.
_ITEMS_ALIAS = "datasetItems"


class EntityRefCollection(ViewBase):
    """Base class of datasets and dataset collections.

    ``datasetItems`` contains mappings with ``entityId`` and ``versionNumber``, each entity once.
    `len` returns the number of items.
    """

    _entity_type: ClassVar[EntityType] = ViewBase._entity_type.derive(  # noqa: SLF001 - our own class
        f"{constants.MODEL}.table.EntityRefCollectionView", "items"
    )
    _view_type: ClassVar[EntityViewType]

    def __init__(
        self,
        name: str | None = None,
        columns: Iterable[Any] | None = None,
        parent: Any = None,
        properties: Mapping[str, Any] | None = None,
        addDefaultViewColumns: bool = True,
        addAnnotationColumns: bool = True,
        ignoredAnnotationColumnNames: Iterable[str] = (),
        annotations: Mapping[str, Any] | None = None,
        local_state: Mapping[str, Any] | None = None,
        dataset_items: Iterable[Any] | None = None,
        force: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            name,
            columns,
            parent,
            addDefaultViewColumns,
            addAnnotationColumns,
            ignoredAnnotationColumnNames,
            properties,
            annotations,
            local_state,
            **kwargs,
        )
        given = [*(self.properties.get("items") or ()), *(dataset_items or ())]
        self.properties["items"] = []
        self.add_items(given, force)

    def __getitem__(self, key: str) -> Any:
        return super().__getitem__("items" if key == _ITEMS_ALIAS else key)

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__("items" if key == _ITEMS_ALIAS else key, value)

    def __len__(self) -> int:
        return len(self.properties["items"] or ())

    def __bool__(self) -> bool:
        return True  # an entity without items is not an absent entity

    def add_item(self, dataset_item: Any, force: bool = True) -> None:
        """Add an item.

        Args:
            dataset_item: A mapping with ``entityId`` and ``versionNumber``; a stored entity, which
                is added in its version; a reference that a task returned; or ``syn123.4``.
            force: Whether to replace an item with the same ID.

        Raises:
            LookupError: The item has no ID or no version.
            ValueError: The item is of another type, its ID or version is invalid, or `force` is
                False and an item has the same ID.
        """
        self.add_items([dataset_item], force)

    def add_items(self, dataset_items: Iterable[Any], force: bool = True) -> None:
        """Add several items; see `add_item`. If one item is invalid, no item is added."""
        items = {one["entityId"]: one for one in self.properties["items"] or ()}
        for one in dataset_items:
            item = _parse_item(one)
            if items.pop(item["entityId"], None) is not None and not force:
                raise ValueError(
                    f"Duplicate item found: {item['entityId']}. Set force=True to overwrite the "
                    "existing item."
                )
            items[item["entityId"]] = item
        self.properties["items"] = list(items.values())

    def remove_item(self, item_id: Any) -> None:
        """Remove an item. An ID that is not among the items is ignored.

        Args:
            item_id: ID of the item, or an object with an ID.

        Raises:
            ValueError: `item_id` is not a Synapse ID.
        """
        removed = _parse_item_id(item_id)
        items = self.properties["items"] or ()
        self.properties["items"] = [one for one in items if one["entityId"] != removed]

    def has_item(self, item_id: Any) -> bool:
        """Return whether an entity is among the items, in any version."""
        wanted = _parse_item_id(item_id)
        return any(one["entityId"] == wanted for one in self.properties["items"] or ())

    def empty(self) -> None:
        """Remove all items."""
        self.properties["items"] = []

    def get_scope_ids(self) -> list[str]:
        """Implement `ViewBase`."""
        return [str(one["entityId"]) for one in self.properties["items"] or ()]

    def to_column_request(self) -> dict[str, Any]:
        """Implement `ViewBase`."""
        view_type = constants.ENTITY_TYPES[self._entity_type.concrete_type]
        return {"viewEntityType": view_type, "viewTypeMask": self._view_type.value}


class Dataset(EntityRefCollection):
    """A dataset: a list of files, each in one version, with columns like a view.

    When a new dataset is stored for the first time, the default columns and columns for the
    annotations of its files are added. A fetched dataset keeps its columns.

    Args:
        name: Name, unique within the parent.
        columns: New or stored `Column` objects, or IDs of stored columns.
        parent: A project or folder, or its ID.
        properties: Properties, as returned by Synapse.
        addDefaultViewColumns: Whether to add the default columns of datasets.
        addAnnotationColumns: Whether to add columns for the annotations of the files.
        ignoredAnnotationColumnNames: Keys of annotations that get no column.
        annotations: Values by key.
        local_state: Local state, see `Entity`.
        dataset_items: The files, as for `add_item`.
        folders: Projects and folders whose files are added when the dataset is stored, as for
            `add_folders`.
        force: Whether a later item replaces an earlier one with the same ID; False to raise an
            error.
        **kwargs: Further keys.

    Raises:
        LookupError: An item has no ID or no version.
        ValueError: An item is invalid, or occurs twice.
    """

    _entity_type: ClassVar[EntityType] = EntityRefCollection._entity_type.derive(  # noqa: SLF001 - our own class
        constants.DATASET,
        "checksum",
        "count",
        "size",
        local_keys=EntityRefCollection._entity_type.local_keys  # noqa: SLF001 - our own class
        | {"folders_to_add", "force"},
    )
    _view_type: ClassVar[EntityViewType] = EntityViewType.DATASET

    folders_to_add: set[str]
    force: bool

    def __init__(
        self,
        name: str | None = None,
        columns: Iterable[Any] | None = None,
        parent: Any = None,
        properties: Mapping[str, Any] | None = None,
        addDefaultViewColumns: bool = True,
        addAnnotationColumns: bool = True,
        ignoredAnnotationColumnNames: Iterable[str] = (),
        annotations: Mapping[str, Any] | None = None,
        local_state: Mapping[str, Any] | None = None,
        dataset_items: Iterable[Any] | None = None,
        folders: Iterable[Any] | None = None,
        force: bool = False,
        **kwargs: Any,
    ) -> None:
        state = {"folders_to_add": set(), "force": force, **(local_state or {})}
        super().__init__(
            name,
            columns,
            parent,
            properties,
            addDefaultViewColumns,
            addAnnotationColumns,
            ignoredAnnotationColumnNames,
            annotations,
            state,
            dataset_items,
            force,
            **kwargs,
        )
        if folders is not None:
            self.add_folders(folders, force)

    def add_folder(self, folder: Any, force: bool = True) -> None:
        """Add the files of a folder and of its sub-folders when the dataset is stored.

        Each file is added in the version that is current then.

        Args:
            folder: A project or folder, or its ID.
            force: Whether to replace items with the same ID; False to raise an error.

        Raises:
            ValueError: The folder has no ID.
        """
        self.folders_to_add = {*(self.folders_to_add or ()), _parse_item_id(folder)}
        self.force = force

    def add_folders(self, folders: Iterable[Any], force: bool = True) -> None:
        """Add several folders; see `add_folder`.

        Raises:
            ValueError: `folders` is not a list of folders.
        """
        if isinstance(folders, str | Mapping) or not isinstance(folders, Iterable):
            raise ValueError(  # noqa: TRY004 - as in synapseclient
                f"Not a list of Folder IDs: {folders!r:.120}"
            )
        for folder in folders:
            self.add_folder(folder, force)


class DatasetCollection(EntityRefCollection):
    """A dataset collection: a list of datasets, each in one version, with columns like a view.

    The arguments are those of `Dataset`, except `folders`; the items are datasets.
    """

    _entity_type: ClassVar[EntityType] = EntityRefCollection._entity_type.derive(  # noqa: SLF001 - our own class
        constants.DATASET_COLLECTION
    )
    _view_type: ClassVar[EntityViewType] = EntityViewType.DATASET_COLLECTION


def _parse_item(item: Any) -> dict[str, Any]:
    """Return an EntityRef."""
    entity_id: Any
    version: Any
    if isinstance(item, str):
        entity_id, version = split_version(item)
    elif isinstance(item, Mapping):
        entity_id = _get_first(item, "entityId", "id")
        version = _get_first(item, "versionNumber", "version")
    else:
        raise ValueError(f"Not a DatasetItem? {item!r:.120}")  # noqa: TRY004 - as in synapseclient
    if entity_id is None or version is None:
        missing = "entityId" if entity_id is None else "versionNumber"
        raise LookupError(
            f"DatasetItem missing a required property: {missing}. Pass a mapping with entityId "
            f"and versionNumber, a stored entity, or an ID with version such as 'syn123.4', "
            f"instead of {item!r:.120}."
        )
    number = parse_version_number(version)
    return {"entityId": _parse_item_id(entity_id), "versionNumber": number}


def _get_first(item: Mapping[str, Any], *keys: str) -> Any:
    return next((item[key] for key in keys if item.get(key) is not None), None)


def _parse_item_id(value: Any) -> str:
    if isinstance(value, Mapping) and value.get("entityId") is not None:
        value = value["entityId"]
    entity_id = split_version(value).id
    if not is_synapse_id(entity_id):
        raise ValueError(f"Not a Synapse ID: {entity_id!r:.120}")
    return entity_id
