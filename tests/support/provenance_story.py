"""A small pipeline in Synapse: raw data, cleaned data, and two versions of a report."""

from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from synapse_workflows import Activity, File, Folder, Project, Synapse
from synapse_workflows.constants import USED_URL

SECRET = "hunter22secret"
COMMIT = "b" * 40
DIGEST = "a" * 64
IMAGE = f"https://quay.io/v2/lab/model/manifests/sha256:{'c' * 64}"
PAGE = f"https://github.com/lab/etl/blob/{COMMIT}/dags/etl.py"
TASK_URL = "http://localhost:8080/dags/etl/runs/manual__1/tasks/clean"


@dataclass(frozen=True)
class Story:
    """IDs of the stored entities, each with its version."""

    parent: str
    raw: str
    code: str
    cleaned: str
    first_report: str
    report: str


def store_story(syn: Synapse, directory: Path) -> Story:
    """Store the pipeline in a new folder."""
    project = syn.store(Project(f"Story {uuid4()}"))
    folder = syn.store(Folder("data", parent=project))

    def put(name: str, text: str, activity: Activity | None = None) -> str:
        path = directory / name
        path.write_text(text)
        stored = syn.store(File(str(path), parent=folder), activity=activity)
        return f"{stored.id}.{stored.versionNumber}"

    raw = put("raw.csv", "a,b\n1,2\n")
    code = put("clean.py", "print(1)\n")
    hashed = {"url": f"file:///etl.py#sha256={DIGEST}", "name": "etl.py", "wasExecuted": True}
    clean = Activity(
        "etl.clean",
        "Airflow run manual__1 of etl.clean\n"
        f"{TASK_URL}\n"
        f"Not pinned: a database at postgresql://user:{SECRET}@db/lab",
        used=[
            raw,
            f"https://user:{SECRET}@example.org/a b/data.csv?X-Amz-Signature={SECRET}",
            "s3://bucket/key'(1),50%=x;.csv",
            {"url": "postgresql://db/lab", "name": "lab", "concreteType": USED_URL},
        ],
        executed=[code, {**hashed, "concreteType": USED_URL}],
    )
    cleaned = put("cleaned data.csv", "a\n1\n", clean)
    manual = Activity("by hand", used=[cleaned, "https://example.org"])
    first = put("report.txt", "first\n", manual)
    final = Activity("etl.report", used=[first, cleaned, raw], executed=[PAGE, IMAGE])
    report = put("report.txt", "second\n", final)
    return Story(folder.id, raw, code, cleaned, first, report)
