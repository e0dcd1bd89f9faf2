"""Views: the columns that a new one gets by itself."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from synapse_workflows.client.api import columns, jobs
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.views import EntityViewSchema
from synapse_workflows.vocabulary import MODEL

_ENTITY_VIEW: Final = "entityview"
_REQUEST: Final = f"{MODEL}.table.ViewColumnModelRequest"


def add_columns(syn: Session, view: EntityViewSchema) -> None:
    """Give a new view the columns that it asks for and has not; once.

    Raises:
        SynapseBadRequestError: Synapse can show no such mix of types, or finds too many
            containers in scope.
        SynapseTimeoutError: The annotations in scope were not found in time.
    """
    found: list[Column] = []
    if view.addDefaultViewColumns:
        found += _defaults(syn, view)
    if view.addAnnotationColumns and view.properties.get("scopeIds"):
        ignored = view.ignoredAnnotationColumnNames
        found += [one for one in _of_annotations(syn, view) if one.get("name") not in ignored]
    if found:
        there = {_same(one) for one in _present(syn, view)}
        for one in found:
            if _same(one) not in there:
                view.addColumn(one)
                there.add(_same(one))
    view.addDefaultViewColumns = view.addAnnotationColumns = False


def _same(column: Mapping[str, Any]) -> tuple[Any, Any]:
    """Say by what two columns are the same for a view."""
    return column.get("name"), column.get("columnType")


def _present(syn: Session, view: EntityViewSchema) -> list[Column]:
    """List the columns that a view has, asking for those that are known by their id alone."""
    known = view.known_columns or {}
    view.remember(
        [columns.getColumn(syn, one) for one in view.properties["columnIds"] if one not in known]
    )
    return view.columns() or []


def _defaults(syn: Session, view: EntityViewSchema) -> list[Column]:
    """Ask for the columns that all entities of some types have.

    Source:
        GET /column/tableview/defaults
        https://rest-docs.synapse.org/rest/GET/column/tableview/defaults.html
    """
    asked = {"viewEntityType": _ENTITY_VIEW, "viewTypeMask": view.properties["viewTypeMask"]}
    reply = syn.call("GET", "/column/tableview/defaults", params=asked)
    return [Column(**one) for one in reply.json["list"]]


def _of_annotations(syn: Session, view: EntityViewSchema) -> Iterator[Column]:
    """Ask for columns for the annotations in scope, page by page.

    Source:
        POST /column/view/scope/async/start
        https://rest-docs.synapse.org/rest/POST/column/view/scope/async/start.html
    """
    scope = {
        "scope": view.properties["scopeIds"],
        "viewEntityType": _ENTITY_VIEW,
        "viewTypeMask": view.properties["viewTypeMask"],
    }
    body: dict[str, Any] = {"concreteType": _REQUEST, "viewScope": scope}
    while True:
        page = jobs.run(syn, "/column/view/scope/async", body, repeatable=True)
        yield from (Column(**one) for one in page.get("results") or ())
        token = page.get("nextPageToken")
        if not token:
            return
        body = {**body, "nextPageToken": token}
