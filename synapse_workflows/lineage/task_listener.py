"""Listener of Airflow that gathers the lineage of every task, also without a Synapse client.

Every task imports this module, so it imports only what a task without lineage needs.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from airflow.listeners import hookimpl
from airflow.sdk import get_current_context
from airflow.sdk.exceptions import (
    DagRunTriggerException,
    DownstreamTasksSkipped,
    TaskAwaitingInput,
    TaskDeferred,
)

from synapse_workflows.lineage.context_key import CONTEXT_KEY
from synapse_workflows.lineage.execution_callbacks import (
    call_after_execute,
    call_before_resume,
    call_with_outcome,
)
from synapse_workflows.lineage.hook_reports import has_hook_lineage, start_hook_lineage
from synapse_workflows.lineage.operator_reports import report_operator
from synapse_workflows.lineage.reported_lineage import REPORTED

if TYPE_CHECKING:
    from synapse_workflows.lineage.collector import LineageCollector
    from synapse_workflows.lineage.lineage_client import LineageClient

_log: Final = logging.getLogger(__name__)
#: Key in the task state store of the try that was deferred with a record.
_DEFERRED_KEY: Final = "synapse_lineage_deferred"
_client_factories: "list[Callable[[], LineageClient]]" = []
#: Exceptions with which a task succeeds.
_SUCCESSES: Final = (DownstreamTasksSkipped, DagRunTriggerException)
#: Exceptions after which a task is resumed in another process.
_PAUSES: Final = (TaskDeferred, TaskAwaitingInput)


def set_client_factory(factory: "Callable[[], LineageClient]") -> None:
    """Set the function that returns a client of the default connection: hooks are a layer above.

    Args:
        factory: Called when a program of a task has stored an entity without an Activity.
    """
    _client_factories[:] = [factory]


@hookimpl
def on_task_instance_running(previous_state: Any, task_instance: Any) -> None:  # noqa: ARG001
    """Forget the lineage of earlier tasks of the process, and watch how the task ends."""
    task = getattr(task_instance, "task", None)
    if not hasattr(task, "resume_execution"):
        return
    call_after_execute(task, _publish_hook_lineage)
    call_before_resume(task, _restore_record)
    call_with_outcome(task, REPORTED.add_result, _handle_exception)
    start_hook_lineage()
    REPORTED.start(task)


@hookimpl
def before_stopping(component: Any) -> None:  # noqa: ARG001
    """Delete the file in which programs reported their lineage. Called after the task ended."""
    REPORTED.clear()


@hookimpl(tryfirst=True)
def on_task_instance_success(previous_state: Any, task_instance: Any) -> None:  # noqa: ARG001
    """Report the entities of a task to Airflow, before OpenLineage reads them there."""
    _report_entities(task_instance)


@hookimpl(tryfirst=True)
def on_task_instance_failed(
    previous_state: Any,  # noqa: ARG001 - defined by Airflow
    task_instance: Any,
    error: Any,  # noqa: ARG001
) -> None:
    """Report the entities of a task to Airflow, before OpenLineage reads them there."""
    _report_entities(task_instance)


def _report_entities(task_instance: Any) -> None:
    if not hasattr(task_instance, "get_template_context"):
        return  # the state was set in the web UI
    collector = task_instance.get_template_context().get(CONTEXT_KEY)
    if collector is not None:
        from synapse_workflows.lineage.task_datasets import report_entities

        report_entities(collector)


def _keep_task_alive(function: Callable[[], None]) -> Callable[[], None]:
    """Log errors of a function: lineage does not fail a task that did its work."""

    @wraps(function)
    def call() -> None:
        try:
            function()
        except Exception as error:  # noqa: BLE001
            from synapse_workflows.client.core.redaction import redact_text

            _log.warning("The lineage of the task is incomplete: %s", redact_text(str(error)))
            _log.debug("Details", exc_info=True)

    return call


def _handle_exception(error: BaseException) -> None:
    """Publish the record of a task whose code ends with an exception that is no error."""
    if isinstance(error, _SUCCESSES):
        _publish_hook_lineage()
        _finish_collector()
    elif isinstance(error, _PAUSES):
        _save_record()
    elif isinstance(error, Exception):
        _write_reported_activities()
        _publish_failed_task()


@_keep_task_alive
def _publish_hook_lineage() -> None:
    """Publish what hooks reported. A collector publishes by itself, after this function."""
    report_operator(get_current_context()["ti"].task)
    is_new = _find_collector() is None
    _write_reported_activities()
    collector = _get_collector()
    if collector is not None and is_new:
        from synapse_workflows.lineage.lineage_log import log_reads

        collector.finish()
        log_reads(set(), collector.observed)


@_keep_task_alive
def _publish_failed_task() -> None:
    """Publish what a failed or skipped task has read, for web pages. Tasks ignore it."""
    collector = _find_collector()
    if collector is not None and collector.observed:
        collector.publish()


@_keep_task_alive
def _write_reported_activities() -> None:
    """Write the Activities of what programs of the task have stored."""
    if not REPORTED.has_reports or not REPORTED.to_record().stored_entities:
        return
    from synapse_workflows.lineage.reported_stores import write_activities

    collector = _get_collector()
    if collector is not None and not collector.has_manual_lineage and _client_factories:
        write_activities(collector, _client_factories[-1])


@_keep_task_alive
def _finish_collector() -> None:
    collector = _find_collector()
    if collector is not None:
        collector.finish()


@_keep_task_alive
def _save_record() -> None:
    """Publish the record of a task that will be resumed in another process."""
    _write_reported_activities()
    collector = _get_collector()
    if collector is not None and collector.observed:
        collector.publish()
        collector.state_store.set(_DEFERRED_KEY, collector.ti.try_number)


@_keep_task_alive
def _restore_record() -> None:
    """Restore what the task had recorded in this try before it was deferred."""
    from synapse_workflows.lineage.collector import current_collector
    from synapse_workflows.lineage.published_record import pull_own_record

    context: Any = get_current_context()
    ti = context["ti"]
    if context["task_state_store"].get(_DEFERRED_KEY) != ti.try_number:
        return
    collector = current_collector()
    if collector is not None:
        collector.restore(pull_own_record(ti))


def _find_collector() -> "LineageCollector | None":
    """Return the collector of the task, if it has one. A plain task imports no collector."""
    context: Any = get_current_context()
    found: LineageCollector | None = context.get(CONTEXT_KEY)
    return found


def _get_collector() -> "LineageCollector | None":
    """Return the collector of the task, with what hooks reported.

    A task without Synapse has a collector only if hooks reported something. What hooks report is
    left out if the task uses Synapse without automatic lineage, or if the configuration turns
    lineage off.
    """
    found = _find_collector()
    if found is None:
        context: Any = get_current_context()
        if not has_hook_lineage(context["ti"].task):
            return None
        from synapse_workflows.lineage.collector import current_collector
        from synapse_workflows.lineage.lineage_mode import LineageMode

        if not LineageMode.resolve(None).is_automatic:
            return None
        found = current_collector()
    if found is not None and not found.has_manual_lineage:
        from synapse_workflows.lineage.hook_lineage import collect_hook_lineage

        found.add_observer(collect_hook_lineage)
    return found
