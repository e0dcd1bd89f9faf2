"""Routes of access to entities: ACLs, permissions, restrictions (repo/v1)."""

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
from synapse_workflows.local.routers.dependencies import Call
from synapse_workflows.local.routers.responses import Answer, created, done

router = APIRouter(prefix="/repo/v1")

_MOST_REQUIREMENTS = 50


@router.get("/entity/{entity_id}/acl")
def get_acl(call: Call, entity_id: str) -> Response:
    """Give the ACL that an entity owns.

    Source: GET /entity/{id}/acl
    """
    with call.reading("view") as work:
        return Answer(entity_acl.get(work.session, work.caller, parse_entity_id(entity_id)))


@router.post("/entity/{entity_id}/acl")
def create_acl(call: Call, entity_id: str) -> Response:
    """Give an entity an ACL of its own.

    Source: POST /entity/{id}/acl
    """
    with call.writing("view", "modify") as work:
        body, entity = call.json_object(), parse_entity_id(entity_id)
        return created(entity_acl.create(work.session, work.caller, entity, body))


@router.put("/entity/{entity_id}/acl")
def put_acl(call: Call, entity_id: str) -> Response:
    """Replace an entity's own ACL.

    Source: PUT /entity/{id}/acl
    """
    with call.writing("view", "modify") as work:
        body, entity = call.json_object(), parse_entity_id(entity_id)
        return Answer(entity_acl.update(work.session, work.caller, entity, body))


@router.delete("/entity/{entity_id}/acl")
def delete_acl(call: Call, entity_id: str) -> Response:
    """Let an entity inherit again.

    Source: DELETE /entity/{id}/acl
    """
    with call.writing("modify") as work:
        entity_acl.delete(work.session, work.caller, parse_entity_id(entity_id))
    return done()


@router.get("/entity/{entity_id}/benefactor")
def get_benefactor(call: Call, entity_id: str) -> Response:
    """Give the header of the entity whose ACL applies.

    Source: GET /entity/{id}/benefactor
    """
    with call.reading("view") as work:
        return Answer(
            children.get_benefactor(work.session, work.caller, parse_entity_id(entity_id))
        )


@router.get("/entity/{entity_id}/permissions")
def get_permissions(call: Call, entity_id: str) -> Response:
    """Tell what the caller may do to an entity.

    Source: GET /entity/{id}/permissions
    """
    with call.reading("view") as work:
        return Answer(permissions.get(work.session, work.caller, parse_entity_id(entity_id)))


@router.get("/entity/{entity_id}/access")
def get_access(
    call: Call, entity_id: str, access_type: Annotated[str, Query(alias="accessType")]
) -> Response:
    """Tell whether the caller holds one right.

    Source: GET /entity/{id}/access
    """
    right = request_fields.parse_enum(AccessType, access_type, "accessType")
    with call.reading("view") as work:
        held = permissions.has_access(work.session, work.caller, parse_entity_id(entity_id), right)
    return Answer({"result": held})


@router.get("/entity/{entity_id}/accessRequirement")
def list_requirements(
    call: Call, entity_id: str, limit: int = _MOST_REQUIREMENTS, offset: int = 0
) -> Response:
    """List the access requirements on an entity and above it.

    Source: GET /entity/{id}/accessRequirement
    """
    asked = paging.parse_page(limit, offset, minimum=1, maximum=_MOST_REQUIREMENTS)
    with call.reading("view") as work:
        found = restrictions.list_requirements(
            work.session, work.caller, parse_entity_id(entity_id), asked
        )
    return Answer(paging.build_results(found, asked))


@router.post("/entity/{entity_id}/lockAccessRequirement")
def lock(call: Call, entity_id: str) -> Response:
    """Lock an entity and all below it against downloads.

    Source: POST /entity/{id}/lockAccessRequirement
    """
    with call.writing("view", "modify") as work:
        return created(
            restrictions.create_lock(work.session, work.caller, parse_entity_id(entity_id))
        )
