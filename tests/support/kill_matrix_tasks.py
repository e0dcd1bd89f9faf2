"""Functions of the tasks in the kill matrix. Worker processes import this module."""

from collections.abc import Callable
from typing import Any

from airflow.sdk import task

from synapse_workflows import (
    Column,
    EntityViewSchema,
    EntityViewType,
    File,
    Folder,
    Link,
    Project,
    Schema,
    SynapseHook,
)
from synapse_workflows.lineage.lineage_mode import LineageModeName


def store_result(path: str, parent: str, source: str) -> Any:
    """Read a source and store a file."""
    syn = SynapseHook().client
    syn.get(source)
    return syn.store(File(path, parent=parent))


def store_in_new_folder(path: str, parent: str, source: str) -> str:
    """Store a folder with annotations, a file in that folder, and a link to the file."""
    syn = SynapseHook().client
    syn.get(source)
    folder = syn.store(Folder("results", parent=parent, annotations={"kind": "results"}))
    file = syn.store(File(path, parent=folder, annotations={"n": 1}))
    return str(syn.store(Link(file.id, parent=parent, name="newest")).id)


def store_project(name: str) -> str:
    """Store a project with annotations."""
    return str(SynapseHook().client.store(Project(name, annotations={"kind": "results"})).id)


def store_twice(path: str, parent: str, lineage_mode: LineageModeName) -> list[int]:
    """Store two versions of a file with the same content."""
    syn = SynapseHook(lineage_mode=lineage_mode).client
    stored = [syn.store(File(path, parent=parent)) for _ in range(2)]
    return [one.versionNumber for one in stored]


def store_schemas(parent: str) -> None:
    """Store a table without rows and a view."""
    syn = SynapseHook().client
    columns = [Column(name="n", columnType="INTEGER")]
    syn.store(Schema("Table", columns, parent=parent))
    types = [EntityViewType.FILE]
    syn.store(EntityViewSchema("View", parent=parent, scopes=[parent], includeEntityTypes=types))


def store_query_result(sql: str, parent: str) -> None:
    """Query a table and store the result as a file."""
    syn = SynapseHook().client
    result = syn.tableQuery(sql)
    syn.store(File(result.filepath, parent=parent, name="result.csv"))


def store_rows_twice(table_id: str, rows: list[Any]) -> list[int]:
    """Append the same rows twice."""
    hook = SynapseHook()
    return [hook.store_rows(table_id, rows)["added"] for _ in range(2)]


def sync_and_delete(source: str, target: str) -> dict[str, int]:
    """Upload a directory, and delete what it does not have."""
    done: Any = SynapseHook().sync_folder("to_synapse", source, target, delete_extra=True)
    return {name: done[name] for name in ("new", "changed", "same", "extra", "deleted")}


def create_task(function: Callable[..., Any], task_id: str, retries: int, **arguments: Any) -> Any:
    """Create a task that calls a function; use it as `partial(create_task, function)`."""
    return task(task_id=task_id, retries=retries)(function)(**arguments)
