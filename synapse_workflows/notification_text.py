"""Default subject and text of notifications about tasks and DAG runs."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from airflow.sdk import conf

from synapse_workflows.client.core.redaction import redact_text

#: State of a task instance -> its outcome.
_OUTCOMES: Final = {
    "failed": "failed",
    "up_for_retry": "failed and will be retried",
    "success": "succeeded",
    "skipped": "was skipped",
    "running": "started",
}
#: Maximum length of the text of an exception.
_MAX_EXCEPTION: Final = 4000


def describe_event(context: Mapping[str, Any]) -> tuple[str, str]:
    """Return the default subject and text of a notification.

    Args:
        context: Context of a callback of a task (`ti`) or a DAG (`reason`), or of a deadline
            alert (`deadline`).
    """
    is_task = context.get("ti") is not None and not context.get("reason")
    name, lines = _describe_task(context) if is_task else _describe_run(context)
    outcome = _get_outcome(context, is_task=is_task)
    text = "\n".join(f"{key}: {value}" for key, value in lines if value not in (None, ""))
    return f"{name} {outcome}", f"{name} {outcome}.\n\n{text}\n"


def _get_outcome(context: Mapping[str, Any], *, is_task: bool) -> str:
    if context.get("deadline") is not None:
        return "missed its deadline"
    if is_task:
        # Airflow sets no state if the worker was lost, and then calls only failure callbacks.
        state = getattr(context["ti"], "state", None) or "failed"
        state = str(getattr(state, "value", state))
        return _OUTCOMES.get(state, state)
    reason = context.get("reason")
    return "ended" if reason is None else "succeeded" if reason == "success" else "failed"


def _describe_task(context: Mapping[str, Any]) -> tuple[str, list[tuple[str, Any]]]:
    ti = context["ti"]
    index = getattr(ti, "map_index", None)
    is_mapped = index is not None and index >= 0
    name = f"{ti.dag_id}.{ti.task_id}" + (f"[{index}]" if is_mapped else "")
    exception = context.get("exception")
    lines = [
        ("DAG", ti.dag_id),
        ("Task", ti.task_id),
        ("Map index", index if is_mapped else None),
        *_iter_run_lines(context, ti.run_id),
        ("Try", _describe_try(ti)),
        ("Exception", _describe_exception(exception)),
        ("Synapse", getattr(getattr(ti, "task", None), "entity_url", None)),
        ("Log", getattr(ti, "log_url", None)),
    ]
    return f"Task {name}", lines


def _describe_try(ti: Any) -> str | None:
    """Return the number of the try and of all tries, for example `2 of 3`."""
    number, max_tries = getattr(ti, "try_number", None), getattr(ti, "max_tries", None)
    if number is None:
        return None
    return str(number) if max_tries is None else f"{number} of {max(max_tries + 1, number)}"


def _describe_exception(exception: Any) -> str | None:
    if not exception:
        return None
    text = str(exception)
    if isinstance(exception, BaseException):
        text = f"{type(exception).__name__}: {text}"
    return redact_text(text)[:_MAX_EXCEPTION]


def _describe_run(context: Mapping[str, Any]) -> tuple[str, list[tuple[str, Any]]]:
    run = context.get("dag_run")
    dag_id = _get(run, "dag_id") or _get(context.get("dag"), "dag_id")
    run_id = _get(run, "run_id") or _get(run, "dag_run_id") or context.get("run_id")
    lines = [
        ("DAG", dag_id),
        *_iter_run_lines(context, run_id),
        ("Reason", context.get("reason")),
        ("Deadline", _get(context.get("deadline"), "deadline_time")),
        ("Link", _create_run_link(dag_id, run_id)),
    ]
    return f"DAG {dag_id}", lines


def _iter_run_lines(context: Mapping[str, Any], run_id: Any) -> Iterator[tuple[str, Any]]:
    date = context.get("logical_date") or _get(context.get("dag_run"), "logical_date")
    yield "Run", run_id
    yield "Logical date", date.isoformat() if hasattr(date, "isoformat") else date


def _create_run_link(dag_id: Any, run_id: Any) -> str | None:
    if not dag_id or not run_id:
        return None
    base = conf.get("api", "base_url", fallback="http://localhost:8080/")
    return f"{base.rstrip('/')}/dags/{dag_id}/runs/{quote(str(run_id), safe='')}"


def _get(source: Any, name: str) -> Any:
    return source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)
