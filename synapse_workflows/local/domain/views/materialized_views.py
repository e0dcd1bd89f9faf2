"""Materialized views: stored results of a definingSQL on tables and views."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from sqlalchemy.orm import Session

from synapse_workflows.constants import (
    ENTITY_TYPES,
    MATERIALIZED_VIEW,
    TABLE,
    AccessType,
    ColumnType,
)
from synapse_workflows.local.domain import access, entities
from synapse_workflows.local.domain.entity_types import EntityRequest
from synapse_workflows.local.domain.ids import format_entity_id, parse_entity_version
from synapse_workflows.local.domain.principal import Caller
from synapse_workflows.local.domain.tables import column_types, columns, schemas
from synapse_workflows.local.domain.tables.sql import defining_sql
from synapse_workflows.local.domain.tables.sql.defining_sql import DefinedColumn
from synapse_workflows.local.domain.tables.sql.joined_columns import SourceTable
from synapse_workflows.local.domain.views.registry import VIEW_TYPES, get_view_type
from synapse_workflows.local.errors import BadRequest
from synapse_workflows.local.storage.models import Entity, EntityVersion

#: Maximum number of materialized views that depend on each other in a row.
_MAX_DEPTH: Final = 10
_STRING_SIZES: Final = (1, 1000)
_CHARACTER_WIDTH: Final = 4

Source = tuple[str, Entity, EntityVersion]


def list_source_ids(properties: Mapping[str, Any]) -> list[int]:
    """Return the entity IDs of the sources of a materialized view."""
    names = defining_sql.parse(properties["definingSQL"]).tables
    return [parse_entity_version(name)[0] for name in names]


def iter_sources(session: Session, properties: Mapping[str, Any]) -> Iterator[Source]:
    """Iterate over the sources of a materialized view.

    Args:
        session: Database session.
        properties: Properties of a version of the materialized view.

    Yields:
        The name of the source in the definingSQL, its entity and its version.

    Raises:
        BadRequest: A source is neither a table nor a view.
        NotFound: A source does not exist or is in the trash can.
    """
    for name in defining_sql.parse(properties["definingSQL"]).tables:
        entity_id, number = parse_entity_version(name)
        entity = access.get_not_trashed(session, entity_id)
        if not schemas.has_columns(entity):
            raise BadRequest(f"{format_entity_id(entity_id)} is not a table or view.")
        yield name, entity, entities.get_version(session, entity, number)


def require_access(session: Session, caller: Caller, properties: Mapping[str, Any]) -> None:
    """Check that a caller may query all sources of a materialized view.

    Raises:
        Forbidden: The caller lacks READ on a source, or DOWNLOAD on a table.
        NotFound: A source does not exist or is in the trash can.
    """
    for _, entity, version in iter_sources(session, properties):
        access.require(session, caller, entity.id, AccessType.READ)
        if entity.concrete_type == TABLE:
            access.require(session, caller, entity.id, AccessType.DOWNLOAD)
        elif entity.concrete_type == MATERIALIZED_VIEW:
            require_access(session, caller, version.properties)


def complete_definition(
    session: Session,
    caller: Caller,
    entity_id: int,
    request: EntityRequest,
    previous: Mapping[str, Any],
) -> EntityRequest:
    """Check a new definition of a materialized view, and add the columns of its definingSQL.

    Args:
        session: Database session.
        caller: The caller.
        entity_id: Entity ID of the view.
        request: The view.
        previous: Previous properties; empty for a new view.

    Raises:
        BadRequest: The definingSQL is invalid, or the view would depend on itself.
        Forbidden: The caller lacks READ on a source.
        NotFound: A source does not exist or is in the trash can.
    """
    if previous.get("definingSQL") == request.properties["definingSQL"]:
        return replace(request, properties=previous)
    for _, entity, _ in iter_sources(session, request.properties):
        access.require(session, caller, entity.id, AccessType.READ)
    _check_dependencies(session, entity_id, request.properties, 1)
    tables = load_source_tables(session, request.properties)
    defining = defining_sql.parse(request.properties["definingSQL"])
    statement = defining_sql.compile_sql(defining, tables, caller.now)
    column_ids = create_columns(session, statement.columns)
    schemas.validate(session, column_ids)
    properties = {**request.properties, "columnIds": [str(each) for each in column_ids]}
    return replace(request, properties=properties)


def _check_dependencies(
    session: Session, entity_id: int, properties: Mapping[str, Any], depth: int
) -> None:
    """Check that a materialized view does not depend on itself.

    Raises:
        BadRequest: The view depends on itself, or the chain of views is too long.
    """
    if depth > _MAX_DEPTH:
        raise BadRequest(
            f"Materialized views can depend on each other up to a depth of {_MAX_DEPTH}."
        )
    for _, entity, version in iter_sources(session, properties):
        if entity.id == entity_id:
            raise BadRequest(
                f"The definingSQL of {format_entity_id(entity_id)} cannot reference itself."
            )
        if entity.concrete_type == MATERIALIZED_VIEW:
            _check_dependencies(session, entity_id, version.properties, depth + 1)


def load_source_tables(session: Session, properties: Mapping[str, Any]) -> dict[str, SourceTable]:
    """Return the sources of a materialized view, by their names in the definingSQL.

    Raises:
        BadRequest: A source has no columns.
        NotFound: A source does not exist or is in the trash can.
    """
    found: dict[str, SourceTable] = {}
    for name, entity, version in iter_sources(session, properties):
        schema = schemas.get_version_schema(session, version)
        if not schema:
            raise BadRequest(f"Schema for {name} is empty.")
        found[name] = SourceTable(
            name=f"s{len(found)}",
            schema=schema,
            has_etags=entity.concrete_type in VIEW_TYPES,
            benefactors=_get_benefactor_sql(session, entity, version),
        )
    return found


def _get_benefactor_sql(session: Session, entity: Entity, version: EntityVersion) -> str:
    """Return the SQL of the benefactors of a row; empty if all rows are visible to all callers."""
    if entity.concrete_type == MATERIALIZED_VIEW:
        sources = iter_sources(session, version.properties)
        is_restricted = any(_get_benefactor_sql(session, one, each) for _, one, each in sources)
        return "benefactor_id" if is_restricted else ""
    if entity.concrete_type in VIEW_TYPES:
        return f"'{ENTITY_TYPES[entity.concrete_type]}:' || benefactor_id"
    return ""


def create_columns(session: Session, defined: Collection[DefinedColumn]) -> list[int]:
    """Return the IDs of the ColumnModels of a materialized view.

    Raises:
        BadRequest: A column has an invalid name.
    """
    created = columns.get_or_create(session, build_column_models(defined))
    return [int(each["id"]) for each in created]


def build_column_models(defined: Collection[DefinedColumn]) -> list[dict[str, Any]]:
    """Return the ColumnModels of a materialized view, without IDs.

    Raises:
        BadRequest: A column has an invalid name.
    """
    return [columns.parse(_build_column_model(each)) for each in defined]


def _build_column_model(defined: DefinedColumn) -> dict[str, Any]:
    result, source = defined.result, defined.source
    body: dict[str, Any] = {"columnType": result.type}
    if source is not None:
        body = {key: value for key, value in source.body.items() if key != "defaultValue"}
    elif result.type in column_types.SIZED_TYPES and result.type != ColumnType.STRING_LIST:
        low, high = _STRING_SIZES
        body["maximumSize"] = min(high, max(low, result.width // _CHARACTER_WIDTH))
    return {**body, "name": result.name}


def normalize_benefactors(text: str) -> str:
    """Return the benefactors of a row, sorted and each once."""
    return " ".join(sorted(set(text.split())))


def find_readable(session: Session, caller: Caller, groups: Collection[Any]) -> set[Any]:
    """Return the groups of benefactors whose rows a caller may read.

    Args:
        session: Database session.
        caller: The caller.
        groups: Benefactors of rows as text, for example `entityview:123 submissionview:7`.
    """
    by_view: dict[str, set[int]] = {}
    for benefactor in {each for group in groups for each in group.split()}:
        name, _, number = benefactor.partition(":")
        by_view.setdefault(name, set()).add(int(number))
    readable = {
        f"{name}:{number}"
        for name, numbers in by_view.items()
        for number in get_view_type(name).find_readable(session, caller, numbers)
    }
    return {group for group in groups if readable.issuperset(group.split())}
