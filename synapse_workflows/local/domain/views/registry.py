"""Registry of the supported view types."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.local.domain.tables import columns
from synapse_workflows.local.domain.views import datasets, entity_views, submission_views
from synapse_workflows.local.domain.views.view_types import ViewType
from synapse_workflows.local.errors import BadRequest

#: Concrete type of a view entity -> its view type.
VIEW_TYPES: Final[Mapping[str, ViewType]] = {
    each.concrete_type: each
    for each in (
        entity_views.ENTITY_VIEW_TYPE,
        submission_views.SUBMISSION_VIEW_TYPE,
        datasets.DATASET_TYPE,
        datasets.DATASET_COLLECTION_TYPE,
    )
}
_BY_NAME: Final = {each.name: each for each in VIEW_TYPES.values()}


def get_view_type(name: object) -> ViewType:
    """Return the view type for a viewEntityType; None stands for an entity view.

    Raises:
        BadRequest: The view type is not supported.
    """
    view_type = entity_views.ENTITY_VIEW_TYPE if name is None else _BY_NAME.get(str(name))
    if view_type is None:
        supported = ", ".join(_BY_NAME)
        raise BadRequest(f"Unsupported viewEntityType '{name}': expected one of {supported}.")
    return view_type


def create_default_columns(
    session: Session, view_type: ViewType, mask: int | None
) -> list[dict[str, Any]]:
    """Return the default columns of a view type as ColumnModels with IDs.

    Raises:
        BadRequest: The mask is missing or invalid.
    """
    defaults = view_type.get_default_columns(mask)
    return columns.get_or_create(session, [each.to_column_model() for each in defaults])
