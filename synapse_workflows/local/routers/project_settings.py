"""Routes of project settings (repo/v1)."""

from fastapi import APIRouter, Response

from synapse_workflows.local.domain.ids import parse_entity_id
from synapse_workflows.local.domain.storage import project_settings
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.parameters import PathNumber
from synapse_workflows.local.routers.responses import (
    ApiResponse,
    created_response,
    empty_response,
    no_content_response,
)

router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)


@router.post("/projectSettings")
def create_project_setting(request: JsonRequest) -> Response:
    """Create the upload setting of a project or folder.

    Source: POST /projectSettings
    """
    with request.write_transaction("view", "modify") as tx:
        return created_response(
            project_settings.create(tx.session, tx.caller, request.json_object())
        )


@router.put("/projectSettings")
def update_project_setting(request: JsonRequest) -> Response:
    """Update a setting. The body contains its ID. The response is empty.

    Source: PUT /projectSettings
    """
    with request.write_transaction("view", "modify") as tx:
        project_settings.update(tx.session, tx.caller, request.json_object())
    return empty_response()


@router.get("/projectSettings/{setting_id}")
def get_project_setting(request: JsonRequest, setting_id: PathNumber) -> Response:
    """Return a setting.

    Source: GET /projectSettings/{id}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(project_settings.get(tx.session, tx.caller, setting_id))


@router.get("/projectSettings/{container_id}/type/{settings_type}")
def find_project_setting(request: JsonRequest, container_id: str, settings_type: str) -> Response:
    """Return the setting of a container; an empty response if the container has none.

    Source: GET /projectSettings/{projectId}/type/{type}
    """
    with request.read_transaction("view") as tx:
        number = parse_entity_id(container_id)
        found = project_settings.find_by_type(tx.session, tx.caller, number, settings_type)
        return empty_response() if found is None else ApiResponse(found)


@router.delete("/projectSettings/{setting_id}")
def delete_project_setting(request: JsonRequest, setting_id: PathNumber) -> Response:
    """Delete a setting.

    Source: DELETE /projectSettings/{id}
    """
    with request.write_transaction("modify") as tx:
        project_settings.delete(tx.session, tx.caller, setting_id)
    return no_content_response()
