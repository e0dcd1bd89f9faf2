"""Route of temporary AWS credentials (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain.ids import parse_entity_id
from synapse_workflows.local.domain.storage import sts
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.responses import ApiResponse

router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)


@router.get("/entity/{entity_id}/sts")
def get_credentials(request: JsonRequest, entity_id: str, permission: str) -> Response:
    """Return temporary credentials for the storage location of an entity.

    Source: GET /entity/{id}/sts
    """
    with request.read_transaction("view", "modify", "download") as tx:
        number = parse_entity_id(entity_id)
        wanted = sts.authorize(tx.session, tx.caller, number, permission)
    return ApiResponse(sts.issue(request.service, wanted))
