"""Files of materialized views: caching, eviction, copies and clean-up."""

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from synapse_workflows.local.storage.view_store import MAX_CACHED, ViewStore


@pytest.fixture
def store(tmp_path):
    return ViewStore(tmp_path / "views")


def build_rows(*rows):
    """Rows of one column, from (row ID, benefactor ID, cell)."""
    return [
        (row_id, 1, "etag", benefactor_id, 5, None, cell) for row_id, benefactor_id, cell in rows
    ]


def write(store, *rows):
    return store.write([7], build_rows(*rows), [7])[0]


def read_cells(connection):
    return [row[0] for row in connection.execute("SELECT c7 FROM live ORDER BY row_id")]


def read_current(store, view_id, revision, create):
    with store.open_current(view_id, lambda known: known >= revision, create) as (_, connection):
        return read_cells(connection)


def list_names(tmp_path):
    return {path.stem for path in (tmp_path / "views").rglob("*.db")}


def test_write_returns_columns_benefactors_digest_and_text_lengths(store):
    file, lengths = store.write(
        [7, 8], [(1, 1, "e", 3, 5, 9, "ab", 1), (2, 1, "e", 2, 5, 9, "é", 2)], [7]
    )
    assert (file.column_ids, file.benefactor_ids, lengths) == ((7, 8), (2, 3), [2])
    same, other = write(store, (1, 2, "a")), write(store, (1, 2, "b"))
    assert write(store, (1, 2, "a")).digest == same.digest != other.digest
    assert store.write([7], [], [7])[1] == [0]


def test_failed_write_leaves_no_file(store, tmp_path):
    def iter_broken_rows():
        yield from build_rows((1, 1, "a"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.write([7], iter_broken_rows(), [7])
    assert list_names(tmp_path) == set()


def test_current_rows_are_cached_until_the_revision_changes(store, tmp_path):
    created = []

    def creator(revision):
        def create():
            created.append(revision)
            return revision, write(store, (1, 1, f"at {revision}"))

        return create

    assert read_current(store, 1, 3, creator(3)) == ["at 3"]
    assert read_current(store, 1, 3, creator(3)) == ["at 3"]
    assert read_current(store, 1, 2, creator(2)) == ["at 3"]
    assert read_current(store, 1, 4, creator(4)) == ["at 4"]
    assert created == [3, 4]
    assert len(list_names(tmp_path)) == 1


def test_open_file_stays_readable_after_its_replacement(store):
    with store.open_current(1, bool, lambda: (1, write(store, (1, 1, "old")))) as (_, connection):
        assert read_current(store, 1, 2, lambda: (2, write(store, (1, 1, "new")))) == ["new"]
        assert read_cells(connection) == ["old"]


def test_least_recently_used_files_are_evicted(store, tmp_path):
    for view_id in range(MAX_CACHED + 3):
        read_current(store, view_id, 1, lambda: (1, write(store, (1, 1, "x"))))
    assert len(list_names(tmp_path)) == MAX_CACHED
    assert read_current(store, 0, 1, lambda: (1, write(store, (1, 1, "again")))) == ["again"]


def test_concurrent_readers_of_a_view_share_one_file_and_do_not_block_other_views(store):
    started, released = threading.Event(), threading.Event()
    created = []

    def create():
        created.append(1)
        started.set()
        assert released.wait(60)
        return 1, write(store, (1, 1, "x"))

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(read_current, store, 1, 1, create)
        assert started.wait(60)
        others = [pool.submit(read_current, store, 1, 1, create) for _ in range(3)]
        cells = read_current(store, 2, 1, lambda: (1, write(store, (1, 1, "not blocked"))))
        assert cells == ["not blocked"]
        assert not first.done()
        released.set()
        assert [each.result(10) for each in (first, *others)] == [["x"]] * 4
    assert created == [1]


def test_copy_survives_replacement_of_its_source_and_a_restart(store, tmp_path):
    with store.open_current(1, bool, lambda: (1, write(store, (1, 1, "then")))) as (_, connection):
        name = store.copy(connection)
    read_current(store, 1, 2, lambda: (2, write(store, (1, 1, "now"))))
    with store.open(name) as connection:
        assert read_cells(connection) == ["then"]
    restarted = ViewStore(tmp_path / "views")
    assert restarted.sweep({name}, set()) >= 1
    assert list_names(tmp_path) == {name}


def test_sweep_deletes_unconfirmed_copies_and_unused_files_only(store, tmp_path):
    with store.open_current(1, bool, lambda: (1, write(store, (1, 1, "x")))) as (_, connection):
        confirmed, unconfirmed, unused, unknown = (store.copy(connection) for _ in range(4))
    for name in (confirmed, unused, unknown):
        store.confirm(name)
    ViewStore(tmp_path / "views").sweep({confirmed}, {unused})
    assert list_names(tmp_path) == {confirmed, unknown}
    assert unconfirmed not in list_names(tmp_path)


def test_writing_many_rows_takes_little_memory(store):
    cell = "x" * 200
    tracemalloc.start()
    try:
        store.write([7], ((n, 1, "e", n % 10, 5, None, f"{cell}{n}") for n in range(30_000)), [7])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
