"""Copies of what views show: shared as long as nothing changed, bounded, and gone when unused."""

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from synapse_workflows.local.storage.view_store import MAX_CACHED, ViewStore


@pytest.fixture
def files(tmp_path):
    return ViewStore(tmp_path / "views")


def lines(*rows):
    """Rows of one column."""
    return [(row_id, 1, "etag", guard, 5, None, cell) for row_id, guard, cell in rows]


def written(files, *rows):
    return files.write([7], lines(*rows), [7])[0]


def cells(connection):
    return [row[0] for row in connection.execute("SELECT c7 FROM live ORDER BY row_id")]


def shown(files, view, revision, make):
    with files.live(view, revision, make) as (_, connection):
        return cells(connection)


def on_disk(tmp_path):
    return {path.stem for path in (tmp_path / "views").iterdir()}


def test_a_copy_knows_what_it_holds(files):
    copy, longest = files.write(
        [7, 8], [(1, 1, "e", 3, 5, 9, "ab", 1), (2, 1, "e", 2, 5, 9, "é", 2)], [7]
    )
    assert (copy.column_ids, copy.guards, longest) == ((7, 8), (2, 3), [2])
    same, other = written(files, (1, 2, "a")), written(files, (1, 2, "b"))
    assert written(files, (1, 2, "a")).digest == same.digest != other.digest
    assert files.write([7], [], [7])[1] == [0]


def test_nothing_is_left_of_a_copy_that_broke_off(files, tmp_path):
    def broken():
        yield from lines((1, 1, "a"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        files.write([7], broken(), [7])
    assert on_disk(tmp_path) == set()


def test_a_copy_serves_until_something_changed(files, tmp_path):
    made = []

    def make(revision):
        def one():
            made.append(revision)
            return revision, written(files, (1, 1, f"at {revision}"))

        return one

    assert shown(files, 1, 3, make(3)) == ["at 3"]
    assert shown(files, 1, 3, make(3)) == shown(files, 1, 2, make(2)) == ["at 3"]
    assert shown(files, 1, 4, make(4)) == ["at 4"]
    assert made == [3, 4]
    assert len(on_disk(tmp_path)) == 1


def test_an_open_copy_is_read_to_its_end(files):
    with files.live(1, 1, lambda: (1, written(files, (1, 1, "old")))) as (_, connection):
        assert shown(files, 1, 2, lambda: (2, written(files, (1, 1, "new")))) == ["new"]
        assert cells(connection) == ["old"]


def test_few_copies_are_kept(files, tmp_path):
    for view in range(MAX_CACHED + 3):
        shown(files, view, 1, lambda: (1, written(files, (1, 1, "x"))))
    assert len(on_disk(tmp_path)) == MAX_CACHED
    assert shown(files, 0, 1, lambda: (1, written(files, (1, 1, "again")))) == ["again"]


def test_those_who_wait_for_a_copy_share_it(files):
    begun, go = threading.Event(), threading.Event()
    made = []

    def make():
        made.append(1)
        begun.set()
        assert go.wait(10)
        return 1, written(files, (1, 1, "x"))

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(shown, files, 1, 1, make)
        assert begun.wait(10)
        others = [pool.submit(shown, files, 1, 1, make) for _ in range(3)]
        small = shown(files, 2, 1, lambda: (1, written(files, (1, 1, "not in the way"))))
        assert small == ["not in the way"]
        assert not first.done()
        go.set()
        assert [each.result(10) for each in (first, *others)] == [["x"]] * 4
    assert made == [1]


def test_a_frozen_copy_outlives_the_one_it_was_made_of(files, tmp_path):
    with files.live(1, 1, lambda: (1, written(files, (1, 1, "then")))) as (_, connection):
        frozen = files.freeze(connection)
    shown(files, 1, 2, lambda: (2, written(files, (1, 1, "now"))))
    with files.reading(frozen) as connection:
        assert cells(connection) == ["then"]
    again = ViewStore(tmp_path / "views")
    assert again.sweep({frozen}) == 1
    assert on_disk(tmp_path) == {frozen}


def test_a_large_copy_takes_little_memory(files):
    cell = "x" * 200
    tracemalloc.start()
    try:
        files.write([7], ((n, 1, "e", n % 10, 5, None, f"{cell}{n}") for n in range(30_000)), [7])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
