"""Requests for evaluations and submissions, on top of `entity_api`."""

from datetime import timedelta
from typing import Any

from support.entity_api import REPO, Author, unique_name
from support.file_api import RestService, ok

EVALUATION = f"{REPO}/evaluation"
SUBMISSION = f"{EVALUATION}/submission"


def timestamp(rest_service: RestService, seconds: float = 0) -> str:
    """Return the time of the service's clock plus `seconds`, in Synapse's date format."""
    then = rest_service.clock.now + timedelta(seconds=seconds)
    return f"{then:%Y-%m-%dT%H:%M:%S}.{then.microsecond // 1000:03d}Z"


class Submitter:
    """A user who creates evaluations and submits to them."""

    def __init__(self, author: Author) -> None:
        self.author = author

    def create_evaluation(self, project: str | None = None, **more: Any) -> dict[str, Any]:
        """Create an evaluation and return the response of the service."""
        return ok(self.try_create_evaluation(project or self.author.new_project()["id"], **more))

    def try_create_evaluation(self, project: str, **more: Any) -> Any:
        body = {"name": unique_name("queue"), "contentSource": project, **more}
        return self.author.post(EVALUATION, body)

    def get(self, evaluation: str) -> dict[str, Any]:
        return ok(self.author.get(f"{EVALUATION}/{evaluation}"))

    def save(self, body: dict[str, Any]) -> Any:
        return self.author.put(f"{EVALUATION}/{body['id']}", body)

    def share(self, evaluation: str, rights: dict[int, list[str]]) -> None:
        """Set the rights of other users; keep the rights of the author."""
        acl = ok(self.author.get(f"{EVALUATION}/{evaluation}/acl"))
        kept = [each for each in acl["resourceAccess"] if each["principalId"] not in rights]
        given = [{"principalId": who, "accessType": what} for who, what in rights.items() if what]
        ok(self.author.put(f"{EVALUATION}/acl", {**acl, "resourceAccess": kept + given}))

    def submit(self, evaluation: str, entity: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Submit an entity and return the submission."""
        return ok(self.try_submit(evaluation, entity, **more))

    def try_submit(
        self, evaluation: str, entity: dict[str, Any], query: str = "", **more: Any
    ) -> Any:
        body = {
            "evaluationId": evaluation,
            "entityId": entity["id"],
            "versionNumber": entity.get("versionNumber", 1),
            **more,
        }
        return self.author.post(f"{SUBMISSION}?etag={entity['etag']}{query}", body)

    def get_status(self, submission: str) -> dict[str, Any]:
        return ok(self.author.get(f"{SUBMISSION}/{submission}/status"))

    def try_update_status(self, submission: str, **changes: Any) -> Any:
        """Read, change and update the status of a submission."""
        body = {**self.get_status(submission), **changes}
        return self.author.put(f"{SUBMISSION}/{submission}/status", body)

    def update_status(self, submission: str, **changes: Any) -> dict[str, Any]:
        return ok(self.try_update_status(submission, **changes))

    def list(self, evaluation: str, what: str = "submission/all", query: str = "") -> list[Any]:
        """Return one page of a list."""
        return ok(self.author.get(f"{EVALUATION}/{evaluation}/{what}{query}"))["results"]

    def count(self, evaluation: str) -> int:
        return ok(self.author.get(f"{EVALUATION}/{evaluation}/submission/count"))
