"""How answers look on the wire: JSON without null properties."""

import json
from typing import Any

from fastapi.responses import JSONResponse, Response

from synapse_workflows.local.errors import ServiceError


def without_nulls(value: Any) -> Any:
    """Leave out null properties at every depth; nulls in arrays stay."""
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(each) for each in value]
    return value


class Answer(JSONResponse):
    """A JSON answer as Synapse writes it."""

    def render(self, content: Any) -> bytes:
        """Write the body."""
        return json.dumps(
            without_nulls(content), ensure_ascii=False, separators=(",", ":")
        ).encode()


def created(body: Any) -> Answer:
    """Answer 201 with a body."""
    return Answer(body, status_code=201)


def done() -> Response:
    """Answer 204 without a body."""
    return Response(status_code=204)


def empty() -> Response:
    """Answer 200 without a body."""
    return Response(status_code=200)


def refused(error: ServiceError) -> Answer:
    """Answer with an error."""
    return Answer(error.body(), status_code=error.status, headers=error.headers)
