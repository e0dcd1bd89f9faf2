"""Snapshots of tables: versions, labels, and isolation from later changes."""

import pytest
from support.entity_api import REPO
from support.file_api import assert_error, ok
from support.table_api import M


@pytest.fixture
def table(tables):
    table_id = tables.create_table(("a", "STRING"), ("n", "INTEGER"))["id"]
    tables.append(table_id, ["x", "1"], ["y", "2"])
    return table_id


def create_snapshot(ann, table, **more):
    return ann.post(f"{REPO}/entity/{table}/table/snapshot", more)


def get_version(ann, table, number):
    return ok(ann.get(f"{REPO}/entity/{table}/version/{number}"))


def create_activity(user, name="analysis"):
    return ok(user.post(f"{REPO}/activity", {"name": name}))["id"]


def test_snapshot_keeps_its_rows(ann, tables, table):
    before = tables.list_rows(table)
    assert ok(create_snapshot(ann, table)) == {"snapshotVersionNumber": 1}
    assert tables.list_rows(f"{table}.1") == before
    tables.append(table, (1, 1, ["changed", "1"]), (2, 1, []), ["new", "3"])
    assert tables.list_rows(f"{table}.1") == before
    assert tables.list_rows(f"{table}.2") == tables.list_rows(table)
    assert [values for _, _, values in tables.list_rows(table)] == [
        ["changed", "1"],
        ["new", "3"],
    ]


def test_each_snapshot_shows_its_own_state(ann, tables, table):
    expected = []
    for turn in range(5):
        expected.append(tables.list_rows(table))
        assert ok(create_snapshot(ann, table))["snapshotVersionNumber"] == turn + 1
        row_id, number, _ = expected[-1][0]
        change = (row_id, number, []) if turn % 2 else (row_id, number, [f"t{turn}", str(turn)])
        tables.append(table, change, [f"new{turn}", None])
        rows = tables.list_rows(table)
        tables.append(table, (rows[-1][0], rows[-1][1], [f"again{turn}", "1"]))
    for turn in range(5):
        assert tables.list_rows(f"{table}.{turn + 1}") == expected[turn]
        assert tables.query(f"select count(*) from {table}.{turn + 1}") == [
            [str(len(expected[turn]))]
        ]


def test_snapshot_keeps_its_columns(ann, tables, table):
    before = tables.list_rows(table)
    ids = {each["name"]: each["id"] for each in tables.list_columns(table)}
    create_snapshot(ann, table)
    double = tables.create_column("n", "DOUBLE")["id"]
    change = {
        "concreteType": f"{M}.TableSchemaChangeRequest",
        "changes": [
            {"oldColumnId": ids["n"], "newColumnId": double},
            {"oldColumnId": ids["a"], "newColumnId": None},
        ],
    }
    tables.transact(table, change)
    tables.append(table, ["9.5"])
    ann.change(table, columnIds=[ids["a"], double])  # added again, without cells
    tables.append(table, ["back", "1"])
    assert tables.list_rows(f"{table}.1") == before
    assert [each["name"] for each in tables.list_columns(f"{table}.1")] == ["a", "n"]
    assert get_version(ann, table, 1)["columnIds"] == list(ids.values())
    assert [values for _, _, values in tables.list_rows(table)] == [
        [None, "1.0"], [None, "2.0"], [None, "9.5"], ["back", "1.0"],
    ]  # fmt: skip


def test_snapshot_creates_a_version_with_label_comment_and_activity(ann, tables, table):
    activity_id = create_activity(ann)
    answer = create_snapshot(
        ann, table, snapshotLabel="first", snapshotComment="so far", snapshotActivityId=activity_id
    )
    assert ok(answer)["snapshotVersionNumber"] == 1
    version, current = get_version(ann, table, 1), ann.entity(table)
    assert (version["versionLabel"], version["versionComment"]) == ("first", "so far")
    assert version["isLatestVersion"] is False
    assert (current["versionNumber"], current["versionLabel"]) == (2, "in progress")
    assert current["isLatestVersion"] is True
    assert current["versionComment"] == "in progress"
    assert ok(ann.get(f"{REPO}/entity/{table}/version/1/generatedBy"))["id"] == activity_id
    assert_error(ann.get(f"{REPO}/entity/{table}/generatedBy"), 404)
    history = ok(ann.get(f"{REPO}/entity/{table}/version"))["results"]
    assert [each["versionLabel"] for each in history] == ["in progress", "first"]
    generated = ok(ann.get(f"{REPO}/activity/{activity_id}/generated"))["results"]
    assert generated == [{"targetId": table, "targetVersionNumber": 1}]


def test_labels_default_to_the_number_and_are_unique(ann, tables, table):
    create_snapshot(ann, table)
    assert get_version(ann, table, 1)["versionLabel"] == "1"
    assert ok(create_snapshot(ann, table, snapshotLabel="x"))["snapshotVersionNumber"] == 2
    assert_error(create_snapshot(ann, table, snapshotLabel="x"), 409, "x")
    assert_error(create_snapshot(ann, table, snapshotLabel="in progress"), 409)
    assert ok(create_snapshot(ann, table))["snapshotVersionNumber"] == 3


def test_rejected_snapshot_changes_nothing(ann, ben, tables, table):
    etag = ann.entity(table)["etag"]
    assert_error(create_snapshot(ann, table, snapshotActivityId="99999999"), 404)
    assert_error(create_snapshot(ann, table, snapshotActivityId=create_activity(ben)), 403)
    assert_error(create_snapshot(ben, table), 403)
    assert_error(create_snapshot(ann, "syn99999999"), 404)
    assert_error(create_snapshot(ann, tables.project), 400)
    assert_error(tables.try_query(f"select * from {table}.2"), 404)
    assert ann.entity(table)["etag"] == etag


def test_annotations_are_kept_by_snapshot_and_next_version(ann, tables, table):
    path = f"{REPO}/entity/{table}/annotations2"
    noted = ok(ann.get(path))
    noted["annotations"] = {"k": {"type": "STRING", "value": ["v"]}}
    ok(ann.put(path, noted))
    create_snapshot(ann, table)
    assert ok(ann.get(path))["annotations"] == noted["annotations"]
    assert (
        ok(ann.get(f"{REPO}/entity/{table}/version/1/annotations2"))["annotations"]
        == (noted["annotations"])
    )


def test_transaction_can_create_a_snapshot(ann, tables, table):
    activity_id = create_activity(ann)
    answer = tables.transact(
        table,
        tables.rows(table, ["z", "3"]),
        createSnapshot=True,
        snapshotOptions={"snapshotLabel": "with z", "snapshotActivityId": activity_id},
    )
    assert answer["snapshotVersionNumber"] == 1
    tables.append(table, ["later", "4"])
    assert len(tables.list_rows(f"{table}.1")) == 3
    assert get_version(ann, table, 1)["versionLabel"] == "with z"
    alone = tables.transact(table, createSnapshot=True)
    assert (alone["results"], alone["snapshotVersionNumber"]) == ([], 2)


def test_transaction_with_a_rejected_snapshot_changes_no_rows(ann, tables, table):
    create_snapshot(ann, table, snapshotLabel="taken")
    answer = tables.try_transact(
        table,
        tables.rows(table, ["z", "3"]),
        createSnapshot=True,
        snapshotOptions={"snapshotLabel": "taken"},
    )
    assert_error(answer, 409)
    assert len(tables.list_rows(table)) == 2


def test_deleted_version_cannot_be_queried(ann, tables, table):
    create_snapshot(ann, table)
    assert ann.delete(f"{REPO}/entity/{table}/version/1").status_code == 204
    assert_error(tables.try_query(f"select * from {table}.1"), 404)
    assert len(tables.list_rows(table)) == 2


def test_deleting_the_current_version_reopens_the_last_snapshot(ann, tables, table):
    create_snapshot(ann, table)
    assert ann.delete(f"{REPO}/entity/{table}/version/2").status_code == 204
    tables.append(table, ["z", "3"])
    assert len(tables.list_rows(f"{table}.1")) == 3
    assert ok(create_snapshot(ann, table))["snapshotVersionNumber"] == 1
    tables.append(table, ["later", "4"])
    assert len(tables.list_rows(f"{table}.1")) == 3
    assert ann.entity(table)["versionNumber"] == 3


def test_other_snapshots_remain_when_a_version_is_deleted(ann, tables, table):
    for turn in range(3):
        create_snapshot(ann, table)
        row_id, number, _ = tables.list_rows(table)[0]
        tables.append(table, (row_id, number, [f"t{turn}", None]))
    expected = [tables.list_rows(f"{table}.{number}") for number in (1, 2, 3)]
    assert ann.delete(f"{REPO}/entity/{table}/version/2").status_code == 204
    tables.append(table, ["more", "1"])
    assert tables.list_rows(f"{table}.1") == expected[0]
    assert tables.list_rows(f"{table}.3") == expected[2]
    assert_error(tables.try_query(f"select * from {table}.2"), 404)


def test_snapshots_with_too_many_columns_are_rejected(ann, tables):
    kinds = [
        [tables.create_column(f"c{turn}.{each}", "BOOLEAN")["id"] for each in range(150)]
        for turn in range(2)
    ]
    table = tables.create_table()["id"]
    for turn in range(13):
        ann.change(table, columnIds=[])
        ann.change(table, columnIds=kinds[turn % 2])
        answer = create_snapshot(ann, table)
        if not answer.ok:
            break
    assert turn == 12
    assert_error(answer, 400, "too many different columns")
    assert ann.delete(f"{REPO}/entity/{table}/version/1").status_code == 204
    assert ok(create_snapshot(ann, table))["snapshotVersionNumber"] == 13


def test_snapshot_of_a_new_table_is_empty(ann, tables):
    table = tables.create_table(("a", "STRING"))["id"]
    assert ok(create_snapshot(ann, table))["snapshotVersionNumber"] == 1
    assert tables.list_rows(f"{table}.1") == []
    tables.append(table, ["x"])
    assert tables.list_rows(f"{table}.1") == []
    empty = tables.create_table()["id"]
    assert ok(create_snapshot(ann, empty))["snapshotVersionNumber"] == 1


def test_downloads_of_a_snapshot_and_of_current_rows_differ(ann, tables, table):
    create_snapshot(ann, table)
    tables.append(table, ["z", "3"])
    assert tables.download(f"select count(*) from {table}.1") == '"COUNT(*)"\n"2"\n'
    assert tables.download(f"select count(*) from {table}") == '"COUNT(*)"\n"3"\n'


def test_deleting_the_current_version_keeps_the_columns_of_the_rows(ann, tables, table):
    create_snapshot(ann, table)
    n = tables.list_columns(table)[1]["id"]
    ann.change(table, columnIds=[n])
    assert ann.delete(f"{REPO}/entity/{table}/version/2").status_code == 204
    assert ann.entity(table)["columnIds"] == [n]
    assert [row[2] for row in tables.list_rows(table)] == [["1"], ["2"]]


def test_open_version_has_the_label_and_comment_in_progress(ann, table):
    ok(create_snapshot(ann, table, snapshotComment="first"))
    current = get_version(ann, table, 2)
    assert (current["versionLabel"], current["versionComment"]) == ("in progress", "in progress")
    assert get_version(ann, table, 1)["versionComment"] == "first"


def test_snapshot_without_columns_stays_without_columns(ann, tables):
    table = tables.create_table()["id"]
    ok(create_snapshot(ann, table))
    column = tables.create_column("later")["id"]
    ann.change(table, columnIds=[column])
    assert tables.append(table, ["x"]) == [(1, 1)]
    assert tables.bundle(f"select * from {table}.1")["columnModels"] == []
