"""Routes of ACLs, permissions and access restrictions of entities (repo/v1)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from synapse_workflows.constants import AccessType
from synapse_workflows.local.domain import (
    children,
    entity_acl,
    paging,
    permissions,
    request_fields,
    restrictions,
)
from synapse_workflows.local.domain.ids import parse_entity_id
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.responses import (
    ApiResponse,
    created_response,
    no_content_response,
)

router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)

_MAX_REQUIREMENTS = 50


@router.get("/entity/{entity_id}/acl")
def get_acl(request: JsonRequest, entity_id: str) -> Response:
    """Return the ACL of an entity that does not inherit its ACL.

    Source: GET /entity/{id}/acl
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(entity_acl.get(tx.session, tx.caller, parse_entity_id(entity_id)))


@router.post("/entity/{entity_id}/acl")
def create_acl(request: JsonRequest, entity_id: str) -> Response:
    """Create an ACL for an entity that inherits its ACL.

    Source: POST /entity/{id}/acl
    """
    with request.write_transaction("view", "modify") as tx:
        body, entity = request.json_object(), parse_entity_id(entity_id)
        return created_response(entity_acl.create(tx.session, tx.caller, entity, body))


@router.put("/entity/{entity_id}/acl")
def update_acl(request: JsonRequest, entity_id: str) -> Response:
    """Replace the ACL of an entity.

    Source: PUT /entity/{id}/acl
    """
    with request.write_transaction("view", "modify") as tx:
        body, entity = request.json_object(), parse_entity_id(entity_id)
        return ApiResponse(entity_acl.update(tx.session, tx.caller, entity, body))


@router.delete("/entity/{entity_id}/acl")
def delete_acl(request: JsonRequest, entity_id: str) -> Response:
    """Delete the ACL of an entity, which then inherits the ACL of its parent.

    Source: DELETE /entity/{id}/acl
    """
    with request.write_transaction("modify") as tx:
        entity_acl.delete(tx.session, tx.caller, parse_entity_id(entity_id))
    return no_content_response()


@router.get("/entity/{entity_id}/benefactor")
def get_benefactor(request: JsonRequest, entity_id: str) -> Response:
    """Return the header of the entity whose ACL applies.

    Source: GET /entity/{id}/benefactor
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(
            children.get_benefactor(tx.session, tx.caller, parse_entity_id(entity_id))
        )


@router.get("/entity/{entity_id}/permissions")
def get_permissions(request: JsonRequest, entity_id: str) -> Response:
    """Return the permissions of the caller on an entity.

    Source: GET /entity/{id}/permissions
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(permissions.get(tx.session, tx.caller, parse_entity_id(entity_id)))


@router.get("/entity/{entity_id}/access")
def get_access(
    request: JsonRequest, entity_id: str, access_type: Annotated[str, Query(alias="accessType")]
) -> Response:
    """Return whether the caller has an access type on an entity.

    Source: GET /entity/{id}/access
    """
    required = request_fields.parse_enum(AccessType, access_type, "accessType")
    with request.read_transaction("view") as tx:
        result = permissions.has_access(
            tx.session, tx.caller, parse_entity_id(entity_id), required
        )
    return ApiResponse({"result": result})


@router.get("/entity/{entity_id}/accessRequirement")
def list_requirements(
    request: JsonRequest, entity_id: str, limit: int = _MAX_REQUIREMENTS, offset: int = 0
) -> Response:
    """List the access requirements of an entity and of its ancestors.

    Source: GET /entity/{id}/accessRequirement
    """
    page = paging.parse_page(limit, offset, minimum=1, maximum=_MAX_REQUIREMENTS)
    with request.read_transaction("view") as tx:
        found = restrictions.list_requirements(
            tx.session, tx.caller, parse_entity_id(entity_id), page
        )
    return ApiResponse(paging.build_results(found, page))


@router.post("/entity/{entity_id}/lockAccessRequirement")
def create_lock(request: JsonRequest, entity_id: str) -> Response:
    """Create a lock that forbids downloads of an entity and its descendants.

    Source: POST /entity/{id}/lockAccessRequirement
    """
    with request.write_transaction("view", "modify") as tx:
        return created_response(
            restrictions.create_lock(tx.session, tx.caller, parse_entity_id(entity_id))
        )
