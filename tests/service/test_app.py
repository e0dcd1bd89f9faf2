"""Tests of unknown routes and of the files that the application creates."""

import re

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Match
from support.entity_api import REPO
from support.file_api import assert_error

from synapse_workflows.constants import ERROR_RESPONSE
from synapse_workflows.local.app import create_app
from synapse_workflows.local.routers.route_index import RouteIndex
from synapse_workflows.local.settings import Settings


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/repo/v1", "/repo/v1/", "/auth/v1", "/file/v1", f"{REPO}/nothing", "/docker/v1",
     f"{REPO}/entity/syn1/doi", f"{REPO}/team/1/icon"],
)  # fmt: skip
def test_unknown_route_returns_error_response(ann, path):
    for method in ("GET", "POST"):
        body = assert_error(ann.request(method, path), 404, path)
        assert body["concreteType"] == ERROR_RESPONSE


def test_wrong_method_returns_405(ann):
    answer = ann.request("PATCH", f"{REPO}/entity/syn1")
    assert assert_error(answer, 405, "PATCH")["concreteType"] == ERROR_RESPONSE


def test_the_index_finds_the_route_that_a_search_of_all_routes_finds(tmp_path):
    app = create_app(Settings(data_dir=tmp_path))
    app.state.service.database.close()
    index = RouteIndex(app.router)
    for route in app.router.routes:
        for method in getattr(route, "methods", ()) if isinstance(route, APIRoute) else ():
            path = re.sub(r"\{\w+(:path)?\}", "1", route.path)
            scope = {"type": "http", "method": method, "path": path, "headers": []}
            first = find_route(app.router.routes, scope)
            router = index.select(scope)
            assert find_route(router.routes, scope) is first, path
            if path.startswith(("/repo/", "/file/", "/auth/", "/storage/")):
                assert len(router.routes) < 60, path


def test_every_route_can_be_built(tmp_path):
    """A route analyses its function at its first request only."""
    app = create_app(Settings(data_dir=tmp_path))
    app.state.service.database.close()
    routes = [route for route in app.router.routes if isinstance(route, APIRoute)]
    assert all(route.app for route in routes)
    assert all(route.dependant.call is route.endpoint for route in routes)


def find_route(routes, scope):
    return next(one for one in routes if one.matches(scope)[0] is Match.FULL)


def test_secret_file_is_readable_by_owner_only(tmp_path):
    create_app(Settings(data_dir=tmp_path)).state.service.database.close()
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
