"""Pending Activities of Airflow tasks, read over the REST API of Airflow or from a file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import requests

from synapse_workflows.client.core.redaction import redact_url
from synapse_workflows.provenance.pending_activity import PENDING_KEY, PendingActivity

#: Seconds to connect, and between two reads of a response.
_TIMEOUT: Final = (10.0, 60.0)
_PAGE_SIZE: Final = 100
#: Value of a path parameter that stands for all DAGs, runs or tasks.
_ALL: Final = "~"


class PendingXComError(OSError):
    """The pending Activities cannot be read."""


def read_pending_file(path: Path) -> list[PendingActivity]:
    """Read the value of the XCom `PENDING_KEY` from a JSON file.

    Raises:
        OSError: The file cannot be read.
        PendingXComError: The content is not such a value.
    """
    return _parse(path.read_bytes(), str(path))


def read_pending_xcoms(
    url: str, token: str | None = None, *, dag_id: str | None = None, run_id: str | None = None
) -> list[PendingActivity]:
    """Read the pending Activities of all task instances in Airflow.

    Args:
        url: Base URL of Airflow, as in `[api] base_url`.
        token: Token of the REST API; None to request one without credentials, which works where
            all users are administrators.
        dag_id: Only those of a DAG.
        run_id: Only those of the run of a DAG with this ID.

    Raises:
        PendingXComError: Airflow does not respond, or rejects a request.
    """
    api = _AirflowApi(url, token)
    pending = []
    for entry in api.iter_entries(dag_id or _ALL, run_id or _ALL):
        value = api.get_value(entry)
        place = "/".join(str(entry[name]) for name in ("dag_id", "run_id", "task_id"))
        pending += _parse(value, f"the XCom of {place}")
    return pending


class _AirflowApi:
    """REST API of Airflow."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/")
        self.headers: dict[str, str] = {}
        access = token or self._get("/auth/token")["access_token"]
        self.headers["Authorization"] = f"Bearer {access}"

    def iter_entries(self, dag_id: str, run_id: str) -> Iterator[dict[str, Any]]:
        """Yield the XComs with pending Activities, without values."""
        path = f"{_create_path(dag_id, run_id, _ALL)}/xcomEntries"
        offset = 0
        while True:
            page = self._get(path, xcom_key=PENDING_KEY, limit=_PAGE_SIZE, offset=offset)
            entries = page["xcom_entries"]
            yield from (entry for entry in entries if entry["key"] == PENDING_KEY)
            offset += len(entries)
            if not entries or offset >= page["total_entries"]:
                return

    def get_value(self, entry: dict[str, Any]) -> Any:
        """Return the value of an XCom."""
        place = _create_path(entry["dag_id"], entry["run_id"], entry["task_id"])
        path = f"{place}/xcomEntries/{PENDING_KEY}"
        return self._get(path, map_index=entry["map_index"])["value"]

    def _get(self, path: str, **parameters: Any) -> Any:
        shown = redact_url(f"{self.url}{path}")
        try:
            reply = requests.get(
                f"{self.url}{path}", params=parameters, headers=self.headers, timeout=_TIMEOUT
            )
            body = reply.json() if reply.ok else None
        except requests.RequestException as error:
            raise PendingXComError(
                f"No response of Airflow from {shown} ({type(error).__name__}). Check the URL."
            ) from None
        if not isinstance(body, dict):
            raise PendingXComError(
                f"GET {shown} failed with status {reply.status_code}. Check the URL, the token, "
                "and that its user may read XComs."
            )
        return body


def _create_path(dag_id: str, run_id: str, task_id: str) -> str:
    dag, run, task = (quote(part, safe="~") for part in (dag_id, run_id, task_id))
    return f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}"


def _parse(value: Any, source: str) -> list[PendingActivity]:
    """Parse the value of an XCom, or its JSON."""
    try:
        items = json.loads(value) if isinstance(value, str | bytes) else value
        if not isinstance(items, list):
            raise TypeError(type(items).__name__)  # noqa: TRY301 - reported as the others
        return [PendingActivity.from_json(item) for item in items]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PendingXComError(
            f"{source} has no pending Activities ({type(error).__name__}): expected the value of "
            f"the XCom {PENDING_KEY!r}, a list."
        ) from None
