"""Views: tables whose rows are entities or submissions."""

import warnings
from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, Final

from synapse_workflows import constants
from synapse_workflows.client.model.argument_types import LegacyViewType
from synapse_workflows.client.model.entity_base import EntityType
from synapse_workflows.client.model.ids import id_of
from synapse_workflows.client.model.schemas import SchemaBase


class EntityViewType(Enum):
    """Entity types that a view can contain, as bits of a mask; `PROJECT` must be the only one."""

    FILE = 0x01
    PROJECT = 0x02
    TABLE = 0x04
    FOLDER = 0x08
    VIEW = 0x10
    DOCKER = 0x20
    SUBMISSION_VIEW = 0x40
    DATASET = 0x80
    DATASET_COLLECTION = 0x100
    MATERIALIZED_VIEW = 0x200


#: Value of the deprecated argument `type` -> entity types.
_LEGACY_VIEW_TYPES: Final = MappingProxyType(
    {
        "file": (EntityViewType.FILE,),
        "project": (EntityViewType.PROJECT,),
        "file_and_table": (EntityViewType.FILE, EntityViewType.TABLE),
    }
)


def get_view_type_mask(types: EntityViewType | Iterable[EntityViewType]) -> int:
    """Combine entity types into the mask of a view.

    Raises:
        ValueError: A value is not an `EntityViewType`, or there are no values.
    """
    mask = 0
    for one in types if isinstance(types, Iterable) else [types]:
        if not isinstance(one, EntityViewType):
            raise ValueError(  # noqa: TRY004 - as in synapseclient
                f"Invalid entity type {one!r:.100}: expected EntityViewType members: "
                f"{', '.join(map(str, EntityViewType))}."
            )
        mask |= one.value
    if not mask:
        raise ValueError(
            "A view must contain at least one EntityViewType. Pass for example "
            "[EntityViewType.FILE]."
        )
    return mask


class ViewBase(SchemaBase):
    """Base class of views: tables whose rows are other objects.

    When a new view is stored for the first time, the default columns and columns for the
    annotations in its scope are added. A fetched view keeps its columns.
    """

    _column_limit_hint: ClassVar[str] = (
        "List annotations that need no column in ignoredAnnotationColumnNames, or remove columns."
    )

    addDefaultViewColumns: bool  # noqa: N815 - name of the compatibility surface
    addAnnotationColumns: bool  # noqa: N815 - name of the compatibility surface
    ignoredAnnotationColumnNames: set[str]  # noqa: N815 - name of the compatibility surface

    _entity_type: ClassVar[EntityType] = SchemaBase._entity_type.derive(  # noqa: SLF001 - our own class
        f"{constants.MODEL}.table.View",
        local_keys=SchemaBase._entity_type.local_keys  # noqa: SLF001 - our own class
        | {"addDefaultViewColumns", "addAnnotationColumns", "ignoredAnnotationColumnNames"},
    )

    def __init__(
        self,
        name: str | None = None,
        columns: Iterable[Any] | None = None,
        parent: Any = None,
        addDefaultViewColumns: bool = True,
        addAnnotationColumns: bool = True,
        ignoredAnnotationColumnNames: Iterable[str] = (),
        properties: Mapping[str, Any] | None = None,
        annotations: Mapping[str, Any] | None = None,
        local_state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        is_new = not ((properties or {}).get("id") or kwargs.get("id"))
        state = {
            "addDefaultViewColumns": bool(addDefaultViewColumns and is_new),
            "addAnnotationColumns": bool(addAnnotationColumns and is_new),
            "ignoredAnnotationColumnNames": set(ignoredAnnotationColumnNames),
            **(local_state or {}),
        }
        super().__init__(name, columns, parent, properties, annotations, state, **kwargs)

    def get_scope_ids(self) -> list[str]:
        """Return the IDs of the objects whose annotations get columns."""
        raise NotImplementedError  # abstract: each type of view defines its scope

    def to_column_request(self) -> dict[str, Any]:
        """Return the fields that identify the type of view in requests for its columns."""
        raise NotImplementedError  # abstract: each type of view defines its fields


class ScopedView(ViewBase):
    """Base class of views with a scope: containers or evaluations."""

    _entity_type: ClassVar[EntityType] = ViewBase._entity_type.derive(  # noqa: SLF001 - our own class
        f"{constants.MODEL}.table.View", "scopeIds"
    )

    def __init__(
        self,
        name: str | None = None,
        columns: Iterable[Any] | None = None,
        parent: Any = None,
        scopes: Any = None,
        addDefaultViewColumns: bool = True,
        addAnnotationColumns: bool = True,
        ignoredAnnotationColumnNames: Iterable[str] = (),
        properties: Mapping[str, Any] | None = None,
        annotations: Mapping[str, Any] | None = None,
        local_state: Mapping[str, Any] | None = None,
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
        self.properties["scopeIds"] = list(self.properties.get("scopeIds") or ())
        if scopes is not None:
            self.add_scope(scopes)

    def add_scope(self, entities: Any) -> None:
        """Add containers or evaluations to the scope.

        Args:
            entities: An object to add to the scope, or its ID; or a list of these.

        Raises:
            ValueError: An object has no ID, or its ID is not valid in the scope of this view.
        """
        is_single = isinstance(entities, str | Mapping) or not isinstance(entities, Iterable)
        ids = [self.parse_scope_id(one) for one in ([entities] if is_single else entities)]
        self.properties["scopeIds"] = [*self.properties["scopeIds"], *ids]

    def parse_scope_id(self, scope: Any) -> str:
        """Return the ID of an object in the scope."""
        return id_of(scope)

    def get_scope_ids(self) -> list[str]:
        """Implement `ViewBase`."""
        return list(self.properties["scopeIds"])


class EntityViewSchema(ScopedView):
    """A view of entities: its name, parent, columns, scope and entity types.

    When a new view is stored for the first time, the default columns and columns for the
    annotations in its scope are added. A fetched view keeps its columns.

    Args:
        name: Name, unique within the parent.
        columns: New or stored `Column` objects, or IDs of stored columns.
        parent: A project or folder, or its ID.
        scopes: Projects and folders in the scope, or their IDs. A view of the type `PROJECT`
            contains the projects in its scope.
        type: Deprecated: ``file``, ``project`` or ``file_and_table``; use `includeEntityTypes`.
        includeEntityTypes: One `EntityViewType`, or several; the default is `FILE`.
        addDefaultViewColumns: Whether to add the default columns of entity views.
        addAnnotationColumns: Whether to add columns for the annotations in scope.
        ignoredAnnotationColumnNames: Keys of annotations that get no column.
        properties: Properties, as returned by Synapse.
        annotations: Values by key.
        local_state: Local state, see `Entity`.
        **kwargs: Further keys.

    Raises:
        ValueError: An entity type is not an `EntityViewType`, or `type` is invalid.
    """

    _entity_type: ClassVar[EntityType] = ScopedView._entity_type.derive(  # noqa: SLF001 - our own class
        constants.ENTITY_VIEW, "viewTypeMask", "type"
    )

    def __init__(
        self,
        name: str | None = None,
        columns: Iterable[Any] | None = None,
        parent: Any = None,
        scopes: Any = None,
        type: LegacyViewType | None = None,
        includeEntityTypes: EntityViewType | Iterable[EntityViewType] | None = None,
        addDefaultViewColumns: bool = True,
        addAnnotationColumns: bool = True,
        ignoredAnnotationColumnNames: Iterable[str] = (),
        properties: Mapping[str, Any] | None = None,
        annotations: Mapping[str, Any] | None = None,
        local_state: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            name,
            columns,
            parent,
            scopes,
            addDefaultViewColumns,
            addAnnotationColumns,
            ignoredAnnotationColumnNames,
            properties,
            annotations,
            local_state,
            **kwargs,
        )
        self._set_view_type(type, includeEntityTypes)

    def _set_view_type(
        self, legacy_type: str | None, types: EntityViewType | Iterable[EntityViewType] | None
    ) -> None:
        """Set the entity types; without arguments, keep those in the properties."""
        if types is not None:
            self.set_entity_types(types)
        elif legacy_type is not None:
            if legacy_type not in _LEGACY_VIEW_TYPES:
                raise ValueError(
                    f"Invalid type {legacy_type!r:.100}: expected one of "
                    f"{', '.join(_LEGACY_VIEW_TYPES)}. Use includeEntityTypes instead."
                )
            warnings.warn(
                "type is deprecated: use includeEntityTypes", DeprecationWarning, stacklevel=3
            )
            self.set_entity_types(_LEGACY_VIEW_TYPES[legacy_type])
        elif self.properties.get("viewTypeMask") is None:
            self.set_entity_types([EntityViewType.FILE])

    def set_entity_types(
        self, includeEntityTypes: EntityViewType | Iterable[EntityViewType]
    ) -> None:
        """Replace the entity types of the view.

        Args:
            includeEntityTypes: One `EntityViewType`, or several.

        Raises:
            ValueError: A value is not an `EntityViewType`, or there are no values.
        """
        self.properties["viewTypeMask"] = get_view_type_mask(includeEntityTypes)

    def to_column_request(self) -> dict[str, Any]:
        """Implement `ViewBase`."""
        return {"viewEntityType": "entityview", "viewTypeMask": self.properties["viewTypeMask"]}


class SubmissionViewSchema(ScopedView):
    """A view of submissions: its name, parent, columns and evaluations.

    When a new view is stored for the first time, the default columns and columns for the
    annotations of the submission statuses are added. A fetched view keeps its columns.

    Args:
        name: Name, unique within the parent.
        columns: New or stored `Column` objects, or IDs of stored columns.
        parent: A project or folder, or its ID.
        scopes: Evaluations in the scope, or their IDs.
        addDefaultViewColumns: Whether to add the default columns of submission views.
        addAnnotationColumns: Whether to add columns for the annotations of the submissions.
        ignoredAnnotationColumnNames: Keys of annotations that get no column.
        properties: Properties, as returned by Synapse.
        annotations: Values by key.
        local_state: Local state, see `Entity`.
        **kwargs: Further keys.

    Raises:
        ValueError: A scope is not the ID of an evaluation.
    """

    _entity_type: ClassVar[EntityType] = ScopedView._entity_type.derive(constants.SUBMISSION_VIEW)  # noqa: SLF001

    def parse_scope_id(self, scope: Any) -> str:
        """Return the ID of an evaluation in the scope.

        Raises:
            ValueError: The value is not the ID of an evaluation.
        """
        evaluation_id = id_of(scope)
        if not (evaluation_id.isascii() and evaluation_id.isdecimal()):
            raise ValueError(
                f"Invalid evaluation ID {evaluation_id!r:.60}: expected a number. The scope of a "
                "submission view consists of evaluations: pass scopes=['9600001'], or the "
                "evaluation itself."
            )
        return evaluation_id

    def to_column_request(self) -> dict[str, Any]:
        """Implement `ViewBase`."""
        return {"viewEntityType": "submissionview"}
