"""Index of the routes by the start and the length of their paths."""

from itertools import takewhile

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Router
from starlette.types import Receive, Scope, Send

#: Maximum number of parts of a start: `/repo/v1/entity/syn1` has the start `/repo/v1/entity`.
_MAX_PARTS = 4
#: Minimum number of parts: `/storage/upload/1/2` has the start `/storage/upload`.
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
        self._routers = {
            key: Router(
                [
                    route
                    for route, each in zip(router.routes, keys, strict=True)
                    if each is None or _includes(each, key)
                ],
                redirect_slashes=False,
                default=router.default,
            )
            for key in set(keys)
            if key is not None
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
    """Return the key of all paths of a route; None if paths with several lengths match."""
    if not isinstance(route, APIRoute) or ":path}" in route.path:
        return None
    parts = route.path.split("/")
    start = takewhile(lambda part: "{" not in part, parts[:_MAX_PARTS])
    return "/".join(start), len(parts)


def _includes(key: _Key, other: _Key) -> bool:
    """Return whether paths with the key `other` can match a route with the key `key`."""
    return key[1] == other[1] and f"{other[0]}/".startswith(f"{key[0]}/")
