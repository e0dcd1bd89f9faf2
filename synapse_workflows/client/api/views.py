"""Views: the columns that a new one gets by itself."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from synapse_workflows.client.api import async_jobs, columns
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.views import ViewBase
from synapse_workflows.constants import MODEL

_REQUEST: Final = f"{MODEL}.table.ViewColumnModelRequest"


def add_view_columns(syn: Session, view: ViewBase) -> None:
    """Give a new view the columns that it asks for and has not; once.

    Raises:
        SynapseMalformedEntityError: Annotations have values of several types.
        SynapseBadRequestError: Synapse can show no such mix of types, or finds too many
            containers in scope.
        SynapseTimeoutError: The annotations in scope were not found in time.
    """
    found: list[Column] = []
    if view.addDefaultViewColumns:
        found += _get_default_columns(syn, view)
    if view.addAnnotationColumns and view.properties.get("scopeIds"):
        ignored = view.ignoredAnnotationColumnNames
        found += [
            one for one in _iter_annotation_columns(syn, view) if one.get("name") not in ignored
        ]
    if found:
        present = _get_current_columns(syn, view)
        columns_there = {_column_key(one): one for one in (*found, *present)}
        _require_unique_types(columns_there.keys())
        there = {_column_key(one) for one in present}
        view.addColumns(one for same, one in columns_there.items() if same not in there)
    view.addDefaultViewColumns = view.addAnnotationColumns = False


def _require_unique_types(columns: Iterable[tuple[Any, Any]]) -> None:
    """Check that no two columns have one name: annotations can have values of several types.

    Raises:
        SynapseMalformedEntityError: Some have.
    """
    types: dict[str, list[str]] = {}
    for name, kind in columns:
        types.setdefault(str(name), []).append(str(kind))
    several = [f"{name!r} ({', '.join(kinds)})" for name, kinds in types.items() if kinds[1:]]
    if several:
        raise SynapseMalformedEntityError(
            f"A view has one column of a name, and in its scope there are annotations for more: "
            f"{'; '.join(several)}. Name them in ignoredAnnotationColumnNames, and give columns= "
            "with the type that you want."
        )


def _column_key(column: Mapping[str, Any]) -> tuple[Any, Any]:
    """Say by what two columns are the same for a view."""
    return column.get("name"), column.get("columnType")


def _get_current_columns(syn: Session, view: ViewBase) -> list[Column]:
    """List the columns that a view has, asking for those that are known by their id alone."""
    known = view.known_columns or {}
    view.add_known_columns(
        [columns.getColumn(syn, one) for one in view.properties["columnIds"] if one not in known]
    )
    return view.columns() or []


def _get_default_columns(syn: Session, view: ViewBase) -> list[Column]:
    """Ask for the columns that all objects of a view have.

    Source:
        GET /column/tableview/defaults
        https://rest-docs.synapse.org/rest/GET/column/tableview/defaults.html
    """
    reply = syn.call("GET", "/column/tableview/defaults", params=view.to_column_request())
    return [Column(**one) for one in reply.json["list"]]


def _iter_annotation_columns(syn: Session, view: ViewBase) -> Iterator[Column]:
    """Ask for columns for the annotations in scope, page by page.

    Source:
        POST /column/view/scope/async/start
        https://rest-docs.synapse.org/rest/POST/column/view/scope/async/start.html
    """
    scope = {"scope": view.properties["scopeIds"], **view.to_column_request()}
    body: dict[str, Any] = {"concreteType": _REQUEST, "viewScope": scope}
    while True:
        page = async_jobs.run(syn, "/column/view/scope/async", body, repeatable=True)
        yield from (Column(**one) for one in page.get("results") or ())
        token = page.get("nextPageToken")
        if not token:
            return
        body = {**body, "nextPageToken": token}
