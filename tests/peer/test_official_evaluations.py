"""The official client manages evaluations, submits and scores, with both of its interfaces."""

import json
from uuid import uuid4

import pytest

from synapse_workflows import Project

ALICE, BOB, CAROL = 3300001, 3300002, 3300003
FIRST, SECOND = f"sha256:{'a1' * 32}", f"sha256:{'b2' * 32}"


@pytest.fixture
def official(driven):
    """Run a command of official_evaluations.py as a user."""
    return driven("official_evaluations.py")


@pytest.fixture
def project(socket_client):
    return socket_client.store(Project(f"peer evaluations {uuid4()}")).id


def test_functions_of_the_2_x_interface(official, project, socket_service, tmp_path):
    """Alice creates the evaluation, bob submits, alice downloads and scores, bob reads."""
    name = f"queue {uuid4()}"
    queue = official("flat_queue", name=name, project=project, other=BOB)
    assert queue == {
        "id": queue["id"],
        "same": True,
        "description": "again",
        "by_name": queue["id"],
        "of_project": [queue["id"]],
        "rights": ["READ", "SUBMIT"],
    }
    answer = tmp_path / "answer.txt"
    answer.write_text("42")
    place = socket_service.client("bob").store(Project(f"bob's {uuid4()}")).id
    made = official("flat_submit", user="bob", queue=queue["id"], project=place, path=str(answer))
    assert made["alias"] == "the others"
    assert made["own"] == [made["id"]]
    assert made["status"] == "RECEIVED"
    assert "READ_PRIVATE_SUBMISSION" in made["refused"]

    (tmp_path / "in").mkdir()
    scored = official(
        "flat_score", id=made["id"], queue=queue["id"], directory=str(tmp_path / "in")
    )
    assert scored["content"] == "42"
    assert scored["name"] == "answer.txt"
    assert (scored["status"], scored["score"]) == ("SCORED", 0.75)
    assert scored["legacy"] == {"auc": 0.9, "rank": 1, "team": "red"}
    assert scored["annotations"] == {"f1": [0.8], "labels": ["a", "b"]}
    assert scored["bundles"] == [[made["id"], "SCORED"]]
    assert scored["all"] == [made["id"]]
    assert "updated since you last fetched it" in scored["stale"]
    assert official("seen", user="bob", id=made["id"]) == {
        "status": "SCORED",
        "score": 0.75,
        "legacy": {"rank": 1},
        "annotations": {},
    }


def test_classes_of_the_4_x_interface(official, project, tmp_path):
    path = tmp_path / "prediction.txt"
    path.write_text(str(uuid4()))
    name = f"queue {uuid4()}"
    result = official("models", name=name, project=project, other=BOB, path=str(path))
    assert f"{result['id']} does not exist" in result.pop("gone")
    assert result == {
        "id": result["id"],
        "description": "changed",
        "permissions": True,
        "acl": [ALICE, BOB],
        "available": True,
        "of_project": [result["id"]],
        "batch": {},
        "statuses": ["ACCEPTED", "REJECTED", "REJECTED"],
        "cancel": [False, False, True],
        "bundles": ["try 0", "try 1", "try 2"],
        "f1": [0.5],
        "rejected": ["try 1", "try 2"],
        "count": 2,
        "own": ["try 0", "try 2"],
    }


def test_docker_repositories_with_both_interfaces(official, project):
    queue = official("flat_queue", name=f"queue {uuid4()}", project=project, other=BOB)["id"]
    commits = [("v1", FIRST), ("latest", FIRST), ("latest", SECOND)]
    flat, name = f"quay.io/ant/{uuid4()}", f"quay.io/bee/{uuid4()}"
    by_tag = official(
        "flat_docker", queue=queue, project=project, repository=flat, commits=commits, tag="v1"
    )
    assert by_tag == {"id": by_tag["id"], "repository": flat, "digest": FIRST, "entity": True}
    assert official(
        "models_docker", queue=queue, project=project, repository=name, commits=commits
    ) == {"tag": "latest", "repository": name, "digest": SECOND, "by_name": True}


def test_submission_of_a_team_with_both_interfaces(official, project, socket_service, tmp_path):
    """Bob submits as a team, alice reads and allows to cancel, bob cancels."""
    bob, carol = socket_service.client("bob"), socket_service.client("carol")
    name = f"ants {uuid4()}"
    team = bob.restPOST("/team", json.dumps({"name": name, "canPublicJoin": True}))["id"]
    carol.restPUT(f"/team/{team}/member/{CAROL}")
    queue = official("flat_queue", name=f"queue {uuid4()}", project=project, other=BOB)["id"]
    alice = socket_service.client()
    evaluation = alice.restGET(f"/evaluation/{queue}")
    alice.restPUT(
        f"/evaluation/{queue}", json.dumps({**evaluation, "quota": {"submissionLimit": 1}})
    )
    path = tmp_path / "answer.txt"
    path.write_text("42")
    place = bob.store(Project(f"bob's {uuid4()}")).id
    made = official("flat_team", user="bob", queue=queue, team=name, project=place, path=str(path))
    assert "cannot be cancelled" in made.pop("cancelled")
    assert "isRegistered" in made.pop("refused")
    contributors = [str(BOB), str(CAROL)]
    assert made == {"id": made["id"], "team": team, "alias": name, "contributors": contributors}
    assert official("models_team", id=made["id"]) == {"team": team, "contributors": contributors}
    assert official("models_cancel", user="bob", queue=queue) == {"requested": True}
