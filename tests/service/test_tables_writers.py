"""Several writers on one table, and readers beside them."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from entity_api import REPO
from file_api import ok, refused
from table_api import M


@pytest.fixture
def table(tables):
    return tables.table(("a", "STRING"), ("n", "INTEGER"))["id"]


def csv_of(count):
    return "a,n\n" + "".join(f"text {each},{each}\n" for each in range(count))


def begun(ann, table, body):
    """Start a transaction and wait until it is in the middle of its work."""
    path = f"{REPO}/entity/{table}/table/transaction/async"
    token = ok(ann.post(f"{path}/start", body))["token"]
    deadline = time.monotonic() + 30
    status = f"{REPO}/asynchronous/job/{token}"
    while ok(ann.get(status)).get("progressTotal", 0) < 2:
        assert time.monotonic() < deadline
    return path, token


def result(ann, path, token):
    while (answer := ann.get(f"{path}/get/{token}")).status_code == 202:
        pass
    return answer


def test_appends_take_turns(tables, table):
    bodies = [tables.rows(table, [f"w{each}", str(each)], ["x", None]) for each in range(12)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda body: tables.transact(table, body), bodies))
    sets = [answer["results"][0]["rowReferenceSet"]["rows"] for answer in answers]
    ids = sorted(row["rowId"] for rows in sets for row in rows)
    assert ids == list(range(1, 25))
    assert sorted(rows[0]["versionNumber"] for rows in sets) == list(range(1, 13))
    assert all(rows[0]["versionNumber"] == rows[1]["versionNumber"] for rows in sets)
    assert tables.query(f"select count(*), sum(n) from {table}") == [["24", "66"]]


def test_of_two_who_change_a_row_one_wins(tables, table):
    tables.append(table, ["x", "0"])
    bodies = [tables.rows(table, (1, 1, ["x", str(each)])) for each in range(6)]
    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(lambda body: tables.try_transact(table, body).status_code, bodies))
    assert sorted(codes) == [201, 412, 412, 412, 412, 412]
    assert tables.query(f"select n from {table}") == [[str(codes.index(201))]]


def test_readers_see_the_table_as_it_was_while_it_is_written(ann, tables, table):
    tables.append(table, ["first", "1"])
    path, token = begun(ann, table, {"changes": [tables.csv(table, csv_of(60_000))]})
    assert tables.everything(table) == [(1, 1, ["first", "1"])]
    assert ann.change(table, description="meanwhile")["description"] == "meanwhile"
    assert result(ann, path, token).status_code == 201
    assert tables.query(f"select count(*) from {table}") == [["60001"]]


def test_columns_that_change_meanwhile_stop_who_changes_them_too(ann, tables, table):
    columns = [each["id"] for each in tables.columns(table)]
    change = {
        "concreteType": f"{M}.TableSchemaChangeRequest",
        "changes": [{"newColumnId": tables.column("new", "DATE")["id"]}],
    }
    body = {"changes": [change, tables.csv(table, csv_of(60_000))]}
    path, token = begun(ann, table, body)
    ann.change(table, columnIds=list(reversed(columns)))
    refused(result(ann, path, token), 409, "were changed meanwhile")
    assert [each["id"] for each in tables.columns(table)] == list(reversed(columns))
    assert tables.everything(table) == []


def test_rows_go_in_before_columns_that_change_meanwhile(ann, tables, table):
    _, n = [each["id"] for each in tables.columns(table)]
    path, token = begun(ann, table, {"changes": [tables.csv(table, csv_of(60_000))]})
    ann.change(table, columnIds=[n])
    assert result(ann, path, token).status_code == 201
    assert tables.query(f"select * from {table} limit 2") == [["0"], ["1"]]
    assert tables.append(table, ["7"]) == [(60001, 3)]


def test_a_table_deleted_meanwhile_takes_nothing(ann, tables, table):
    path, token = begun(ann, table, {"changes": [tables.csv(table, csv_of(60_000))]})
    assert ann.delete(f"{REPO}/entity/{table}").status_code == 204
    refused(result(ann, path, token), 404, "trash")
    ann.put(f"{REPO}/trashcan/restore/{table}")
    assert tables.everything(table) == []


def test_rights_that_go_meanwhile_stop_the_writer(ann, ben, tables):
    project = ann.new_project()["id"]
    ann.share(project, {ben.id: ["READ", "DOWNLOAD", "UPDATE"]})
    theirs = type(tables)(ben)
    columns = [tables.column(*each)["id"] for each in (("a", "STRING"), ("n", "INTEGER"))]
    table = ann.make(f"{M}.TableEntity", project, columnIds=columns)["id"]
    path, token = begun(ben, table, {"changes": [theirs.csv(table, csv_of(60_000))]})
    ann.share(project, {ben.id: ["READ"]})
    refused(result(ben, path, token), 403)
    assert tables.everything(table) == []
