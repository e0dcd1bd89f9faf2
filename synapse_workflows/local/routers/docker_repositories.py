"""Routes of Docker repositories (repo/v1)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from synapse_workflows.local.domain import docker_commits, paging, request_fields
from synapse_workflows.local.domain.docker_commits import SortBy
from synapse_workflows.local.domain.ids import format_entity_id, parse_entity_id
from synapse_workflows.local.routers.dependencies import JsonRequest
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.responses import ApiResponse, no_content_response

router = APIRouter(prefix="/repo/v1/entity", route_class=LazyRoute)


@router.get("/dockerRepo/id")
def find_repository(
    request: JsonRequest, repository_name: Annotated[str, Query(alias="repositoryName")]
) -> Response:
    """Return the ID of the Docker repository with a repository name.

    Source: GET /entity/dockerRepo/id
    """
    with request.read_transaction("view") as tx:
        found = docker_commits.find_repository(tx.session, tx.caller, repository_name)
    return ApiResponse({"id": format_entity_id(found)})


@router.get("/{entity_id}/dockerTag")
def list_tags(
    request: JsonRequest,
    entity_id: str,
    sort_by: Annotated[str, Query(alias="sortBy")] = SortBy.CREATED_ON,
    *,
    ascending: bool = False,
    limit: int = 10,
    offset: int = 0,
) -> Response:
    """List the tags of a Docker repository.

    Source: GET /entity/{id}/dockerTag
    """
    page = paging.parse_page(limit, offset)
    key = request_fields.parse_enum(SortBy, sort_by, "sortBy")
    with request.read_transaction("view") as tx:
        found = docker_commits.list_tags(
            tx.session,
            tx.caller,
            parse_entity_id(entity_id),
            page,
            sort_by=key,
            is_ascending=ascending,
        )
    return ApiResponse(paging.build_results(found, page))


@router.post("/{entity_id}/dockerCommit")
def create_commit(request: JsonRequest, entity_id: str) -> Response:
    """Add a commit to a Docker repository.

    Source: POST /entity/{id}/dockerCommit
    """
    with request.write_transaction("modify") as tx:
        repository, body = parse_entity_id(entity_id), request.json_object()
        docker_commits.create(tx.session, tx.caller, repository, body)
    return no_content_response()
