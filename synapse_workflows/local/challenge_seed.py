"""The data set `challenge`: an evaluation queue with a gold standard and twenty submissions.

The task of the challenge is to predict the diagnosis of a fifth of the patients of the example
data. Each prediction is made of a single feature.
"""

import csv
import io
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from synapse_workflows.constants import FOLDER, PROJECT
from synapse_workflows.demo.paths import examples_dir
from synapse_workflows.local.seeder import Seeder, SeedError, SeedUser
from synapse_workflows.local.settings import UserSeed

#: Users that the data set needs besides the default users.
CHALLENGE_USERS: Final = (
    UserSeed(user_name="erin", first_name="Erin", last_name="Evans"),
    UserSeed(user_name="frank", first_name="Frank", last_name="Fisher"),
)

_NAME: Final = "Challenge - predict the diagnosis"  # entity names must not contain colons
_TEAM: Final = "Gradient Crew"
#: Every fifth patient belongs to the gold standard.
_STEP: Final = 5
_ROUND: Final = timedelta(days=28)
#: Limit of submissions per submitter, which the organizer sets after the submissions were made.
_LIMIT: Final = 7
#: Delay before a submission that is late, so that its time differs from those of the others.
_DELAY_SECONDS: Final = 0.05

Submitter = Literal["first", "second", "team"]
Defect = Literal["header", "missing rows", "not a number"]


@dataclass(frozen=True)
class _Entry:
    """A submission.

    Args:
        submitter: The first or the second participant, or the team of the other two.
        feature: The feature that predicts the diagnosis.
        defect: What is wrong with the file, if anything.
        is_cancelled: Whether the submitter requests the cancellation.
    """

    submitter: Submitter
    feature: str
    defect: Defect | None = None
    is_cancelled: bool = False


#: The eighth submission of the first participant exceeds the limit; the last one is late.
_ENTRIES: Final = (
    _Entry("first", "mean_texture"),
    _Entry("second", "mean_radius"),
    _Entry("team", "mean_symmetry"),
    _Entry("first", "mean_area"),
    _Entry("team", "mean_concavity", "header"),
    _Entry("second", "worst_area", "missing rows"),
    _Entry("first", "mean_smoothness"),
    _Entry("team", "mean_concavity"),
    _Entry("first", "radius_error"),
    _Entry("second", "worst_texture"),
    _Entry("team", "worst_radius", "not a number"),
    _Entry("first", "worst_concavity"),
    _Entry("team", "worst_radius"),
    _Entry("second", "mean_compactness", "not a number"),
    _Entry("first", "worst_perimeter"),
    _Entry("second", "worst_symmetry", is_cancelled=True),
    _Entry("first", "mean_concave_points"),
    _Entry("team", "worst_concave_points"),
    _Entry("first", "worst_radius"),
    _Entry("second", "worst_perimeter"),
)


def seed_challenge(seeder: Seeder) -> dict[str, str]:
    """Create a challenge of the default user with submissions of four other users.

    The queue accepted all submissions. Then the organizer set its quota, which ended the round
    before the last submission, and limits the number of submissions.

    Keep the order of the calls. The order determines the IDs, as in `seed_demo`.

    Returns:
        Key -> ID: `challenge_project`, `challenge_goldstandard`, `challenge_results` (a folder),
        `challenge_queue` (the evaluation) and `challenge_team`.

    Raises:
        SeedError: The service has too few certified users.
    """
    participants = _select_participants(seeder)
    project = seeder.get_or_create_entity(
        PROJECT, _NAME, None, description="Predict the diagnosis of patients from one feature."
    )
    patients = _read_patients()
    goldstandard = seeder.get_or_create_file_of_content(
        project, "goldstandard.csv", _write_csv(patients, ("id", "diagnosis"))
    )
    results = seeder.get_or_create_entity(FOLDER, "results", project)
    queue = _get_or_create_queue(seeder, project, participants)
    team = _get_or_create_team(seeder.as_user(participants[2]), participants[3])
    submitters = {
        "first": _Submitter(seeder.as_user(participants[0]), queue),
        "second": _Submitter(seeder.as_user(participants[1]), queue),
        "team": _Submitter(seeder.as_user(participants[2]), queue, team),
    }
    if "quota" not in seeder.request_json("GET", f"/repo/v1/evaluation/{queue}"):
        for number, entry in enumerate(_ENTRIES, 1):
            if number == len(_ENTRIES):
                time.sleep(_DELAY_SECONDS)
            content = _write_predictions(patients, entry)
            submission = submitters[entry.submitter].submit(number, content)
            if entry.is_cancelled:
                _cancel(seeder, submitters[entry.submitter].client, submission["id"])
            if number == len(_ENTRIES):
                _close_round(seeder, queue, submission["createdOn"])
    return {
        "challenge_project": project,
        "challenge_goldstandard": goldstandard,
        "challenge_results": results,
        "challenge_queue": queue,
        "challenge_team": team,
    }


def _select_participants(seeder: Seeder) -> list[SeedUser]:
    others = [user for user in seeder.users if user.certified and user != seeder.user]
    if len(others) < 4:  # noqa: PLR2004 - two individuals, and two members of a team
        raise SeedError(
            f"The seed 'challenge' needs four certified users besides {seeder.user.name}, and the "
            f"service has {len(others)}. Start it with `serve --seed challenge`, or add users to "
            "the user file"
        )
    return others[:4]


def _read_patients() -> list[dict[str, str]]:
    """Return the patients of the gold standard."""
    path = examples_dir() / "data" / "breast_cancer_wisconsin.csv"
    with path.open(newline="") as lines:
        return [row for row in csv.DictReader(lines) if int(row["id"]) % _STEP == 0]


def _write_csv(rows: list[dict[str, str]], columns: tuple[str, ...]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _write_predictions(patients: list[dict[str, str]], entry: _Entry) -> bytes:
    """Return a file with the probability of a malignant tumor for each patient."""
    values = [float(row[entry.feature]) for row in patients]
    low, high = min(values), max(values)
    name = "score" if entry.defect == "header" else "probability"
    rows = [
        {"id": row["id"], name: f"{(value - low) / (high - low):.4f}"}
        for row, value in zip(patients, values, strict=True)
    ]
    if entry.defect == "missing rows":
        del rows[-10:]
    if entry.defect == "not a number":
        rows[3][name] = "NaN"
    return _write_csv(rows, ("id", name))


def _get_or_create_queue(seeder: Seeder, project: str, participants: list[SeedUser]) -> str:
    """Return the ID of the evaluation, to which the participants may submit."""
    found = seeder.request_json("GET", f"/repo/v1/entity/{project}/evaluation")["results"]
    body = {
        "name": "Predict the diagnosis",
        "contentSource": project,
        "submissionInstructionsMessage": "A CSV file with the columns id and probability.",
    }
    queue = found[0] if found else seeder.request_json("POST", "/repo/v1/evaluation", body)
    acl = seeder.request_json("GET", f"/repo/v1/evaluation/{queue['id']}/acl")
    known = {grant["principalId"] for grant in acl["resourceAccess"]}
    added = [user.id for user in participants if user.id not in known]
    if added:
        grants = [{"principalId": each, "accessType": ["READ", "SUBMIT"]} for each in added]
        acl["resourceAccess"] += grants
        seeder.request_json("PUT", "/repo/v1/evaluation/acl", acl)
    return str(queue["id"])


def _get_or_create_team(captain: Seeder, member: SeedUser) -> str:
    """Return the ID of a team with two members."""
    found = captain.request_json("GET", f"/repo/v1/user/{captain.user.id}/team")["results"]
    teams = [team["id"] for team in found if team["name"] == _TEAM]
    if teams:
        team = str(teams[0])
    else:
        team = str(captain.request_json("POST", "/repo/v1/team", {"name": _TEAM})["id"])
    path = f"/repo/v1/team/{team}/member/{member.id}"
    if not captain.request_json("GET", f"{path}/membershipStatus")["isMember"]:
        invitation = {"teamId": team, "inviteeId": str(member.id)}
        captain.request_json("POST", "/repo/v1/membershipInvitation", invitation)
        captain.as_user(member).request_json("PUT", path)
    return team


class _Submitter:
    """A participant, or the captain of a team, who submits files of an own project.

    Args:
        client: Client of the user.
        queue: ID of the evaluation.
        team: ID of the team; None for an individual.
    """

    def __init__(self, client: Seeder, queue: str, team: str | None = None) -> None:
        self.client = client
        self.queue = queue
        self.team = team
        name = f"{_NAME} ({_TEAM if team else client.user.name})"
        self._project = client.get_or_create_entity(PROJECT, name, None)
        self._submitted = {one["name"]: one for one in self._iter_submissions()}

    def _iter_submissions(self) -> Iterator[dict[str, Any]]:
        path = f"/repo/v1/evaluation/{self.queue}/submission?limit=100"
        yield from self.client.request_json("GET", path)["results"]

    def submit(self, number: int, content: bytes) -> Mapping[str, Any]:
        """Return a submission. Create it if it does not exist.

        Args:
            number: Number of the submission, for the name of the file.
            content: Content of the file.
        """
        name = f"predictions_{number:02}.csv"
        if name in self._submitted:
            return self._submitted[name]
        client = self.client
        entity_id = client.get_or_create_file_of_content(self._project, name, content)
        entity = client.request_json("GET", f"/repo/v1/entity/{entity_id}")
        body = {
            "evaluationId": self.queue,
            "entityId": entity_id,
            "versionNumber": entity["versionNumber"],
            "name": name,
            "submitterAlias": _TEAM if self.team else client.user.name,
        }
        path = f"/repo/v1/evaluation/submission?etag={entity['etag']}"
        if self.team is not None:
            eligibility = client.request_json(
                "GET", f"/repo/v1/evaluation/{self.queue}/team/{self.team}/submissionEligibility"
            )
            members = eligibility["membersEligibility"]
            body["teamId"] = self.team
            body["contributors"] = [{"principalId": str(one["principalId"])} for one in members]
            path += f"&submissionEligibilityHash={eligibility['eligibilityStateHash']}"
        created: dict[str, Any] = client.request_json("POST", path, body)
        return created


def _cancel(organizer: Seeder, submitter: Seeder, submission: str) -> None:
    """Request the cancellation of a submission, which the organizer permits."""
    path = f"/repo/v1/evaluation/submission/{submission}"
    status = organizer.request_json("GET", f"{path}/status")
    if not status.get("cancelRequested"):
        organizer.request_json("PUT", f"{path}/status", status | {"canCancel": True})
        submitter.request_json("PUT", f"{path}/cancellation")


def _close_round(organizer: Seeder, queue: str, end: str) -> None:
    """Set the quota of the queue, with a single round.

    Args:
        organizer: Client of the organizer.
        queue: ID of the evaluation.
        end: End of the round, exclusive.
    """
    path = f"/repo/v1/evaluation/{queue}"
    start = datetime.fromisoformat(end) - _ROUND
    quota = {
        "firstRoundStart": start.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "roundDurationMillis": _ROUND // timedelta(milliseconds=1),
        "numberOfRounds": 1,
        "submissionLimit": _LIMIT,
    }
    organizer.request_json("PUT", path, organizer.request_json("GET", path) | {"quota": quota})
