"""An evaluation queue with submissions, for tests of claims."""

from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

from synapse_workflows import File, Project
from synapse_workflows.client.core.conflicts import retry_stale

_NUMBERS = count(1)


class SubmissionQueue:
    """A new evaluation queue, which is created on first use.

    Args:
        syn: client of the organizer.
        folder: folder for the submitted file.
        project: ID of the project; None for a new one.
    """

    def __init__(self, syn: Any, folder: Path, project: str | None = None) -> None:
        self.syn = syn
        self.folder = folder
        self.submissions: list[str] = []
        self._given_project = project

    @cached_property
    def project(self) -> str:
        """ID of the project."""
        name = f"Challenge {next(_NUMBERS)} {self.folder.parent.name} {self.folder.name}"
        return self._given_project or str(self.syn.store(Project(name)).id)

    @cached_property
    def id(self) -> str:
        """ID of the evaluation."""
        body = {"name": f"Queue of {self.project}", "contentSource": self.project}
        return str(self.syn.restPOST("/evaluation", body)["id"])

    @cached_property
    def entity(self) -> dict[str, Any]:
        """The entity that `submit` submits."""
        path = self.folder / "predictions.csv"
        path.write_text(f"prediction\n{self.project}\n")
        stored = self.syn.store(File(str(path), parent=self.project))
        return self.syn.restGET(f"/entity/{stored.id}")

    def submit(self, number: int = 1, syn: Any = None) -> list[str]:
        """Submit the entity several times; return the IDs of the submissions."""
        body = {
            "evaluationId": self.id,
            "entityId": self.entity["id"],
            "versionNumber": self.entity["versionNumber"],
        }
        uri = f"/evaluation/submission?etag={self.entity['etag']}"
        submitted = [str((syn or self.syn).restPOST(uri, body)["id"]) for _ in range(number)]
        self.submissions += submitted
        return submitted

    def share(self, principal: str, *rights: str) -> None:
        """Give a user rights on the queue and READ on the project."""
        acl = self.syn.restGET(f"/evaluation/{self.id}/acl")
        access = {"principalId": int(principal), "accessType": list(rights)}
        acl["resourceAccess"].append(access)
        self.syn.restPUT("/evaluation/acl", acl)
        self.syn.setPermissions(self.project, principal, ["READ", "DOWNLOAD"])

    def status(self, submission: str) -> dict[str, Any]:
        """Return the SubmissionStatus of a submission."""
        return self.syn.restGET(f"/evaluation/submission/{submission}/status")

    def update(self, submission: str, **changes: Any) -> dict[str, Any]:
        """Change properties of a SubmissionStatus, as an organizer does by hand."""
        uri = f"/evaluation/submission/{submission}/status"
        return retry_stale(lambda: self.syn.restPUT(uri, self.status(submission) | changes))

    def annotations(self, submission: str) -> dict[str, Any]:
        """Return the values of the annotations by key."""
        entries = self.status(submission)["submissionAnnotations"].get("annotations") or {}
        return {key: entry["value"][0] for key, entry in entries.items()}

    def annotate(self, submission: str, **entries: Any) -> None:
        """Set annotations, given as (type, text), as another client does."""
        body = self.status(submission)["submissionAnnotations"]
        new = {key: {"type": kind, "value": [text]} for key, (kind, text) in entries.items()}
        body["annotations"] = body.get("annotations", {}) | new
        self.update(submission, submissionAnnotations=body)

    def expire(self, *submissions: str) -> None:
        """Let the claims on submissions expire."""
        for submission in submissions:
            self.annotate(submission, claim_expires_on=("TIMESTAMP_MS", "1000000000000"))

    def cancel(self, submission: str) -> None:
        """Request the cancellation of a submission."""
        if not self.status(submission).get("canCancel"):
            self.update(submission, canCancel=True)
        self.syn.restPUT(f"/evaluation/submission/{submission}/cancellation")

    def describe(self) -> list[dict[str, Any]]:
        """Return the statuses and the annotations of the submissions, without IDs."""
        described = []
        for submission in self.submissions:
            status = self.status(submission)
            keys = ("status", "score", "canCancel", "cancelRequested")
            annotations = self.normalize(self.annotations(submission))
            described.append({key: status.get(key) for key in keys} | annotations)
        return described

    def normalize(self, value: Any) -> Any:
        """Replace IDs of submissions in JSON, and remove what each claim has of its own."""
        if isinstance(value, list):
            return [self.normalize(item) for item in value]
        if not isinstance(value, dict):
            return (
                f"submission {self.submissions.index(value)}"
                if value in self.submissions
                else value
            )
        own = ("claim_id", "claim_expires_on", "claim_attempts", "expires_on", "evaluation_id")
        return {k: k if k in own else self.normalize(item) for k, item in value.items()}

    def with_status(self, status: str) -> set[str]:
        """Return the IDs of the submissions with a status."""
        found, offset = set(), 0
        while True:
            uri = f"/evaluation/{self.id}/submission/status/all?limit=100&offset={offset}"
            page = self.syn.restGET(f"{uri}&status={status}")["results"]
            found |= {one["id"] for one in page}
            offset += 100
            if len(page) < 100:
                return found
