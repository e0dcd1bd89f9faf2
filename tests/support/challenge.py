"""A challenge of one user: a queue, a gold standard, and submissions."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from support.submission_queue import SubmissionQueue
from synapse_workflows import File

_NUMBERS = count(1)


class Challenge(SubmissionQueue):
    """A queue with a gold standard and submissions of texts.

    Args:
        syn: client of the organizer, who also submits.
        project: ID of the project.
        folder: folder for the files.
    """

    def __init__(self, syn: Any, project: str, folder: Path) -> None:
        super().__init__(syn, folder, project)
        folder.mkdir(parents=True, exist_ok=True)
        self.goldstandard = self.put("goldstandard.csv", "id,1\na,1\nb,2\nc,3\n")

    def put(self, name: str, text: str) -> str:
        """Store a file; return its ID with the version."""
        path = self.folder / name
        path.write_text(text)
        stored = self.syn.store(File(str(path), parent=self.project))
        return f"{stored.id}.{stored.versionNumber}"

    def submit_text(self, text: str, name: str | None = None) -> str:
        """Submit a new file; return the ID of the submission."""
        entity = self.put(name or f"predictions{next(_NUMBERS)}.csv", text)
        return self.submit_entity(self.syn.get(entity.split(".")[0], downloadFile=False))

    def submit_entity(self, entity: Any, **more: Any) -> str:
        """Submit an entity; return the ID of the submission."""
        body = {
            "evaluationId": self.id,
            "entityId": entity.id,
            "versionNumber": entity.get("versionNumber", 1),
            **more,
        }
        path = f"/evaluation/submission?etag={entity.etag}"
        return str(self.syn.restPOST(path, json.dumps(body))["id"])

    def entity_of(self, submission: str) -> str:
        """Return the submitted entity with its version."""
        found = self.syn.restGET(f"/evaluation/submission/{submission}")
        return f"{found['entityId']}.{found['versionNumber']}"

    def get_status(self, submission: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the status of a submission, and its annotations as type and texts by key."""
        status = self.syn.restGET(f"/evaluation/submission/{submission}/status")
        annotations = (status.get("submissionAnnotations") or {}).get("annotations") or {}
        return status, {key: (one["type"], one["value"]) for key, one in annotations.items()}

    def read(self, entity_id: str) -> str:
        """Return the content of a file."""
        return Path(self.syn.get(entity_id).path).read_text()

    def list_files(self, submission: str) -> dict[str, int]:
        """Return the versions of the stored files of a submission, by name."""
        folder = self.syn.findEntityId(submission, self.project)
        children = self.syn.getChildren(folder, includeTypes=["file"]) if folder else ()
        return {one["name"]: one["versionNumber"] for one in children}

    @contextmanager
    def in_background(self, marker: str, act: Callable[[], object]) -> Iterator[None]:
        """Call a function in a thread when a file exists, which the block creates."""

        def wait_and_act() -> None:
            deadline = time.monotonic() + 60
            while not Path(marker).exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            act()

        thread = threading.Thread(target=wait_and_act)
        thread.start()
        yield
        thread.join()
