"""Tests of concurrent writes."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from support.entity_api import REPO, Author, unique_name
from support.file_api import ok, start_service

from synapse_workflows.constants import FOLDER, PROJECT

THREADS = 50  # more than the threads that serve


@pytest.fixture(scope="module")
def rest_service(tmp_path_factory, recording):
    with start_service(tmp_path_factory.mktemp("crowd"), recording) as rest_service:
        yield rest_service


@pytest.fixture(scope="module")
def ann(rest_service):
    return Author(rest_service, "alice")


def run_concurrently(count, send):
    """Call `send` in `count` threads at once and return the sorted HTTP statuses."""
    barrier = Barrier(count)

    def one(number):
        barrier.wait()
        return send(number).status_code

    with ThreadPoolExecutor(count) as pool:
        return sorted(pool.map(one, range(count)))


def test_one_of_concurrent_updates_with_same_etag_succeeds(ann):
    project = ann.new_project()
    statuses = run_concurrently(
        THREADS, lambda n: ann.save({**project, "description": f"writer {n}"})
    )
    assert statuses == [200] + [412] * (THREADS - 1)


def test_one_of_concurrent_creates_with_same_name_succeeds(ann):
    parent, name = ann.new_project()["id"], unique_name()
    statuses = run_concurrently(THREADS, lambda _: ann.try_make(FOLDER, parent, name=name))
    assert statuses == [201] + [409] * (THREADS - 1)
    body = {"parentId": parent, "includeTypes": ["folder"]}
    assert len(ok(ann.post(f"{REPO}/entity/children", body))["page"]) == 1


def test_one_of_concurrent_annotation_updates_succeeds(ann):
    project = ann.new_project()
    path = f"{REPO}/entity/{project['id']}/annotations2"
    body = {"etag": project["etag"], "annotations": {"n": {"type": "LONG", "value": ["1"]}}}
    assert run_concurrently(THREADS, lambda _: ann.put(path, body)) == [200] + [412] * (
        THREADS - 1
    )


def test_one_of_concurrent_acl_updates_succeeds(ann):
    project = ann.new_project()["id"]
    acl = ann.acl(project)
    path = f"{REPO}/entity/{project}/acl"
    assert run_concurrently(THREADS, lambda _: ann.put(path, acl)) == [200] + [412] * (THREADS - 1)


def test_concurrent_new_versions_have_unique_numbers(ann):
    file = ann.new_file(ann.new_project()["id"])
    path = f"{REPO}/entity/{file['id']}"

    def retry_update(_):
        while True:
            response = ann.save(
                {**ann.entity(file["id"]), "versionLabel": None}, "?newVersion=true"
            )
            if response.status_code != 412:
                return response

    assert run_concurrently(8, retry_update) == [200] * 8
    history = ok(ann.get(f"{path}/version?limit=50"))["results"]
    assert [each["versionNumber"] for each in history] == list(range(9, 0, -1))


def test_concurrent_creates_have_unique_ids(ann):
    created = []
    statuses = run_concurrently(THREADS, lambda _: append_json(created, ann.try_make(PROJECT)))
    assert statuses == [201] * THREADS
    assert len({each["id"] for each in created}) == THREADS


def append_json(created, response):
    created.append(response.json())
    return response


def test_reads_during_writes_are_consistent(ann):
    project = ann.new_project()["id"]
    path = f"{REPO}/entity/{project}/bundle2"
    flags = {"includeEntity": True, "includeAnnotations": True}

    def send(number):
        if number % 2:
            response = ann.post(path, flags)
            parts = response.json()
            description = parts["annotations"]["annotations"].get("d", {"value": [None]})["value"][
                0
            ]
            assert parts["entity"].get("description") == description
            return response
        word = f"writer {number}"
        return ann.put(path, {
            "entity": {**ann.entity(project), "description": word},
            "annotations": {"annotations": {"d": {"type": "STRING", "value": [word]}}},
        })  # fmt: skip

    assert set(run_concurrently(20, send)) <= {200, 412}
