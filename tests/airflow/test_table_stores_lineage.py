"""Lineage of a table to which several tasks have stored rows since its last snapshot."""

import pytest


@pytest.fixture
def store_from(store_rows, table, put):
    """Store rows in the table with a new file as source; return the file as `syn123.1`."""

    def store(name, rows, **arguments):
        source = put(name)
        result, _ = store_rows(table_id=table, rows=rows, used=source, **arguments)
        assert result.state == "success", result.error
        return source

    return store


A, B = [{"a name": "a", "n": 1}], [{"a name": "b", "n": 2}]


@pytest.mark.parametrize("mode", [{}, {"mode": "upsert", "key": "n"}])
def test_second_store_adds_its_sources(store_from, table, sources_of, mode):
    first, second = store_from("a.csv", A), store_from("b.csv", B, **mode)
    assert sorted(sources_of(table)[0]) == sorted([first, second])


def test_snapshot_has_the_sources_of_all_its_rows(store_from, table, alice, sources_of):
    first, second = store_from("a.csv", A), store_from("b.csv", B)
    number = alice.create_snapshot_version(table, activity=alice.getProvenance(table))
    third = store_from("c.csv", A)
    assert sorted(sources_of(table, number)[0]) == sorted([first, second])
    assert sources_of(table)[0] == [third]


def test_replace_removes_earlier_sources(store_from, table, sources_of):
    store_from("a.csv", A)
    second = store_from("b.csv", B, mode="replace")
    assert sources_of(table)[0] == [second]


@pytest.mark.parametrize(
    "arguments",
    [{"rows": []}, {"rows": A, "mode": "upsert", "key": "n"}, {"rows": A, "mode": "replace"}],
)
def test_store_without_changes_keeps_the_activity(store_from, table, alice, arguments):
    store_from("a.csv", A)
    before = alice.getProvenance(table)
    store_from("b.csv", **arguments)
    assert alice.getProvenance(table) == before
