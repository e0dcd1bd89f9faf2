"""Evaluations and submissions that cases name."""

from support.entity_api import OWNER_IDS, REPO
from support.evaluation_api import Submitter
from support.file_api import ok
from support.route_world import maker


@maker
def evaluation(world):
    """An evaluation to which bob and carol can submit."""
    created = world.organiser.create_evaluation(world.get("shared_project"))["id"]
    rights = ["READ", "SUBMIT"]
    world.organiser.share(created, {OWNER_IDS["bob"]: rights, OWNER_IDS["carol"]: rights})
    return created


@maker
def evaluation_name(world):
    return world.organiser.get(world.get("evaluation"))["name"]


@maker
def full_evaluation(world):
    """An evaluation whose limit of submissions alice has reached."""
    limit = {"quota": {"submissionLimit": 1}}
    created = world.organiser.create_evaluation(world.get("shared_project"), **limit)["id"]
    world.organiser.submit(created, world.alice.entity(world.get("file")))
    return created


@maker
def file_etag(world):
    return world.alice.entity(world.get("file"))["etag"]


@maker
def repository_etag(world):
    return world.alice.entity(world.get("repository"))["etag"]


@maker
def file_version(world):
    return world.alice.entity(world.get("file"))["versionNumber"]


@maker
def submission(world):
    entity = world.alice.entity(world.get("stored_file"))
    return world.organiser.submit(world.get("evaluation"), entity)["id"]


@maker
def conflict_hash(world):
    """The eligibility of `team_of_bob`, of which alice has submitted alone."""
    world.get("submission")
    path = f"{REPO}/evaluation/{world.get('evaluation')}/team/{world.get('team_of_bob')}"
    return ok(world.alice.get(f"{path}/submissionEligibility"))["eligibilityStateHash"]


@maker
def status_batch(world):
    """The statuses of all submissions to `new_evaluation`."""
    evaluation = world.get("new_evaluation")
    created = world.organiser.submit(evaluation, world.alice.entity(world.get("file")))["id"]
    statuses = [world.organiser.get_status(created)]
    return {"statuses": statuses, "isFirstBatch": True, "isLastBatch": True}


@maker
def submission_of_bob(world):
    entity = world.bob.new_project()
    return Submitter(world.bob).submit(world.get("evaluation"), entity)["id"]


@maker
def cancellable_submission(world):
    created = submission(world)
    world.organiser.update_status(created, canCancel=True)
    return created
