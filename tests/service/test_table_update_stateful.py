"""Stateful test: after any sequence of changes, a table agrees with a reference model."""

import itertools
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import HealthCheck, note, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from support.entity_api import REPO, Author
from support.file_api import RestService, ok, start_service
from support.table_api import M, TableClient
from support.table_model import ModelColumn, ModelTable, RejectedError, normalize
from support.table_strategies import ChangeGenerator, require_valid_schema

from synapse_workflows.constants import TABLE

#: (name, type, properties) of all columns that tables may have; some share a name.
COLUMNS = [
    ("text", "STRING", {"maximumSize": 20}),
    ("text", "STRING", {"maximumSize": 900}),
    ("text", "LARGETEXT", {}),
    ("number", "INTEGER", {}),
    ("number", "DOUBLE", {}),
    ("number", "STRING", {"maximumSize": 50}),
    ('two "words"', "STRING", {"maximumSize": 20, "defaultValue": "none"}),
    ("größe", "INTEGER", {"defaultValue": "7"}),
    ("flag", "BOOLEAN", {}),
    ("flag", "BOOLEAN", {"defaultValue": "true"}),
    ("colour", "STRING", {"maximumSize": 9, "enumValues": ["red", "green"]}),
    ("day", "DATE", {}),
    ("entity", "ENTITYID", {}),
    ("user", "USERID", {}),
    ("file", "FILEHANDLEID", {}),
    ("a,b", "STRING_LIST", {"maximumSize": 16, "maximumListLength": 3}),
    ("numbers", "INTEGER_LIST", {"maximumListLength": 3}),
    ("json", "JSON", {}),
    ("text", "LINK", {"maximumSize": 20}),
    ("text", "MEDIUMTEXT", {}),
    ("user", "SUBMISSIONID", {}),
    ("user", "EVALUATIONID", {}),
    ("flags", "BOOLEAN_LIST", {"maximumListLength": 3}),
    ("days", "DATE_LIST", {"maximumListLength": 3}),
    ("users", "USERID_LIST", {"maximumListLength": 3}),
    ("entities", "ENTITYID_LIST", {"maximumListLength": 3}),
    ("wide", "STRING_LIST", {"maximumSize": 140}),
    ("wide too", "STRING_LIST", {"maximumSize": 140}),
]
LABELS = st.none() | st.sampled_from(["one", "two", "2", "3", "in progress"])
COMMENTS = st.none() | st.just("so far")
_numbers = itertools.count()


class SharedService:
    """One service for all state machines. It can be restarted."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.stack = ExitStack()
        self.rest_service: RestService
        self.start()
        alice = Author(self.rest_service, "alice")
        self.project = alice.new_project()["id"]
        self.handles = [alice.handle(), alice.handle()]
        tables = TableClient(alice)
        bodies = [tables.create_column(name, kind, **more) for name, kind, more in COLUMNS]
        self.columns = [
            ModelColumn(
                id=column["id"],
                name=column["name"],
                kind=column["columnType"],
                default=column.get("defaultValue"),
                size=column.get("maximumSize"),
                enum_values=tuple(column.get("enumValues", ())),
                length=column.get("maximumListLength", 1),
            )
            for column in bodies
        ]

    def start(self) -> None:
        self.stack.close()
        self.rest_service = self.stack.enter_context(start_service(self.data_dir))


class TableMachine(RuleBasedStateMachine):
    """A table of the service and the reference model of it."""

    shared: SharedService

    @property
    def alice(self) -> Author:
        return Author(self.shared.rest_service, "alice")

    @property
    def tables(self) -> TableClient:
        return TableClient(self.alice)

    @initialize(data=st.data())
    def create(self, data):
        columns = data.draw(
            st.lists(
                st.sampled_from(self.shared.columns[:-2]),
                max_size=5,
                unique_by=(lambda each: each.id, lambda each: each.name),
            )
        )
        self.model = ModelTable(columns)
        self.etags = {}
        self.check_count = 0
        body = {"name": f"table {next(_numbers)}", "columnIds": [each.id for each in columns]}
        self.table = self.alice.make(TABLE, self.shared.project, **body)["id"]

    def teardown(self):
        for number in getattr(self, "model", ModelTable([])).labels:
            self.check_version(number)

    # The service must reject what the model rejects, for the same reason, and accept the rest.

    def check_response(self, response, changed, error):
        """Compare a response with the error of the model; replace the model on success."""
        if error is None:
            assert response.ok, response.text
            self.model = changed
            return response.json()
        assert response.status_code == error.status, (response.text, error)
        assert error.message in response.json()["reason"]
        return None

    @rule(data=st.data(), label=LABELS)
    def transact(self, data, label):
        generator = ChangeGenerator(
            data,
            self.shared.columns,
            self.shared.handles,
            self.alice.upload,
        )
        changed, error, bodies, expected = self.model.copy(), None, [], []
        for _ in range(data.draw(st.sampled_from([1, 1, 1, 2, 3]))):
            change = generator.change(changed, self.etags)
            bodies.append(change.body)
            note(str(change.body))
            try:
                if change.is_invalid:
                    changed.reject(400)
                expected.append((change.apply(changed), changed.last_version))
            except RejectedError as rejected:
                error = rejected
                break
        more, number = {}, None
        if generator.chance(6):
            more = {"createSnapshot": True, "snapshotOptions": {"snapshotLabel": label}}
            try:
                if error is None:
                    number = changed.snapshot(label)
            except RejectedError as rejected:
                error = rejected
        response = self.tables.try_transact(self.table, *bodies, **more)
        body = self.check_response(response, changed, error)
        if body is not None:
            assert body.get("snapshotVersionNumber") == number
            for (result, version), actual in zip(expected, body["results"], strict=True):
                self.check_result(result, version, actual)

    def check_result(self, expected, version, result):
        """Check the result of a change and record its etag."""
        if result["concreteType"] == f"{M}.UploadToTableResult":
            assert result["rowsProcessed"] == expected
            self.etags[version] = result["etag"]
        elif result["concreteType"] == f"{M}.RowReferenceSetResults":
            references = result["rowReferenceSet"]
            rows = [(row["rowId"], row["versionNumber"]) for row in references["rows"]]
            assert rows == [(row_id, version) for row_id in expected]
            self.etags[version] = references["etag"]

    @rule(data=st.data(), is_stale=st.sampled_from([False] * 9 + [True]))
    def put_columns(self, data, is_stale):
        columns = data.draw(
            st.lists(st.sampled_from(self.shared.columns), max_size=6, unique_by=lambda c: c.id)
        )
        changed, error = self.model.copy(), None
        body = {**self.alice.entity(self.table), "columnIds": [each.id for each in columns]}
        if is_stale:
            body["etag"] = "0f0f0f0f-0000-0000-0000-000000000000"
        try:
            if is_stale:
                changed.reject(412)
            require_valid_schema(columns)
            changed.set_columns(columns)
        except RejectedError as rejected:
            error = rejected
        saved = self.check_response(self.alice.save(body), changed, error)
        assert saved is None or saved["etag"] != body["etag"]

    @rule(label=LABELS, comment=COMMENTS)
    def snapshot(self, label, comment):
        changed, error, number = self.model.copy(), None, None
        etag = self.alice.entity(self.table)["etag"]
        try:
            number = changed.snapshot(label, comment)
        except RejectedError as rejected:
            error = rejected
        body = {"snapshotLabel": label, "snapshotComment": comment}
        response = self.alice.post(f"{REPO}/entity/{self.table}/table/snapshot", body)
        result = self.check_response(response, changed, error)
        assert result is None or result == {"snapshotVersionNumber": number}
        assert (self.alice.entity(self.table)["etag"] == etag) == (result is None)

    @rule(data=st.data())
    def delete_version(self, data):
        number = data.draw(st.integers(1, self.model.highest + 1))
        changed, error = self.model.copy(), None
        try:
            changed.delete_version(number)
        except RejectedError as rejected:
            error = rejected
        response = self.alice.delete(f"{REPO}/entity/{self.table}/version/{number}")
        if error is None:
            assert response.status_code == 204
            self.model = changed
        else:
            assert response.status_code == error.status

    @rule()
    def trash_and_restore(self):
        assert self.alice.delete(f"{REPO}/entity/{self.table}").ok
        assert self.tables.try_query(f"select * from {self.table}").status_code == 404
        assert self.alice.put(f"{REPO}/trashcan/restore/{self.table}").ok

    @rule()
    def restart_service(self):
        self.shared.start()

    # After every step: the current rows, the version history, and one of the versions in turn.

    @invariant()
    def check_rows(self):
        if hasattr(self, "model"):
            self.check_version(None)
            self.check_count += 1
            numbers = sorted(self.model.labels)
            self.check_version(numbers[self.check_count % len(numbers)])

    @invariant()
    def check_history(self):
        if not hasattr(self, "model"):
            return
        model = self.model
        history = ok(self.alice.get(f"{REPO}/entity/{self.table}/version?limit=50"))["results"]
        versions = [
            (each["versionNumber"], each["versionLabel"], each.get("versionComment"))
            for each in history
        ]
        assert versions == [
            (number, model.labels[number], model.comments[number])
            for number in sorted(model.labels, reverse=True)
        ]
        latest = [each["versionNumber"] for each in history if each["isLatestVersion"]]
        assert latest == [model.current]

    def check_version(self, number):
        """Compare a version of the table: its rows and, for a numbered version, its CSV."""
        version = self.model.get_version(number)
        table_id = self.table if number is None else f"{self.table}.{number}"
        path = self.table if number is None else f"{self.table}/version/{number}"
        ids = [each.id for each in version.columns]
        assert self.alice.entity(path)["columnIds"] == ids
        assert [each["id"] for each in self.tables.list_columns(table_id)] == ids
        expected = [
            (
                row_id,
                row.version,
                [normalize(each.kind, row.cells[each.id]) for each in version.columns],
            )
            for row_id, row in sorted(version.rows.items())
        ]
        assert self.read_pages(table_id, version) == (expected if ids else [])
        if ids and number is not None:
            csv = self.tables.download(f"select * from {table_id} order by ROW_ID")
            assert parse_csv(csv, version) == expected

    def read_pages(self, table_id, version):
        """Return the rows of all pages."""
        body = self.tables.bundle(f"select * from {table_id} order by ROW_ID", mask=0b1011)
        width = sum(each.width for each in version.columns)
        if width:
            assert body["maxRowsPerPage"] == max(1, 2097152 // width)
            assert body["queryCount"] == len(version.rows)
        result, rows = body["queryResult"], []
        while True:
            page = result["queryResults"]
            assert [each["id"] for each in page["headers"]] == [
                each.id for each in version.columns
            ]
            rows += page["rows"]
            if "nextPageToken" not in result:
                break
            path = f"{REPO}/entity/{self.table}/table/query/nextPage"
            result = ok(self.tables.run(path, result["nextPageToken"]))
        return [
            (row["rowId"], row["versionNumber"], normalize_cells(version, row["values"]))
            for row in rows
        ]


def normalize_cells(version, cells):
    return [
        normalize(column.kind, cell) for column, cell in zip(version.columns, cells, strict=True)
    ]


def parse_csv(csv, version):
    """Parse a CSV file in the written form: quoted fields, doubled quotes, null as nothing."""
    rows, row, cell, at = [], [], None, 0
    while at < len(csv):
        if csv[at] == '"' and cell is None:
            cell, at = "", at + 1
            while csv[at : at + 2] == '""' or csv[at] != '"':
                step = 2 if csv[at : at + 2] in {'""', "\\\\"} else 1
                cell += csv[at]
                at += step
            at += 1
            continue
        row.append(cell)
        cell = None
        if csv[at] == "\n":
            rows.append(row)
            row = []
        at += 1
    names = ["ROW_ID", "ROW_VERSION", *(column.name for column in version.columns)]
    assert rows[0] == names
    return [(int(row[0]), int(row[1]), normalize_cells(version, row[2:])) for row in rows[1:]]


def test_service_agrees_with_the_model():
    with tempfile.TemporaryDirectory() as data_dir:
        TableMachine.shared = SharedService(Path(data_dir))
        with TableMachine.shared.stack:
            run_state_machine_as_test(
                TableMachine,
                settings=settings(
                    max_examples=6,
                    stateful_step_count=12,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
