"""Repair of pending Activities while responses are lost and other clients store Activities."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from support.fault_injection import FaultInjector

from synapse_workflows import Activity, Column, File, Schema
from synapse_workflows.client.errors import SynapseError
from synapse_workflows.provenance.pending_activity import PendingActivity
from synapse_workflows.provenance.repair import repair_activities
from synapse_workflows.testing import over_socket


@pytest.fixture(scope="module")
def injected(tmp_path_factory):
    """A service, and its fault injector."""
    injectors = []

    def wrap(app):
        injectors.append(FaultInjector(app))
        return injectors[0]

    with over_socket(tmp_path_factory.mktemp("repair"), wrap=wrap) as service:
        yield service, injectors[0]


@pytest.fixture
def service(injected):
    """The service over a socket only."""
    yield injected[0]
    injected[1].clear()


@pytest.fixture
def file(syn, folder, make_file):
    """ID of a file without an Activity."""
    return syn.store(File(str(make_file()), parent=folder)).id


@pytest.fixture
def table(syn, project):
    """ID of a table with an Activity."""
    schema = Schema("Rows", [Column(name="n", columnType="INTEGER")], parent=project)
    table = syn.store(schema)
    syn.setProvenance(table, Activity("first", used="https://example.org/first"))
    return table.id


def create_pending(syn, entity_id, name="pending"):
    body = Activity(name, used=f"https://example.org/{name}")
    versions = ((entity_id, 1),)
    return PendingActivity(versions, body, "503", "synapse_default", f"{syn.repoEndpoint}/")


def get_urls(syn, entity_id):
    return {item["url"].rpartition("/")[2] for item in syn.getProvenance(entity_id)["used"]}


@pytest.mark.parametrize("kind", ["file", "table"])
def test_lost_response_of_the_link_keeps_the_activity(syn, injected, request, kind):
    entity_id = request.getfixturevalue(kind)
    expected = {"pending"} if kind == "file" else {"first", "pending"}
    pattern = rf"PUT /repo/v1/entity/{entity_id}$"
    injected[1].at(pattern, lambda: None, after=True, respond=False)
    (repair,) = repair_activities(syn, [create_pending(syn, entity_id)])
    assert repair.state == "repaired"
    assert get_urls(syn, entity_id) == expected
    activity = syn.getProvenance(entity_id)
    (repair,) = repair_activities(syn, [create_pending(syn, entity_id)])
    assert (repair.state, repair.activity_id) == ("present", activity["id"])
    assert syn.getProvenance(entity_id) == activity


def test_activity_that_is_linked_during_the_repair_stays(syn, injected, client_of, file):
    other = client_of("alice")

    def link():
        injected[1].clear()
        other.setProvenance(file, Activity("newer", used="https://example.org/newer"))

    injected[1].at(rf"PUT /repo/v1/entity/{file}$", link)
    (repair,) = repair_activities(syn, [create_pending(syn, file)])
    assert repair.state == "present"
    assert syn.getProvenance(file)["name"] == "newer"


def test_concurrent_repairs_of_a_table_lose_no_source(syn, client_of, table):
    names = [f"pending{number}" for number in range(4)]

    def repair(name):
        client = client_of("alice")
        return repair_activities(client, [create_pending(client, table, name)])[0].state

    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(repair, names * 2))
    assert states.count("repaired") == len(names)
    assert get_urls(syn, table) == {"first", *names}


def test_lost_response_of_a_store_operation_keeps_the_activity(syn, injected, file, make_file):
    path = str(make_file())
    injected[1].at(rf"PUT /repo/v1/entity/{file}$", lambda: None, after=True, respond=False)
    stored = syn.get(file, downloadFile=False)
    stored.path = path
    with suppress(SynapseError):
        syn.store(stored, activity=Activity("new", used="https://example.org/new"))
    assert syn.get(file, downloadFile=False).versionNumber == 2
    assert get_urls(syn, file) == {"new"}
