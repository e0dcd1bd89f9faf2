"""An evaluation queue with submissions, for tests of claims."""

from itertools import count
from typing import Any

from synapse_workflows import File, Project

_NUMBERS = count(1)


class SubmissionQueue:
    """A new evaluation queue in a new project.

    Args:
        syn: client of the organizer.
        folder: an empty folder for the submitted file.
    """

    def __init__(self, syn: Any, folder: Any) -> None:
        self.syn = syn
        self.folder = folder
        self.project = syn.store(Project(f"Challenge {next(_NUMBERS)} {folder.name}")).id
        body = {"name": f"Queue of {self.project}", "contentSource": self.project}
        self.id = str(syn.restPOST("/evaluation", body)["id"])
        self._entity: dict[str, Any] | None = None

    @property
    def entity(self) -> dict[str, Any]:
        """The entity that `submit` submits."""
        if self._entity is None:
            path = self.folder / "predictions.csv"
            path.write_text(f"prediction\n{self.project}\n")
            stored = self.syn.store(File(str(path), parent=self.project))
            self._entity = self.syn.restGET(f"/entity/{stored.id}")
        return self._entity

    def submit(self, number: int = 1, syn: Any = None) -> list[str]:
        """Submit the entity several times; return the IDs of the submissions."""
        body = {
            "evaluationId": self.id,
            "entityId": self.entity["id"],
            "versionNumber": self.entity["versionNumber"],
        }
        uri = f"/evaluation/submission?etag={self.entity['etag']}"
        return [str((syn or self.syn).restPOST(uri, body)["id"]) for _ in range(number)]

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
        body = self.status(submission) | changes
        return self.syn.restPUT(f"/evaluation/submission/{submission}/status", body)

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
