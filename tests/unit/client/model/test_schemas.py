"""Tests of schemas: stored columns and columns to store."""

import pickle

import pytest

from synapse_workflows.client.errors import SynapseMalformedEntityError
from synapse_workflows.client.model.columns import Column, SelectColumn, validate_columns
from synapse_workflows.client.model.entity import Entity
from synapse_workflows.client.model.schemas import Schema
from synapse_workflows.constants import TABLE

NEW = Column(name="new", columnType="STRING", maximumSize=10)
STORED = Column(name="stored", columnType="INTEGER", id="7")


def test_column_has_concrete_type():
    assert NEW.concreteType == "org.sagebionetworks.repo.model.table.ColumnModel"
    assert (NEW.name, NEW.maximumSize, NEW.postURI()) == ("new", 10, "/column")
    assert Column.getURI("7") == "/column/7"
    assert type(NEW.copy()) is Column


def test_select_column_omits_unknown_fields():
    assert SelectColumn.from_column(STORED) == {
        "id": "7",
        "columnType": "INTEGER",
        "name": "stored",
    }
    assert SelectColumn(name="COUNT(*)") == {"name": "COUNT(*)"}


@pytest.mark.parametrize(
    "column",
    [
        {},
        {"name": " ", "columnType": "STRING"},
        {"name": "a"},
        {"name": "a", "columnType": "STRNG"},
    ],
)
def test_new_columns_require_name_and_type(column):
    validate_columns([NEW])
    with pytest.raises(ValueError, match=r"must have a name|Invalid type"):
        validate_columns([column])


def test_new_columns_are_in_columns_to_store():
    schema = Schema("t", [NEW, STORED, "8", 9], parent="syn1")
    assert schema.columnIds == ["7", "8", "9"]
    assert schema.columns_to_store == [NEW]
    assert schema.has_columns()
    assert (schema.concreteType, schema.parentId, schema.name) == (TABLE, "syn1", "t")
    assert not Schema("t", parent="syn1").has_columns()


def test_columns_can_be_single_column():
    assert Schema("t", NEW, parent="syn1").columns_to_store == [NEW]
    assert Schema("t", "71", parent="syn1").columnIds == ["71"]


def test_schemas_do_not_share_state():
    one, two = Schema("a", parent="syn1"), Schema("b", parent="syn1")
    one.addColumn(NEW)
    one.addColumn("7")
    assert not two.has_columns()


def test_columns_can_be_removed():
    schema = Schema("t", [NEW, STORED, "8"], parent="syn1")
    schema.removeColumn(NEW)
    schema.removeColumn(STORED)
    schema.removeColumn(8)
    assert not schema.has_columns()
    for gone in (NEW, STORED, "8"):
        with pytest.raises(ValueError, match="Cannot remove column"):
            schema.removeColumn(gone)


def test_columns_returns_none_if_any_column_is_unknown():
    schema = Schema("t", [STORED, NEW], parent="syn1")
    assert [column["name"] for column in schema.columns()] == ["stored", "new"]
    schema.addColumn("8")
    assert schema.columns() is None
    assert schema.headers() == [
        {"id": "7", "columnType": "INTEGER", "name": "stored"},
        {"id": "8"},
        {"columnType": "STRING", "name": "new"},
    ]


def test_too_many_columns_raise_error():
    schema = Schema("t", [str(number) for number in range(151)], parent="syn1")
    schema.addColumn(NEW)
    schema.validate_column_count()
    schema.addColumn("999")
    with pytest.raises(ValueError, match=r"153.*152"):
        schema.validate_column_count()


def test_schema_is_entity():
    schema = Entity.create(
        {"concreteType": TABLE, "id": "syn5", "parentId": "syn1", "columnIds": ["7"]},
        {"colour": ["blue"]},
    )
    assert type(schema) is Schema
    assert (schema.columnIds, schema.colour) == (["7"], ["blue"])
    assert "columns_to_store" not in dict(schema)
    assert (schema.putURI(), schema.deleteURI()) == ("/entity/syn5", "/entity/syn5")
    assert schema.deleteURI(3) == "/entity/syn5/version/3"
    copied = pickle.loads(pickle.dumps(schema))  # noqa: S301
    assert copied.columnIds == ["7"]
    with pytest.raises(SynapseMalformedEntityError):
        Schema("t")


def test_copied_schema_keeps_known_columns():
    schema = Schema("t", [STORED, NEW], parent="syn1")
    again = Entity.create({**schema.properties, "id": "syn5"}, {}, schema.local_state())
    assert again.columns() == schema.columns()


@pytest.mark.parametrize("column", ["age", "syn12", ""])
def test_added_column_must_be_a_column_or_an_id(column):
    with pytest.raises(ValueError, match=f"Invalid column ID '{column}'"):
        Schema("t", parent="syn1").addColumn(column)
