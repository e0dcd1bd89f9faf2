"""The rows of a table are of all who stored some since its last snapshot; so is its lineage."""

import pytest


@pytest.fixture
def store_from(store_rows, table, put):
    """Store rows in the table with a file for their source; the file, as `syn123.1`."""

    def store(name, rows, **arguments):
        source = put(name)
        result, _ = store_rows(table_id=table, rows=rows, used=source, **arguments)
        assert result.state == "success", result.error
        return source

    return store


A, B = [{"a name": "a", "n": 1}], [{"a name": "b", "n": 2}]


@pytest.mark.parametrize("mode", [{}, {"mode": "upsert", "key": "n"}])
def test_who_stores_more_rows_takes_over_what_was_used_before(store_from, table, sources_of, mode):
    first, second = store_from("a.csv", A), store_from("b.csv", B, **mode)
    assert sorted(sources_of(table)[0]) == sorted([first, second])


def test_a_snapshot_names_the_sources_of_all_its_rows(store_from, table, alice, sources_of):
    first, second = store_from("a.csv", A), store_from("b.csv", B)
    number = alice.create_snapshot_version(table, activity=alice.getProvenance(table))
    third = store_from("c.csv", A)
    assert sorted(sources_of(table, number)[0]) == sorted([first, second])
    assert sources_of(table)[0] == [third]


def test_who_replaces_the_rows_takes_over_nothing(store_from, table, sources_of):
    store_from("a.csv", A)
    second = store_from("b.csv", B, mode="replace")
    assert sources_of(table)[0] == [second]


@pytest.mark.parametrize(
    "arguments",
    [{"rows": []}, {"rows": A, "mode": "upsert", "key": "n"}, {"rows": A, "mode": "replace"}],
)
def test_who_changes_nothing_leaves_the_lineage_as_it_is(store_from, table, alice, arguments):
    store_from("a.csv", A)
    before = alice.getProvenance(table)
    store_from("b.csv", **arguments)
    assert alice.getProvenance(table) == before
