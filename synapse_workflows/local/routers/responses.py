"""Responses of the routes: JSON without null properties, errors, redirects."""

import json
from collections.abc import Sequence
from typing import Any

from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from synapse_workflows.constants import MODEL
from synapse_workflows.local.domain.request_fields import drop_nulls
from synapse_workflows.local.errors import ServiceError


class ApiResponse(JSONResponse):
    """A JSON response that omits null properties."""

    def render(self, content: Any) -> bytes:
        """Return the body as compact JSON in UTF-8."""
        return json.dumps(drop_nulls(content), ensure_ascii=False, separators=(",", ":")).encode()


def list_response(element_type: str, items: Sequence[Any], status: int = 200) -> ApiResponse:
    """Return a list of objects.

    Args:
        element_type: Type of the objects, without `MODEL`, for example ``table.ColumnModel``.
        items: The objects.
        status: HTTP status.
    """
    body = {"concreteType": f"{MODEL}.{element_type}", "list": items}
    return ApiResponse(body, status_code=status)


def created_response(body: Any) -> ApiResponse:
    """Return a response with status 201 and a body."""
    return ApiResponse(body, status_code=201)


def no_content_response() -> Response:
    """Return a response with status 204."""
    return Response(status_code=204)


def empty_response() -> Response:
    """Return a response with status 200 and an empty body."""
    return Response(status_code=200)


def error_response(error: ServiceError) -> ApiResponse:
    """Return the response for an error."""
    return ApiResponse(error.serialize(), status_code=error.status, headers=error.headers)


def redirect_to(url: str, *, redirect: bool) -> Response:
    """Return a redirect with status 307, or the URL as text if `redirect` is false."""
    if redirect:
        return RedirectResponse(url, status_code=307)
    return PlainTextResponse(url)
