"""Tests of SynapseTableStoreOperator with upsert and replace, and with concurrent writers."""

import sys
from collections import Counter

import pytest
from support.fault_injection import FaultInjector
from support.prepared_entities import append_rows, create_table

from synapse_workflows import Column, Project, Row, RowSet, Schema
from synapse_workflows.client.errors import SynapseBadRequestError
from synapse_workflows.testing import over_socket


def test_upsert_changes_rows_by_key(store_rows, filled, rows_of, write_csv):
    file = write_csv(["b", "02"], ["c", 30], ["d", 4])
    _, run = store_rows(table_id=filled, rows=file, mode="upsert", key="a name")
    counts = run.value("store")
    assert (counts["added"], counts["changed"], counts["deleted"]) == (1, 1, 0)
    assert rows_of(filled) == [["a", 1], ["b", 2], ["c", 30], ["d", 4]]


def test_a_second_upsert_changes_nothing(store_rows, filled, rows_of, write_csv):
    arguments = {"rows": write_csv(["b", 20], ["d", 4]), "mode": "upsert", "key": ["a name"]}
    store_rows(table_id=filled, **arguments)
    before = rows_of(filled, ids=True)
    _, run = store_rows(table_id=filled, **arguments)
    assert (run.value("store")["added"], run.value("store")["changed"]) == (0, 0)
    assert rows_of(filled, ids=True) == before


def test_upsert_keeps_the_cells_of_missing_columns(store_rows, alice, project, rows_of):
    names = ("key", "one", "two")
    columns = [Column(name=name, columnType="STRING", defaultValue="-") for name in names]
    table = create_table(alice, project, "Wide", columns)
    append_rows(alice, table, [["k", "1", "2"]])
    given = [{"key": "k", "two": "zwei"}, {"key": "l", "two": None}]
    for _ in range(2):
        store_rows(table_id=table, rows=given, mode="upsert", key="key")
    assert rows_of(table, ids=True) == [["1", "2", "k", "1", "zwei"], ["2", "2", "l", "-", "-"]]


#: How often each file was opened, counted by `count_opened_files`.
_opened: Counter = Counter()


@pytest.fixture(scope="module", autouse=True)
def count_opened_files():
    """Count the files that this process opens; audit hooks cannot be removed."""
    sys.addaudithook(lambda event, args: event == "open" and _opened.update([str(args[0])]))


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "append"},
        {"mode": "upsert", "key": "a name"},
        {"mode": "upsert", "key": "a name", "delete_missing": True},
        {"mode": "replace"},
    ],
)
def test_the_rows_of_a_csv_file_are_read_once(store_rows, filled, rows_of, write_csv, options):
    file = write_csv(["a", 1], ["b", 2], ["c", 30], ["d", 4])
    _opened.clear()
    result, _ = store_rows(table_id=filled, rows=file, **options)
    assert result.state == "success", result.error
    # opened once for the first bytes, which show the format, and once for the rows; a replacement
    # compares rows until the first difference, and starts again to upload them
    assert _opened[file] == (3 if options["mode"] == "replace" else 2)
    assert ["d", 4] in rows_of(filled)


#: For each type, two representations of one value, and another value.
REPRESENTATIONS = {
    "INTEGER": ("1", "01", "2"),
    "DOUBLE": ("0.5", "5e-1", "0.50001"),
    "BOOLEAN": ("true", "TRUE", "false"),
    "DATE": ("1767225600000", "2026-01-01", "2026-01-01 00:00:01"),
    "ENTITYID": ("syn123", "123", "syn124"),
    "STRING": ("é", "é", "e"),
    "JSON": ('{"a":1,"b":2}', '{"b": 2, "a": 1}', '{"a":2}'),
    "INTEGER_LIST": ("[1, 2]", "[1,2]", "[2,1]"),
    "STRING_LIST": ('["a"]', '[ "a" ]', '["b"]'),
}


@pytest.mark.parametrize("kind", REPRESENTATIONS)
def test_equal_values_are_no_change(store_rows, alice, project, rows_of, tmp_path, kind):
    """Equal values with different text are equal, in key cells and in other cells."""
    one, same, other = REPRESENTATIONS[kind]
    columns = [Column(name=name, columnType=kind) for name in ("key", "cell")]
    table = create_table(alice, project, "Typed", columns)

    def upsert(*row):
        file = tmp_path / "rows.csv"
        cells = [f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row]
        file.write_text("key,cell\n" + ",".join(cells) + "\n")
        result, run = store_rows(table_id=table, rows=str(file), mode="upsert", key="key")
        assert result.state == "success", result.error
        counts = run.value("store")
        return counts["added"], counts["changed"]

    assert upsert(one, one) == (1, 0)
    assert upsert(same, same) == (0, 0)
    assert upsert(same, other) == (0, 1)
    assert upsert(other, other) == (1, 0)
    assert len(rows_of(table)) == 2


@pytest.mark.parametrize("where", ["source", "table"])
def test_duplicate_key_fails(store_rows, filled, alice, write_csv, rows_of, where):
    given = [["a", 9], ["a", 10]] if where == "source" else [["a", 9]]
    if where == "table":
        append_rows(alice, filled, [["a", 2]])
    before = rows_of(filled)
    result, _ = store_rows(table_id=filled, rows=write_csv(*given), mode="upsert", key="a name")
    assert result.state == "failed"
    assert f"in the {where} more than once: in the rows 1 and" in str(result.error)
    assert rows_of(filled) == before


def test_duplicate_key_in_the_table_fails_only_for_rows_with_it(
    store_rows, filled, alice, write_csv, rows_of
):
    append_rows(alice, filled, [["a", 2]])
    file = write_csv(["b", 20], ["d", 4])
    result, _ = store_rows(table_id=filled, rows=file, mode="upsert", key="a name")
    assert result.state == "success", result.error
    assert rows_of(filled) == [["a", 1], ["b", 20], ["c", 3], ["a", 2], ["d", 4]]


@pytest.mark.parametrize(("key", "row"), [("n", ["x", ""]), ("n", ["x", "y"])])
def test_row_without_a_key_fails(store_rows, filled, write_csv, rows_of, key, row):
    result, _ = store_rows(
        table_id=filled, rows=write_csv(["a", 1], row), mode="upsert", key=["a name", key]
    )
    assert result.state == "failed"
    assert "Row 2" in str(result.error)
    assert "column 'n'" in str(result.error)
    assert len(rows_of(filled)) == 3


def test_stored_rows_without_a_key_are_unchanged(store_rows, filled, alice, write_csv, rows_of):
    append_rows(alice, filled, [[None, 8], [None, 9]])
    file = write_csv(["a", 10])
    result, _ = store_rows(table_id=filled, rows=file, mode="upsert", key="a name")
    assert result.state == "success", result.error
    assert rows_of(filled) == [["a", 10], ["b", 2], ["c", 3], [None, 8], [None, 9]]


def test_replace_uses_one_transaction(store_rows, filled, rows_of, write_csv, caplog):
    """Readers never see an empty table."""
    file = write_csv(["x", 8], ["y", 9])
    _, run = store_rows(table_id=filled, rows=file, mode="replace", chunk_rows=1)
    counts = run.value("store")
    assert (counts["added"], counts["changed"], counts["deleted"]) == (2, 0, 3)
    assert rows_of(filled) == [["x", 8], ["y", 9]]
    started = [
        message
        for message in caplog.messages
        if message.startswith("POST") and "transaction" in message
    ]
    assert len(started) == 1


def test_replace_by_equal_rows_changes_nothing(store_rows, filled, rows_of, write_csv):
    before = rows_of(filled, ids=True)
    file = write_csv(["a", "01"], ["b", 2], ["c", 3])
    _, run = store_rows(table_id=filled, rows=file, mode="replace")
    assert run.value("store")["added"] == run.value("store")["deleted"] == 0
    assert rows_of(filled, ids=True) == before


@pytest.mark.parametrize(
    "given", [[["a", 1], ["b", 2]], [["a", 1], ["b", 2], ["c", 3], ["d", 4]], [["b", 2], ["a", 1]]]
)
def test_replace_by_fewer_more_and_reordered_rows(store_rows, filled, rows_of, write_csv, given):
    store_rows(table_id=filled, rows=write_csv(*given), mode="replace")
    assert rows_of(filled) == given


class ConcurrentWriter:
    """Changes to a table while the operator runs."""

    def __init__(self, alice, table, injector):
        self.alice, self.table, self.injector, self.times = alice, table, injector, 0

    def run_concurrently(self, action, *, nth=1):
        """Run an action after the operator has read the table, when it starts to upload rows."""

        def counted():
            self.times += 1
            action()

        self.injector.at("POST /file/v1/file/multipart$", counted, nth=nth)

    def change(self, row_id, values):
        """Change a row with a row set, which uploads no file."""
        result = self.alice.tableQuery(f"select * from {self.table} where ROW_ID = {row_id}")
        version = next(iter(result))[1]
        columns = list(self.alice.getColumns(self.table))
        rows = [Row(values, rowId=row_id, versionNumber=int(version))]
        self.alice.store(RowSet(columns=columns, rows=rows, tableId=self.table))

    def add(self, *rows):
        columns = list(self.alice.getColumns(self.table))
        self.alice.store(RowSet(columns=columns, rows=[Row(r) for r in rows], tableId=self.table))


@pytest.fixture(scope="module")
def service_and_injector(tmp_path_factory, recording):
    """Service of this module, and its fault injector."""
    injector = []

    def wrap(app):
        injector.append(FaultInjector(recording(app)))
        return injector[0]

    with over_socket(tmp_path_factory.mktemp("watched"), wrap=wrap) as service:
        yield service, injector[0]


class TestConcurrentWriters:
    """Tests with concurrent writers."""

    @pytest.fixture
    def socket_service(self, service_and_injector):
        service_and_injector[1].clear()
        return service_and_injector[0]

    @pytest.fixture
    def others(self, alice, filled, service_and_injector):
        return ConcurrentWriter(alice, filled, service_and_injector[1])

    @pytest.fixture
    def upsert(self, store_rows, filled, write_csv):
        def run(*rows):
            file = write_csv(*rows)
            return store_rows(table_id=filled, rows=file, mode="upsert", key="a name")

        return run

    def test_upsert_repeats_after_a_concurrent_change(self, others, upsert, rows_of):
        others.run_concurrently(lambda: others.change(2, ["b", 20]))
        result, run = upsert(["b", 200], ["d", 4])
        assert result.state == "success", result.error
        assert rows_of(others.table) == [["a", 1], ["b", 200], ["c", 3], ["d", 4]]
        counts = run.value("store")
        assert (others.times, counts["added"], counts["changed"]) == (1, 1, 1)

    def test_two_writers_of_one_new_key_create_one_row(self, others, upsert, rows_of):
        others.run_concurrently(lambda: others.add(["d", 4], ["e", 5]))
        result, run = upsert(["d", 40], ["f", 6])
        assert result.state == "success", result.error
        assert sorted(rows_of(others.table)) == [
            *(["a", 1], ["b", 2], ["c", 3], ["d", 40], ["e", 5], ["f", 6])
        ]
        counts = run.value("store")
        assert (counts["added"], counts["changed"], counts["deleted"]) == (2, 1, 1)

    def test_rows_of_other_writers_stay(self, others, upsert, rows_of):
        """Rows of other writers stay, even if they duplicate the key of an existing row."""
        others.run_concurrently(lambda: others.add(["a", 9], ["d", 4]))
        result, run = upsert(["d", 40])
        assert result.state == "success", result.error
        assert rows_of(others.table)[:4] == [["a", 1], ["b", 2], ["c", 3], ["a", 9]]
        assert rows_of(others.table)[4:] == [["d", 40]]
        assert run.value("store")["deleted"] == 1

    def test_upsert_fails_after_too_many_concurrent_changes(self, others, upsert, rows_of):
        others.run_concurrently(lambda: others.change(2, ["b", others.times]), nth=None)
        result, _ = upsert(["b", 200], ["d", 4])
        assert result.state == "up_for_retry"
        assert f"Other writers changed {others.table} 5 times" in str(result.error)
        assert rows_of(others.table) == [["a", 1], ["b", 5], ["c", 3]]

    def test_replace_includes_concurrent_changes(self, others, store_rows, write_csv, rows_of):
        others.run_concurrently(lambda: others.change(2, ["b", 20]))
        result, run = store_rows(table_id=others.table, rows=write_csv(["x", 8]), mode="replace")
        assert result.state == "success", result.error
        assert rows_of(others.table) == [["x", 8]]
        assert (run.value("store")["added"], run.value("store")["deleted"]) == (1, 3)

    @pytest.mark.parametrize("mode", ["append", "replace", "upsert"])
    def test_concurrently_deleted_column_fails(
        self, others, store_rows, write_csv, rows_of, alice, mode
    ):
        """The task fails and stores no row."""

        def drop():
            schema = alice.get(others.table)
            alice.store(Schema(**{**schema, "columnIds": schema.columnIds[:1]}))

        others.run_concurrently(drop)
        result, _ = store_rows(
            table_id=others.table,
            rows=write_csv(["x", 8]),
            mode=mode,
            key="a name" if mode == "upsert" else None,
        )
        assert result.state == "failed"
        # Synapse checks an append, the operator checks the other modes
        message = "(n is not a valid column" if mode == "append" else "does not have: ['n']"
        assert message in str(result.error)
        assert rows_of(others.table) == [["a"], ["b"], ["c"]]

    def test_append_of_two_tasks_adds_all_rows(self, others, store_rows, write_csv, rows_of):
        others.run_concurrently(lambda: others.add(["d", 4]))
        store_rows(table_id=others.table, rows=write_csv(["e", 5]))
        assert rows_of(others.table)[3:] == [["d", 4], ["e", 5]]


def test_missing_write_permission_fails(api, socket_service, store_rows, write_csv, tmp_path):
    with socket_service.client("bob", cache_root_dir=str(tmp_path / "bob")) as bob:
        project = bob.store(Project("Bob's rows")).id
        table = bob.store(Schema("B", [Column(name="n", columnType="INTEGER")], parent=project))
        bob.setPermissions(project, socket_service.owner_id("alice"), ["READ", "DOWNLOAD"])
    result, _ = store_rows(table_id=table.id, rows=write_csv([1], names=("n",)))
    assert result.state == "failed"
    assert not isinstance(result.error, SynapseBadRequestError)
    assert "UPDATE" in str(result.error)
