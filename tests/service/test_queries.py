"""Queries: result bundles, pages, filters, facets, permissions and the time limit."""

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service
from support.table_api import M, TableClient


@pytest.fixture(scope="module")
def table(tables):
    table_id = tables.create_table(
        {"name": "name", "columnType": "STRING", "facetType": "enumeration"},
        {"name": "age", "columnType": "INTEGER", "facetType": "range"},
        ("tags", "STRING_LIST"),
    )["id"]
    tables.append(
        table_id,
        ["ann", "30", '["x","y"]'],
        ["bob", "20", None],
        ["cy", None, '["y"]'],
        ["ann", "40", '["z"]'],
    )
    return table_id


def test_bundle_contains_all_default_parts(tables, table, rules):
    tables.append(table, (1, 1, ["ann", "30", '["x","y"]']))
    bundle = tables.bundle(f"select name, age+1 from {table} order by age")
    assert set(bundle) == {
        "concreteType", "queryResult", "queryCount", "selectColumns", "maxRowsPerPage",
        "columnModels", "facets", "sumFileSizes", "lastUpdatedOn", "combinedSql",
    }  # fmt: skip
    assert bundle["queryCount"] == 4
    assert [each.get("id") is None for each in bundle["selectColumns"]] == [False, True]
    assert [each["name"] for each in bundle["selectColumns"]] == ["name", "age + 1"]
    assert [each["columnType"] for each in bundle["selectColumns"]] == ["STRING", "INTEGER"]
    assert [each["name"] for each in bundle["columnModels"]] == ["name", "age", "tags"]
    assert bundle["maxRowsPerPage"] == 2097152 // (200 + 23)
    assert bundle["sumFileSizes"] == {"sumFileSizesBytes": 0, "greaterThan": False}
    assert bundle["lastUpdatedOn"] == f"{rules.clock.now:%Y-%m-%dT%H:%M:%S}.890Z"


@pytest.mark.parametrize(
    ("bit", "part"),
    [
        (0x1, "queryResult"), (0x2, "queryCount"), (0x4, "selectColumns"),
        (0x8, "maxRowsPerPage"), (0x10, "columnModels"), (0x20, "facets"),
        (0x40, "sumFileSizes"), (0x80, "lastUpdatedOn"), (0x100, "combinedSql"),
        (0x200, "actionsRequired"),
    ],
)  # fmt: skip
def test_part_mask_selects_parts(tables, table, bit, part):
    bundle = tables.bundle(f"select * from {table}", mask=bit)
    assert set(bundle) == {"concreteType", part}


def test_rows_have_ids_except_aggregates(tables, table):
    row = tables.row_set(f"select name from {table} where age = 40")["rows"][0]
    assert row == {"rowId": 4, "versionNumber": 1, "values": ["ann"]}
    for sql in (
        f"select name from {table} group by name",
        f"select distinct name from {table}",
        f"select max(age) from {table}",
    ):
        assert "rowId" not in tables.row_set(sql)["rows"][0]


def test_limits_of_request_and_sql_are_combined(tables, table):
    sql = f"select age from {table} order by age limit 3 offset 1"
    assert tables.query(sql) == [["20"], ["30"], ["40"]]
    assert tables.query(sql, limit=1) == [["20"]]
    assert tables.query(sql, offset=1, limit=9) == [["30"], ["40"]]
    assert tables.query(sql, offset=3) == []
    assert tables.bundle(sql)["queryCount"] == 3
    assert tables.query(f"select age from {table} limit 1, 2") == [["20"], [None]]
    assert_error(tables.try_query(sql, limit=-1), 400)


@pytest.fixture(scope="module")
def wide(tables):
    """A table with 130 rows, 52 on each page."""
    table_id = tables.create_table(
        *({"name": f"c{each}", "columnType": "STRING", "maximumSize": 1000} for each in range(10)),
        ("n", "INTEGER"),
    )["id"]
    header = "n\n"
    tables.transact(table_id, tables.csv(table_id, header + "".join(f"{i}\n" for i in range(130))))
    return table_id


def read_pages(tables, table, sql, **more):
    """Return the values of each page of a query."""
    result = tables.bundle(sql, mask=1, **more)["queryResult"]
    values = []
    while True:
        values.append([row["values"] for row in result["queryResults"]["rows"]])
        if "nextPageToken" not in result:
            return values
        token = result["nextPageToken"]
        assert (token["concreteType"], token["entityId"]) == (f"{M}.QueryNextPageToken", table)
        path = f"{REPO}/entity/{table}/table/query/nextPage"
        result = ok(tables.run(path, token))


def test_full_page_has_a_next_page_token(tables, wide):
    assert tables.bundle(f"select * from {wide}")["maxRowsPerPage"] == 2097152 // 40020
    pages = read_pages(tables, wide, f"select * from {wide}")
    assert [len(each) for each in pages] == [52, 52, 26]
    assert [row[-1] for page in pages for row in page] == [str(each) for each in range(130)]
    limited = read_pages(
        tables, wide, f"select * from {wide} order by n desc", limit=104, offset=1
    )
    assert [row[-1] for page in limited for row in page] == [str(128 - i) for i in range(104)]
    in_sql = read_pages(tables, wide, f"select * from {wide} limit 60")
    assert sum(len(each) for each in in_sql) == 60


def test_invalid_page_token_is_rejected(tables, wide):
    body = {"concreteType": f"{M}.QueryNextPageToken", "entityId": wide, "token": "nonsense"}
    assert_error(tables.run(f"{REPO}/entity/{wide}/table/query/nextPage", body), 400, "not valid")
    body["token"] = "eyJzcWwiOiAiZHJvcCJ9"
    assert_error(tables.run(f"{REPO}/entity/{wide}/table/query/nextPage", body), 400)


def value_filter(operator, column, *values):
    return {
        "concreteType": f"{M}.ColumnSingleValueQueryFilter",
        "columnName": column, "operator": operator, "values": values,
    }  # fmt: skip


def test_additional_filters_are_applied(tables, table):
    sql = f"select name from {table} where age > 10 or name = 'cy'"

    def names(*filters, **more):
        return [row[0] for row in tables.query(sql, additionalFilters=filters, **more)]

    assert names(value_filter("EQUAL", "name", "ANN", "cy")) == ["ann", "cy", "ann"]
    assert names(value_filter("IN", "name", "bob", "cy")) == ["bob", "cy"]
    assert names(value_filter("LIKE", "name", "%n%")) == ["ann", "ann"]
    assert names(value_filter("EQUAL", "name", "ann"), value_filter("EQUAL", "age", "40")) == [
        "ann"
    ]
    has = {
        "concreteType": f"{M}.ColumnMultiValueFunctionQueryFilter",
        "columnName": "tags", "function": "HAS", "values": ["y"],
    }  # fmt: skip
    assert names(has) == ["ann", "cy"]
    assert names({**has, "function": "HAS_LIKE", "values": ["z%"]}) == ["ann"]
    assert_error(
        tables.try_query(sql, additionalFilters=[value_filter("EQUAL", "nope", "x")]), 400, "nope"
    )
    assert_error(tables.try_query(sql, additionalFilters=[value_filter("EQUAL", "name")]), 400)


def test_sort_items_of_the_request_replace_order_by(tables, table):
    sql = f"select name, age from {table} order by name"
    sort = [{"column": "age", "direction": "DESC"}]
    assert [row[1] for row in tables.query(sql, sort=sort)] == ["40", "30", "20", None]
    by_name = [{"column": "name"}, {"column": "age", "direction": "DESC"}]
    assert [row[1] for row in tables.query(sql, sort=by_name)] == ["40", "30", "20", None]


def test_combined_sql_includes_filters(tables, table):
    sql = f"select * from {table} where age > 1"
    assert tables.bundle(sql)["combinedSql"] == sql
    combined = tables.bundle(sql, additionalFilters=[value_filter("EQUAL", "name", "it's")])[
        "combinedSql"
    ]
    assert combined == f"SELECT * FROM {table} WHERE (age > 1) AND (\"name\" = 'it''s')"
    assert tables.query(combined) == []


def test_facets_count_rows_selected_by_other_facets(tables, table):
    sql = f"select * from {table}"
    facets = tables.bundle(sql)["facets"]
    assert facets[0]["facetValues"] == [
        {"value": "ann", "count": 2, "isSelected": False},
        {"value": "bob", "count": 1, "isSelected": False},
        {"value": "cy", "count": 1, "isSelected": False},
    ]
    assert (facets[1]["columnMin"], facets[1]["columnMax"]) == ("20", "40")
    chosen = {
        "concreteType": f"{M}.FacetColumnValuesRequest",
        "columnName": "name", "facetValues": ["ann"],
    }  # fmt: skip
    ranged = {
        "concreteType": f"{M}.FacetColumnRangeRequest",
        "columnName": "age", "min": "25", "max": "35",
    }  # fmt: skip
    bundle = tables.bundle(sql, selectedFacets=[chosen, ranged])
    assert bundle["queryCount"] == 1
    assert [each["count"] for each in bundle["facets"][0]["facetValues"]] == [1]
    assert bundle["facets"][0]["facetValues"][0]["isSelected"] is True
    assert (bundle["facets"][1]["columnMin"], bundle["facets"][1]["columnMax"]) == ("30", "40")
    assert bundle["facets"][1]["selectedMin"] == "25"
    assert_error(
        tables.try_query(sql, selectedFacets=[{**chosen, "columnName": "tags"}]), 400, "tags"
    )
    null_range = {**ranged, "min": "org.sagebionetworks.UNDEFINED_NULL_NOTSET", "max": None}
    assert tables.bundle(sql, selectedFacets=[null_range])["queryCount"] == 1


def test_facets_of_lists_count_items(tables):
    table = tables.create_table(
        {"name": "l", "columnType": "STRING_LIST", "facetType": "enumeration"}
    )
    tables.append(table["id"], ['["a","b"]'], ['["b"]'], [None])
    facet = tables.bundle(f"select * from {table['id']}")["facets"][0]
    counts = {each["value"]: each["count"] for each in facet["facetValues"]}
    assert counts == {"b": 2, "a": 1, "org.sagebionetworks.UNDEFINED_NULL_NOTSET": 1}


def test_query_requires_read_and_download(ann, ben, anonymous, tables):
    project = ann.new_project()["id"]
    table = ann.make("org.sagebionetworks.repo.model.table.TableEntity", project)["id"]
    path = f"{REPO}/entity/{table}/table/query/async"
    body = {"query": {"sql": f"select * from {table}"}}

    def run_query(user):
        token = ok(user.post(f"{path}/start", body))["token"]
        return user.get(f"{path}/get/{token}")

    assert_error(run_query(ben), 403, "READ")
    ann.share(project, {ben.id: ["READ"]})
    assert_error(run_query(ben), 403, "DOWNLOAD")
    assert_error(run_query(anonymous), 403)
    ann.share(project, {ben.id: ["READ", "DOWNLOAD"]})
    assert run_query(ben).status_code == 201
    ann.delete(f"{REPO}/entity/{table}")
    assert_error(run_query(ben), 404, "trash")


def test_query_of_another_entity_is_rejected(tables):
    assert_error(tables.try_query(f"select * from {tables.project}"), 400, "not a table")
    assert_error(tables.try_query("select * from syn99999999"), 404)
    assert_error(tables.try_query("select * from nonsense"), 400)


def test_query_beyond_the_time_limit_is_rejected(tmp_path, recording):
    with start_service(tmp_path, recording, query_seconds=0.0001) as rest_service:
        tables = TableClient(Author(rest_service, "alice"))
        table = tables.create_table(("a", "STRING"))["id"]
        lines = "".join(f"{'x' * 40}{each}\n" for each in range(5000))
        tables.transact(table, tables.csv(table, "a\n" + lines))
        sql = f"select count(*) from {table} where a like '%y%'"
        assert_error(tables.try_query(sql), 400, "took longer than 0.0001 seconds")
