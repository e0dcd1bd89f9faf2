"""The data set in the S3 server."""

import pytest
import requests

from synapse_workflows.local.seeder import Seeder, SeedError, SeedUser
from synapse_workflows.local.sts_seed import seed_sts


@pytest.fixture
def seeder_of():
    """Function that returns a seeder of alice in a service."""
    with requests.Session() as session:

        def create(service):
            base_url = service.endpoints["repoEndpoint"].removesuffix("/repo/v1")
            owner = int(service.owner_id("alice"))
            alice = SeedUser("alice", owner, service.token("alice"), certified=True)
            return Seeder(session, base_url, alice, ())

        yield create


def test_the_objects_are_below_the_prefix_of_a_folder_with_sts(s3_service, seeder_of):
    seeder = seeder_of(s3_service.service)
    ids = seed_sts(seeder)
    objects = list(s3_service.store.list("synapse-demo", "diagnostics/"))
    assert [one.key for one in objects] == [
        f"diagnostics/raw/batch_{number}.csv" for number in (1, 2, 3)
    ]
    path = f"/file/v1/entity/{ids['sts_folder']}/uploadDestination"
    destination = seeder.request_json("GET", path)
    assert destination["stsEnabled"]
    assert (destination["bucket"], destination["baseKey"]) == ("synapse-demo", "diagnostics")
    assert seed_sts(seeder) == ids
    assert list(s3_service.store.list("synapse-demo", "diagnostics/")) == objects


def test_a_service_without_an_s3_server_names_the_way_out(socket_service, seeder_of):
    with pytest.raises(SeedError, match=r"has no S3 server.*--s3"):
        seed_sts(seeder_of(socket_service))
