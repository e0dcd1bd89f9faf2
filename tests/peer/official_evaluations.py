"""Evaluations and submissions with the official client; see official.py."""

import json
from pathlib import Path

import synapseclient
from official import main
from synapseclient.annotations import (
    from_submission_status_annotations,
    to_submission_status_annotations,
)
from synapseclient.core.exceptions import SynapseError, SynapseHTTPError
from synapseclient.models import (
    DockerRepository,
    Evaluation,
    File,
    Submission,
    SubmissionBundle,
    SubmissionStatus,
)


def refusal(call):
    """Return the message of the error that a call raises."""
    try:
        call()
    except SynapseHTTPError as error:
        return str(error)
    return None


def legacy(status):
    """Return the version 1 annotations of a status, without those that the service adds."""
    found = from_submission_status_annotations(status.annotations)
    return {key: value for key, value in found.items() if key not in {"objectId", "scopeId"}}


def flat_queue(syn, a):
    """Create, find, update and share an evaluation with the functions of 2.x."""
    queue = synapseclient.Evaluation(
        name=a["name"],
        description="by the flat functions",
        contentSource=a["project"],
        submissionReceiptMessage="thanks",
    )
    made = syn.store(queue)
    again = syn.store(synapseclient.Evaluation(name=a["name"], contentSource=a["project"],
                                               description="again"))  # fmt: skip
    syn.setPermissions(made, a["other"], accessType=["READ", "SUBMIT"], warn_if_inherits=False)
    return {
        "id": made.id,
        "same": again.id == made.id,
        "description": syn.getEvaluation(made.id).description,
        "by_name": syn.getEvaluationByName(a["name"]).id,
        "of_project": [each.id for each in syn.getEvaluationByContentSource(a["project"])],
        "rights": sorted(syn.getPermissions(made, a["other"])),
    }


def flat_submit(syn, a):
    """Submit a file; return what the submitter sees of it."""
    stored = syn.store(synapseclient.File(a["path"], parent=a["project"]))
    file = syn.get(
        stored.id, downloadFile=False
    )  # the result of store has no etag, which a submission needs
    made = syn.submit(a["queue"], file, name="final", submitterAlias="the others", silent=True)
    own = list(syn.getSubmissions(a["queue"], myOwn=True))
    return {
        "id": made["id"],
        "entity": file.id,
        "alias": made["submitterAlias"],
        "own": [each["id"] for each in own],
        "status": syn.getSubmissionStatus(made["id"]).status,
        "refused": refusal(lambda: syn.getSubmission(made["id"])),
    }


def flat_score(syn, a):
    """Download a submission, score it with both kinds of annotations, and read the results."""
    submission = syn.getSubmission(a["id"], downloadLocation=a["directory"])
    status = syn.getSubmissionStatus(submission)
    status.status = "SCORED"
    status.score = 0.75
    status.annotations = to_submission_status_annotations({"auc": 0.9, "rank": 1, "team": "red"})
    status.annotations["longAnnos"][0]["isPrivate"] = False
    status.submissionAnnotations = {"f1": 0.8, "labels": ["a", "b"]}
    stored = syn.store(status)
    bundles = list(syn.getSubmissionBundles(a["queue"], status="SCORED", limit=1))
    status.status = "INVALID"
    status["etag"] = "stale"
    return {
        "content": Path(submission.filePath).read_text(),
        "name": submission.entity.name,
        "status": stored.status,
        "score": stored.score,
        "legacy": legacy(stored),
        "annotations": dict(stored.submissionAnnotations),
        "bundles": [[each["id"], standing["status"]] for each, standing in bundles],
        "all": [each["id"] for each in syn.getSubmissions(a["queue"], status="SCORED")],
        "stale": refusal(lambda: syn.store(status)),
    }


def seen(syn, a):
    """Return what the submitter sees of the score."""
    status = syn.getSubmissionStatus(a["id"])
    return {"status": status.status, "score": status.score,
            "legacy": legacy(status),
            "annotations": dict(status.get("submissionAnnotations") or {})}  # fmt: skip


def flat_outcomes(syn, a):
    """Return the statuses and the annotations of a queue, and the sources of a score, as 2.x."""
    bundles = list(syn.getSubmissionBundles(a["queue"]))
    return {
        "statuses": {each["id"]: status.status for each, status in bundles},
        "annotations": {
            each["id"]: dict(status.get("submissionAnnotations") or {}) for each, status in bundles
        },
        "used": [
            "{targetId}.{targetVersionNumber}".format(**each["reference"])
            for each in syn.getProvenance(*a["results"])["used"]
            if not each["wasExecuted"] and "reference" in each
        ],
    }


def models_outcomes(syn, a):
    """Return the statuses and the annotations of a queue with the classes of 4.x."""
    bundles = SubmissionBundle.get_evaluation_submission_bundles(evaluation_id=a["queue"])
    found = {each.submission.id: each.submission_status for each in bundles}
    return {
        "statuses": {key: status.status for key, status in found.items()},
        "annotations": {
            key: dict(status.submission_annotations or {}) for key, status in found.items()
        },
    }


def models(syn, a):
    """Create, share, submit to, score and delete an evaluation with the classes of 4.x."""
    queue = Evaluation(
        name=a["name"],
        description="by the models",
        content_source=a["project"],
        submission_instructions_message="a text",
        submission_receipt_message="thanks",
    ).store()
    queue.description = "changed"
    queue.store()
    queue.update_acl(principal_id=int(a["other"]), access_type=["READ", "SUBMIT"])
    file = File(path=a["path"], parent_id=a["project"]).store()
    made = [
        Submission(entity_id=file.id, evaluation_id=queue.id, name=f"try {number}").store()
        for number in range(3)
    ]
    status = SubmissionStatus(id=made[0].id).get()
    status.status = "ACCEPTED"
    status.submission_annotations = {"f1": [0.5], "team": ["red"]}
    status.store()
    others = [SubmissionStatus(id=each.id).get() for each in made[1:]]
    for each in others:
        each.status = "REJECTED"
        each.can_cancel = True
    answer = SubmissionStatus.batch_update_submission_statuses(
        evaluation_id=queue.id, statuses=others
    )
    made[2].cancel()
    statuses = SubmissionStatus.get_all_submission_statuses(evaluation_id=queue.id)
    bundles = list(SubmissionBundle.get_evaluation_submission_bundles(evaluation_id=queue.id))
    rejected = list(
        Submission.get_evaluation_submissions(evaluation_id=queue.id, status="REJECTED")
    )
    made[1].delete()
    counted = Submission.get_submission_count(evaluation_id=queue.id)
    own = list(Submission.get_user_submissions(evaluation_id=queue.id))
    result = {
        "description": Evaluation(name=a["name"]).get().description,
        "permissions": queue.get_permissions()["canSubmit"],
        "acl": sorted(each["principalId"] for each in queue.get_acl()["resourceAccess"]),
        "available": queue.id
        in [each.id for each in Evaluation.get_available_evaluations(evaluation_ids=[queue.id])],
        "of_project": [
            each.id for each in Evaluation.get_evaluations_by_project(project_id=a["project"])
        ],
        "batch": answer,
        "statuses": [each.status for each in statuses],
        "cancel": [each.cancel_requested for each in statuses],
        "bundles": [each.submission.name for each in bundles],
        "f1": bundles[0].submission_status.submission_annotations["f1"],
        "rejected": [each.name for each in rejected],
        "count": counted,
        "own": [each.name for each in own],
        "id": queue.id,
    }
    queue.delete()
    return {**result, "gone": refusal(lambda: Evaluation(id=queue.id).get())}


def commit(syn, repository, tag, digest):
    """Register a commit of a Docker repository; the client has no function for it."""
    body = json.dumps({"tag": tag, "digest": digest})
    syn.restPOST(f"/entity/{repository}/dockerCommit", body)


def flat_docker(syn, a):
    """Submit an image by its tag, with the functions of 2.x."""
    made = syn.store(
        synapseclient.DockerRepository(repositoryName=a["repository"], parent=a["project"])
    )
    for tag, digest in a["commits"]:
        commit(syn, made.id, tag, digest)
    repository = syn.get(made.id)
    submitted = syn.submit(a["queue"], repository, dockerTag=a["tag"], silent=True)
    found = syn.getSubmission(submitted["id"])
    return {
        "id": found["id"],
        "repository": found["dockerRepositoryName"],
        "digest": found["dockerDigest"],
        "entity": found.entity.id == made.id,
    }


def models_docker(syn, a):
    """Submit the latest image of a repository, with the classes of 4.x."""
    made = DockerRepository(repository_name=a["repository"], parent_id=a["project"]).store()
    for tag, digest in a["commits"]:
        commit(syn, made.id, tag, digest)
    submitted = Submission(entity_id=made.id, evaluation_id=a["queue"], name="image").store()
    found = Submission(id=submitted.id).get()
    return {
        "tag": submitted.docker_tag,
        "repository": found.docker_repository_name,
        "digest": found.docker_digest,
        "by_name": DockerRepository(repository_name=a["repository"]).get().id == made.id,
    }


def flat_team(syn, a):
    """Submit as a team, with the functions of 2.x; a second submission exceeds the quota."""
    team = syn.getTeam(a["team"])
    file = syn.get(syn.store(synapseclient.File(a["path"], parent=a["project"])).id)
    submitted = syn.submit(a["queue"], file, team=team, silent=True)
    try:
        syn.submit(a["queue"], file, team=team, silent=True)
        refused = None
    except (SynapseError, KeyError) as error:  # isRegistered is missing outside of challenges
        refused = repr(error)
    return {
        "id": submitted["id"],
        "team": submitted["teamId"],
        "alias": submitted["submitterAlias"],
        "contributors": sorted(each["principalId"] for each in submitted["contributors"]),
        "refused": refused,
        "cancelled": refusal(lambda: Submission(id=submitted["id"]).cancel()),
    }


def models_team(syn, a):
    """Read the submission of a team, and let the submitter cancel it, with the classes of 4.x."""
    found = Submission(id=a["id"]).get()
    status = SubmissionStatus(id=a["id"]).get()
    status.status = "EVALUATION_IN_PROGRESS"
    status.can_cancel = True
    status.store()
    return {
        "team": found.team_id,
        "contributors": sorted(each["principalId"] for each in found.contributors),
    }


def models_cancel(syn, a):
    """Request the cancellation of a submission of the caller."""
    (own,) = Submission.get_user_submissions(evaluation_id=a["queue"])
    own.cancel()
    return {"requested": SubmissionStatus(id=own.id).get().cancel_requested}


if __name__ == "__main__":
    main(globals())
