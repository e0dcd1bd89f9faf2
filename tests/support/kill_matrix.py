"""Scenarios of one task each, run again and again with a worker that is killed at each request.

After a kill, the next try of the task must have the outcome of a run without a kill.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from support.killable_worker import KillPoint, Worker
from support.prepared_entities import append_rows, create_project, create_table
from support.project_contents import ProjectContents
from support.submission_queue import SubmissionQueue
from synapse_workflows import Column, File, Folder
from synapse_workflows.testing import SynapseService

#: At which points to kill the worker; see `select_kill_points`.
Extent = Literal["sample", "states", "requests"]

#: Requests that only read, although their method is not GET.
_READS = re.compile(
    r"/(bundle2|child|children|batch|download/csv/async/start|query/async/start|userProfile)$"
)
#: Status requests of jobs that change something. Their number depends on the speed of the service.
_POLLS = re.compile(r"GET .*/async/get/\{id\}")
_CHANGE_POLLS = re.compile(r"GET .*/transaction/async/get/\{id\}")
#: Transfers of content; a download changes the files of the worker.
_DOWNLOAD = re.compile(r"GET .*/storage/download/")
_UPLOAD = re.compile(r"/storage/upload/|/file/multipart")
#: Requests that save the state of a task; threads that store at the same time may share one.
_STATE = re.compile(r"PUT task-state/")
#: Maximum size in bytes of files whose content is compared as text.
_MAX_TEXT = 10_000
_STATUS = re.compile(r" \d{3}$")


class World:
    """A project in Synapse and a folder on the workers, for one run of a scenario.

    Contents and rows should contain `salt`: Synapse does not upload the same content twice.

    Args:
        service: the service.
        syn: client for the preparation and the checks.
        folder: an empty folder.
        number: unique number.
    """

    def __init__(self, service: SynapseService, syn: Any, folder: Path, number: int) -> None:
        self.service, self.syn, self.folder = service, syn, folder
        self.salt = f"salt{number:05}"
        self.project = create_project(syn, f"Kill matrix {self.salt}")
        self.targets = folder / "targets"
        self.queue = SubmissionQueue(syn, folder / "files", self.project)
        self._other_projects: list[str] = []
        self._texts = {self.salt: "{salt}", str(folder): "{folder}"}
        for name in ("files", "state", "targets"):
            (folder / name).mkdir()

    def connection(self, machine: str) -> str:
        """Return the connection of the workers on a machine, which share a cache."""
        values = json.loads(self.service.airflow_connection)
        values["extra"]["cache_dir"] = str(self.folder / machine)
        return json.dumps(values)

    def file(self, name: str, text: str = "", *, size: int = 0) -> str:
        """Write a file whose text starts with the salt; return its path."""
        path = self.folder / "files" / name
        content = f"{text}\n{self.salt}\n".encode().ljust(size, b".")
        path.write_bytes(content)
        self._texts[_md5(path)] = f"{{{name}: {text}}}"
        return str(path)

    def csv(self, name: str, rows: Sequence[Sequence[Any]]) -> str:
        """Write a CSV file for `table`; return its path."""
        path = self.folder / "files" / name
        lines = ["name,n", *(f"{cell} {self.salt},{n}" for cell, n in rows)]
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    def rows(self, rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
        """Return rows for `table`, as dictionaries."""
        return [{"name": f"{cell} {self.salt}", "n": n} for cell, n in rows]

    def md5(self, name: str) -> str:
        """Return the MD5 of a file that `file` has written."""
        return _md5(self.folder / "files" / name)

    def other_project(self, name: str) -> str:
        """Return the name of a project that the task creates; its contents are described too."""
        self._other_projects.append(f"{name} {self.salt}")
        return self._other_projects[-1]

    def put(self, name: str, *texts: str, size: int = 0, parent: str | None = None) -> str:
        """Store a file outside Airflow, with one version for each text; return its ID."""
        for text in texts or ("raw",):
            file = File(self.file(name, text, size=size), parent=parent or self.project)
            stored = self.syn.store(file)
        return str(stored.id)

    def container(self, name: str) -> str:
        """Store a folder outside Airflow; return its ID."""
        return str(self.syn.store(Folder(name, parent=self.project)).id)

    def named(self, entity_id: str, name: str) -> str:
        """Set the name of an entity in descriptions, for a task that deletes it; return its ID."""
        self._texts[entity_id] = f"{{{name}}}"
        return entity_id

    def table(self, rows: Sequence[Sequence[Any]] = ()) -> str:
        """Store a table with the columns `name` and `n`; return its ID."""
        columns = [Column(name="name", columnType="STRING", maximumSize=50)]
        columns.append(Column(name="n", columnType="INTEGER"))
        table = create_table(self.syn, self.project, "Table", columns)
        if rows:
            self.append(table, rows)
        return table

    def append(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Append rows to a table of `table` outside Airflow."""
        append_rows(self.syn, table, [list(row.values()) for row in self.rows(rows)])

    def submit(self) -> str:
        """Submit a file; return the ID of the submission, which is the name of its folder."""
        (submission,) = self.queue.submit()
        self._texts[submission] = "{submission}"
        return submission

    def replace(self, text: str, replacement: str) -> None:
        """Replace a text in descriptions that differs from world to world."""
        self._texts[text] = replacement

    def contents(self) -> ProjectContents:
        """Return the contents of the project, and of the projects that the task created."""
        projects = {self.project: "project"}
        for name in self._other_projects:
            entity_id = self.syn.findEntityId(name)
            if entity_id is not None:
                projects[entity_id] = name.replace(self.salt, "{salt}")
        return ProjectContents(self.syn, projects, self._texts)

    def describe(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Return what users see: the result of the task, the project, and the written files."""
        contents = self.contents()
        values = {
            "state": result["state"],
            "value": self.queue.normalize(self._describe_files(result["value"])),
            "submissions": self.queue.describe(),
            "wiki": contents.describe_wiki(self.project),
            "record": _without_try(result["record"]),
            "asset_events": result["asset_events"],
            "files": {
                str(path.relative_to(self.targets)): _read(path)
                for path in sorted(self.targets.rglob("*"))
                if path.is_file() and not _is_hidden(path.relative_to(self.targets))
            },
        }
        found = contents.normalize(values)
        # the order of files that are stored in parallel differs
        found |= {name: _sort_lists(found[name]) for name in ("record", "asset_events")}
        return found | {"entities": contents.entities}

    def _describe_files(self, value: Any) -> Any:
        """Replace each path by the name and the content of the file, and MD5s of other texts."""
        if isinstance(value, list):
            return [self._describe_files(item) for item in value]
        if not isinstance(value, dict) or not value.get("path"):
            return value
        path = Path(value["path"])
        found = {"path": [path.name, _read(path)]}
        if "query" in value:
            assert (value["md5"], value["size"]) == (_md5(path), path.stat().st_size)
            # the size of a Parquet file depends on its values, which differ between worlds
            found |= {"md5": "{md5}", "csv_md5": "{md5}", "size": "{size}"}
        return value | found


@dataclass(frozen=True)
class Scenario:
    """A task, and what Synapse contains after it.

    Args:
        name: name of the scenario.
        create: the operator, or another function that creates a task from a task id, the number
            of retries and arguments. See `kill_matrix_tasks.create_task`.
        prepare: prepares a world, and returns the arguments of the operator.
        used: for each entity with versions, the sources of each version: names with version, as
            `raw.txt.1`; None for a version without an Activity.
        rows: the rows of the current version of each table.
        statuses: the statuses of the submissions; empty if they are not checked.
        state: the state of the task at its end.
        uploads: whether to kill the worker during uploads as well. Uploads are alike in all
            scenarios.
        is_variant: whether another scenario is much alike, so that fewer kill points suffice.
    """

    name: str
    create: Callable[..., Any]
    prepare: Callable[[World], dict[str, Any]]
    used: Mapping[str, list[list[str] | None]] = field(default_factory=dict)
    rows: Mapping[str, Sequence[Sequence[Any]]] = field(default_factory=dict)
    statuses: Sequence[str] = ()
    state: str = "success"
    uploads: bool = False
    is_variant: bool = False

    def check(self, outcome: Mapping[str, Any]) -> None:
        """Check the outcome of a run without a kill."""
        versions = {
            name: entity["versions"]
            for name, entity in outcome["entities"].items()
            if "versions" in entity
        }
        used = {
            name: [one["activity"] and one["activity"]["used"] for one in found]
            for name, found in versions.items()
        }
        assert used == self.used, f"{used} != {self.used}"
        if self.statuses:
            found_statuses = [one["status"] for one in outcome["submissions"]]
            assert found_statuses == list(self.statuses)
        for name, rows in self.rows.items():
            found = versions[name][-1]["rows"]
            expected = [[f"{cell} {{salt}}", n] for cell, n in rows]
            assert found == expected, f"{found} != {expected}"


class KillMatrix:
    """Runner of a scenario, without a kill and with a kill at each request.

    Args:
        scenario: the scenario.
        worlds: yields a new world for each run.
    """

    def __init__(self, scenario: Scenario, worlds: Iterator[World]) -> None:
        self.scenario = scenario
        self.worlds = worlds
        self.trace: list[str] = []

    def run(self) -> dict[str, Any]:
        """Run the task without a kill and record its requests; return the outcome."""
        world, worker = self._begin()
        worker.begin()
        result = worker.end()
        assert result is not None, "the process of the worker has crashed"
        assert result["state"] == self.scenario.state, result["error"]
        self.trace = result["trace"]
        return world.describe(result)

    def run_killed(self, point: KillPoint, *, moved: bool) -> dict[str, Any]:
        """Run the task with a kill, then its next try; return the outcome.

        Args:
            point: when to kill the worker.
            moved: whether the next try runs on another machine, with an empty cache.
        """
        world, worker = self._begin()
        worker.begin(point)
        result = worker.end()
        if result is not None:
            assert is_optional(point), f"{point} was not reached: {result['trace']}"
            return world.describe(result)
        if moved:
            worker.connection = world.connection("machine 2")
        worker.begin()
        result = worker.end()
        assert result is not None, "the process of the worker has crashed"
        assert result["state"] == self.scenario.state, result["error"]
        return world.describe(result)

    def _begin(self) -> tuple[World, Worker]:
        world = next(self.worlds)
        arguments = self.scenario.prepare(world)
        connection = world.connection("machine 1")
        return world, Worker(connection, world.folder / "state", self.scenario.create, **arguments)


def select_kill_points(
    scenario: Scenario, events: Sequence[str], extent: Extent
) -> list[KillPoint]:
    """Return the points at which to kill the worker of a scenario.

    `requests` selects the points before and after every request, but of the status requests of a
    job only the first.

    `states` selects one point for each lasting state that the worker can leave behind: before each
    request that changes something, and before each save of the task state. Nothing lasting happens
    between the response of such a request and the next one. In addition: before the first status
    request of a job that changes something and after its last one; before and after downloads. Of
    the parts of a transfer, the first two and the last one; see also `Scenario.uploads`.

    `sample` selects every fourth of these points, or every eighth if the scenario is a variant,
    and always the last one. The first point depends on the name of the scenario, so that alike
    scenarios have different points.

    Args:
        scenario: the scenario.
        events: the events of a run without a kill; see `KillPoint`.
        extent: which points to select.
    """
    counts: Counter[str] = Counter()
    points = []
    for event in events:
        counts[event] += 1
        points.append(KillPoint(event, counts[event]))
    if extent == "requests":
        return [one for one in points if one.number == 1 or not _POLLS.match(one.event)]
    states = [
        one
        for one in points
        if _leaves_new_state(one, counts[one.event])
        and (scenario.uploads or not _UPLOAD.search(one.event))
    ]
    if extent == "states":
        return states
    step = 8 if scenario.is_variant else 4
    return [*states[:-1][len(scenario.name) % step :: step], states[-1]]


def _leaves_new_state(point: KillPoint, total: int) -> bool:
    event, number = point
    if _CHANGE_POLLS.match(event):
        return number == 1 and not event.endswith(" 202")
    is_download = _DOWNLOAD.match(event) is not None
    if (is_download or _UPLOAD.search(event)) and number not in (1, 2, total):
        return False
    return is_download or changes_something(event)


def changes_something(event: str) -> bool:
    """Return whether an event is a request that changes something, not a response."""
    is_sent = _STATUS.search(event) is None
    return is_sent and not event.startswith("GET ") and _READS.search(event) is None


def is_optional(point: KillPoint) -> bool:
    """Return whether some runs of a scenario do not reach a point.

    A file of row IDs is the same in all worlds, for example, so it may be uploaded already.
    """
    return any(kind.search(point.event) for kind in (_POLLS, _UPLOAD, _STATE))


def _without_try(record: Any) -> Any:
    """Return a published record without what differs between tries and between worlds.

    These are the IDs of Activities, reuse, and the etag and the time of an open version.
    """
    if isinstance(record, list):
        return [_without_try(item) for item in record]
    if not isinstance(record, Mapping):
        return record
    varying = {"activities", "reused", "etag", "read_at"}
    return {name: _without_try(part) for name, part in record.items() if name not in varying}


def _sort_lists(value: Any) -> Any:
    """Sort the lists in JSON, on all levels."""
    if isinstance(value, list):
        return sorted(map(_sort_lists, value), key=partial(json.dumps, sort_keys=True))
    if isinstance(value, dict):
        return {name: _sort_lists(part) for name, part in value.items()}
    return value


def _read(path: Path) -> Any:
    """Return the content of a small file, the rows of a Parquet file, or an MD5."""
    if not path.is_file():
        return None
    if path.suffix == ".parquet":
        from pyarrow import parquet

        return parquet.read_table(path).to_pylist()
    return _md5(path) if path.stat().st_size > _MAX_TEXT else path.read_text()


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
