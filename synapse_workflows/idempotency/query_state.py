"""The job of a query, kept between the tries of a task."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from synapse_workflows.client.api import queries
from synapse_workflows.client.api.queries import QueryJob
from synapse_workflows.client.errors import SynapseHTTPError, SynapseJobError
from synapse_workflows.idempotency.query_results import TableQuery
from synapse_workflows.idempotency.task_state import SavedState, TaskState
from synapse_workflows.lineage.lineage_client import LineageClient

_KEY: Final = "synapse_query"


class QueryState:
    """Storage for the job of a query of a task instance.

    A retry continues with the job of the same query. A task that is cleared starts another job.

    Args:
        task: The state of the task.
        query: The query.
    """

    def __init__(self, task: TaskState, query: TableQuery) -> None:
        self._query = query.to_csv_query()
        self._state = SavedState(task, _KEY, self._query.table.id)

    def load_job(self, token: str) -> QueryJob:
        """Return the started job with a token."""
        saved = self._state.load()
        is_saved = saved is not None and saved["job"] == token
        return QueryJob(token, saved.get("version") if saved and is_saved else None)

    def get_or_start_job(self, client: LineageClient) -> str:
        """Return the token of the job that an earlier try started, or start a job.

        Raises:
            SynapseHTTPError: Synapse rejected the query.
        """
        request = self._query.to_request()
        saved = self._state.load()
        if saved is not None and saved["request"] == request:
            return str(saved["job"])
        job = queries.start_csv_query(client, self._query)
        self._state.save({"request": request, "job": job.token, "version": job.open_version})
        self._state.mark_done()  # a task that is cleared must not read an old result
        return job.token

    @contextmanager
    def clear_on_error(self) -> Iterator[None]:
        """Delete the job if it failed, or if its result is no longer available."""
        try:
            yield
        except (SynapseHTTPError, SynapseJobError):
            self._state.clear()
            raise
