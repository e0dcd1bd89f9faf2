"""Views: tables whose rows are entities or submissions, wherever in their scope these lie."""

from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, ClassVar, Final

from synapse_workflows import constants
from synapse_workflows.client.model.entity_base import EntityType
from synapse_workflows.client.model.ids import id_of
from synapse_workflows.client.model.schemas import SchemaBase


class EntityViewType(Enum):
    """Types of entities that a view can show; they add up, but `PROJECT` stays alone."""

    FILE = 0x01
    PROJECT = 0x02
    TABLE = 0x04
    FOLDER = 0x08
    VIEW = 0x10
    DOCKER = 0x20


#: What the deprecated `type` of a view means.
_LEGACY_VIEW_TYPES: Final = MappingProxyType(
    {
        "file": (EntityViewType.FILE,),
        "project": (EntityViewType.PROJECT,),
        "file_and_table": (EntityViewType.FILE, EntityViewType.TABLE),
    }
)


def get_view_type_mask(types: Iterable[EntityViewType]) -> int:
    """Add up the types of entities that a view is to show.

    Raises:
        ValueError: One is no `EntityViewType`, or there is none.
    """
    mask = 0
    for one in types:
        if not isinstance(one, EntityViewType):
            raise ValueError(  # noqa: TRY004 - as the reference does
                f"Please provide EntityViewType members: {one!r:.100} is none of "
                f"{', '.join(map(str, EntityViewType))}."
            )
        mask |= one.value
    if not mask:
        raise ValueError("A view shows at least one EntityViewType.")
    return mask


class ViewBase(SchemaBase):
    """What all views share: a scope, and columns that a new one gets by itself.

    When a new one is stored for the first time, it gets the columns that all its objects have,
    and those of the annotations in its scope. One that was fetched keeps the columns it has.
    """

    _fewer: ClassVar[str] = (
        "Name annotations that need none in ignoredAnnotationColumnNames, or take away others."
    )

    addDefaultViewColumns: bool  # noqa: N815 - a name of the reference
    addAnnotationColumns: bool  # noqa: N815 - a name of the reference
    ignoredAnnotationColumnNames: set[str]  # noqa: N815 - a name of the reference

    _entity_type: ClassVar[EntityType] = SchemaBase._entity_type.derive(  # noqa: SLF001 - our own class
        f"{constants.MODEL}.table.View",
        "scopeIds",
        local_keys=SchemaBase._entity_type.local_keys  # noqa: SLF001 - our own class
        | {"addDefaultViewColumns", "addAnnotationColumns", "ignoredAnnotationColumnNames"},
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
        is_new = not ((properties or {}).get("id") or kwargs.get("id"))
        state = {
            "addDefaultViewColumns": bool(addDefaultViewColumns and is_new),
            "addAnnotationColumns": bool(addAnnotationColumns and is_new),
            "ignoredAnnotationColumnNames": set(ignoredAnnotationColumnNames),
            **(local_state or {}),
        }
        super().__init__(name, columns, parent, properties, annotations, state, **kwargs)
        self.properties["scopeIds"] = list(self.properties.get("scopeIds") or ())
        if scopes is not None:
            self.add_scope(scopes)

    def add_scope(self, entities: Any) -> None:
        """Look in more places.

        Args:
            entities: What the view is to look in, or its id; or a list of these.

        Raises:
            ValueError: No id, or one of something that the view cannot look in.
        """
        single = isinstance(entities, str | Mapping) or not isinstance(entities, Iterable)
        listed = [self.parse_scope_id(one) for one in ([entities] if single else entities)]
        self.properties["scopeIds"] = [*self.properties["scopeIds"], *listed]

    def parse_scope_id(self, scope: Any) -> str:
        """Read the id of one place to look in."""
        return id_of(scope)

    def to_column_request(self) -> dict[str, Any]:
        """Say what the view shows, as Synapse wants to be asked for columns."""
        raise NotImplementedError


class EntityViewSchema(ViewBase):
    """A view of entities: its name, its place, its columns, and what it shows.

    When a new one is stored for the first time, it gets the columns that all entities have, and
    those of the annotations in its scope. One that was fetched keeps the columns that it has.

    Args:
        name: Unique in its parent.
        columns: `Column` objects, new ones or such as are in Synapse, or ids of columns.
        parent: A project or folder, or its id.
        scopes: Projects and folders to look in, or their ids; for `PROJECT`, those to show.
        type: Deprecated: ``file``, ``project`` or ``file_and_table``; give `includeEntityTypes`.
        includeEntityTypes: `EntityViewType` members to show; files, where nothing is said.
        addDefaultViewColumns: Add the columns that all entities have.
        addAnnotationColumns: Add columns for the annotations in scope.
        ignoredAnnotationColumnNames: Annotations that get no column.
        properties: See `Entity`, as the rest.
        annotations: Values by key.
        local_state: What is only known here.
        **kwargs: Further keys.

    Raises:
        ValueError: What is to be shown is no `EntityViewType`, or `type` is none of the three.
    """

    _entity_type: ClassVar[EntityType] = ViewBase._entity_type.derive(  # noqa: SLF001 - our own class
        constants.ENTITY_VIEW, "viewTypeMask", "type"
    )

    def __init__(
        self,
        name: str | None = None,
        columns: Iterable[Any] | None = None,
        parent: Any = None,
        scopes: Any = None,
        type: str | None = None,
        includeEntityTypes: Iterable[EntityViewType] | None = None,
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

    def _set_view_type(self, old: str | None, types: Iterable[EntityViewType] | None) -> None:
        """Say what the view shows, unless its properties say so."""
        if types is not None:
            self.set_entity_types(types)
        elif old is not None:
            if old not in _LEGACY_VIEW_TYPES:
                raise ValueError(
                    f"The provided value {old!r:.100} is not a valid type: there are "
                    f"{', '.join(_LEGACY_VIEW_TYPES)}. Better give includeEntityTypes."
                )
            self.set_entity_types(_LEGACY_VIEW_TYPES[old])
        elif self.properties.get("viewTypeMask") is None:
            self.set_entity_types([EntityViewType.FILE])

    def set_entity_types(self, includeEntityTypes: Iterable[EntityViewType]) -> None:
        """Show these types of entities, and no others.

        Args:
            includeEntityTypes: `EntityViewType` members.

        Raises:
            ValueError: One is none.
        """
        self.properties["viewTypeMask"] = get_view_type_mask(includeEntityTypes)

    def to_column_request(self) -> dict[str, Any]:
        """See `ViewSchema`."""
        return {"viewEntityType": "entityview", "viewTypeMask": self.properties["viewTypeMask"]}


class SubmissionViewSchema(ViewBase):
    """A view of submissions: its name, its place, its columns, and the evaluations it shows.

    When a new one is stored for the first time, it gets the columns that all submissions have,
    and those of the annotations of their statuses. One that was fetched keeps what it has.

    Args:
        name: Unique in its parent.
        columns: `Column` objects, new ones or such as are in Synapse, or ids of columns.
        parent: A project or folder, or its id.
        scopes: Evaluations whose submissions to show, or their ids.
        addDefaultViewColumns: Add the columns that all submissions have.
        addAnnotationColumns: Add columns for the annotations of the submissions in scope.
        ignoredAnnotationColumnNames: Annotations that get no column.
        properties: See `Entity`, as the rest.
        annotations: Values by key.
        local_state: What is only known here.
        **kwargs: Further keys.

    Raises:
        ValueError: A scope is the id of something else.
    """

    _entity_type: ClassVar[EntityType] = ViewBase._entity_type.derive(constants.SUBMISSION_VIEW)  # noqa: SLF001

    def parse_scope_id(self, scope: Any) -> str:
        """Read the id of an evaluation.

        Raises:
            ValueError: It is the id of something else.
        """
        found = id_of(scope)
        if not (found.isascii() and found.isdecimal()):
            raise ValueError(
                f"{found!r:.60} is not the id of an evaluation, which is a number. A submission "
                "view looks in evaluations: give scopes=['9600001'], or the evaluation itself."
            )
        return found

    def to_column_request(self) -> dict[str, Any]:
        """See `ViewSchema`."""
        return {"viewEntityType": "submissionview"}
