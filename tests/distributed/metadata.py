"""Queries of the metadata database of Airflow."""

import json
from abc import abstractmethod
from typing import Any


class Metadata:
    """A metadata database of Airflow."""

    @abstractmethod
    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query; `%s` stands for a value."""

    def tasks(self, dag_id: str, run_id: str) -> dict[tuple[str, int], dict[str, Any]]:
        """Return the task instances of a run, by task ID and map index.

        Each has `state`, `try_number`, `queue`, `id` and `pid`, the ID of its process in the PID
        namespace of the cluster.
        """
        rows = self.query(
            "select task_id, map_index, state, try_number, queue, pid, id "
            "from task_instance where dag_id = %s and run_id = %s",
            *(dag_id, run_id),
        )
        names = ("state", "try_number", "queue", "pid", "id")
        return {(row[0], row[1]): dict(zip(names, row[2:], strict=True)) for row in rows}

    def xcom(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        key: str = "return_value",
        *,
        map_index: int = -1,
    ) -> Any:
        """Return an XCom as JSON; None if there is none."""
        rows = self.query(
            "select value from xcom where dag_id = %s and run_id = %s and task_id = %s "
            "and key = %s and map_index = %s",
            *(dag_id, run_id, task_id, key, map_index),
        )
        return _parse(rows[0][0]) if rows else None

    def list_xcoms(self, dag_id: str, run_id: str) -> dict[tuple[str, int], Any]:
        """Return the results of all tasks of a run, by task ID and map index."""
        rows = self.query(
            "select task_id, map_index, value from xcom "
            "where dag_id = %s and run_id = %s and key = 'return_value'",
            *(dag_id, run_id),
        )
        return {(task_id, map_index): _parse(value) for task_id, map_index, value in rows}

    def asset_events(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the asset events of a run."""
        rows = self.query(
            "select asset.uri, asset_event.extra, asset_event.source_task_id, "
            "asset_event.source_map_index from asset_event join asset on asset.id = asset_id "
            "where source_dag_id = %s and source_run_id = %s",
            *(dag_id, run_id),
        )
        names = ("uri", "extra", "task_id", "map_index")
        events = [dict(zip(names, row, strict=True)) for row in rows]
        return [event | {"extra": _parse(event["extra"])} for event in events]


def _parse(value: Any) -> Any:
    """Parse JSON, which the drivers of some databases have parsed already."""
    if not isinstance(value, str):
        return value
    try:
        parsed = json.loads(value)
    except ValueError:  # a string that the driver has parsed
        return value
    return parsed if not isinstance(parsed, str) else _parse_text(parsed)


def _parse_text(text: str) -> Any:
    """Parse JSON in JSON, the form of XComs."""
    try:
        return json.loads(text)
    except ValueError:
        return text
