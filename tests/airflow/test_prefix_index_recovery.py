"""A worker that is killed while it indexes a prefix: nothing is lost or registered twice."""

import hashlib
import os
from itertools import count

import pytest
from support.kill_matrix import KillMatrix, Scenario, World, select_kill_points

from synapse_workflows import SynapseHook, SynapseIndexS3PrefixOperator

EXTENT = os.environ.get("KILL_MATRIX", "sample")
NUMBERS = count(1)
BUCKET = "kill-matrix"
USED = "s3://kill-matrix/{salt}/"


class S3World(World):
    """A world with a folder whose storage location has STS."""

    def __init__(self, s3, syn, folder, number):
        super().__init__(s3.service, syn, folder, number)
        self.store = s3.store
        self.store.create_bucket(BUCKET)
        entity, _, _ = syn.create_s3_storage_location(
            parent=self.project,
            folder_name="indexed",
            bucket_name=BUCKET,
            base_key=self.salt,
            sts_enabled=True,
        )
        self.indexed = entity.id

    def object(self, path, text):
        content = f"{text} {self.salt}".encode()
        self.store.put(BUCKET, f"{self.salt}/{path}", content)
        self._texts[hashlib.md5(content).hexdigest()] = f"{{{path}: {text}}}"


def prepare(world, **arguments):
    """Register an object outside Airflow, change it, and add others."""
    world.object("changed.txt", "old")
    world.object("same.txt", "same")
    hook = SynapseHook(lineage_mode="off")
    hook.__dict__["_client"] = world.client
    hook.index_s3_prefix(world.indexed)
    world.object("changed.txt", "new")
    world.object("a/b/new.txt", "new")
    world.object("c.txt", "new")
    return {"folder_id": world.indexed, "annotations": {"kind": "raw"}, **arguments}


def versions(activity):
    return {
        "indexed/a/b/new.txt": [activity],
        "indexed/c.txt": [activity],
        "indexed/changed.txt": [None, activity],
        "indexed/same.txt": [None],
    }


SCENARIOS = [
    Scenario("index", SynapseIndexS3PrefixOperator, prepare, used=versions([USED])),
    Scenario(
        "index without lineage",
        SynapseIndexS3PrefixOperator,
        lambda world: prepare(world, lineage_mode="off"),
        used=versions(None),
        is_variant=True,
    ),
    Scenario(
        "index with a declared Activity",
        SynapseIndexS3PrefixOperator,
        lambda world: prepare(world, lineage_mode="off", used="https://example.org/a"),
        used=versions(["https://example.org/a"]),
        is_variant=True,
    ),
]


@pytest.fixture
def worlds(s3_service, lineage_client, tmp_path):
    def create():
        for number in NUMBERS:
            folder = tmp_path / str(number)
            folder.mkdir()
            world = S3World(s3_service, lineage_client, folder, number)
            world.client = lineage_client
            yield world

    return create()


@pytest.mark.timeout(600 if EXTENT == "sample" else 3600)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name.replace(" ", "-"))
def test_retry_of_a_killed_worker_has_the_outcome_of_an_undisturbed_run(
    scenario, worlds, subtests
):
    matrix = KillMatrix(scenario, worlds)
    outcome = matrix.run()
    scenario.check(outcome)
    assert outcome["value"]["created"] == 2
    for number, point in enumerate(select_kill_points(scenario, matrix.trace, EXTENT)):
        with subtests.test(kill_point=str(tuple(point))):
            assert matrix.run_killed(point, moved=number % 2 == 1) == outcome
