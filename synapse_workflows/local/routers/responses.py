"""How answers look on the wire: JSON without null properties."""

import json
from typing import Any

from fastapi.responses import JSONResponse, Response

from synapse_workflows.local.domain.request_fields import drop_nulls
from synapse_workflows.local.errors import ServiceError


class Answer(JSONResponse):
    """A JSON answer as Synapse writes it."""

    def render(self, content: Any) -> bytes:
        """Write the body."""
        return json.dumps(drop_nulls(content), ensure_ascii=False, separators=(",", ":")).encode()


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
    return Answer(error.serialize(), status_code=error.status, headers=error.headers)
