"""Index of the routes by the start of their path."""

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Router
from starlette.types import Receive, Scope, Send

#: Number of parts of a path in a key: `/repo/v1/entity/syn1` has the key `/repo/v1/entity`.
_PARTS = 4


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
        routes: dict[str, list[BaseRoute]] = {key: [] for key in keys if key is not None}
        for route, key in zip(router.routes, keys, strict=True):
            for each in routes if key is None else [key]:
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
        return self._routers.get(_get_start(scope["path"]), self._router)


def _get_key(route: BaseRoute) -> str | None:
    """Return the start of all paths of a route; None if paths with several starts match."""
    key = _get_start(route.path) if isinstance(route, APIRoute) else "{"
    return None if "{" in key else key


def _get_start(path: str) -> str:
    return "/".join(path.split("/", _PARTS)[:_PARTS])
