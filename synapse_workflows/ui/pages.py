"""HTML pages without a drawing: the list of runs, and messages."""

from functools import cache
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from synapse_workflows.drawing.template_environment import finalize
from synapse_workflows.links import RUN_ROUTE, get_run_path

if TYPE_CHECKING:
    from synapse_workflows.ui.run_list import RunPage


def render_runs(page: "RunPage", dag_id: str, airflow_url: str, static_url: str) -> str:
    """Render a page of the list of runs with lineage.

    Args:
        page: Page of the list.
        dag_id: ID of the only DAG in the list; empty for all.
        airflow_url: URL of the root of Airflow's web server, with a trailing slash.
        static_url: URL of the static files, without a trailing slash.
    """
    urls = {
        run: f"{airflow_url}{get_run_path(run.dag_id, run.run_id)}/plugin/{RUN_ROUTE}"
        for run in page.runs
    }
    template = _get_environment().get_template("runs.html")
    return template.render(page=page, urls=urls, dag_id=dag_id, static_url=static_url)


def render_message(text: str, static_url: str) -> str:
    """Render a page with a message, for example of an error."""
    template = _get_environment().get_template("message.html")
    return template.render(text=text, static_url=static_url)


@cache
def _get_environment() -> Environment:
    return Environment(
        loader=PackageLoader("synapse_workflows.ui"),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
