"""All kinds of views that this service knows."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.local.domain.tables import columns
from synapse_workflows.local.domain.views import datasets, entity_views, submission_views
from synapse_workflows.local.domain.views.view_types import ViewType
from synapse_workflows.local.errors import BadRequest

#: Class of an entity -> the kind of views it is of.
VIEW_TYPES: Final[Mapping[str, ViewType]] = {
    each.concrete_type: each
    for each in (
        entity_views.ENTITY_VIEW_TYPE,
        submission_views.SUBMISSION_VIEW_TYPE,
        datasets.DATASET_TYPE,
    )
}
_BY_NAME: Final = {each.word: each for each in VIEW_TYPES.values()}


def get_view_type(word: object) -> ViewType:
    """Give the kind that a viewEntityType names; that of entity views for none.

    Raises:
        BadRequest: this service knows no such views.
    """
    found = entity_views.ENTITY_VIEW_TYPE if word is None else _BY_NAME.get(str(word))
    if found is None:
        known = ", ".join(_BY_NAME)
        raise BadRequest(f"viewEntityType: '{word}' is none of the views known here: {known}.")
    return found


def create_default_columns(
    session: Session, kind: ViewType, mask: int | None
) -> list[dict[str, Any]]:
    """Give the default columns of a kind of views, as ColumnModels with ids.

    Raises:
        BadRequest: the kind needs a mask, or the mask means nothing.
    """
    return columns.get_or_create(session, [each.body() for each in kind.defaults(mask)])
