"""FastAPI application of the web pages. It runs in the API server of Airflow.

    /runs                                            DAG runs with lineage
    /dags/{dag_id}/run?run_id=                       lineage of a run
    /dags/{dag_id}/task?run_id=&task_id=&map_index=  lineage of a task instance
    /static/{name}                                   scripts, styles and icons

Airflow does not protect the applications of plugins. Every route requires a user who is signed in
to Airflow, and the pages of a DAG a user who may read its runs, task instances and XComs.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, get_user, requires_access_dag
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

from synapse_workflows.drawing.page import CONTENT_SECURITY_POLICY, render_page
from synapse_workflows.drawing.svg import STATIC_DIR
from synapse_workflows.links import LIST_ROUTE, RUN_ROUTE, get_run_path
from synapse_workflows.ui.pages import render_message, render_runs
from synapse_workflows.ui.run_graph import build_run_graph
from synapse_workflows.ui.run_lineage import RunLineage, TaskRun, read_run_lineage
from synapse_workflows.ui.run_list import list_runs

#: The list of runs has a form; only Airflow may frame the pages.
_POLICY: Final = CONTENT_SECURITY_POLICY.replace("form-action 'none'", "form-action 'self'")
_HEADERS: Final = {
    "Content-Security-Policy": f"{_POLICY}; frame-ancestors 'self'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
#: Scripts, styles and icons of the drawings and of these pages.
_FILES: Final = StaticFiles(directory=STATIC_DIR, packages=[("synapse_workflows.ui", "static")])
#: Number of digits of an integer that the database does not accept as a map index.
_MAX_DIGITS: Final = 10
#: Parts of DAGs that the pages show, and their names.
_PARTS: Final = {
    DagAccessEntity.RUN: "runs",
    DagAccessEntity.TASK_INSTANCE: "task instances",
    DagAccessEntity.XCOM: "XComs",
}
#: Access to a DAG that its pages require.
_CAN_READ_DAG: Final = [
    Depends(requires_access_dag(method="GET", access_entity=part)) for part in _PARTS
]


def create_app() -> FastAPI:
    """Create the application."""
    app = FastAPI(
        title="Synapse lineage",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(get_user)],
        exception_handlers={HTTPException: _show_error},
    )
    app.get("/runs")(show_runs)
    app.get("/dags/{dag_id}/run", dependencies=_CAN_READ_DAG)(show_run)
    app.get("/dags/{dag_id}/task", dependencies=_CAN_READ_DAG)(show_task)
    app.get("/static/{name}")(send_file)
    return app


def show_runs(
    request: Request,
    session: SessionDep,
    user: GetUserDep,
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
    dag_id: str | None = None,
) -> Response:
    """Show the runs that have lineage, of the DAGs that the user may read.

    The permissions for runs, task instances and XComs are checked for all DAGs together, as in
    the lists of Airflow; the pages of a run check those of its DAG.
    """
    manager = get_auth_manager()
    for part, name in _PARTS.items():
        if not manager.is_authorized_dag(method="GET", access_entity=part, user=user):
            raise HTTPException(403, f"You have no permission to read the {name} of DAGs")
    readable = manager.get_authorized_dag_ids(user=user, method="GET")
    listed = list_runs(session, readable, page, dag_id or None)
    html = render_runs(listed, dag_id or "", str(request.base_url), _get_static_url(request))
    return HTMLResponse(html, headers=_HEADERS)


def show_run(request: Request, session: SessionDep, dag_id: str, run_id: str) -> Response:
    """Show the lineage of a DAG run."""
    run = _read_run(session, dag_id, run_id)
    links = {
        "DAG run": f"{request.base_url}{get_run_path(dag_id, run_id)}",
        "All runs with lineage": f"{request.base_url}plugin/{LIST_ROUTE}",
    }
    return _show_lineage(request, run, (), f"Lineage of {dag_id}", links)


def show_task(
    request: Request,
    session: SessionDep,
    dag_id: str,
    run_id: str,
    task_id: str,
    map_index: str = "",
) -> Response:
    """Show the lineage of a task instance.

    Without a map index, all instances of a mapped task are shown. In the address of a task that is
    not mapped, Airflow leaves the text `{MAP_INDEX}`.
    """
    run = _read_run(session, dag_id, run_id)
    index = int(map_index) if map_index.isdecimal() and len(map_index) < _MAX_DIGITS else None
    tasks = [
        task for task in run.tasks if task.task_id == task_id and index in (None, task.map_index)
    ]
    if not tasks:
        raise HTTPException(404, f"There is no task instance {task_id!r} in this run")
    label = tasks[0].label if len(tasks) == 1 else task_id
    run_url = f"{request.base_url}{get_run_path(dag_id, run_id)}"
    links = {"Lineage of the whole run": f"{run_url}/plugin/{RUN_ROUTE}"}
    return _show_lineage(request, run, tasks, f"Lineage of {label}", links)


async def send_file(request: Request, name: str) -> Response:
    """Send a static file."""
    response = await _FILES.get_response(name, request.scope)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _read_run(session: Any, dag_id: str, run_id: str) -> RunLineage:
    run = read_run_lineage(session, dag_id, run_id)
    if run is None:
        raise HTTPException(404, f"There is no run {run_id!r} of the DAG {dag_id!r}")
    return run


def _show_lineage(
    request: Request,
    run: RunLineage,
    tasks: Sequence[TaskRun],
    title: str,
    links: Mapping[str, str],
) -> Response:
    """Show the lineage of a run, or of some of its task instances."""
    focus = [(task.task_id, task.map_index) for task in tasks]
    graph = build_run_graph(run, str(request.base_url), focus)
    static_url = _get_static_url(request)
    html = render_page(
        graph,
        title=title,
        subtitle=f"{run.dag_id}, run {run.run_id}",
        static_url=static_url,
        links=links,
        scripts=[f"{static_url}/frame.js"],
        empty="No lineage is recorded: no task of this run has finished that read or stored data.",
    )
    return HTMLResponse(html, headers=_HEADERS)


def _get_static_url(request: Request) -> str:
    """Return the path of the static files, below the path of Airflow and of this application."""
    return f"{request.scope['root_path']}/static"


async def _show_error(request: Request, error: Exception) -> Response:
    """Show an error as a page in a browser, and as JSON otherwise."""
    if not isinstance(error, HTTPException):
        raise error
    if "text/html" not in request.headers.get("accept", ""):
        return await http_exception_handler(request, error)
    html = render_message(str(error.detail), _get_static_url(request))
    return HTMLResponse(html, error.status_code, headers={**_HEADERS, **(error.headers or {})})
