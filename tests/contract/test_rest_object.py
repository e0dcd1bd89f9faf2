"""Paths that entities and other objects give for their requests, sent to the service."""

import json
from uuid import uuid4

from synapse_workflows import Evaluation, File, Folder, Team


def test_paths_of_an_entity(syn, project):
    folder = Folder("folder", parent=project)
    created = syn.restPOST(folder.postURI(), body=json.dumps(folder.properties))
    stored = syn.get(created["id"])
    stored.description = "text"
    assert stored.putURI() == f"/entity/{stored.id}"
    updated = syn.restPUT(stored.putURI(), body=json.dumps(stored.properties))
    assert updated["description"] == "text"
    syn.restDELETE(stored.deleteURI())
    assert syn.findEntityId("folder", project) is None


def test_paths_of_an_evaluation(syn, project):
    evaluation = Evaluation(name=f"paths + {uuid4()}", contentSource=project)
    created = syn.restPOST(evaluation.postURI(), body=json.dumps(evaluation))
    stored = syn.getEvaluation(created["id"])
    assert syn.restGET(Evaluation.getURI(stored.id)) == stored
    assert syn.restGET(Evaluation.getByNameURI(stored.name)) == stored
    assert syn.restPUT(stored.putURI(), body=json.dumps(stored))["id"] == stored.id
    permissions = syn.restGET(stored.getACLURI())
    assert syn.restPUT(stored.putACLURI(), body=json.dumps(permissions))["id"] == stored.id
    syn.restDELETE(stored.deleteURI())
    assert list(syn.getEvaluationByContentSource(project)) == []


def test_paths_of_a_team(syn):
    team = Team(name=f"paths {uuid4()}")
    stored = syn.getTeam(syn.restPOST(team.postURI(), body=json.dumps(team))["id"])
    assert syn.restGET(Team.getURI(stored.id)) == stored
    assert syn.restPUT(stored.putURI(), body=json.dumps(stored))["id"] == stored.id
    permissions = syn.restGET(stored.getACLURI())
    assert syn.restPUT(stored.putACLURI(), body=json.dumps(permissions))["id"] == stored.id
    syn.restDELETE(stored.deleteURI())


def test_paths_of_a_submission(syn, folder, project, make_file):
    evaluation = syn.store(Evaluation(name=f"paths {uuid4()}", contentSource=project))
    file = syn.store(File(str(make_file()), parent=folder))
    submission = syn.submit(evaluation, file, silent=True)
    status = syn.getSubmissionStatus(submission)
    status.status = "SCORED"
    assert syn.restPUT(status.putURI(), body=status.json())["status"] == "SCORED"
    syn.restDELETE(submission.deleteURI())
    assert list(syn.getSubmissions(evaluation)) == []
