"""Submissions of our client, read with both interfaces of the official client; see official.py."""

from pathlib import Path

from official import main
from synapseclient.annotations import from_submission_status_annotations
from synapseclient.models import (
    Evaluation,
    Submission,
    SubmissionBundle,
    SubmissionStatus,
    Team,
)


def flat_read(syn, a):
    """Read an evaluation with its submission, status, team and invitation, as 2.x does."""
    queue = syn.getEvaluationByName(a["name"])
    submission = syn.getSubmission(a["id"], downloadLocation=a["directory"])
    status = syn.getSubmissionStatus(a["id"])
    ((bundled, standing),) = syn.getSubmissionBundles(queue, status="SCORED")
    team = syn.getTeam(a["team"])
    return {
        "queue": queue.id,
        "receipt": queue.submissionReceiptMessage,
        "rights": sorted(syn.getPermissions(queue, a["other"])),
        "content": Path(submission.filePath).read_text(),
        "version": submission.entity.versionNumber,
        "team": submission["teamId"],
        "alias": submission["submitterAlias"],
        "status": [status.status, status.score],
        "annotations": dict(status.submissionAnnotations),
        "legacy": from_submission_status_annotations(status.annotations)["auc"],
        "bundle": [bundled["id"], standing["status"]],
        "members": sorted(each.member.userName for each in syn.getTeamMembers(team)),
        "invited": [each["inviteeEmail"] for each in syn.get_team_open_invitations(team)],
    }


def models_read(syn, a):
    """Read the same with the classes of 4.x."""
    queue = Evaluation(name=a["name"]).get()
    submission = Submission(id=a["id"]).get()
    status = SubmissionStatus(id=a["id"]).get()
    (bundle,) = SubmissionBundle.get_evaluation_submission_bundles(evaluation_id=queue.id)
    team = Team.from_name(a["team"])
    return {
        "queue": queue.id,
        "receipt": queue.submission_receipt_message,
        "entity": [submission.entity_id, submission.version_number],
        "team": submission.team_id,
        "status": [status.status, status.score],
        "annotations": dict(status.submission_annotations),
        "bundle": [bundle.submission.id, bundle.submission_status.status],
        "members": sorted(each.member.user_name for each in team.members()),
        "invited": [each["inviteeEmail"] for each in team.open_invitations()],
    }


def models_annotate(syn, a):
    """Annotate the status of a submission of our client, with the classes of 4.x."""
    status = SubmissionStatus(id=a["id"]).get()
    status.status = "VALIDATED"
    status.submission_annotations = {"f1": [0.5], "n": [3], "labels": ["a", "b"]}
    stored = status.store()
    return {"etag": stored.etag}


if __name__ == "__main__":
    main(globals())
