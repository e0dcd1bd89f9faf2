"""Writers at the same moment: one wins, the others are told, nothing is lost or doubled."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from support.entity_api import REPO, Author, unique_name
from support.file_api import ok, start_service

from synapse_workflows.constants import FOLDER, PROJECT

CROWD = 50  # more than the threads that serve


@pytest.fixture(scope="module")
def crowd(tmp_path_factory, recording):
    with start_service(tmp_path_factory.mktemp("crowd"), recording) as rest_service:
        yield rest_service


@pytest.fixture(scope="module")
def ann(crowd):
    return Author(crowd, "alice")


def together(count, act):
    """Let `count` threads act at once, and give the statuses that they got, sorted."""
    barrier = Barrier(count)

    def one(number):
        barrier.wait()
        return act(number).status_code

    with ThreadPoolExecutor(count) as pool:
        return sorted(pool.map(one, range(count)))


def test_of_many_writers_with_one_etag_one_wins(ann):
    project = ann.new_project()
    statuses = together(CROWD, lambda n: ann.save({**project, "description": f"writer {n}"}))
    assert statuses == [200] + [412] * (CROWD - 1)


def test_of_many_creators_of_one_name_one_wins(ann):
    parent, name = ann.new_project()["id"], unique_name()
    statuses = together(CROWD, lambda _: ann.try_make(FOLDER, parent, name=name))
    assert statuses == [201] + [409] * (CROWD - 1)
    body = {"parentId": parent, "includeTypes": ["folder"]}
    assert len(ok(ann.post(f"{REPO}/entity/children", body))["page"]) == 1


def test_of_many_writers_of_annotations_one_wins(ann):
    project = ann.new_project()
    path = f"{REPO}/entity/{project['id']}/annotations2"
    body = {"etag": project["etag"], "annotations": {"n": {"type": "LONG", "value": ["1"]}}}
    assert together(CROWD, lambda _: ann.put(path, body)) == [200] + [412] * (CROWD - 1)


def test_of_many_writers_of_an_acl_one_wins(ann):
    project = ann.new_project()["id"]
    acl = ann.acl(project)
    path = f"{REPO}/entity/{project}/acl"
    assert together(CROWD, lambda _: ann.put(path, acl)) == [200] + [412] * (CROWD - 1)


def test_every_new_version_has_a_number_of_its_own(ann):
    file = ann.new_file(ann.new_project()["id"])
    path = f"{REPO}/entity/{file['id']}"

    def insist(_):
        while True:
            answer = ann.save({**ann.entity(file["id"]), "versionLabel": None}, "?newVersion=true")
            if answer.status_code != 412:
                return answer

    assert together(8, insist) == [200] * 8
    history = ok(ann.get(f"{path}/version?limit=50"))["results"]
    assert [each["versionNumber"] for each in history] == list(range(9, 0, -1))


def test_ids_are_given_once(ann):
    made = []
    statuses = together(CROWD, lambda _: keep(made, ann.try_make(PROJECT)))
    assert statuses == [201] * CROWD
    assert len({each["id"] for each in made}) == CROWD


def keep(made, answer):
    made.append(answer.json())
    return answer


def test_readers_see_whole_states_while_others_write(ann):
    project = ann.new_project()["id"]
    path = f"{REPO}/entity/{project}/bundle2"
    flags = {"includeEntity": True, "includeAnnotations": True}

    def act(number):
        if number % 2:
            seen = ann.post(path, flags)
            parts = seen.json()
            noted = parts["annotations"]["annotations"].get("d", {"value": [None]})["value"][0]
            assert parts["entity"].get("description") == noted
            return seen
        word = f"writer {number}"
        return ann.put(path, {
            "entity": {**ann.entity(project), "description": word},
            "annotations": {"annotations": {"d": {"type": "STRING", "value": [word]}}},
        })  # fmt: skip

    assert set(together(20, act)) <= {200, 412}
