"""Routes of wikis (repo/v1), for entities, evaluations and access requirements.

The paths with `wiki` have the markdown in the JSON of the page, the paths with `wiki2` in a file.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from synapse_workflows.local.domain import file_handles, paging
from synapse_workflows.local.domain.ids import parse_id
from synapse_workflows.local.domain.paging import Page
from synapse_workflows.local.domain.storage import download_urls
from synapse_workflows.local.domain.wikis import (
    attachments,
    header_tree,
    inline_pages,
    owners,
    pages,
)
from synapse_workflows.local.domain.wikis.owners import WikiOwner
from synapse_workflows.local.routers.dependencies import JsonRequest, RedirectRequest, Transaction
from synapse_workflows.local.routers.lazy_route import LazyRoute
from synapse_workflows.local.routers.parameters import parse_version_number
from synapse_workflows.local.routers.responses import (
    ApiResponse,
    created_response,
    empty_response,
    redirect_to,
)
from synapse_workflows.local.storage.file_models import FileHandle
from synapse_workflows.local.storage.wiki_models import WikiVersion

_wikis = APIRouter(route_class=LazyRoute)


async def parse_owner(request: Request, owner_id: str) -> WikiOwner:
    """Parse the owner in the path.

    Raises:
        BadRequest: The ID is invalid.
    """
    return owners.parse_owner(request.url.path.split("/")[3], owner_id)


async def parse_page_id(request: Request) -> int | None:
    """Parse the page ID in the path; None if the path has none, for the root page.

    Raises:
        BadRequest: The ID is invalid.
    """
    text = request.path_params.get("wiki_id")
    return None if text is None else parse_id(text, "wikiId")


async def parse_wiki_id(wiki_id: str) -> int:
    """Parse the page ID in the path.

    Raises:
        BadRequest: The ID is invalid.
    """
    return parse_id(wiki_id, "wikiId")


async def parse_wiki_version(
    version: Annotated[str | None, Query(alias="wikiVersion")] = None,
) -> int | None:
    """Parse the version in the query string; None for the current version.

    Raises:
        BadRequest: The version is invalid.
    """
    return parse_version_number(version) if version else None


async def parse_header_page(limit: int = header_tree.MAX_HEADERS, offset: int = 0) -> Page:
    """Parse the limit and the offset of a list of headers.

    Raises:
        BadRequest: The limit or the offset is out of range.
    """
    return paging.parse_page(limit, offset, minimum=1, maximum=header_tree.MAX_HEADERS)


Owner = Annotated[WikiOwner, Depends(parse_owner)]
PageId = Annotated[int | None, Depends(parse_page_id)]
WikiId = Annotated[int, Depends(parse_wiki_id)]
Version = Annotated[int | None, Depends(parse_wiki_version)]
HeaderPage = Annotated[Page, Depends(parse_header_page)]
FileName = Annotated[str, Query(alias="fileName")]


@_wikis.post("/wiki")
def create_inline_page(request: JsonRequest, owner: Owner) -> Response:
    """Create a page.

    Source: POST /entity/{ownerId}/wiki
    """
    with request.write_transaction("view", "modify") as tx:
        body = request.json_object()
        page = inline_pages.create(tx.service, tx.session, tx.caller, owner, body)
    return created_response(page)


@_wikis.get("/wiki")
@_wikis.get("/wiki/{wiki_id}")
def get_inline_page(
    request: JsonRequest, owner: Owner, page_id: PageId, version: Version
) -> Response:
    """Return the root page, or a page.

    Source: GET /entity/{ownerId}/wiki, GET /entity/{ownerId}/wiki/{wikiId}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(
            inline_pages.get(tx.service, tx.session, tx.caller, owner, page_id, version)
        )


@_wikis.put("/wiki/{wiki_id}")
def update_inline_page(request: JsonRequest, owner: Owner, wiki_id: WikiId) -> Response:
    """Update a page.

    Source: PUT /entity/{ownerId}/wiki/{wikiId}
    """
    with request.write_transaction("view", "modify") as tx:
        body = request.json_object()
        page = inline_pages.update(tx.service, tx.session, tx.caller, owner, wiki_id, body)
    return ApiResponse(page)


@_wikis.post("/wiki2")
def create_page(request: JsonRequest, owner: Owner) -> Response:
    """Create a page.

    Source: POST /entity/{ownerId}/wiki2
    """
    with request.write_transaction("view", "modify") as tx:
        body = request.json_object()
        page = pages.create(tx.service, tx.session, tx.caller, owner, body)
    return created_response(page)


@_wikis.get("/wiki2")
@_wikis.get("/wiki2/{wiki_id}")
def get_page(request: JsonRequest, owner: Owner, page_id: PageId, version: Version) -> Response:
    """Return the root page, or a page.

    Source: GET /entity/{ownerId}/wiki2, GET /entity/{ownerId}/wiki2/{wikiId}
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(pages.get(tx.session, tx.caller, owner, page_id, version))


@_wikis.put("/wiki2/{wiki_id}")
def update_page(request: JsonRequest, owner: Owner, wiki_id: WikiId) -> Response:
    """Update a page.

    Source: PUT /entity/{ownerId}/wiki2/{wikiId}
    """
    with request.write_transaction("view", "modify") as tx:
        body = request.json_object()
        page = pages.update(tx.service, tx.session, tx.caller, owner, wiki_id, body)
    return ApiResponse(page)


@_wikis.put("/wiki2/{wiki_id}/{number}")
def restore_page(request: JsonRequest, owner: Owner, wiki_id: WikiId, number: str) -> Response:
    """Restore a version of a page.

    Source: PUT /entity/{ownerId}/wiki2/{wikiId}/{wikiVersion}
    """
    with request.write_transaction("view", "modify") as tx:
        version = parse_version_number(number)
        body = request.json_object() if request.body else {}
        return ApiResponse(pages.restore(tx.session, tx.caller, owner, wiki_id, version, body))


@_wikis.delete("/wiki/{wiki_id}")
@_wikis.delete("/wiki2/{wiki_id}")
def delete_page(request: JsonRequest, owner: Owner, wiki_id: WikiId) -> Response:
    """Delete a page with its sub-pages.

    Source: DELETE /entity/{ownerId}/wiki/{wikiId}, DELETE /entity/{ownerId}/wiki2/{wikiId}
    """
    with request.write_transaction("modify") as tx:
        pages.delete(tx.session, tx.caller, owner, wiki_id)
    return empty_response()


@_wikis.get("/wikiheadertree")
@_wikis.get("/wikiheadertree2")
def list_headers(request: JsonRequest, owner: Owner, page: HeaderPage) -> Response:
    """List the pages of a wiki.

    Source: GET /entity/{ownerId}/wikiheadertree, GET /entity/{ownerId}/wikiheadertree2
    """
    with request.read_transaction("view") as tx:
        found = header_tree.list_headers(tx.session, tx.caller, owner, page)
    return ApiResponse(paging.build_results(found, page))


@_wikis.get("/wiki2orderhint")
def get_order_hint(request: JsonRequest, owner: Owner) -> Response:
    """Return the order of the pages of a wiki.

    Source: GET /entity/{ownerId}/wiki2orderhint
    """
    with request.read_transaction("view") as tx:
        return ApiResponse(header_tree.get_order_hint(tx.session, tx.caller, owner))


@_wikis.put("/wiki2orderhint")
def update_order_hint(request: JsonRequest, owner: Owner) -> Response:
    """Replace the order of the pages of a wiki.

    Source: PUT /entity/{ownerId}/wiki2orderhint
    """
    with request.write_transaction("view", "modify") as tx:
        body = request.json_object()
        return ApiResponse(header_tree.update_order_hint(tx.session, tx.caller, owner, body))


@_wikis.get("/wiki2/{wiki_id}/wikihistory")
def list_history(
    request: JsonRequest, owner: Owner, wiki_id: WikiId, limit: int, offset: int
) -> Response:
    """List the versions of a page, newest first.

    Source: GET /entity/{ownerId}/wiki2/{wikiId}/wikihistory
    """
    with request.read_transaction("view") as tx:
        page = paging.parse_page(limit, offset)
        found = header_tree.list_history(tx.session, tx.caller, owner, wiki_id, page)
    return ApiResponse(paging.build_results(found, page))


@_wikis.get("/wiki/{wiki_id}/attachmenthandles")
@_wikis.get("/wiki2/{wiki_id}/attachmenthandles")
def list_attachments(
    request: JsonRequest, owner: Owner, wiki_id: WikiId, version: Version
) -> Response:
    """List the attachments of a page and their previews.

    Source: GET /entity/{ownerId}/wiki/{wikiId}/attachmenthandles,
    GET /entity/{ownerId}/wiki2/{wikiId}/attachmenthandles
    """
    with request.read_transaction("view") as tx:
        found = _get_version(tx, owner, wiki_id, version)
        return ApiResponse(attachments.serialize(tx.session, found))


@_wikis.get("/wiki/{wiki_id}/attachment")
@_wikis.get("/wiki2/{wiki_id}/attachment")
def get_attachment(
    request: RedirectRequest,
    owner: Owner,
    wiki_id: WikiId,
    version: Version,
    file_name: FileName,
    redirect: bool = True,
) -> Response:
    """Redirect to an attachment.

    Source: GET /entity/{ownerId}/wiki/{wikiId}/attachment,
    GET /entity/{ownerId}/wiki2/{wikiId}/attachment
    """
    with request.read_transaction("download") as tx:
        found = _get_version(tx, owner, wiki_id, version)
        url = _get_url(tx, attachments.get_by_name(tx.session, found, file_name))
    return redirect_to(url, redirect=redirect)


@_wikis.get("/wiki/{wiki_id}/attachmentpreview")
@_wikis.get("/wiki2/{wiki_id}/attachmentpreview")
def get_attachment_preview(
    request: RedirectRequest,
    owner: Owner,
    wiki_id: WikiId,
    version: Version,
    file_name: FileName,
    redirect: bool = True,
) -> Response:
    """Redirect to the preview of an attachment.

    Source: GET /entity/{ownerId}/wiki/{wikiId}/attachmentpreview,
    GET /entity/{ownerId}/wiki2/{wikiId}/attachmentpreview
    """
    with request.read_transaction("download") as tx:
        found = _get_version(tx, owner, wiki_id, version)
        url = _get_url(tx, attachments.get_preview(tx.session, found, file_name))
    return redirect_to(url, redirect=redirect)


@_wikis.get("/wiki2/{wiki_id}/markdown")
def get_markdown(
    request: RedirectRequest,
    owner: Owner,
    wiki_id: WikiId,
    version: Version,
    redirect: bool = True,
) -> Response:
    """Redirect to the compressed markdown of a page.

    Source: GET /entity/{ownerId}/wiki2/{wikiId}/markdown
    """
    with request.read_transaction("download") as tx:
        found = _get_version(tx, owner, wiki_id, version)
        handle = file_handles.get_handle(tx.session, found.markdown_handle_id)
        url = _get_url(tx, handle)
    return redirect_to(url, redirect=redirect)


def _get_version(
    tx: Transaction, owner: WikiOwner, page_id: int, version: int | None
) -> WikiVersion:
    """Return a version of a page that the caller can READ."""
    page = pages.require_page(tx.session, tx.caller, owner, page_id)
    return pages.get_version(tx.session, page, version)


def _get_url(tx: Transaction, handle: FileHandle) -> str:
    return download_urls.get_url(tx.service, tx.session, handle)


router = APIRouter(prefix="/repo/v1", route_class=LazyRoute)
for _path_type in owners.PATH_TYPES:
    for _route in _wikis.routes:
        if isinstance(_route, LazyRoute):
            _path = f"/{_path_type}/{{owner_id}}{_route.path}"
            router.add_api_route(_path, _route.endpoint, methods=_route.methods)
