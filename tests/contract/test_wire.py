"""The recorder itself: what it lets through and what it does not."""

import pytest
from support.wire_recorder import CONTRACT, Recorder, load_validator

FOLDER = (
    b'{"concreteType": "org.sagebionetworks.repo.model.Folder", "name": "f", "parentId": "syn1"}'
)


@pytest.fixture
def recorder():
    if not CONTRACT.exists():
        pytest.skip(f"the contract's schemas are not beside the checkout ({CONTRACT.name})")
    return Recorder(None, load_validator())


def test_it_validates_what_is_asked_and_answered(recorder):
    recorder.judge("POST", "/repo/v1/entity", FOLDER, 201, FOLDER)
    assert (recorder.validated, recorder.problems) == (2, [])


def test_a_property_that_the_schema_does_not_know_is_a_mistake_of_the_service(recorder):
    recorder.judge("POST", "/repo/v1/entity", FOLDER, 201, FOLDER.replace(b"name", b"nome"))
    assert "nome" in recorder.problems[0]


def test_an_error_says_its_reason(recorder):
    recorder.judge("GET", "/repo/v1/entity/syn1", b"", 404, b'{"detail": "not found"}')
    assert "no reason" in recorder.problems[0]


def test_both_clients_ways_are_recorded(service, recorders, syn):
    """The services of the tests do have a recorder in front of them."""
    before = sum(len(recorder.exchanges) for recorder in recorders)
    syn.getUserProfile(refresh=True)
    assert sum(len(recorder.exchanges) for recorder in recorders) > before
