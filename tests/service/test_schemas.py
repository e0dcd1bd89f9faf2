"""Schemas of tables: columns, limits and table bundles."""

import pytest
from support.entity_api import REPO, Author, unique_name
from support.file_api import assert_error, ok, start_service
from support.table_api import M, TableClient

from synapse_workflows.constants import TABLE
from synapse_workflows.local.settings import Throttle


def test_created_table_has_its_columns(ann, tables):
    table = tables.create_table(("a", "STRING"), ("b", "INTEGER"))
    columns = tables.list_columns(table["id"])
    assert [each["name"] for each in columns] == ["a", "b"]
    assert [each["id"] for each in columns] == table["columnIds"]
    assert table["versionNumber"] == 1
    assert table["isLatestVersion"] is True
    assert [each["id"] for each in tables.list_columns(f"{table['id']}.1")] == table["columnIds"]
    assert_error(ann.get(f"{REPO}/entity/{table['id']}.2/column"), 404)


def test_columns_of_a_table_can_be_replaced(ann, tables):
    table = tables.create_table(("a", "STRING"))
    other = tables.create_column("other", "DATE")["id"]
    changed = ann.change(table["id"], columnIds=[other, *table["columnIds"]])
    assert [each["name"] for each in tables.list_columns(table["id"])] == ["other", "a"]
    assert changed["etag"] != table["etag"]
    assert ann.change(table["id"], columnIds=None)["columnIds"] == []


def test_update_with_new_version_keeps_the_version_of_a_table(ann, tables):
    table = tables.create_table(("a", "STRING"))
    assert ann.change(table["id"], "?newVersion=true", description="x")["versionNumber"] == 1


def test_unknown_columns_are_rejected(ann, tables):
    assert ann.try_make(TABLE, tables.project, columnIds=["99999999"]).status_code == 404
    assert_error(ann.try_make(TABLE, tables.project, columnIds=["x"]), 400)


def test_schema_limits_are_enforced(ann, tables):
    many = [tables.create_column(f"c{each}", "BOOLEAN")["id"] for each in range(153)]
    assert ann.make(TABLE, tables.project, columnIds=many[:152])["columnIds"] == many[:152]
    assert_error(ann.try_make(TABLE, tables.project, columnIds=many), 400, "152")
    wide = [tables.create_column(f"w{each}", maximumSize=1000)["id"] for each in range(17)]
    ann.make(TABLE, tables.project, columnIds=wide[:16])
    assert_error(ann.try_make(TABLE, tables.project, columnIds=wide), 400, "64000 bytes")
    twins = [tables.create_column("twin", kind)["id"] for kind in ("STRING", "DATE")]
    assert_error(ann.try_make(TABLE, tables.project, columnIds=twins), 400, "twin")


def test_table_bundle_contains_columns_and_page_size(ann, tables):
    table = tables.create_table(("a", "INTEGER"), ("b", "DOUBLE"))["id"]
    flags = {"includeEntity": True, "includeTableBundle": True}
    bundle = ok(ann.post(f"{REPO}/entity/{table}/bundle2", flags))
    assert bundle["entityType"] == "table"
    assert bundle["tableBundle"]["columnModels"] == tables.list_columns(table)
    assert bundle["tableBundle"]["maxRowsPerPage"] == 2097152 // 43
    folder = ann.new_folder(tables.project)["id"]
    assert ok(ann.post(f"{REPO}/entity/{folder}/bundle2", flags)).keys() == {
        "entity",
        "entityType",
    }
    assert_error(ann.get(f"{REPO}/entity/{folder}/column"), 404)


def test_table_requires_a_container_and_is_listed_in_it(ann, tables):
    table = tables.create_table(name=unique_name("listed"))
    body = {"parentId": tables.project, "includeTypes": ["table"]}
    page = ok(ann.post(f"{REPO}/entity/children", body))["page"]
    assert table["id"] in [each["id"] for each in page]
    assert_error(ann.try_make(TABLE), 400)
    response = ann.delete(f"{REPO}/entity/{table['id']}")
    assert response.status_code == 204
    assert_error(ann.get(f"{REPO}/entity/{table['id']}/column"), 404)


def test_columns_of_a_private_table_require_read(ben, tables):
    private = type(tables)(tables.author)  # has a project of its own
    table = private.create_table(("a", "STRING"))["id"]
    assert_error(ben.get(f"{REPO}/entity/{table}/column"), 403)


def test_column_requests_are_throttled_if_configured(tmp_path, recording):
    with start_service(tmp_path, recording, throttle=Throttle(columns=2)) as rest_service:
        tables = TableClient(Author(rest_service, "alice"))
        table = tables.create_table(("a", "STRING"))["id"]
        path = f"{REPO}/entity/{table}/column"
        codes = [tables.author.get(path).status_code for _ in range(3)]
        ok(tables.author.get(f"{REPO}/entity/{table}"))
        rest_service.clock.advance(61)
        codes.append(tables.author.get(path).status_code)
    assert codes == [200, 200, 429, 200]


def test_table_without_column_ids_is_empty(ann, tables):
    table = ann.make(TABLE, tables.project)["id"]
    assert tables.bundle(f"select * from {table}")["queryResult"]["queryResults"]["rows"] == []
    snapshot = ok(ann.post(f"{REPO}/entity/{table}/table/snapshot", {}))
    assert snapshot == {"snapshotVersionNumber": 1}


def change_by_entity(ann, tables, table):
    ann.change(table, columnIds=[tables.create_column("a")["id"]])


def change_by_transaction(_ann, tables, table):
    change = {"oldColumnId": None, "newColumnId": tables.create_column("a")["id"]}
    tables.transact(
        table,
        {"concreteType": f"{M}.TableSchemaChangeRequest", "entityId": table, "changes": [change]},
    )


@pytest.mark.parametrize("change", [change_by_entity, change_by_transaction])
def test_first_rows_after_the_first_schema_have_version_1(ann, tables, change):
    table = tables.create_table()["id"]
    change(ann, tables, table)
    assert tables.append(table, ["x"]) == [(1, 1)]
    assert tables.append(table, ["y"]) == [(2, 2)]


def test_each_change_of_a_table_takes_the_next_version(ann, tables):
    table = tables.create_table(("a", "STRING"))["id"]
    assert tables.append(table, ["x"]) == [(1, 1)]
    ann.change(table, columnIds=[tables.create_column("b")["id"]])
    assert tables.append(table, ["y"]) == [(2, 3)]
    ann.change(table, columnIds=[])
    ann.change(table, columnIds=[tables.create_column("c")["id"]])
    assert tables.append(table, ["z"]) == [(3, 6)]
