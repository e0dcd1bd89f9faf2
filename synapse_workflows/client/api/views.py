"""Views: default columns and annotation columns of new views, and files of folders in datasets."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from synapse_workflows.client.api import async_jobs, children, columns
from synapse_workflows.client.core import flows
from synapse_workflows.client.core.flows import Call
from synapse_workflows.client.core.session import Session
from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.client.model.columns import Column
from synapse_workflows.client.model.datasets import Dataset
from synapse_workflows.client.model.views import ViewBase
from synapse_workflows.constants import FOLDER, MODEL

_REQUEST: Final = f"{MODEL}.table.ViewColumnModelRequest"


def add_view_columns(syn: Session, view: ViewBase) -> None:
    """Add the default columns and the annotation columns that a new view requests.

    The view's ``addDefaultViewColumns`` and ``addAnnotationColumns`` are then set to False.

    Args:
        syn: The session that sends the requests.
        view: The schema of the view.

    Raises:
        SynapseMalformedEntityError: An annotation has values of several types.
        SynapseBadRequestError: Synapse does not support this combination of entity types, or
            the scope contains too many containers.
        SynapseTimeoutError: The annotations in scope were not listed in time.

    Source:
        GET /column/tableview/defaults, POST /column/view/scope/async/start
        https://rest-docs.synapse.org/rest/POST/column/view/scope/async/start.html
    """
    found: list[Column] = []
    if view.addDefaultViewColumns:
        found += get_default_columns(syn, view)
    if view.addAnnotationColumns and view.get_scope_ids():
        ignored = view.ignoredAnnotationColumnNames
        found += [
            one for one in _iter_annotation_columns(syn, view) if one.get("name") not in ignored
        ]
    if found:
        current = _get_current_columns(syn, view)
        by_key = {_column_key(one): one for one in (*found, *current)}
        _require_unique_types(by_key.keys())
        existing = {_column_key(one) for one in current}
        view.addColumns(one for key, one in by_key.items() if key not in existing)
    view.addDefaultViewColumns = view.addAnnotationColumns = False


def add_folder_files(syn: Session, dataset: Dataset) -> None:
    """Add the files of the folders that a dataset lists in `folders_to_add`.

    The list is then empty.

    Args:
        syn: The session that sends the requests.
        dataset: The dataset.

    Raises:
        ValueError: A file is among the items already, and the dataset's `force` is False.
        SynapseNotFoundError: A folder does not exist.

    Source:
        POST /entity/children
        https://rest-docs.synapse.org/rest/POST/entity/children.html
    """
    for folder in sorted(dataset.folders_to_add or ()):
        dataset.add_items(_iter_files(syn, folder), bool(dataset.force))
    dataset.folders_to_add = set()


def _iter_files(syn: Session, folder: str) -> Iterator[dict[str, Any]]:
    """Iterate over the current versions of the files in a folder and its sub-folders."""
    for child in children.getChildren(syn, folder, ["folder", "file"]):
        if child["type"] == FOLDER:
            yield from _iter_files(syn, child["id"])
        else:
            yield {"entityId": child["id"], "versionNumber": child["versionNumber"]}


def _require_unique_types(columns: Iterable[tuple[Any, Any]]) -> None:
    """Check that columns of the same name have the same type.

    Raises:
        SynapseMalformedEntityError: Two columns of the same name have different types, because an
            annotation has values of several types.
    """
    types: dict[str, list[str]] = {}
    for name, column_type in columns:
        types.setdefault(str(name), []).append(str(column_type))
    ambiguous = [f"{name!r} ({', '.join(found)})" for name, found in types.items() if found[1:]]
    if ambiguous:
        raise SynapseMalformedEntityError(
            "Annotations in the scope of the view have values of several types: "
            f"{'; '.join(ambiguous)}. List them in ignoredAnnotationColumnNames, and pass "
            "columns= with the types to use."
        )


def _column_key(column: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the properties by which the columns of a view are compared."""
    return column.get("name"), column.get("columnType")


def _get_current_columns(syn: Session, view: ViewBase) -> list[Column]:
    """Return the columns of a view; fetch each column of which only the ID is known."""
    known = view.known_columns or {}
    view.add_known_columns(
        [columns.getColumn(syn, one) for one in view.properties["columnIds"] if one not in known]
    )
    return view.columns() or []


def get_default_columns(syn: Session, view: ViewBase) -> list[Column]:
    """Get the default columns of a view, which show properties of its objects.

    Args:
        syn: The session that sends the request.
        view: The schema of the view.

    Raises:
        SynapseBadRequestError: Synapse does not support this combination of entity types.

    Source:
        GET /column/tableview/defaults
        https://rest-docs.synapse.org/rest/GET/column/tableview/defaults.html
    """
    reply = syn.call("GET", "/column/tableview/defaults", params=view.to_column_request())
    return [Column(**one) for one in reply.json["list"]]


def _iter_annotation_columns(syn: Session, view: ViewBase) -> Iterator[Column]:
    """Iterate over columns for the annotations in the scope of a view.

    Source:
        POST /column/view/scope/async/start
        https://rest-docs.synapse.org/rest/POST/column/view/scope/async/start.html
    """
    scope = {"scope": view.get_scope_ids(), **view.to_column_request()}
    body: dict[str, Any] = {"concreteType": _REQUEST, "viewScope": scope}
    path = "/column/view/scope/async"
    guard = flows.PageGuard()
    while True:
        page = async_jobs.run(syn, path, body, repeatable=True)
        items = [Column(**one) for one in page.get("results") or ()]
        token = page.get("nextPageToken")
        body = {**body, "nextPageToken": token}
        guard.check(flows.Page(items, Call("POST", path, body=body) if token else None))
        yield from items
        if not token:
            return
