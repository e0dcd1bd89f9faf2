"""Index of the routes by the start and the length of their paths."""

from itertools import takewhile

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Router
from starlette.types import Receive, Scope, Send

#: Maximum number of parts of a start: `/repo/v1/entity/syn1` has the start `/repo/v1/entity`.
_MAX_PARTS = 4
#: Minimum number of parts: `/storage/upload/1/2` has the start `/storage/upload`, in which the
#: path of the route has no parameter.
_MIN_PARTS = 3

#: Start of a path, and its number of parts.
_Key = tuple[str, int]


class RouteIndex:
    """ASGI application that tries only the routes that can match the path of a request.

    A router tries its routes one after the other, and the service has several hundred.

    Args:
        router: The router with all routes, for the requests whose path has an unknown start.
    """

    def __init__(self, router: Router) -> None:
        self._router = router
        self._app = router.app
        keys = [_get_key(route) for route in router.routes]
        routes: dict[_Key, list[BaseRoute]] = {key: [] for key in keys if key is not None}
        matched = {key: [key] for key in routes}
        for start, length in routes:
            shorter = start.rpartition("/")[0], length
            if shorter in matched:
                matched[shorter].append((start, length))
        for route, key in zip(router.routes, keys, strict=True):
            for each in routes if key is None else matched[key]:
                routes[each].append(route)
        self._routers = {
            key: Router(found, redirect_slashes=False, default=router.default)
            for key, found in routes.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        router = self._router if scope["type"] == "lifespan" else self.select(scope)
        await (self._app if router is self._router else router)(scope, receive, send)

    def select(self, scope: Scope) -> Router:
        """Return a router with all routes that can match the path of a request, in their order."""
        if scope.get("root_path"):
            return self._router
        parts = scope["path"].split("/")
        for size in range(_MAX_PARTS, _MIN_PARTS - 1, -1):
            router = self._routers.get(("/".join(parts[:size]), len(parts)))
            if router is not None:
                return router
        return self._router


def _get_key(route: BaseRoute) -> _Key | None:
    """Return the key of all paths of a route; None if paths with several keys match."""
    if not isinstance(route, APIRoute) or ":path}" in route.path:
        return None
    parts = route.path.split("/")
    start = list(takewhile(lambda part: "{" not in part, parts[:_MAX_PARTS]))
    return None if len(start) < _MIN_PARTS else ("/".join(start), len(parts))
