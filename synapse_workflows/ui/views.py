"""Registration of the web pages in the Airflow UI.

The plugin imports this module in every process that runs tasks, so it imports neither FastAPI nor
the pages. The application is created in the API server, by the first request.
"""

from typing import Any, Final

from synapse_workflows.links import LIST_ROUTE, RUN_ROUTE, TASK_ROUTE

#: Path of the application below the root of the API server.
URL_PREFIX: Final = "/synapse"

_ICONS: Final = {
    "icon": "synapse/static/lineage.svg",
    "icon_dark_mode": "synapse/static/lineage-dark.svg",
}
#: Pages as Airflow's `external_views`. Airflow replaces the placeholders, except `{MAP_INDEX}` of
#: a task that is not mapped. The addresses are relative to the root of the web server, which may
#: be below a path such as `/airflow/`.
EXTERNAL_VIEWS: Final[list[dict[str, Any]]] = [
    {
        "name": "Lineage",
        "href": (
            "synapse/dags/{DAG_ID}/task?run_id={RUN_ID}&task_id={TASK_ID}&map_index={MAP_INDEX}"
        ),
        "destination": "task_instance",
        "url_route": TASK_ROUTE,
        **_ICONS,
    },
    {
        "name": "Lineage",
        "href": "synapse/dags/{DAG_ID}/run?run_id={RUN_ID}",
        "destination": "dag_run",
        "url_route": RUN_ROUTE,
        **_ICONS,
    },
    {
        "name": "Synapse lineage",
        "href": "synapse/runs",
        "destination": "nav",
        "category": "browse",
        "url_route": LIST_ROUTE,
        **_ICONS,
    },
]


class LazyApplication:
    """ASGI application that creates the application of the pages on the first request."""

    def __init__(self) -> None:
        self._app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle a request."""
        if self._app is None:
            from synapse_workflows.ui.app import create_app

            self._app = create_app()
        await self._app(scope, receive, send)


#: The application as Airflow's `fastapi_apps`.
FASTAPI_APPS: Final[list[dict[str, Any]]] = [
    {"app": LazyApplication(), "url_prefix": URL_PREFIX, "name": "Synapse lineage"}
]
