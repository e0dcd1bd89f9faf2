"""Templates of tasks, rendered with the values that are equal for all tasks of a run."""

import re
from collections.abc import Mapping
from typing import Any, Final

from airflow.sdk.definitions.param import process_params
from jinja2 import Environment, StrictUndefined, meta

#: Names in the context that have the same value in each task of a run, and need no request.
_RUN_NAMES: Final = (
    "run_id", "dag_run", "partition_key", "logical_date", "ds", "ds_nodash", "ts", "ts_nodash",
    "ts_nodash_with_tz", "data_interval_start", "data_interval_end",
)  # fmt: skip
_EXPRESSION: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
#: Replacement of an expression whose value is not known.
UNKNOWN: Final = "\0"


def render_for_run(text: str, task: Any, context: Mapping[str, Any] | None) -> str:
    """Render the expressions in a template that do not depend on a running task.

    Args:
        text: The template. Expressions with other values, such as XComs, variables, connections
            and macros, are replaced by `UNKNOWN`: rendering them again may have side effects.
        task: An operator of the DAG, which another process may have run.
        context: Context of a task in the same run; None without a run.
    """
    if "{{" not in text and "{%" not in text:
        return text
    try:
        environment, values = _prepare(task, context)
    except Exception:  # noqa: BLE001 - the settings of the DAG: lineage does not fail the task
        return _EXPRESSION.sub(UNKNOWN, text)

    def render(match: re.Match[str]) -> str:
        try:
            used = meta.find_undeclared_variables(environment.parse(match[0]))
            if match[0].startswith("{%") or not used <= values.keys():
                return UNKNOWN
            return str(environment.from_string(match[0]).render(values))
        except Exception:  # noqa: BLE001 - filters of the DAG
            return UNKNOWN

    return _EXPRESSION.sub(render, text)


def _prepare(task: Any, context: Mapping[str, Any] | None) -> tuple[Environment, dict[str, Any]]:
    """Return the Jinja environment of a DAG, and the values of the run."""
    values = {name: context[name] for name in _RUN_NAMES if context and name in context}
    conf = getattr(values.get("dag_run"), "conf", None)
    params = process_params(task.dag, task, conf, suppress_exception=True)
    environment = task.dag.get_template_env(force_sandboxed=True)
    return environment.overlay(undefined=StrictUndefined), {
        **values,
        "dag": task.dag,
        "params": params,
    }
