"""Any sequence of changes of a table leaves what a small model of the rules says."""

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
from support.table_model import ModelColumn, ModelTable, RefusedError, comparable
from support.table_strategies import Drafter, require_schema

from synapse_workflows.constants import TABLE

#: (name, type, more): all columns that tables may have; some share a name.
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
    ("a,b", "STRING_LIST", {"maximumSize": 10, "maximumListLength": 3}),
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


class Shared:
    """One service for all machines, which can be started anew."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.stack = ExitStack()
        self.rest_service: RestService
        self.start()
        alice = Author(self.rest_service, "alice")
        self.project = alice.new_project()["id"]
        self.handles = [alice.handle(), alice.handle()]
        made = [
            TableClient(alice).create_column(name, kind, **more) for name, kind, more in COLUMNS
        ]
        self.columns = [
            ModelColumn(
                id=column["id"],
                name=column["name"],
                kind=column["columnType"],
                default=column.get("defaultValue"),
                size=column.get("maximumSize"),
                words=tuple(column.get("enumValues", ())),
                length=column.get("maximumListLength", 1),
            )
            for column in made
        ]

    def start(self) -> None:
        self.stack.close()
        self.rest_service = self.stack.enter_context(start_service(self.data_dir))


class TableMachine(RuleBasedStateMachine):
    """A table on the service and the model of it."""

    shared: Shared

    @property
    def alice(self) -> Author:
        return Author(self.shared.rest_service, "alice")

    @property
    def tables(self) -> TableClient:
        return TableClient(self.alice)

    @initialize(data=st.data())
    def create(self, data):
        wanted = data.draw(
            st.lists(
                st.sampled_from(self.shared.columns[:-2]),
                max_size=5,
                unique_by=(lambda each: each.id, lambda each: each.name),
            )
        )
        self.model = ModelTable(wanted)
        self.etags = {}
        self.looked = 0
        body = {"name": f"table {next(_numbers)}", "columnIds": [each.id for each in wanted]}
        self.table = self.alice.make(TABLE, self.shared.project, **body)["id"]

    def teardown(self):
        for number in getattr(self, "model", ModelTable([])).labels:
            self.agree(number)

    # What the model forbids, the service refuses for the same reason; what it allows is done.

    def expect(self, answer, trial, expected):
        """Compare an answer with what the model says: None, or an error."""
        if expected is None:
            assert answer.ok, answer.text
            self.model = trial
            return answer.json()
        assert answer.status_code == expected.status, (answer.text, expected)
        assert expected.words in answer.json()["reason"]
        return None

    @rule(data=st.data(), label=LABELS)
    def transact(self, data, label):
        drafter = Drafter(
            data,
            self.shared.columns,
            self.shared.handles,
            self.alice.upload,
        )
        trial, expected, changes, told = self.model.trial(), None, [], []
        for _ in range(data.draw(st.sampled_from([1, 1, 1, 2, 3]))):
            draft = drafter.change(trial, self.etags)
            changes.append(draft.body)
            note(str(draft.body))
            try:
                if draft.is_bad:
                    trial.refuse(400)
                told.append((draft.apply(trial), trial.last_version))
            except RefusedError as refused:
                expected = refused
                break
        more = {}
        if drafter.chance(6):
            more = {"createSnapshot": True, "snapshotOptions": {"snapshotLabel": label}}
            try:
                if expected is None:
                    more["number"] = trial.snapshot(label)
            except RefusedError as refused:
                expected = refused
        number = more.pop("number", None)
        answer = self.expect(
            self.tables.try_transact(self.table, *changes, **more), trial, expected
        )
        if answer is not None:
            assert answer.get("snapshotVersionNumber") == number
            for (meant, version), result in zip(told, answer["results"], strict=True):
                self.learn(meant, version, result)

    def learn(self, meant, version, result):
        """Check the result of a change, and remember its etag."""
        if result["concreteType"] == f"{M}.UploadToTableResult":
            assert result["rowsProcessed"] == meant
            self.etags[version] = result["etag"]
        elif result["concreteType"] == f"{M}.RowReferenceSetResults":
            found = result["rowReferenceSet"]
            rows = [(row["rowId"], row["versionNumber"]) for row in found["rows"]]
            assert rows == [(row_id, version) for row_id in meant]
            self.etags[version] = found["etag"]

    @rule(data=st.data(), is_stale=st.sampled_from([False] * 9 + [True]))
    def put_columns(self, data, is_stale):
        known = self.shared.columns
        wanted = data.draw(st.lists(st.sampled_from(known), max_size=6, unique_by=lambda c: c.id))
        trial, expected = self.model.trial(), None
        body = {**self.alice.entity(self.table), "columnIds": [each.id for each in wanted]}
        if is_stale:
            body["etag"] = "0f0f0f0f-0000-0000-0000-000000000000"
        try:
            if is_stale:
                trial.refuse(412)
            require_schema(wanted)
            trial.set_columns(wanted)
        except RefusedError as refused:
            expected = refused
        saved = self.expect(self.alice.save(body), trial, expected)
        assert saved is None or saved["etag"] != body["etag"]

    @rule(label=LABELS, comment=COMMENTS)
    def snapshot(self, label, comment):
        trial, expected, number = self.model.trial(), None, None
        before = self.alice.entity(self.table)["etag"]
        try:
            number = trial.snapshot(label, comment)
        except RefusedError as refused:
            expected = refused
        body = {"snapshotLabel": label, "snapshotComment": comment}
        answer = self.alice.post(f"{REPO}/entity/{self.table}/table/snapshot", body)
        found = self.expect(answer, trial, expected)
        assert found is None or found == {"snapshotVersionNumber": number}
        assert (self.alice.entity(self.table)["etag"] == before) == (found is None)

    @rule(data=st.data())
    def delete_version(self, data):
        number = data.draw(st.integers(1, self.model.highest + 1))
        trial, expected = self.model.trial(), None
        try:
            trial.delete_version(number)
        except RefusedError as refused:
            expected = refused
        answer = self.alice.delete(f"{REPO}/entity/{self.table}/version/{number}")
        if expected is None:
            assert answer.status_code == 204
            self.model = trial
        else:
            assert answer.status_code == expected.status

    @rule()
    def trash_and_restore(self):
        assert self.alice.delete(f"{REPO}/entity/{self.table}").ok
        assert self.tables.try_query(f"select * from {self.table}").status_code == 404
        assert self.alice.put(f"{REPO}/trashcan/restore/{self.table}").ok

    @rule()
    def start_anew(self):
        self.shared.start()

    # After every step: the rows as they are, the versions, and one of the snapshots in turn.

    @invariant()
    def rows_agree(self):
        if hasattr(self, "model"):
            self.agree(None)
            self.looked += 1
            numbers = sorted(self.model.labels)
            self.agree(numbers[self.looked % len(numbers)])

    @invariant()
    def versions_agree(self):
        if not hasattr(self, "model"):
            return
        model = self.model
        found = ok(self.alice.get(f"{REPO}/entity/{self.table}/version?limit=50"))["results"]
        told = [
            (one["versionNumber"], one["versionLabel"], one.get("versionComment")) for one in found
        ]
        assert told == [
            (number, model.labels[number], model.comments[number])
            for number in sorted(model.labels, reverse=True)
        ]
        latest = [one["versionNumber"] for one in found if one["isLatestVersion"]]
        assert latest == [model.current]

    def agree(self, number):
        """Compare one version of the table, as rows and, where it has a number, as CSV."""
        shown = self.model.shown(number)
        named = self.table if number is None else f"{self.table}.{number}"
        path = self.table if number is None else f"{self.table}/version/{number}"
        ids = [each.id for each in shown.columns]
        assert self.alice.entity(path)["columnIds"] == ids
        assert [each["id"] for each in self.tables.list_columns(named)] == ids
        expected = [
            (
                row_id,
                row.version,
                [comparable(each.kind, row.cells[each.id]) for each in shown.columns],
            )
            for row_id, row in sorted(shown.rows.items())
        ]
        assert self.rows_of(named, shown) == (expected if ids else [])
        if ids and number is not None:
            csv = self.tables.download(f"select * from {named} order by ROW_ID")
            assert read_back(csv, shown) == expected

    def rows_of(self, named, shown):
        """All rows, page by page."""
        body = self.tables.bundle(f"select * from {named} order by ROW_ID", mask=0b1011)
        width = sum(each.width for each in shown.columns)
        if width:
            assert body["maxRowsPerPage"] == max(1, 2097152 // width)
            assert body["queryCount"] == len(shown.rows)
        result, rows = body["queryResult"], []
        while True:
            page = result["queryResults"]
            assert [each["id"] for each in page["headers"]] == [each.id for each in shown.columns]
            rows += page["rows"]
            if "nextPageToken" not in result:
                break
            path = f"{REPO}/entity/{self.table}/table/query/nextPage"
            result = ok(self.tables.run(path, result["nextPageToken"]))
        return [
            (row["rowId"], row["versionNumber"], comparables(shown, row["values"])) for row in rows
        ]


def comparables(shown, cells):
    return [
        comparable(column.kind, cell) for column, cell in zip(shown.columns, cells, strict=True)
    ]


def read_back(csv, shown):
    """Read a CSV as it is written: fields are quoted, doubled inside; null is nothing."""
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
    names = ["ROW_ID", "ROW_VERSION", *(column.name for column in shown.columns)]
    assert rows[0] == names
    return [(int(row[0]), int(row[1]), comparables(shown, row[2:])) for row in rows[1:]]


def test_service_agrees_with_the_model():
    with tempfile.TemporaryDirectory() as data_dir:
        TableMachine.shared = Shared(Path(data_dir))
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
