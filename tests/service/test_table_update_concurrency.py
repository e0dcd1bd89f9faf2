"""Concurrent updates and queries of one table."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.entity_api import REPO, Author
from support.file_api import assert_error, ok, start_service
from support.table_api import M, TableClient

from synapse_workflows.local.domain.tables.table_update import TableUpdate


@pytest.fixture
def table(tables):
    return tables.create_table(("a", "STRING"), ("n", "INTEGER"))["id"]


@pytest.fixture
def commits(monkeypatch):
    """Event for which the commits of updates wait."""
    allowed, commit = threading.Event(), TableUpdate.commit

    def wait_and_commit(update, *arguments):
        assert allowed.wait(60)
        return commit(update, *arguments)

    monkeypatch.setattr(TableUpdate, "commit", wait_and_commit)
    return allowed


def create_csv(count):
    return "a,n\n" + "".join(f"text {each},{each}\n" for each in range(count))


def upload(tables, table, count):
    return {"changes": [tables.csv(table, create_csv(count))]}


def start_transaction(ann, table, body):
    """Start a transaction and wait until it has snapshot progress."""
    path = f"{REPO}/entity/{table}/table/transaction/async"
    token = ok(ann.post(f"{path}/start", body))["token"]
    deadline = time.monotonic() + 60
    status = f"{REPO}/asynchronous/job/{token}"
    while ok(ann.get(status)).get("progressTotal", 0) < 2:
        assert time.monotonic() < deadline
    return path, token


def wait_for_result(ann, path, token):
    while (answer := ann.get(f"{path}/get/{token}")).status_code == 202:
        pass
    return answer


def test_concurrent_appends_are_serialized(tables, table):
    bodies = [tables.rows(table, [f"w{each}", str(each)], ["x", None]) for each in range(12)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda body: tables.transact(table, body), bodies))
    sets = [answer["results"][0]["rowReferenceSet"]["rows"] for answer in answers]
    ids = sorted(row["rowId"] for rows in sets for row in rows)
    assert ids == list(range(1, 25))
    assert sorted(rows[0]["versionNumber"] for rows in sets) == list(range(1, 13))
    assert all(rows[0]["versionNumber"] == rows[1]["versionNumber"] for rows in sets)
    assert tables.query(f"select count(*), sum(n) from {table}") == [["24", "66"]]


def test_one_of_concurrent_updates_of_a_row_succeeds(tables, table):
    tables.append(table, ["x", "0"])
    bodies = [tables.rows(table, (1, 1, ["x", str(each)])) for each in range(6)]
    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(lambda body: tables.try_transact(table, body).status_code, bodies))
    assert sorted(codes) == [201, 412, 412, 412, 412, 412]
    assert tables.query(f"select n from {table}") == [[str(codes.index(201))]]


def test_readers_see_the_previous_state_during_a_write(ann, tables, table, commits):
    commits.set()
    tables.append(table, ["first", "1"])
    commits.clear()
    path, token = start_transaction(ann, table, upload(tables, table, 1_000))
    assert tables.list_rows(table) == [(1, 1, ["first", "1"])]
    assert ann.change(table, description="changed")["description"] == "changed"
    commits.set()
    assert wait_for_result(ann, path, token).status_code == 201
    assert tables.query(f"select count(*) from {table}") == [["1001"]]


def test_concurrent_schema_change_is_a_conflict(ann, tables, table, commits):
    columns = [each["id"] for each in tables.list_columns(table)]
    change = {
        "concreteType": f"{M}.TableSchemaChangeRequest",
        "changes": [{"newColumnId": tables.create_column("new", "DATE")["id"]}],
    }
    body = {"changes": [change, tables.csv(table, create_csv(1_000))]}
    path, token = start_transaction(ann, table, body)
    ann.change(table, columnIds=list(reversed(columns)))
    commits.set()
    assert_error(wait_for_result(ann, path, token), 409, "were changed by another request")
    assert [each["id"] for each in tables.list_columns(table)] == list(reversed(columns))
    assert tables.list_rows(table) == []


def test_upload_completes_before_a_concurrent_schema_change(ann, tables, table):
    _, n = [each["id"] for each in tables.list_columns(table)]
    path, token = start_transaction(ann, table, upload(tables, table, 60_000))
    ann.change(table, columnIds=[n])
    assert wait_for_result(ann, path, token).status_code == 201
    assert tables.query(f"select * from {table} limit 2") == [["0"], ["1"]]
    assert tables.append(table, ["7"]) == [(60001, 3)]


def test_upload_to_a_table_deleted_concurrently_fails(ann, tables, table, commits):
    path, token = start_transaction(ann, table, upload(tables, table, 1_000))
    assert ann.delete(f"{REPO}/entity/{table}").status_code == 204
    commits.set()
    assert_error(wait_for_result(ann, path, token), 404, "trash")
    ann.put(f"{REPO}/trashcan/restore/{table}")
    assert tables.list_rows(table) == []


def test_upload_fails_if_permission_is_revoked(ann, ben, tables, commits):
    project = ann.new_project()["id"]
    ann.share(project, {ben.id: ["READ", "DOWNLOAD", "UPDATE"]})
    bens_tables = type(tables)(ben)
    columns = [tables.create_column(*each)["id"] for each in (("a", "STRING"), ("n", "INTEGER"))]
    table = ann.make(f"{M}.TableEntity", project, columnIds=columns)["id"]
    path, token = start_transaction(ben, table, upload(bens_tables, table, 1_000))
    ann.share(project, {ben.id: ["READ"]})
    commits.set()
    assert_error(wait_for_result(ben, path, token), 403)
    assert tables.list_rows(table) == []


def test_waiting_writers_do_not_block_other_tables(tmp_path, recording):
    with start_service(tmp_path, recording, job_workers=2) as rest_service:
        ann = Author(rest_service, "alice")
        tables = TableClient(ann)
        busy, other = (
            tables.create_table(("a", "STRING"), ("n", "INTEGER"))["id"] for _ in range(2)
        )
        tables.append(busy, ["first", "1"])
        path, token = start_transaction(ann, busy, upload(tables, busy, 1_000_000))
        change = {"changes": [tables.rows(busy, (1, 1, ["x", "5"]))]}
        waiting = [ok(ann.post(f"{path}/start", change))["token"] for _ in range(6)]
        assert tables.append(other, ["x", "1"]) == [(1, 1)]
        assert tables.list_rows(busy) == [(1, 1, ["first", "1"])]
        assert ok(ann.get(f"{path}/get/{token}"))["jobState"] == "PROCESSING"
        assert wait_for_result(ann, path, token).status_code == 201
        codes = [wait_for_result(ann, path, each).status_code for each in waiting]
        assert codes == [201, 412, 412, 412, 412, 412]


def test_snapshot_has_the_columns_of_its_rows(ann, tables, table):
    a, n = (each["id"] for each in tables.list_columns(table))
    body = {"changes": [tables.csv(table, create_csv(60_000))], "createSnapshot": True}
    path, token = start_transaction(ann, table, body)
    ann.change(table, columnIds=[n])
    assert ok(wait_for_result(ann, path, token))["snapshotVersionNumber"] == 1
    assert ok(ann.get(f"{REPO}/entity/{table}/version/1"))["columnIds"] == [a, n]
    assert tables.query(f"select * from {table}.1 limit 1") == [["text 0", "0"]]
    assert ann.entity(table)["columnIds"] == [n]
    assert tables.query(f"select * from {table} limit 1") == [["0"]]


def test_snapshot_waits_for_a_running_upload(ann, tables, table):
    tables.append(table, ["first", "1"])
    path, token = start_transaction(ann, table, upload(tables, table, 60_000))
    snapshot = ok(ann.post(f"{REPO}/entity/{table}/table/snapshot", {}))
    assert snapshot == {"snapshotVersionNumber": 1}
    assert wait_for_result(ann, path, token).status_code == 201
    assert tables.query(f"select count(*) from {table}.1") == [["60001"]]


def test_long_read_does_not_block_writers(ann, tables, table, rules):
    tables.append(table, ["first", "1"])
    files = rules.session.get_adapter("http://synapse.local")._app.state.service.tables
    before = time.monotonic()
    with files.open_reader(int(table.removeprefix("syn"))) as reader:
        assert reader.get_last_change().version == 1
        for each in range(3):
            tables.append(table, ["more", str(each)])
        ok(ann.post(f"{REPO}/entity/{table}/table/snapshot", {}))
        assert reader.connection.execute("SELECT count(*) FROM live").fetchone() == (1,)
    assert time.monotonic() - before < 15
    assert len(tables.list_rows(table)) == 4


def test_readers_of_a_replacement_see_old_or_new_rows(ann, tables, table):
    """A replacement deletes and inserts rows in one transaction."""
    rows = tables.append(table, *[["0", str(each)] for each in range(50)])
    is_finished = False

    def read():
        results = []
        while not is_finished:
            results.append(tables.query(f"select a, count(*), sum(n) from {table} group by a"))
        return results

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for turn in range(1, 9):
            deletes = tables.rows(table, *[(*row, []) for row in rows])
            new = tables.csv(table, "a,n\n" + "".join(f"{turn},{n}\n" for n in range(50)))
            tables.transact(table, deletes, new)
            rows = [(row_id, version) for row_id, version, _ in tables.list_rows(table)]
        is_finished = True
    results = [answer for reader in readers for answer in reader.result()]
    assert len(results) > 2
    assert {len(answer) for answer in results} == {1}
    assert {(count, total) for [[_, count, total]] in results} == {("50", "1225")}
    turns = [int(answer[0][0]) for answer in readers[0].result()]
    assert turns == sorted(turns)


def test_snapshot_can_be_queried_immediately(ann, tables, table):
    """The version number is read by one request and queried by another."""
    tables.append(table, ["x", "1"])
    is_finished = False

    def read():
        codes = []
        while not is_finished:
            number = ann.entity(table)["versionNumber"]
            answer = tables.try_query(f"select count(*) from {table}.{max(1, number - 1)}")
            codes.append(answer.status_code)
        return codes

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for _ in range(15):
            ok(ann.post(f"{REPO}/entity/{table}/table/snapshot", {}))
        is_finished = True
    assert {code for reader in readers for code in reader.result()} == {201}
