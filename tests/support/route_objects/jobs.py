"""Asynchronous jobs that cases name; the object is the token of the job."""

from support.route_cases import files, tables
from support.route_world import maker
from support.table_api import M


@maker
def bulk_job(world):
    return world.start_job("file:/file/bulk", files.BULK)


@maker
def scope_job(world):
    return world.start_job("/column/view/scope", tables.SCOPE)


@maker
def snapshot_job(world):
    return world.start_job("/entity/{table}/table/transaction", tables.CHANGES)


@maker
def empty_change_job(world):
    body = tables.CHANGES | {"createSnapshot": False}
    return world.start_job("/entity/{table}/table/transaction", body)


@maker
def mixed_view_job(world):
    change = {"concreteType": f"{M}.TableSchemaChangeRequest", "changes": [], "entityId": "{view}"}
    body = tables.CHANGES | {"changes": [change], "entityId": "{view}"}
    return world.start_job("/entity/{view}/table/transaction", body)


@maker
def conflict_job(world):
    """A change of a row that has been changed after it was read."""
    table = world.get("table")
    (row_id, version, _values), *_ = world.tables.list_rows(table)
    change = world.tables.rows(table, (row_id, version, ["z"]))
    world.tables.transact(table, change)
    body = tables.CHANGES | {"changes": [change], "createSnapshot": False}
    return world.start_job("/entity/{table}/table/transaction", body)


@maker
def taken_label_job(world):
    """A second snapshot with the label of the first one."""
    body = tables.CHANGES | {"snapshotOptions": {"snapshotLabel": "taken"}}
    world.start_job("/entity/{table}/table/transaction", body)
    return world.start_job("/entity/{table}/table/transaction", body)


@maker
def query_job(world):
    return world.start_job("/entity/{table}/table/query", tables.QUERY)


@maker
def bad_query_job(world):
    body = tables.QUERY | {"query": {"sql": "select no_such_column from {table}"}}
    return world.start_job("/entity/{table}/table/query", body)


@maker
def facet_job(world):
    facet = {
        "concreteType": f"{M}.FacetColumnValuesRequest",
        "columnName": "a",
        "facetValues": ["x"],
    }
    query = tables.QUERY["query"] | {"selectedFacets": [facet]}
    return world.start_job("/entity/{table}/table/query", tables.QUERY | {"query": query})


@maker
def next_page_job(world):
    return world.start_job("/entity/{wide_table}/table/query/nextPage", "{next_page}")


@maker
def csv_job(world):
    return world.start_job("/entity/{table}/table/download/csv", tables.CSV)


@maker
def upload_job(world):
    return world.start_job("/entity/{table}/table/upload/csv", tables.UPLOAD)


@maker
def preview_job(world):
    return world.start_job("/table/upload/csv/preview", tables.PREVIEW)
