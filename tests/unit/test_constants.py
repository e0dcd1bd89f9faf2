"""The constants agree with the table of wire facts."""

import pytest
from support.wire_facts import WireFacts, full_id

from synapse_workflows import constants


@pytest.fixture(scope="module")
def facts():
    return WireFacts()


def test_every_concrete_type_is_a_type_of_the_api(facts):
    values = {name: value for name, value in vars(constants).items() if isinstance(value, str)}
    named = {value for value in values.values() if value.startswith(f"{constants.MODEL}.")}
    assert len(named) > 15
    assert named | set(constants.ENTITY_TYPES) <= {full_id(name) for name in facts.types}


def test_entity_types_are_those_of_the_api(facts):
    entities = {full_id(name) for name in facts.types["Entity"]["classes"]}
    assert set(constants.ENTITY_TYPES) <= entities
    assert set(constants.ENTITY_TYPES.values()) == set(facts.types["EntityType"])


@pytest.mark.parametrize(
    ("enum", "name"),
    [
        (constants.AccessType, "ACCESS_TYPE"),
        (constants.AnnotationType, "annotation.v2.AnnotationsValueType"),
        (constants.SubmissionStatusEnum, "e.SubmissionStatusEnum"),
        (constants.ColumnType, "table.ColumnType"),
    ],
)
def test_enum_values_are_those_of_the_api(facts, enum, name):
    assert {str(member) for member in enum} <= set(facts.types[name])


def test_access_types_that_apply_to_entities_are_complete(facts):
    missing = set(facts.types["ACCESS_TYPE"]) - {str(each) for each in constants.AccessType}
    assert not missing & {"READ", "DOWNLOAD", "CREATE", "UPDATE", "DELETE", "CHANGE_PERMISSIONS"}


def test_column_types_are_complete(facts):
    assert {str(each) for each in constants.ColumnType} == set(facts.types["table.ColumnType"])
