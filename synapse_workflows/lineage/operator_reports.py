"""Reports of operators whose hooks have reported nothing in the process of the task.

Every task imports this module, so it imports the hooks' lineage only where it is needed.
"""

import logging
from typing import Any, Final

_log: Final = logging.getLogger(__name__)


def report_operator(task: Any) -> None:
    """Report what a finished operator has accessed to Airflow's collector, if its hooks did not.

    Some SQL hooks report no statements, and the requests of a deferred `HttpOperator` are made in
    the triggerer.

    Args:
        task: The operator, whose templates are rendered.
    """
    names = {cls.__name__ for cls in type(task).__mro__}
    try:
        if "BaseSQLOperator" in names:
            _report_sql(task)
        elif "HttpOperator" in names and task.deferrable:
            _report_request(task)
    except Exception as error:  # noqa: BLE001 - lineage does not fail the task
        _log.debug("The operator was not recorded: %s", type(error).__name__)


def _report_sql(task: Any) -> None:
    from airflow.sdk.lineage import get_hook_lineage_collector

    from synapse_workflows.lineage.sql_lineage import SQL_KEY

    collector = get_hook_lineage_collector()
    sql = getattr(task, "sql", None)
    if sql and not any(extra.key == SQL_KEY for extra in collector.collected_assets.extra):
        text = sql if isinstance(sql, str) else "; ".join(map(str, sql))
        collector.add_extra(task.get_db_hook(), SQL_KEY, {"sql": text})


def _report_request(task: Any) -> None:
    from airflow.sdk.lineage import get_hook_lineage_collector

    from synapse_workflows.lineage.hook_instrumentation import READ_METHODS, redact_request

    collector: Any = get_hook_lineage_collector()
    url = redact_request(task.method, task.hook.url_from_endpoint(task.endpoint))
    add = collector.add_input_asset if task.method in READ_METHODS else collector.add_output_asset
    add(context=task.hook, uri=url)
